"""The cube: valid pixels carried forward on one time line, revised in place, viewed on reading."""
