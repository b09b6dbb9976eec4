"""Checks: of one image's values on arrival, and of each image against its own series."""

from groundshift.observations.checks.values import is_thermal, odd

__all__ = ["is_thermal", "odd"]
