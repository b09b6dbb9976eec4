"""Find where and when the ground changed, from years of satellite images."""

__version__ = "0.1.0"
