"""The cache of artifacts from S3: the least recently used goes, what a living task uses stays.

    objects/<contract>/<content hash>/   artifacts
    files/md5/ab/cdef...                 their files by MD5, which artifacts share
    incoming/<name>/                     artifacts in the making, and what is read by parts
    making/<name>                        locked by who made the folder of that name
    users/<id>                           locations that a process uses, a line each; locked by it
    lock                                 held by who uses the cache, alone by who trims it

A lock ends with its process, however that ends, so that what killed tasks have used or left is
known.
"""

import fcntl
import logging
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from groundshift.artifacts.folder_objects import INCOMING, FolderObjects, Held
from groundshift.artifacts.references import Reference
from groundshift.errors import SettingsError
from groundshift.storage.dvc import object_name

log = logging.getLogger(__name__)

LIMIT = "GROUNDSHIFT_CACHE_GB"
"""Environment variable: size that the cache is brought down to, in 1e9 bytes."""
_LIMIT = 50.0

_FILES, _MAKING, _USERS, _LOCK = "files", "making", "users", "lock"


class Cache(FolderObjects):
    """The artifacts below a folder that may go between tasks."""

    def require(self) -> None:
        """Refuse a limit that is none, before work is done.

        Raises:
            SettingsError: naming the variable.
        """
        _limit()

    @contextmanager
    def steady(self) -> Iterator[None]:
        """Let nothing go meanwhile; afterwards what was used since stays all the same."""
        with _locked(self.root / _LOCK, fcntl.LOCK_SH):
            yield

    def use(self, reference: Reference) -> bool:
        """Keep an artifact here, or one that is about to come, as long as this process lives.

        Called where the cache is `steady`.

        Returns:
            Whether it is here.
        """
        _user_of(self.root).note(reference.location)
        with suppress(FileNotFoundError):
            os.utime(self.root / reference.location)
        return self.has(reference)

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """An empty folder; it is gone at the end, or with the next trimming after a kill."""
        with ExitStack() as stack:
            with self.steady():
                folder = stack.enter_context(super().incoming())
                lock = self.root / _MAKING / folder.name
                stack.enter_context(_locked(lock, fcntl.LOCK_EX))
                stack.callback(lock.unlink, missing_ok=True)
            yield folder

    def file(self, md5: str) -> Path:
        """Where a file lies that artifacts may share."""
        return self.root / object_name(md5)

    def trim(self) -> int:
        """Bring the cache down to its limit, unless somebody brings something right now.

        Returns:
            Bytes that went.

        Raises:
            SettingsError: a limit that is none.
        """
        limit = _limit()
        with suppress(BlockingIOError), _locked(self.root / _LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB):
            _remove_left(self.root)
            used = _living(self.root / _USERS)
            content = _Content.of(self)
            before = content.bytes
            content.drop_strays(limit)
            for each in content.oldest():
                if content.bytes <= limit:
                    break
                if each.reference.location not in used:
                    self._remove(each.reference)
                    content.drop(each)
            if content.bytes > limit:
                log.warning(
                    "%s: %.1f GB are in use, expected at most %.1f (%s). Raise it, or give "
                    "GROUNDSHIFT_WORK more room",
                    self.root,
                    content.bytes / 1e9,
                    limit / 1e9,
                    LIMIT,
                )
            return before - content.bytes
        return 0

    def _remove(self, reference: Reference) -> None:
        aside = self.root / INCOMING / uuid.uuid4().hex
        aside.parent.mkdir(exist_ok=True)
        (self.root / reference.location).rename(aside)  # at once: no half of it looks whole
        shutil.rmtree(aside)


@dataclass
class _Content:
    """What lies in a cache: files by inode, since artifacts share them."""

    sizes: dict[int, int] = field(default_factory=dict)
    shared: dict[int, Path] = field(default_factory=dict)
    """Name in `files`."""
    links: Counter[int] = field(default_factory=Counter)
    """In how many artifacts it is."""
    artifacts: list[tuple[Held, list[int]]] = field(default_factory=list)
    bytes: int = 0

    @classmethod
    def of(cls, cache: Cache) -> "_Content":
        content = cls()
        for entry in _files(cache.root / _FILES):
            content.shared[content._count(entry)] = Path(entry.path)
        for each in cache.held():
            inodes = [*map(content._count, _files(cache.root / each.reference.location))]
            content.links.update(inodes)
            content.artifacts.append((each, inodes))
        content.bytes = sum(content.sizes.values())
        return content

    def oldest(self) -> Iterator[Held]:
        """Artifacts, the least recently used first."""
        yield from sorted((each for each, _ in self.artifacts), key=lambda each: each.modified)

    def drop(self, gone: Held) -> None:
        """Remove the files that only one artifact has had, which is gone."""
        inodes = next(inodes for each, inodes in self.artifacts if each is gone)
        self.links.subtract(inodes)
        for inode in set(inodes):
            if not self.links[inode]:
                self._remove(inode)

    def drop_strays(self, limit: float) -> None:
        """Remove files of no artifact, such as a killed task's; within the limit they may stay."""
        for inode in [*self.shared]:
            if self.bytes > limit and not self.links[inode]:
                self._remove(inode)

    def _remove(self, inode: int) -> None:
        if inode in self.shared:
            self.shared.pop(inode).unlink()
        self.bytes -= self.sizes.pop(inode)

    def _count(self, entry: "os.DirEntry[str]") -> int:
        status = entry.stat()
        self.sizes[status.st_ino] = status.st_size
        return status.st_ino


class _User:
    """This process among those that use a cache."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._noted = set[str]()
        self._file = self._begin()

    def note(self, location: str) -> None:
        """Say that a place is used from now on."""
        if os.fstat(self._file.fileno()).st_nlink == 0:  # somebody has removed the cache
            self._file.close()
            self._noted.clear()
            self._file = self._begin()
        if location not in self._noted:
            self._noted.add(location)
            self._file.write(f"{location}\n")
            self._file.flush()

    def _begin(self) -> IO[str]:
        path = self._root / _USERS / uuid.uuid4().hex
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
        fcntl.flock(file, fcntl.LOCK_EX)
        return file


_users: dict[Path, _User] = {}


def _user_of(root: Path) -> _User:
    if root not in _users:
        _users[root] = _User(root)
    return _users[root]


def _living(users: Path) -> set[str]:
    """What living processes use; files of others go."""
    used = set[str]()
    for path in users.glob("*"):
        if _free(path):
            path.unlink()
        else:
            used.update(path.read_text().splitlines())
    return used


def _remove_left(root: Path) -> None:
    """Remove what killed tasks left in the making."""
    for folder in (root / INCOMING).glob("*"):
        lock = root / _MAKING / folder.name
        if _free(lock):
            shutil.rmtree(folder, ignore_errors=True)
            lock.unlink()


def _free(path: Path) -> bool:
    """Whether nobody holds a lock on a file."""
    try:
        with _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB):
            return True
    except BlockingIOError:
        return False


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
    try:
        fcntl.flock(descriptor, how)
        yield
    finally:
        os.close(descriptor)


def _files(folder: Path) -> Iterator["os.DirEntry[str]"]:
    """All files below a folder, none if it isn't there."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                yield from _files(Path(entry.path))
            else:
                yield entry


def _limit() -> float:
    text = os.environ.get(LIMIT, "")
    try:
        value = float(text) if text else _LIMIT
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise SettingsError(f"{LIMIT}: expected gigabytes from 0 on, found {text!r}")
    return value * 1e9
