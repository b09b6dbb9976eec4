"""Bringing back what an artifact was made from, as folders that stages read."""

import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from groundshift.artifacts import ArtifactStore, Reference, write_collection
from groundshift.artifacts.lineage import WHOLE, inputs_of
from groundshift.errors import SettingsError


def inputs(store: ArtifactStore, roots: Iterable[Reference]) -> dict[str, dict[str, Reference]]:
    """What artifacts were made from: by contract, then by cell.

    Raises:
        ContractError: an artifact is not in the store.
        SettingsError: two of them were made from different artifacts of a contract.
    """
    found: dict[str, dict[str, Reference]] = {}
    for root in roots:
        for contract, parts in inputs_of(store.manifest(root)).items():
            known = found.setdefault(contract, {})
            for cell, part in parts.items():
                if known.setdefault(cell, part).location != part.location:
                    raise SettingsError(
                        f"these results were made from different artifacts {contract}: pull one "
                        "result at a time, by its content hash"
                    )
    return found


def pull(
    store: ArtifactStore, wanted: Mapping[str, Mapping[str, Reference]], to: Path
) -> dict[str, Path]:
    """Bring artifacts to a folder of their own, `<to>/<contract>`; of several cells one each below.

    They are copies: what is changed in them doesn't change the store.

    Args:
        store: where they are.
        wanted: by contract, then by cell.
        to: folder.

    Returns:
        Folder by contract, as the stages' options take it.

    Raises:
        ContractError: one is not in the store any more.
        SettingsError: something lies there already.
    """
    folders = {}
    for contract, parts in wanted.items():
        folder = to / contract
        if folder.exists():
            raise SettingsError(f"{folder} is there already: give another folder with --to")
        places = {cell: folder / cell if cell != WHOLE else folder for cell in parts}
        for cell, reference in parts.items():
            shutil.copytree(store.folder(reference), places[cell])
        if WHOLE not in parts:
            write_collection(folder, contract, places)
        folders[contract] = folder
    return folders
