"""Observations: read from sources, checked, put on a cell's grid, stored."""
