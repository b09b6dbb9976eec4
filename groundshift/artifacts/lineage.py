"""Lineage: what an artifact was made from, as its manifest says.

`content` names every input by its content hash. Of cells that were read as one, that is a joined
hash, and no artifact has it. So `record` lists the artifacts behind each input, cell by cell, with
their versions in DVC; it is written by every task and costs a look at the inputs' manifests.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundshift.artifacts.collection import is_artifact, is_collection, read_parts
from groundshift.artifacts.manifest import VERSIONS, Manifest, read_single
from groundshift.artifacts.references import Reference
from groundshift.artifacts.versions import Version

INPUTS, SETTINGS, CELL = "inputs", "settings", "cell"
"""Entries of the record: artifacts behind each input, the settings as given, the task's cell."""

WHOLE = ""
"""Stands for a cell where an input is one artifact."""


@dataclass(frozen=True)
class Made:
    """An artifact and what it was made from, or a source that is no artifact.

    Attributes:
        reference: to it.
        manifest: its own; None where it is not in the store (any more).
    """

    reference: Reference
    manifest: Manifest | None


def describe(folders: Mapping[str, Path]) -> dict[str, Any]:
    """What a task's record says of its inputs.

    Args:
        folders: of artifacts or collections that it reads, by contract.

    Returns:
        By contract a list of artifacts: cell, hashes, and the pointer of its version in DVC.
    """
    return {
        contract: [_described(cell, part, contract) for cell, part in _parts(folder, contract)]
        for contract, folder in folders.items()
        if contract in VERSIONS and is_artifact(folder)
    }


def inputs_of(manifest: Manifest) -> dict[str, dict[str, Reference]]:
    """The artifacts that one was made from: by contract, then by cell.

    Inputs that are no artifacts (source files) are left out.
    """
    listed = manifest.record.get(INPUTS, {})
    named = {
        contract: {WHOLE: Reference.named(contract, content_hash)}
        for contract, content_hash in manifest.inputs.items()
        if contract in VERSIONS
    }
    return named | {
        contract: {
            str(entry["cell"]): Reference.named(
                contract, entry["content_hash"], entry["value_hash"]
            )
            for entry in entries
        }
        for contract, entries in listed.items()
    }


def reach(
    roots: Iterable[Reference], manifest_of: Callable[[Reference], Manifest | None]
) -> Iterator[Made]:
    """Artifacts and all that they were made from, each once, results before their inputs.

    Args:
        roots: where to begin.
        manifest_of: reads a manifest; None where the artifact is not there.
    """
    left, seen = list(roots), set[str]()
    while left:
        reference = left.pop(0)
        if reference.location in seen:
            continue
        seen.add(reference.location)
        manifest = manifest_of(reference)
        yield Made(reference, manifest)
        if manifest is not None:
            left += [part for parts in inputs_of(manifest).values() for part in parts.values()]


def _parts(folder: Path, contract: str) -> Iterable[tuple[str, Path]]:
    return read_parts(folder, contract).items() if is_collection(folder) else [(WHOLE, folder)]


def _described(cell: str, folder: Path, contract: str) -> dict[str, Any]:
    manifest = read_single(folder, contract)
    described: dict[str, Any] = {
        "cell": cell,
        "content_hash": manifest.content_hash,
        "value_hash": manifest.value_hash,
    }
    if all(entry.md5 for entry in manifest.files):
        described["dvc"] = Version.of(folder, contract).pointer.to_dict()
    return described
