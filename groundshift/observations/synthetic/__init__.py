"""A city made from a seed: ground that changes, sky and sensors, known to the last pixel.

Everything is a function of seed, place and time: no number depends on where an area begins, how it
is cut into cells, or what was computed before. Chance comes from hashes, never from a generator
that is walked through.
"""
