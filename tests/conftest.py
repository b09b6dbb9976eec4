"""What all tests share: examples are drawn alike in every CI run, and no test is timed."""

import os
import signal
import sqlite3  # noqa: F401 (TensorFlow brings one without R*Trees, which would take its place)

from hypothesis import settings

settings.register_profile("here", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "here")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores Ctrl-C, and so would all that tests start and interrupt.
    signal.signal(signal.SIGINT, signal.default_int_handler)
