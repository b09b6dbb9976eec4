"""Kubeflow Pipelines as an engine: runs, schedules and backfills over its REST API."""

EXPERIMENT = "groundshift"
"""Experiment of the runs, unless another is named."""
