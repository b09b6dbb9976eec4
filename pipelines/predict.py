"""Asking a served model: a request, its answer, and the file that it becomes."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import requests

from groundshift.artifacts.writing import write_text
from groundshift.errors import ContractError, SettingsError, SourceError
from groundshift.services.mlflow_store import masked
from groundshift.services.packed import pack, unpack

FORMATS = {".npz": "npz", ".json": "json", ".tif": "cog"}
_PATIENCE = (10, 600)
"""Seconds to connect, and to wait for an answer."""
_LATER = (408, 429)


def predict(server: str, request: Mapping[str, str], out: Path) -> dict[str, Any]:
    """Ask for scores and write them as the file's name says.

    Args:
        server: address, `http://localhost:8080`.
        request: columns of a request, without its format.
        out: `.npz`, `.json`, or for a place of a cube `.tif`.

    Returns:
        What the answer says about itself: model, data, window, grid.

    Raises:
        SettingsError: a file of another kind.
        ContractError: the server refuses, or answers something else.
        SourceError: the server can't be reached, is busy or fails; worth a retry.
    """
    if out.suffix not in FORMATS:
        raise SettingsError(f"--out {out}: expected a name that ends in {', '.join(FORMATS)}")
    given = {name: value for name, value in request.items() if value}
    answer = _ask(server, given | {"format": FORMATS[out.suffix]})
    about: dict[str, Any] = json.loads(answer["about"])
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".tif":
        out.write_bytes(base64.b64decode(answer["result"]))
    elif out.suffix == ".json":
        write_text(out, json.dumps(json.loads(answer["result"]) | {"about": about}) + "\n")
    else:
        scores = unpack(answer["result"])["score"]
        np.savez_compressed(out, score=scores, about=np.array(answer["about"]))
    return about


def read_series(path: Path) -> str:
    """The arrays of an npz file, packed for a request.

    Raises:
        SettingsError: no such file.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return pack(dict(archive))
    except (OSError, ValueError) as error:
        raise SettingsError(f"--series {path}: expected an npz file, found {error}") from error


def _ask(server: str, request: Mapping[str, str]) -> dict[str, str]:
    shown = masked(server)
    try:
        answer = requests.post(
            f"{server.rstrip('/')}/invocations",
            json={"dataframe_records": [dict(request)]},
            timeout=_PATIENCE,
        )
    except requests.RequestException as error:
        raise SourceError(
            f"{shown}: expected a served model, found none ({type(error).__name__}). Check "
            "--server, or wait until it is ready",
            transient=True,
        ) from error
    if answer.status_code >= 500 or answer.status_code in _LATER:
        raise SourceError(f"{shown}: {answer.status_code}: {answer.text[:300]}", transient=True)
    try:
        document = answer.json()
        if answer.status_code == 200:
            found: dict[str, str] = document["predictions"][0]
            return found
        reason = document["message"].rpartition("Error: ")[2]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        reason = f"expected a served model, found another answer: {answer.text[:200]}"
    raise ContractError(f"{shown}: {answer.status_code}: {reason}")
