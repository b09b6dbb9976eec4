"""A stand-in for a model: opens a folder and doubles what it is given."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from groundshift.errors import ContractError
from groundshift.services.packed import pack, unpack


def open_model(folder: Path) -> Callable[[Mapping[str, str]], dict[str, str]]:
    """Read the factor and give the function that uses it."""
    factor = float((folder / "factor.txt").read_text())

    def answer(request: Mapping[str, str]) -> dict[str, str]:
        if "sample" not in request:
            raise ContractError("expected a sample, found none")
        values = unpack(request["sample"])["values"]
        result = pack({"score": np.asarray(values * factor, np.float32)})
        return {"result": result, "about": json.dumps({"kind": "score"})}

    return answer
