"""DVC's layout of a remote (DVC 3): objects by their MD5, a folder as a list of its files.

    files/md5/ab/cdef...        a file's bytes
    files/md5/ab/cdef....dir    a folder: [{"md5": ..., "relpath": ...}, ...] as JSON

The list's own MD5 names the folder, so that `dvc pull` verifies what it brings down to the last
byte. A `.dvc` file of five lines points to it.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import yaml

from groundshift.errors import ContractError

_DIR = ".dir"
_DIGITS = set("0123456789abcdef")


@dataclass(frozen=True)
class Pointer:
    """A version of a folder, as DVC names it.

    Attributes:
        md5: of the list of its files, with `.dir`.
        size: of all files in bytes.
        nfiles: number of files.
    """

    md5: str
    size: int
    nfiles: int

    def to_dict(self) -> dict[str, str | int]:
        """As it stands in a `.dvc` file."""
        return {"md5": self.md5, "size": self.size, "nfiles": self.nfiles}

    def to_text(self, path: str, remote: str, meta: Mapping[str, Any]) -> str:
        """A `.dvc` file.

        Args:
            path: of the folder, beside the file.
            remote: name of the remote that holds it.
            meta: what DVC passes over, for us.
        """
        out = {**self.to_dict(), "hash": "md5", "remote": remote, "path": path}
        return str(yaml.safe_dump({"outs": [out], "meta": dict(meta)}, sort_keys=False))

    @classmethod
    def from_text(cls, text: str, where: str) -> tuple["Pointer", dict[str, Any]]:
        """Read a `.dvc` file: the pointer and `meta`.

        Raises:
            ContractError: it points to no folder.
        """
        try:
            document = yaml.safe_load(text)
            (out,) = document["outs"]
            pointer = cls(str(out["md5"]), int(out["size"]), int(out["nfiles"]))
            object_name(pointer.md5)
            return pointer, dict(document.get("meta") or {})
        except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
            raise ContractError(
                f"{where}: expected a .dvc file that points to a folder, found {error!r}"
            ) from error


@dataclass(frozen=True)
class Listing:
    """The files of a folder: MD5 by path."""

    files: Mapping[str, str]

    @property
    def text(self) -> bytes:
        """As DVC writes it: ordered by path, in ASCII."""
        entries = [{"md5": md5, "relpath": path} for path, md5 in sorted(self.files.items())]
        return json.dumps(entries, sort_keys=True).encode()

    @property
    def md5(self) -> str:
        """Its name among the objects."""
        return hashlib.md5(self.text, usedforsecurity=False).hexdigest() + _DIR

    def pointer(self, size: int) -> Pointer:
        """The folder's version, given the size of all files in bytes."""
        return Pointer(self.md5, size, len(self.files))

    @classmethod
    def read(cls, text: bytes, md5: str) -> "Listing":
        """Read a list.

        Args:
            text: its bytes.
            md5: its name, against which it is checked.

        Raises:
            ContractError: damaged, or a path in it leads out of the folder.
        """
        try:
            files = {str(entry["relpath"]): str(entry["md5"]) for entry in json.loads(text)}
            for path, digest in files.items():
                object_name(digest)
                if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
                    raise ValueError(f"a path {path!r}")
        except (ValueError, KeyError, TypeError) as error:
            raise ContractError(f"the list {md5} can't be read: {error!r}") from error
        listing = cls(files)
        found = hashlib.md5(text, usedforsecurity=False).hexdigest() + _DIR
        if found != md5:
            raise ContractError(f"the list {md5}: expected bytes of this MD5, found {found}")
        return listing


def object_name(md5: str) -> str:
    """Where an object lies in a remote or cache.

    Raises:
        ValueError: it is no MD5.
    """
    digits = md5.removesuffix(_DIR)
    if len(digits) != 32 or not _DIGITS.issuperset(digits):
        raise ValueError(f"no MD5: {md5!r}")
    return f"files/md5/{md5[:2]}/{md5[2:]}"
