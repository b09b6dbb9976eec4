"""Checks artifacts byte by byte: `python -m groundshift.artifacts data/demo/cube ...`.

Stages look at sizes only when they open an artifact, since reading all of it would cost as much
as working with it.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from groundshift.artifacts.collection import COLLECTION, is_collection, read_manifest
from groundshift.artifacts.manifest import FILE_NAME, VERSIONS, check_files
from groundshift.errors import ContractError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.command()
def main(folders: Annotated[list[Path], typer.Argument(help="Folders of artifacts.")]) -> None:
    """Compare every file of artifacts with the hash in its manifest; exit code 2 if one differs."""
    damaged = False
    for folder in folders:
        try:
            manifest = read_manifest(folder, _contract_of(folder))
            check_files(folder, manifest, hashes=True)
            typer.echo(f"{folder}: {len(manifest.files)} files are as they were written")
        except ContractError as error:
            damaged = True
            typer.echo(str(error), file=sys.stderr)
    raise typer.Exit(2 if damaged else 0)


def _contract_of(folder: Path) -> str:
    """What an artifact says it is."""
    try:
        if is_collection(folder):
            contract = json.loads((folder / COLLECTION).read_text())["contract"]
        else:
            contract = json.loads((folder / FILE_NAME).read_text())["content"]["contract"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ContractError(
            f"{folder}: expected an artifact, found none that can be read ({error})"
        ) from error
    if contract not in VERSIONS:
        raise ContractError(
            f"{folder}: expected one of {', '.join(VERSIONS)}, found an artifact {contract!r}"
        )
    return str(contract)


if __name__ == "__main__":
    app()
