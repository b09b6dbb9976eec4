"""A faithful STAC API on loopback, with images in tiles, signed links and S3."""
