"""Sweeping a store: what nothing leads to any more goes, what anything leads to stays.

Roots are champions (earlier ones too), published and current results, tags, and whatever came or
was used within the last days; from them every input is followed. What can't be followed is kept.
"""

import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from groundshift.artifacts.bucket_objects import BucketObjects
from groundshift.artifacts.folder_objects import INCOMING, FolderObjects, Held
from groundshift.artifacts.leases import SWEEP, Leases
from groundshift.artifacts.lineage import WHOLE, inputs_of, reach
from groundshift.artifacts.manifest import WRITERS, Manifest
from groundshift.artifacts.references import Reference, found_in
from groundshift.artifacts.store import ArtifactStore
from groundshift.artifacts.versions import Version, pointer_name

ROOTS = ("champion", "published", "current", "tags")
"""Kinds of documents that keep what they name for good."""
YOUNG = ("refs", "runs")
"""Kinds that keep it while they are young."""

_DAY = 86400.0
_BATCH = 1000


@dataclass(frozen=True)
class Sweep:
    """What goes and what stays.

    Attributes:
        artifacts: that nothing leads to.
        kept: number of those that stay.
        documents: names of references to what goes.
        objects: names of objects in S3 that no artifact has.
        incoming: names of what killed tasks have left.
        bytes: freed, as far as it is known without reading: of `objects`, or of the artifacts.
    """

    artifacts: tuple[Held, ...]
    kept: int
    documents: tuple[str, ...]
    objects: tuple[str, ...]
    incoming: tuple[str, ...]
    bytes: int


class Sweeper:
    """Sweeps one store."""

    def __init__(self, store: ArtifactStore, days: float) -> None:
        """Nothing is looked at yet.

        Args:
            store: what is swept.
            days: younger things stay.
        """
        self._store = store
        self._before = time.time() - days * _DAY
        self._versions: dict[str, Version] = {}

    def plan(self) -> Sweep:
        """Say what would go."""
        held = {each.reference.location: each for each in self._store.held()}
        kept = self._kept(held)
        gone = tuple(each for location, each in held.items() if location not in kept)
        objects = self._store.objects
        found: tuple[list[tuple[str, int]], list[str]]
        if isinstance(objects, BucketObjects):
            found = self._objects(objects, kept), self._intents(objects)
        else:
            sizes = [
                (each.reference.location, _size(objects.root / each.reference.location))
                for each in gone
            ]
            found = sizes, self._left_behind(objects)
        freed, incoming = found
        names = () if isinstance(objects, FolderObjects) else tuple(name for name, _ in freed)
        return Sweep(
            gone,
            len(kept),
            tuple(self._dangling({each.reference.location for each in gone})),
            names,
            tuple(incoming),
            sum(size for _, size in freed),
        )

    def sweep(self) -> Sweep:
        """Remove it. Tasks may work meanwhile; those that send to S3 wait until this is over.

        Raises:
            SourceError: another sweep is at work.
        """
        with Leases(self._store.documents).held(SWEEP) as renew:
            plan = self.plan()  # after the lease is ours: what is sent now waits for us
            renew()
            self._store.documents.remove(plan.documents)
            objects = self._store.objects
            if isinstance(objects, FolderObjects):
                for each in plan.artifacts:
                    objects.remove(each.reference, before=self._before)
                for name in plan.incoming:
                    shutil.rmtree(objects.root / name, ignore_errors=True)
                return plan
            pointers = [pointer_name(each.reference) for each in plan.artifacts]
            objects.bucket.give_up_uploads("dvc/", self._before)
            for names in (pointers, [*plan.objects, *plan.incoming]):
                for first in range(0, len(names), _BATCH):
                    renew()
                    objects.bucket.remove(names[first : first + _BATCH])
        return plan

    def _kept(self, held: dict[str, Held]) -> set[str]:
        """Locations of all that something leads to."""
        roots = [*self._roots()]
        roots += [each.reference for each in held.values() if each.modified >= self._before]
        kept, blind = set[str](), set[str]()
        while True:
            for made in reach(roots, lambda reference: self._manifest(reference, held)):
                if made.manifest is not None:
                    kept.add(made.reference.location)
                    blind |= _untraceable(made.manifest, held)
            more = [e.reference for e in held.values() if e.reference.contract in blind]
            if all(reference.location in kept for reference in more):
                return kept
            roots = more

    def _roots(self) -> Iterator[Reference]:
        documents = self._store.documents
        for kind in (*ROOTS, *YOUNG):
            for item in documents.listed(f"{kind}/"):
                if kind in ROOTS or item.modified >= self._before:
                    document = documents.read(item.name) or {}
                    yield from found_in(document)
                    yield from _named(str(document.get("artifact", "")))

    def _manifest(self, reference: Reference, held: dict[str, Held]) -> Manifest | None:
        if reference.location not in held:
            return None
        objects = self._store.objects
        if isinstance(objects, FolderObjects):
            return objects.manifest(reference)
        version = Version.fetched(objects.bucket, reference)
        self._versions[reference.location] = version
        return version.manifest

    def _objects(self, objects: BucketObjects, kept: set[str]) -> list[tuple[str, int]]:
        """Objects that no artifact has that is kept or on its way, with their sizes."""
        needed = {name for location in kept for name in objects.names_of(self._versions[location])}
        for item in objects.bucket.listed(f"{INCOMING}/"):
            if item.modified >= self._before:
                needed |= set((self._store.documents.read(item.name) or {}).get("objects", ()))
        remotes = dict.fromkeys(f"dvc/{stage}/" for stage in WRITERS.values())
        return [
            (item.name, item.size)
            for remote in remotes
            for item in objects.bucket.listed(remote)
            if item.name not in needed
        ]

    def _intents(self, objects: BucketObjects) -> list[str]:
        items = objects.bucket.listed(f"{INCOMING}/")
        return [item.name for item in items if item.modified < self._before]

    def _left_behind(self, objects: FolderObjects) -> list[str]:
        folders = sorted((objects.root / INCOMING).glob("*"))
        return [f"{INCOMING}/{f.name}" for f in folders if f.stat().st_mtime < self._before]

    def _dangling(self, gone: set[str]) -> Iterator[str]:
        """References to what goes, by which a task would look for it in vain."""
        for item in self._store.documents.listed("refs/"):
            document = self._store.documents.read(item.name) or {}
            if any(reference.location in gone for reference in found_in(document)):
                yield item.name


def _untraceable(manifest: Manifest, held: dict[str, Held]) -> set[str]:
    """Contracts of inputs that can't be told: joined hashes of before the parts were recorded."""
    return {
        contract
        for contract, parts in inputs_of(manifest).items()
        if WHOLE in parts and parts[WHOLE].location not in held
    }


def _named(location: str) -> Iterator[Reference]:
    contract, _, content_hash = location.removeprefix("objects/").partition("/")
    if content_hash:
        yield Reference.named(contract, content_hash)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
