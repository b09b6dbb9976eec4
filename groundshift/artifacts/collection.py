"""Collections: artifacts of one contract, one per cell, read as if they were one artifact.

A fan-out leaves an artifact per cell. `collection.json` lists them in the order of cell ids; of
one cell there is no collection but its artifact, so that hashes equal those of a run without a
fan-out.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from groundshift.artifacts.hashing import digest
from groundshift.artifacts.manifest import FILE_NAME, WRITERS, Manifest, read_single
from groundshift.errors import ContractError

COLLECTION = "collection.json"


@dataclass(frozen=True)
class JoinedManifest(Manifest):
    """What the manifests of a collection's parts say together; paths of files are absolute.

    Its summary holds what all parts agree on, and lists end to end. An input that all parts share
    (a model) keeps its hash, the others' hashes are joined as the content hashes are: joined
    samples name the hash of the joined cube.
    """

    parts: Mapping[str, Manifest] = field(default_factory=dict)
    """Manifest by cell, in the order of cell ids."""

    @property
    def content_hash(self) -> str:
        """The hash of the cells' content hashes."""
        return _joined_hash({cell: part.content_hash for cell, part in self.parts.items()})


def manifests_of(manifest: Manifest) -> tuple[Manifest, ...]:
    """The manifests of a collection's parts, or the one of an artifact."""
    return tuple(manifest.parts.values()) if isinstance(manifest, JoinedManifest) else (manifest,)


def is_artifact(folder: Path) -> bool:
    """Whether a folder holds an artifact or a collection of them."""
    return (folder / FILE_NAME).is_file() or is_collection(folder)


def is_collection(folder: Path) -> bool:
    """Whether a folder holds a collection."""
    return (folder / COLLECTION).is_file()


def write_collection(folder: Path, contract: str, parts: Mapping[str, Path]) -> None:
    """Write a collection into an empty folder.

    Args:
        folder: of the collection.
        contract: of all its parts.
        parts: folder of the artifact of each cell.
    """
    entries = [[cell, str(path.absolute())] for cell, path in sorted(parts.items())]
    document = {"contract": contract, "parts": entries}
    (folder / COLLECTION).write_text(json.dumps(document, indent=1) + "\n")


def read_parts(folder: Path, contract: str) -> dict[str, Path]:
    """The artifacts of a collection: folder by cell, in the order of cell ids.

    Raises:
        ContractError: no such collection, or one of another contract.
    """
    path = folder / COLLECTION
    try:
        document = json.loads(path.read_text())
        found, parts = document["contract"], {cell: Path(part) for cell, part in document["parts"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ContractError(f"{path} can't be read ({error}). {_advice(contract)}") from error
    if found != contract:
        raise ContractError(
            f"{folder}: expected artifacts {contract}, found {found}. "
            f"Check which folder is passed as --{contract}"
        )
    return parts


def parts_of(folder: Path, contract: str, cells: Iterable[str]) -> dict[str, Path]:
    """Where each cell of an artifact or of a collection lies: folder of its artifact by cell."""
    return read_parts(folder, contract) if is_collection(folder) else dict.fromkeys(cells, folder)


def read_manifest(folder: Path, contract: str) -> Manifest:
    """Read and check the manifest of an artifact, or of the artifacts of a collection.

    Raises:
        ContractError: no artifact there, another kind, an unknown version, a manifest that was
            changed after it was written, or parts that were made by different settings.
    """
    if not is_collection(folder):
        return read_single(folder, contract)
    parts = read_parts(folder, contract)
    return _join(
        folder, {cell: (path, read_single(path, contract)) for cell, path in parts.items()}
    )


def _join(folder: Path, parts: Mapping[str, tuple[Path, Manifest]]) -> JoinedManifest:
    """What the manifests of a collection's parts say together."""
    manifests = {cell: manifest for cell, (_, manifest) in parts.items()}
    first_cell, first = next(iter(manifests.items()))
    for cell, part in manifests.items():
        if (part.version, _lasting(part.settings)) != (first.version, _lasting(first.settings)):
            raise ContractError(
                f"{folder}: expected {first.contract} artifacts of one version and by the same "
                f"settings, found others in cell {cell} than in {first_cell}. "
                f"{_advice(first.contract)} for every cell, with caching off"
            )
    names = sorted({name for part in manifests.values() for name in part.inputs})
    return JoinedManifest(
        contract=first.contract,
        version=first.version,
        settings=max((part.settings for part in manifests.values()), key=_end),
        inputs={
            name: _shared_or_joined({c: m.inputs.get(name, "") for c, m in manifests.items()})
            for name in names
        },
        files=tuple(
            replace(entry, path=str(path / entry.path))
            for path, manifest in parts.values()
            for entry in manifest.files
        ),
        value_hash=_joined_hash({cell: part.value_hash for cell, part in manifests.items()}),
        summary=_agreed([part.summary for part in manifests.values()]),
        licences=tuple(sorted({line for part in manifests.values() for line in part.licences})),
        parts=manifests,
    )


def _lasting(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without the end of the period.

    A schedule moves it from day to day, and cells that nothing new reached stay as they are.
    """
    period = {name: value for name, value in settings.get("period", {}).items() if name != "end"}
    return {**settings, "period": period}


def _end(settings: Mapping[str, Any]) -> str:
    """Where the period ends, in a form that sorts."""
    return str(settings.get("period", {}).get("end", ""))


def _joined_hash(hashes: Mapping[str, str]) -> str:
    """One hash of the hashes of cells; of one cell it is that cell's."""
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    return digest(sorted([cell, value] for cell, value in hashes.items()))


def _shared_or_joined(hashes: Mapping[str, str]) -> str:
    values = set(hashes.values())
    return values.pop() if len(values) == 1 else _joined_hash(hashes)


def _agreed(summaries: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What summaries agree on, down the tree; lists that differ end to end, nothing else."""
    agreed: dict[str, Any] = {}
    for name, value in summaries[0].items():
        values = [summary.get(name) for summary in summaries]
        if all(other == value for other in values):
            agreed[name] = value
        elif all(isinstance(other, dict) for other in values):
            agreed[name] = _agreed(values)  # type: ignore[arg-type]
        elif all(isinstance(other, list) for other in values):
            agreed[name] = [item for other in values for item in other or ()]
    return agreed


def _advice(contract: str) -> str:
    return f"Rerun the stage that writes it: python -m components.{WRITERS[contract]}"
