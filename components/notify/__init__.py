"""Notify: the exit handler of the pipelines. It tells how a run ended."""
