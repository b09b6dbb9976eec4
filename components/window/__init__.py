"""The window stage."""
