"""Committing a revision: share what is unchanged, swap the manifest, leave the old one readable.

A revision is prepared in a hidden folder of the cube, where files can be linked and renamed. It
counts from the moment its manifest replaces the old one; whatever was killed before that leaves
folders that no manifest names.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from groundshift.artifacts import Manifest, read_manifest
from groundshift.artifacts.manifest import FILE_NAME, FileEntry
from groundshift.cube.layout import Revision
from groundshift.errors import ContractError

CONTRACT = "cube"

_PREPARED = ".revision-"


@dataclass(frozen=True)
class Preparation:
    """A revision in the making, in a hidden folder of the cube."""

    cube: Path
    folder: Path

    def commit(self, expected: str, manifest: Manifest, cells: Iterable[Revision]) -> None:
        """Make the revision the cube's current one, unless the cube has moved on.

        Args:
            expected: content hash of the manifest that the revision was made from.
            manifest: the new one.
            cells: revisions of cells, in the hidden folder, that become part of the cube.

        Raises:
            ContractError: another revision was committed meanwhile.
        """
        manifest.write(self.folder)
        with (self.folder / FILE_NAME).open("rb") as file:
            os.fsync(file.fileno())
        with _locked(self.cube / "cells", fcntl.LOCK_EX):
            if read_manifest(self.cube, CONTRACT).content_hash != expected:
                raise ContractError(
                    f"{self.cube}: expected the revision that was read at the start, found a newer "
                    "one by another run. Nothing was changed; run it again"
                )
            for cell in cells:
                target = Revision(self.cube, cell.cell_id, cell.number)
                for path in target.paths:  # left by a run that was killed right here
                    _delete(path)
                cell.group.rename(target.group)
                cell.looks.rename(target.looks)
            os.replace(self.folder / FILE_NAME, self.cube / FILE_NAME)


@contextmanager
def preparing(cube: Path) -> Iterator[Preparation]:
    """Prepare a revision; its hidden folder is gone at the end, committed or not.

    Raises:
        ContractError: there is no cube to revise.
    """
    read_manifest(cube, CONTRACT)
    with _locked(cube, fcntl.LOCK_SH):
        folder = Path(tempfile.mkdtemp(prefix=_PREPARED, dir=cube))
        try:
            yield Preparation(cube, folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def entries_of(
    cell: Revision, old: Revision, known: Mapping[str, FileEntry]
) -> tuple[FileEntry, ...]:
    """The manifest's entries of a cell's files; shared ones are not hashed again.

    Args:
        cell: the new revision.
        old: the one before.
        known: entries of the old manifest by path.
    """
    entries = []
    for path in [cell.looks, *(p for p in cell.group.rglob("*") if p.is_file())]:
        name = path.relative_to(cell.cube).as_posix()
        twin = old.group / path.relative_to(cell.group) if path != cell.looks else old.looks
        if twin.exists() and twin.samefile(path):
            entries.append(replace(known[twin.relative_to(old.cube).as_posix()], path=name))
        else:
            entries.append(FileEntry.of(path, name))
    return tuple(sorted(entries, key=lambda entry: entry.path))


def prune(cube: Path) -> tuple[Path, ...]:
    """Remove revisions that the manifest doesn't name, and what killed runs left behind.

    Call it when no reader holds an older revision.

    Returns:
        What was removed.

    Raises:
        ContractError: the cube is being revised.
    """
    try:
        with _locked(cube, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return _prune(cube)
    except BlockingIOError:
        raise ContractError(f"{cube} is being revised. Wait for it, then prune") from None


def _prune(cube: Path) -> tuple[Path, ...]:
    manifest = read_manifest(cube, CONTRACT)
    current = {
        path
        for entry in manifest.summary["cells"]
        for path in Revision(cube, entry["id"], entry["revision"]).paths
    }
    found = {*cube.glob("cells/*/*"), *cube.glob(f"{_PREPARED}*")}
    stale = tuple(sorted(found - current))
    for path in stale:
        _delete(path)
    return stale


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


@contextmanager
def _locked(folder: Path, operation: int) -> Iterator[None]:
    """Hold a lock on a folder itself, so that no lock file becomes part of the artifact.

    The cube's own is shared by all who prepare a revision, and exclusive to `prune`; that of its
    cells is exclusive to a commit, which is short.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, operation)
        yield
    finally:
        os.close(descriptor)
