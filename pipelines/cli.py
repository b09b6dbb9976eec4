"""The command line `groundshift`: run pipelines here and on clusters, explain the settings."""

import typer

from pipelines import commands
from pipelines.reference_page import settings_page

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True)


@app.callback()
def main() -> None:
    """Find where and when the ground changed, from years of satellite images."""


commands.register(app)


@app.command()
def settings() -> None:
    """Print every setting with its default and meaning (the page docs/settings.md)."""
    typer.echo(settings_page(), nl=False)
