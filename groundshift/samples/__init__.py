"""Samples: windows, splits and labels as indices into a cube."""
