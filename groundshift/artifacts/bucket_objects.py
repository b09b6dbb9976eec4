"""Artifacts in S3, in DVC's layout, and a cache of them here.

    objects/<contract>/<content hash>.dvc   pointer to an artifact, written once it is whole
    dvc/<stage>/files/md5/ab/cdef...        files of all artifacts that a stage writes, each once:
                                            a DVC remote
    incoming/<contract>-<content hash>.json what a task is about to send

The cache has the folders of a store's own layout. Their files are links into `files/md5`, the
layout of DVC's cache, so that an artifact that shares most files with one that is here costs only
the others.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

from groundshift.artifacts import ranged
from groundshift.artifacts.cache import Cache
from groundshift.artifacts.folder_objects import INCOMING, Held
from groundshift.artifacts.leases import SWEEP, Leases
from groundshift.artifacts.manifest import Manifest
from groundshift.artifacts.references import Reference, to_json
from groundshift.artifacts.versions import Version, pointer_name, remote_name
from groundshift.artifacts.writing import link
from groundshift.storage import Blob, Bucket, Pointer, Sent, download, upload

YOUNG = 12 * 3600.0
"""Seconds for which nothing removes an artifact, whether or not anything leads to it."""


class BucketObjects:
    """The artifacts below a folder of a bucket."""

    def __init__(self, bucket: Bucket, cache: Path) -> None:
        """Nothing is asked yet.

        Args:
            bucket: the store's.
            cache: folder here that may go at any time between tasks, see `cache`.
        """
        self.bucket = bucket
        self.cache = Cache(cache)

    def incoming(self) -> AbstractContextManager[Path]:
        """An empty folder beside the cache; it is gone at the end."""
        return self.cache.incoming()

    def adopt(self, folder: Path, contract: str) -> Reference:
        """Bring an artifact to S3, without what is there already.

        Args:
            folder: of the artifact, in `incoming`; it is in the cache afterwards.
            contract: what it is.

        Raises:
            ContractError: not a whole artifact.
            SourceError: S3 refuses, or can't be reached; the artifact is in the cache all the same.
        """
        with self.cache.steady():
            reference = self.cache.adopt(folder, contract)
            self.cache.use(reference)
        self.push(reference)
        self.cache.trim()
        return reference

    def push(self, reference: Reference) -> Sent:
        """Send an artifact of the cache to S3, without what is there already."""
        there = self.bucket.look(pointer_name(reference))
        if there is not None and time.time() - there.modified < YOUNG:
            return Sent()
        folder = self.cache.folder(reference)
        version = Version.of(folder, reference.contract)
        blobs = {blob.name: blob for blob in version.blobs(folder)}
        with self.cache.steady():
            for blob in blobs.values():
                link(blob.path, self.cache.file(blob.md5))
        with self._intended(reference, self.names_of(version)):
            sent = upload(self.bucket, list(blobs.values()))
            listing, text = version.listing.text, version.pointer_text.encode()
            self.bucket.write(self._list_name(version), listing)
            self.bucket.write(pointer_name(reference), text)
        return sent + Sent(2, len(listing) + len(text))

    @contextmanager
    def _intended(self, reference: Reference, names: Iterable[str]) -> Iterator[None]:
        """Say which objects an artifact is about to be made of, so that no sweep removes them."""
        intent = f"{INCOMING}/{reference.contract}-{reference.content_hash}.json"
        self.bucket.write(intent, to_json({"objects": sorted(names)}).encode())
        # A sweep that is on its way may not have seen this: what it removes must be seen gone.
        Leases.of(self.bucket).wait(SWEEP)
        yield
        self.bucket.remove([intent])

    def has(self, reference: Reference) -> bool:
        """Whether an artifact is in S3."""
        return self.bucket.look(pointer_name(reference)) is not None

    def folder(self, reference: Reference) -> Path:
        """Where an artifact lies here, brought from S3 where it isn't yet.

        Raises:
            ContractError: it is not in the store any more, or is damaged.
        """
        with self.cache.steady():
            here = self.cache.use(reference)
            if not here:
                with self._alone(reference):
                    if not self.cache.has(reference):
                        self._pull(reference)
        if not here:
            self.cache.trim()
        return self.cache.folder(reference)

    @contextmanager
    def lent(self, reference: Reference, by_parts: Callable[[str], bool]) -> Iterator[Path]:
        """An artifact's folder, of which some files are brought by the parts that are read."""
        with self.cache.steady():
            here = self.cache.has(reference) and self.cache.use(reference)
        if here:
            yield self.cache.folder(reference)
            return
        with self.incoming() as folder:
            ranged.lend(self.bucket, Version.fetched(self.bucket, reference), folder, by_parts)
            try:
                yield folder
            finally:
                ranged.give_back(folder)

    def manifest(self, reference: Reference) -> Manifest:
        """An artifact's manifest, without the rest of it."""
        with self.cache.steady():
            if self.cache.has(reference):
                return self.cache.manifest(reference)
        return Version.fetched(self.bucket, reference).manifest

    def pointer(self, reference: Reference) -> Pointer:
        """What DVC calls an artifact by."""
        return Version.fetched(self.bucket, reference).pointer

    def _pull(self, reference: Reference) -> Sent:
        version = Version.fetched(self.bucket, reference)
        with self.incoming() as incoming:
            folder = incoming / reference.contract
            files = version.blobs(folder)
            cached = [replace(blob, path=self.cache.file(blob.md5)) for blob in files]
            wanted = {blob.md5: blob for blob in cached if not _is_whole(blob)}
            received = download(self.bucket, list(wanted.values()))
            for file, blob in zip(files, cached, strict=True):
                link(blob.path, file.path)
            self.cache.adopt(folder, reference.contract)
        return received

    def page(self, location: str, name: str) -> str:
        """Address of a file of an artifact; empty if there is none."""
        contract, _, content_hash = location.removeprefix("objects/").partition("/")
        if not content_hash:
            return ""
        version = Version.fetched(self.bucket, Reference.named(contract, content_hash))
        md5 = version.listing.files.get(name)
        return f"{self.bucket.address}/{remote_name(contract, md5)}" if md5 else ""

    def held(self) -> Iterator[Held]:
        """All artifacts."""
        for item in self.bucket.listed("objects/"):
            contract, _, name = item.name.removeprefix("objects/").partition("/")
            yield Held(Reference.named(contract, name.removesuffix(".dvc")), item.modified)

    def names_of(self, version: Version) -> set[str]:
        """All objects of an artifact, the list of its files included."""
        return {blob.name for blob in version.blobs(Path())} | {self._list_name(version)}

    def _list_name(self, version: Version) -> str:
        return remote_name(version.manifest.contract, version.pointer.md5)

    @contextmanager
    def _alone(self, reference: Reference) -> Iterator[None]:
        """One process of this machine brings an artifact; the others wait for it."""
        path = self.cache.root / "locks" / reference.content_hash
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


def _is_whole(blob: Blob) -> bool:
    return blob.path.is_file() and blob.path.stat().st_size == blob.size
