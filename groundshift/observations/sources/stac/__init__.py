"""The source `stac`: images from any STAC API whose assets are images in tiles."""
