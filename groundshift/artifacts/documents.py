"""Documents: the small JSON files of a store, in a folder or in S3, replaced whole.

Readers need no lock. Who wants to be the only writer creates a document that must not be there,
or exchanges one that must still be as it was.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from groundshift.artifacts.hashing import file_digest
from groundshift.artifacts.references import from_json, to_json
from groundshift.artifacts.writing import one_at_a_time, write_text
from groundshift.errors import SettingsError
from groundshift.storage import Bucket, Item

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


class Documents(Protocol):
    """Where the documents of a store lie; names are paths such as `refs/demo/c1/k1/cube.json`."""

    def read(self, name: str) -> dict[str, Any] | None:
        """A document; None if there is none.

        Raises:
            ContractError: it is damaged.
        """

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Write a document, in place of the one that is there."""

    def look(self, name: str) -> Item | None:
        """What is known of a document; None if there is none."""

    def create(self, name: str, document: Mapping[str, Any]) -> str | None:
        """Write a document that must not be there yet.

        Returns:
            Its version; None if another one is there.
        """

    def exchange(self, name: str, document: Mapping[str, Any], version: str) -> str | None:
        """Replace a document that must still be of a version.

        Returns:
            The new version; None if it is of another one.
        """

    def listed(self, prefix: str) -> Iterator[Item]:
        """The documents below a folder's name (`runs/`), ordered by name."""

    def remove(self, names: Iterable[str]) -> None:
        """Remove documents; those that are not there are no fault."""


@dataclass(frozen=True)
class FolderDocuments:
    """Documents in a folder."""

    root: Path

    def read(self, name: str) -> dict[str, Any] | None:
        """A document; None if there is none."""
        path = self.root / name
        try:
            text = path.read_text()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return from_json(text, path)

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Write a document, in place of the one that is there."""
        write_text(self.root / name, to_json(document))

    def look(self, name: str) -> Item | None:
        """What is known of a document; None if there is none."""
        path = self.root / name
        try:
            status = path.stat()
            return Item(name, status.st_size, status.st_mtime_ns / 1e9, file_digest(path))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def create(self, name: str, document: Mapping[str, Any]) -> str | None:
        """Write a document that must not be there yet."""
        return self._swap(name, document, None)

    def exchange(self, name: str, document: Mapping[str, Any], version: str) -> str | None:
        """Replace a document that must still be of a version."""
        return self._swap(name, document, version)

    def listed(self, prefix: str) -> Iterator[Item]:
        """The documents below a folder's name, ordered by name."""
        for path in sorted((self.root / prefix).rglob("*.json")):
            found = self.look(path.relative_to(self.root).as_posix())
            if found is not None and not path.name.startswith("."):
                yield found

    def remove(self, names: Iterable[str]) -> None:
        """Remove documents; those that are not there are no fault."""
        for name in names:
            (self.root / name).unlink(missing_ok=True)

    def _swap(self, name: str, document: Mapping[str, Any], version: str | None) -> str | None:
        """Write a document if the one there is of a version; of none: if none is there."""
        with one_at_a_time((self.root / name).parent):
            found = self.look(name)
            if (found.version if found else None) != version:
                return None
            self.write(name, document)
            written = self.look(name)
            return written.version if written else None


@dataclass(frozen=True)
class BucketDocuments:
    """Documents in S3."""

    bucket: Bucket

    def read(self, name: str) -> dict[str, Any] | None:
        """A document; None if there is none."""
        body = self.bucket.read(name)
        return None if body is None else from_json(body, f"{self.bucket.address}/{name}")

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Write a document, in place of the one that is there."""
        self.bucket.write(name, to_json(document).encode())

    def look(self, name: str) -> Item | None:
        """What is known of a document; None if there is none."""
        return self.bucket.look(name)

    def create(self, name: str, document: Mapping[str, Any]) -> str | None:
        """Write a document that must not be there yet."""
        return self.bucket.create(name, to_json(document).encode())

    def exchange(self, name: str, document: Mapping[str, Any], version: str) -> str | None:
        """Replace a document that must still be of a version."""
        return self.bucket.exchange(name, to_json(document).encode(), version)

    def listed(self, prefix: str) -> Iterator[Item]:
        """The documents below a folder's name, ordered by name."""
        return (item for item in self.bucket.listed(prefix) if item.name.endswith(".json"))

    def remove(self, names: Iterable[str]) -> None:
        """Remove documents; those that are not there are no fault."""
        self.bucket.remove(names)


def place_of(kind: str, *names: str) -> str:
    """Name of a document.

    Raises:
        SettingsError: a name that would lead elsewhere.
    """
    return "/".join((kind, *map(safe_name, names))) + ".json"


def safe_name(text: str) -> str:
    """A part of a path that can't lead elsewhere.

    Raises:
        SettingsError: it could.
    """
    if not _NAME.fullmatch(text):
        raise SettingsError(
            f"expected a name of letters, digits, '_', '.' and '-', found {text!r}. "
            "Check area, cell, key and the run's id"
        )
    return text
