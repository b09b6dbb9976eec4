"""`python -m pipelines` is the command line `groundshift`."""

from pipelines.cli import app

app()
