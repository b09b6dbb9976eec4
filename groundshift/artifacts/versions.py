"""Versions: an artifact as DVC sees it, from its manifest alone.

An artifact's folder is what its manifest names, and the manifest itself. The manifest records the
MD5 of every file, so that its pointer and the list behind it cost no more than a look at it.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from groundshift.artifacts.manifest import FILE_NAME, WRITERS, Manifest, parse, read_single
from groundshift.artifacts.references import Reference, gone, require_sound
from groundshift.errors import ContractError
from groundshift.storage import Blob, Bucket, Listing, Pointer
from groundshift.storage.dvc import object_name
from groundshift.storage.transfer import md5_of


@dataclass(frozen=True)
class Version:
    """An artifact's files as objects.

    Attributes:
        manifest: of the artifact.
        manifest_size: of its file in bytes.
        listing: MD5 of each file.
    """

    manifest: Manifest
    manifest_size: int
    listing: Listing

    @classmethod
    def of(cls, folder: Path, contract: str) -> "Version":
        """The version of an artifact in a folder.

        Of an artifact from before MD5s were recorded, the files are read.

        Raises:
            ContractError: there is no such artifact.
        """
        manifest = read_single(folder, contract)
        text = (folder / FILE_NAME).read_bytes()
        files = {entry.path: entry.md5 or md5_of(folder / entry.path) for entry in manifest.files}
        files[FILE_NAME] = hashlib.md5(text, usedforsecurity=False).hexdigest()
        return cls(manifest, len(text), Listing(files))

    @classmethod
    def fetched(cls, bucket: Bucket, reference: Reference) -> "Version":
        """The version of an artifact in S3, of which only the manifest is read.

        Raises:
            ContractError: it is not there, damaged, or another artifact.
        """
        require_sound(reference, bucket.address)
        contract, place = reference.contract, f"{bucket.address}/{reference.location}"
        pointer_text = bucket.read(pointer_name(reference))
        if pointer_text is None:
            raise gone(place, contract)
        pointer, _ = Pointer.from_text(pointer_text.decode(), place)
        listing = Listing.read(_object(bucket, reference, pointer.md5), pointer.md5)
        text = _object(bucket, reference, listing.files.get(FILE_NAME, ""))
        manifest = parse(text, contract, place)
        if manifest.content_hash != reference.content_hash:
            raise ContractError(
                f"{place}: expected this artifact, found {manifest.content_hash}. Rerun with "
                f"caching off the stage that writes it: python -m components.{WRITERS[contract]}"
            )
        return cls(manifest, len(text), listing)

    @cached_property
    def reference(self) -> Reference:
        """To the artifact."""
        return Reference.to(self.manifest)

    @property
    def pointer(self) -> Pointer:
        """What DVC calls it by."""
        return self.listing.pointer(sum(self._sizes.values()))

    @property
    def pointer_text(self) -> str:
        """Its `.dvc` file, which names the remote by the stage that writes it."""
        contract = self.manifest.contract
        meta = {
            "contract": contract,
            "content_hash": self.reference.content_hash,
            "value_hash": self.reference.value_hash,
        }
        return self.pointer.to_text(contract, WRITERS[contract], meta)

    def blobs(self, folder: Path) -> list[Blob]:
        """Every file, and where its object lies below a store."""
        contract = self.manifest.contract
        return [
            Blob(folder / path, remote_name(contract, md5), md5, self._sizes[path])
            for path, md5 in self.listing.files.items()
        ]

    @cached_property
    def _sizes(self) -> dict[str, int]:
        sizes = {entry.path: entry.size for entry in self.manifest.files}
        return {**sizes, FILE_NAME: self.manifest_size}


def pointer_name(reference: Reference) -> str:
    """Where an artifact's `.dvc` file lies below a store; it is written after all else."""
    return f"{reference.location}.dvc"


def remote_folder(contract: str) -> str:
    """The DVC remote of a contract's objects: one for each stage, which alone writes to it."""
    return f"dvc/{WRITERS[contract]}/"


def remote_name(contract: str, md5: str) -> str:
    """Where an object of an artifact lies below a store."""
    return remote_folder(contract) + object_name(md5)


def _object(bucket: Bucket, reference: Reference, md5: str) -> bytes:
    body = bucket.read(remote_name(reference.contract, md5)) if md5 else None
    if body is None:
        raise gone(f"{bucket.address}/{reference.location}", reference.contract)
    return body
