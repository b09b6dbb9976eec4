"""A faithful Sentinel Hub service on loopback."""
