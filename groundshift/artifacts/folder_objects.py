"""Artifacts in a folder: `objects/<contract>/<content hash>/`, moved there whole."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from groundshift.artifacts.manifest import FILE_NAME, Manifest, read_single
from groundshift.artifacts.references import Reference, gone, require_sound

INCOMING = "incoming"


@dataclass(frozen=True)
class Held:
    """An artifact of a store.

    Attributes:
        reference: to it.
        modified: when it came, or was made a second time; seconds since 1970.
    """

    reference: Reference
    modified: float


@dataclass(frozen=True)
class FolderObjects:
    """The artifacts below a folder."""

    root: Path

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """An empty folder on the same file system; it is gone at the end."""
        (self.root / INCOMING).mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.root / INCOMING))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def adopt(self, folder: Path, contract: str) -> Reference:
        """Move an artifact here; of two equal ones the first stays.

        Args:
            folder: of the artifact, in `incoming`; it is gone afterwards.
            contract: what it is.

        Raises:
            ContractError: not a whole artifact.
        """
        reference = Reference.to(read_single(folder, contract))
        target = self.root / reference.location
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(target)
        except OSError:
            if not (target / FILE_NAME).is_file():
                raise
            shutil.rmtree(folder)
        target.touch()  # it counts as new, also where it was there before
        return reference

    def has(self, reference: Reference) -> bool:
        """Whether an artifact is here."""
        return (self.root / reference.location / FILE_NAME).is_file()

    def folder(self, reference: Reference) -> Path:
        """Where an artifact lies.

        Raises:
            ContractError: it is not here any more, or the reference leads elsewhere.
        """
        require_sound(reference, self.root)
        folder = self.root / reference.location
        if not self.has(reference):
            raise gone(str(folder), reference.contract)
        return folder

    def manifest(self, reference: Reference) -> Manifest:
        """An artifact's manifest.

        Raises:
            ContractError: it is not here any more.
        """
        return read_single(self.folder(reference), reference.contract)

    def page(self, location: str, name: str) -> str:
        """Where a file of an artifact may be opened; empty if there is none."""
        path = self.root / location / name
        return str(path) if location and path.is_file() else ""

    def held(self) -> Iterator[Held]:
        """All artifacts."""
        for folder in sorted((self.root / "objects").glob("*/*")):
            reference = Reference.named(folder.parent.name, folder.name)
            if self.has(reference):
                yield Held(reference, folder.stat().st_mtime)

    def remove(self, reference: Reference, *, before: float) -> bool:
        """Remove an artifact; False if it was made a second time meanwhile.

        Args:
            reference: to it.
            before: seconds since 1970; a younger one stays.
        """
        folder = self.root / reference.location
        with self.incoming() as aside:
            target = aside / folder.name
            folder.rename(target)
            if target.stat().st_mtime >= before and not self.has(reference):
                target.rename(folder)
                return False
        return True
