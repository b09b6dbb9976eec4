"""What all tests share: examples are drawn alike in every CI run, and no test is timed."""

import os
import sqlite3  # noqa: F401 (TensorFlow brings one without R*Trees, which would take its place)

from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")
