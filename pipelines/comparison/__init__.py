"""Comparing variants of the settings: what each one costs and how good its results are."""

from pipelines.comparison.chain import Chain, Cost, Run, RunError
from pipelines.comparison.table import Compared, Mean, render, rows
from pipelines.comparison.variants import Axis, Variant, replicates, variants

__all__ = [
    "Axis",
    "Chain",
    "Compared",
    "Cost",
    "Mean",
    "Run",
    "RunError",
    "Variant",
    "render",
    "replicates",
    "rows",
    "variants",
]
