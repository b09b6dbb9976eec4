"""The source `sentinelhub`: images from a Sentinel Hub deployment, through sentinelhub-py."""
