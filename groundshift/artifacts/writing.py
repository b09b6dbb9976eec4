"""Writing an artifact so that a killed stage leaves nothing that looks whole.

A stage works in `work/<area>/<stage>/<hash of settings and inputs>/`, which survives a kill and
lets the next run resume, and ends with a rename.
"""

import contextlib
import fcntl
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any

from groundshift import __version__
from groundshift.artifacts.digests import LANES, file_digests
from groundshift.artifacts.effort import Effort
from groundshift.artifacts.hashing import ValueHash, digest
from groundshift.artifacts.manifest import FILE_NAME, VERSIONS, FileEntry, Manifest
from groundshift.errors import ContractError, GroundshiftError, SourceError

_CONTENT, _SCRATCH, _LOCK = "content", "scratch", ".lock"
_GROUP = 4 * LANES  # files that a thread hashes side by side

provenance: dict[str, Any] = {}
"""What this process adds to the record of every artifact it writes, such as ids of its run."""


@contextmanager
def recording(entries: Mapping[str, Any]) -> Iterator[None]:
    """Add entries to the record of every artifact that is written meanwhile."""
    provenance.update(entries)
    try:
        yield
    finally:
        for name in entries:
            provenance.pop(name, None)


@dataclass
class Draft:
    """An artifact being written: its folder and what the manifest will say."""

    folder: Path
    """Where content files go."""
    scratch: Path
    """Where work in progress goes (checkpoints, partial downloads); it survives a kill."""
    values: ValueHash = field(default_factory=ValueHash)
    summary: dict[str, Any] = field(default_factory=dict)
    licences: set[str] = field(default_factory=set)
    record: dict[str, Any] = field(default_factory=dict)
    manifest: Manifest | None = None
    """Set once the artifact is whole."""

    @property
    def finished(self) -> Manifest:
        """The manifest of the written artifact."""
        if self.manifest is None:
            raise ContractError("the artifact is not written yet")
        return self.manifest


def work_root() -> Path:
    """The folder for work in progress: `GROUNDSHIFT_WORK`, or `work` in the current folder."""
    return Path(os.environ.get("GROUNDSHIFT_WORK", "work"))


@contextmanager
def writing(
    target: Path,
    contract: str,
    *,
    area: str,
    settings: dict[str, Any],
    inputs: Mapping[str, str],
    resume: bool = False,
) -> Iterator[Draft]:
    """Write an artifact: whole under its name at the end, or not at all.

    Args:
        target: the artifact's folder; an older artifact there is replaced at the end.
        contract: key of `manifest.VERSIONS`.
        area: name of the area, a level of the work folder.
        settings: the settings that affect the content, JSON-ready.
        inputs: content hashes of the inputs by name.
        resume: keep what an earlier, killed run of the same settings left in the draft's folder.

    Raises:
        ContractError: another process is writing the same artifact.
    """
    effort = Effort()
    key = digest({"settings": settings, "inputs": dict(inputs)})[:16]
    work = work_root() / area / contract / key
    content, scratch = work / _CONTENT, work / _SCRATCH
    with _locked(work, target):
        if not resume:
            shutil.rmtree(content, ignore_errors=True)
        if not content.is_dir():  # then what was noted about it isn't true any more
            shutil.rmtree(scratch, ignore_errors=True)
        content.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(exist_ok=True)
        draft = Draft(content, scratch)
        try:
            yield draft
        except GroundshiftError as error:
            if not _may_pass(error):
                _clear(work)
            raise
        draft.manifest = Manifest(
            contract=contract,
            version=VERSIONS[contract],
            settings=settings,
            inputs=dict(sorted(inputs.items())),
            files=list_files(content),
            value_hash=draft.values.hexdigest(),
            summary=draft.summary,
            licences=tuple(sorted(draft.licences)),
            record={
                "code": __version__,
                **effort.record(),
                "machine": platform.machine(),
                **provenance,
                **draft.record,
            },
        )
        draft.manifest.write(content)
        replace(content, target)
        _clear(work)


def _may_pass(error: GroundshiftError) -> bool:
    """Whether the same run may succeed later; else its remedy is another input or setting."""
    return isinstance(error, SourceError) and (error.transient or error.refused)


def _clear(work: Path) -> None:
    """Remove work in progress, so that a kill in between leaves no note of content that is gone."""
    shutil.rmtree(work / _SCRATCH, ignore_errors=True)
    shutil.rmtree(work, ignore_errors=True)


def list_files(folder: Path) -> tuple[FileEntry, ...]:
    """Every file of a folder but the manifest, sorted, with size and hash."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / FILE_NAME)
    sizes = {path: path.stat().st_size for path in paths}
    alike = sorted(paths, key=sizes.__getitem__)  # so that files side by side end together
    groups = [alike[begin : begin + _GROUP] for begin in range(0, len(alike), _GROUP)]
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        digests = dict(zip(alike, chain.from_iterable(pool.map(file_digests, groups)), strict=True))
    return tuple(
        FileEntry(path.relative_to(folder).as_posix(), sizes[path], *digests[path])
        for path in paths
    )


def replace(source: Path, target: Path) -> None:
    """Put a finished folder in its place; the old one stays until the new one is there.

    The source is moved, or copied where it lies on another file system.
    """
    staged, old = (target.with_name(f".{target.name}.{end}") for end in ("new", "old"))
    with one_at_a_time(target.parent):
        for left in (staged, old):  # by a run that was killed right here
            shutil.rmtree(left, ignore_errors=True)
        try:
            source.rename(staged)
        except OSError:  # the work folder lies on another file system
            shutil.copytree(source, staged)
        if target.exists():
            target.rename(old)
        staged.rename(target)
        shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a small file: whole under its name, or not at all, also if the machine goes down."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(prefix=".", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(descriptor)
            os.fchmod(descriptor, 0o644)  # mkstemp's own is for its user alone
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise


def link_tree(source: Path, target: Path) -> None:
    """Link every file of a folder into another that doesn't have it.

    The two share content from then on: a linked file may be replaced but never written to.
    """
    for path in sorted(p for p in source.rglob("*") if p.is_file()):
        link(path, target / path.relative_to(source))


def link(path: Path, twin: Path) -> None:
    """Give a file a second name, unless something has it."""
    twin.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        os.link(path, twin)  # where Zarr can write, links are possible: it makes them itself


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold a lock on a folder itself, so that no lock file stays beside the artifacts."""
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _locked(work: Path, target: Path) -> Iterator[None]:
    path = work / _LOCK
    while True:
        work.mkdir(parents=True, exist_ok=True)
        with path.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ContractError(
                    f"{target} is being written by another run with the same settings. "
                    "Wait for it, or stop it"
                ) from None
            # Who held it last removes the file: a lock on one that is gone keeps nobody out.
            if _lies_at(path, lock):
                yield
                return


def _lies_at(path: Path, file: IO[str]) -> bool:
    """Whether an open file is the one that a path names."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
