"""`manifest.json`: what an artifact holds, made from what, by which settings."""

import json
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from groundshift.artifacts.digests import file_digests
from groundshift.artifacts.hashing import digest, file_digest
from groundshift.errors import ContractError

FILE_NAME = "manifest.json"
MD5 = "md5"
"""Entry of the record: MD5s of the files, in their order."""

VERSIONS: dict[str, int] = {
    "observations": 1,
    "cube": 2,
    "samples": 1,
    "model": 1,
    "evaluation": 1,
    "maps": 2,
    "plan": 1,
    "coefficients": 1,
    "betas": 1,
    "drift": 1,
    "scores": 2,
}
"""Current version of each contract; readers take the last two."""

WRITERS: dict[str, str] = {
    "observations": "fetch",
    "cube": "stack",
    "samples": "window",
    "model": "train",
    "evaluation": "evaluate",
    "maps": "infer",
    "plan": "fetch",
    "coefficients": "window",
    "betas": "window",
    "drift": "evaluate",
    "scores": "infer",
}
"""Which stage writes an artifact, for the advice in errors."""


@dataclass(frozen=True)
class FileEntry:
    """A content file: its path inside the artifact, size in bytes and SHA-256.

    Its MD5 is DVC's name for the same bytes: recorded beside the content, not part of it, and
    empty in artifacts from before it was.
    """

    path: str
    size: int
    sha256: str
    md5: str = field(default="", compare=False)

    @classmethod
    def of(cls, path: Path, name: str) -> "FileEntry":
        """Describe a file, which is read once.

        Args:
            path: of the file.
            name: its path inside the artifact.
        """
        return cls(name, path.stat().st_size, *file_digests([path])[0])


@dataclass(frozen=True)
class Manifest:
    """The two parts of `manifest.json`: `content`, which is hashed, and `record`, which is not."""

    contract: str
    version: int
    settings: dict[str, Any]
    """Settings that affect the content."""
    inputs: dict[str, str]
    """Content hash of every input artifact or file, by name."""
    files: tuple[FileEntry, ...]
    value_hash: str
    summary: dict[str, Any]
    licences: tuple[str, ...]
    """Licence and attribution lines, united along the way."""
    record: dict[str, Any] = field(default_factory=dict)

    @property
    def content(self) -> dict[str, Any]:
        """The hashed part, JSON-ready."""
        return {
            "contract": self.contract,
            "version": self.version,
            "settings": self.settings,
            "inputs": self.inputs,
            "files": [[f.path, f.size, f.sha256] for f in self.files],
            "value_hash": self.value_hash,
            "summary": self.summary,
            "licences": list(self.licences),
        }

    @property
    def content_hash(self) -> str:
        """SHA-256 of the content in canonical form: the artifact's identity."""
        return digest(self.content)

    def write(self, folder: Path) -> None:
        """Write `manifest.json` into a folder."""
        digests = {MD5: [entry.md5 for entry in self.files]}
        document = {
            "content": self.content,
            "content_hash": self.content_hash,
            "record": self.record | (digests if all(digests[MD5]) else {}),
        }
        text = json.dumps(document, indent=1, allow_nan=False)
        (folder / FILE_NAME).write_text(text + "\n")


def read_single(folder: Path, contract: str) -> Manifest:
    """Read and check the manifest of one artifact; `read_manifest` also reads collections.

    Raises:
        ContractError: no artifact there, another kind, an unknown version, or a manifest that
            was changed after it was written.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise ContractError(
            f"{folder}: expected a whole {contract} artifact, found no {FILE_NAME}. "
            f"{_advice(contract)}"
        )
    return parse(path.read_bytes(), contract, folder)


def parse(text: bytes, contract: str, folder: Path | str) -> Manifest:
    """Read and check the bytes of a manifest.

    Args:
        text: its bytes.
        contract: of the artifact.
        folder: where it comes from, for messages.

    Raises:
        ContractError: as `read_single`.
    """
    path, advice = f"{folder}/{FILE_NAME}", _advice(contract)
    try:
        document = json.loads(text)
        content, record = document["content"], dict(document.get("record", {}))
        digests = record.pop(MD5, None) or [""] * len(content["files"])
        manifest = Manifest(
            contract=content["contract"],
            version=content["version"],
            settings=content["settings"],
            inputs=content["inputs"],
            files=tuple(
                FileEntry(path, size, sha256, md5)
                for (path, size, sha256), md5 in zip(content["files"], digests, strict=True)
            ),
            value_hash=content["value_hash"],
            summary=content["summary"],
            licences=tuple(content["licences"]),
            record=record,
        )
        content_hash = manifest.content_hash
    except (ValueError, KeyError, TypeError) as error:
        raise ContractError(f"{path} can't be read ({error}). {advice}") from error
    if manifest.contract != contract:
        raise ContractError(
            f"{folder}: expected the artifact {contract}, found {manifest.contract}. "
            f"Check which folder is passed as --{contract}"
        )
    current = VERSIONS[contract]
    if manifest.version not in range(max(1, current - 1), current + 1):
        raise ContractError(
            f"{folder}: expected {contract} version {max(1, current - 1)} to {current}, "
            f"found {manifest.version}. {advice}, or install a newer groundshift"
        )
    if content_hash != document.get("content_hash"):
        raise ContractError(f"{path} was changed after it was written. {advice}")
    _require_inside(manifest, path, advice)
    return manifest


def _require_inside(manifest: Manifest, path: str, advice: str) -> None:
    """Refuse names of files that lead out of the artifact, where a copy would write them."""
    for entry in manifest.files:
        name = PurePosixPath(entry.path)
        if name.is_absolute() or ".." in name.parts or not name.parts:
            raise ContractError(
                f"{path}: expected names of files inside the artifact, found {entry.path!r}. "
                f"{advice}"
            )


def check_files(folder: Path, manifest: Manifest, *, hashes: bool = False) -> None:
    """Refuse an artifact whose files are missing or have another size.

    Args:
        folder: of the artifact.
        manifest: its manifest.
        hashes: whether every byte is looked at too, which takes as long as reading it all.

    Raises:
        ContractError: naming the first such file.
    """
    for entry in manifest.files:
        path = folder / entry.path
        size = path.stat().st_size if path.is_file() else None
        if size != entry.size:
            found = "no such file" if size is None else f"{size} bytes"
            raise ContractError(
                f"{path}: expected {entry.size} bytes, found {found}. {_advice(manifest.contract)}"
            )
        if hashes and (found := file_digest(path)) != entry.sha256:
            raise ContractError(
                f"{path}: expected bytes with the SHA-256 {entry.sha256}, found {found}: it was "
                f"damaged after it was written. {_advice(manifest.contract)}"
            )


def _advice(contract: str) -> str:
    return f"Rerun the stage that writes it: python -m components.{WRITERS[contract]}"
