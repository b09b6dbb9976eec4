"""Making an artifact again from what the store holds, and comparing values.

Every stage's options bear the names of contracts, and every manifest records the settings and the
artifacts behind each input. So a task can be repeated from its manifest alone.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from groundshift.artifacts import (
    ArtifactStore,
    Manifest,
    Reference,
    read_manifest,
    write_collection,
)
from groundshift.artifacts.lineage import CELL, SETTINGS, WHOLE, inputs_of
from groundshift.artifacts.manifest import WRITERS
from groundshift.errors import ContractError


@dataclass(frozen=True)
class Repeated:
    """An artifact made again.

    Attributes:
        reference: to the one in the store.
        value_hash: of the new one.
    """

    reference: Reference
    value_hash: str

    @property
    def equal(self) -> bool:
        """Whether every decoded value is what it was."""
        return self.value_hash == self.reference.value_hash


@dataclass
class Workshop:
    """Repeats tasks, each once.

    Attributes:
        store: where everything comes from.
        stages: whose tasks are repeated; the results of others are taken as they are.
        folder: where new artifacts go.
        done: what was repeated, inputs first.
    """

    store: ArtifactStore
    stages: Collection[str]
    folder: Path
    done: list[Repeated] = field(default_factory=list)
    _folders: dict[str, Path] = field(default_factory=dict)

    def make(self, reference: Reference) -> Path:
        """An artifact made again, or taken from the store.

        Raises:
            ContractError: it can't be repeated, or its inputs are gone.
        """
        if reference.location in self._folders:
            return self._folders[reference.location]
        if WRITERS[reference.contract] not in self.stages:
            folder = self.store.folder(reference)
        else:
            folder = self._repeat(reference)
        self._folders[reference.location] = folder
        return folder

    def _repeat(self, reference: Reference) -> Path:
        manifest = self.store.manifest(reference)
        if SETTINGS not in manifest.record:
            raise ContractError(
                f"{reference.location}: expected the settings of its task in its record, found "
                "none: it was made by an older groundshift, and can't be repeated"
            )
        given = {
            contract: self._input(contract, parts)
            for contract, parts in inputs_of(manifest).items()
        }
        folder = self.folder / f"{reference.contract}-{reference.content_hash[:12]}"
        command = _command(manifest, given, folder)
        done = subprocess.run(
            command,
            env={
                **os.environ,
                "GROUNDSHIFT_TRACKING": "off",
                "GROUNDSHIFT_WORK": str(self.folder / "work"),
            },
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ContractError(
                f"{reference.contract} {reference.content_hash[:12]} could not be made again: "
                f"{' '.join(done.stderr.strip().splitlines()[-1:])}"
            )
        made = read_manifest(folder, reference.contract)
        known = Reference.named(reference.contract, reference.content_hash, manifest.value_hash)
        self.done.append(Repeated(known, made.value_hash))
        return folder

    def _input(self, contract: str, parts: dict[str, Reference]) -> Path:
        folders = {cell: self.make(part) for cell, part in parts.items()}
        if WHOLE in folders:
            return folders[WHOLE]
        folder = Path(tempfile.mkdtemp(prefix=f"{contract}-", dir=self.folder))
        write_collection(folder, contract, folders)
        return folder


def _command(manifest: Manifest, given: dict[str, Path], folder: Path) -> list[str]:
    """The command line of the task that makes an artifact."""
    stage = WRITERS[manifest.contract]
    settings = json.dumps(manifest.record[SETTINGS])
    command = [sys.executable, "-m", f"components.{stage}", "--settings", settings]
    if manifest.record.get(CELL):
        command += ["--cell", manifest.record[CELL]]
    for contract, place in given.items():
        command += [f"--{contract}", str(place)]
    return [*command, f"--{manifest.contract}", str(folder)]
