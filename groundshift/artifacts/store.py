"""The artifact store: what every task of a run sees, a folder or a folder of a bucket.

    objects/<contract>/<content hash>           artifacts; nothing in them ever changes
    refs/<area>/<cell>/<key>/<contract>.json    what the tasks of a cell made for a key
    current/<area>/<cell>/<contract>.json       what was published last, with its key
    published/<area>.json                       the maps that were published last
    champion/<area>.json                        model and evaluation that monitoring maps with
    champion/<area>/<content hash>.json         earlier ones too, by the model
    tags/<name>.json                            artifacts that somebody wants to keep
    decisions/<area>/<time>-<model>.json        why a model became the champion, or did not
    runs/<run>/<task>.json                      how the tasks of a run ended
    runs/<run>/ended.json                       when the run itself did
    catalogue/<area>.json                       digests of source files that were seen before
    reviews/<area>.json                         what analysts said of events (GeoJSON)
    leases/<name>.json                          who alone may do something, and until when
    incoming/                                   artifacts in the making

A key is a digest of all that a cell's results depend on, so that whoever knows a plan finds every
result of it. Where artifacts themselves lie, `folder_objects` and `bucket_objects` say. All else
are documents that are replaced whole, so that readers need no lock.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from groundshift.artifacts.bucket_objects import BucketObjects
from groundshift.artifacts.decisions import Decision
from groundshift.artifacts.documents import (
    BucketDocuments,
    Documents,
    FolderDocuments,
    place_of,
    safe_name,
)
from groundshift.artifacts.file_digests import FileDigests
from groundshift.artifacts.folder_objects import FolderObjects, Held
from groundshift.artifacts.hashing import digest
from groundshift.artifacts.leases import SWEEP
from groundshift.artifacts.manifest import VERSIONS, WRITERS, Manifest, read_single
from groundshift.artifacts.references import Champion, Reference
from groundshift.artifacts.run_records import RunRecords
from groundshift.artifacts.writing import work_root
from groundshift.errors import ContractError, SettingsError, SourceError
from groundshift.storage import Bucket, is_s3


class ArtifactStore:
    """Artifacts and what is known of them, safe with many tasks at a time."""

    def __init__(
        self, address: str, documents: Documents, objects: FolderObjects | BucketObjects
    ) -> None:
        """Use `open`, which takes an address."""
        self.address = address
        self.documents = documents
        self.objects = objects
        self.runs = RunRecords(documents)

    @classmethod
    def open(cls, address: str) -> "ArtifactStore":
        """Open a store; a folder is made if it is not there.

        Args:
            address: a folder, or `s3://bucket/folder`.

        Raises:
            SettingsError: the address is of a kind that is not supported.
        """
        if is_s3(address):
            bucket = Bucket.at(address)
            cache = work_root() / "store" / digest(str(bucket.address))[:16]
            objects = BucketObjects(bucket, cache.absolute())
            return cls(str(bucket.address), BucketDocuments(bucket), objects)
        if "://" in address and not address.startswith("file://"):
            raise SettingsError(
                f"--store {address}: not supported: give a folder, a shared volume or "
                "s3://bucket/folder"
            )
        root = Path(address.removeprefix("file://")).absolute()
        try:
            root.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise SettingsError(f"--store {address}: expected a folder, found a file") from error
        return cls(str(root), FolderDocuments(root), FolderObjects(root))

    def require(self) -> None:
        """Refuse a store that can't be reached, before work is done for it.

        Raises:
            SourceError: S3 refuses, or can't be reached.
            SettingsError: there is no such bucket, or the cache has a limit that is none.
        """
        if isinstance(self.objects, BucketObjects):
            self.objects.cache.require()
            self.documents.read(f"leases/{SWEEP}.json")

    @property
    def root(self) -> Path | None:
        """Its folder; None if it lies in S3."""
        return self.objects.root if isinstance(self.objects, FolderObjects) else None

    def incoming(self) -> AbstractContextManager[Path]:
        """An empty folder from which artifacts can be adopted; it is gone at the end."""
        return self.objects.incoming()

    def adopt(self, folder: Path, contract: str) -> Reference:
        """Bring an artifact into the store; of two equal ones the first stays.

        Args:
            folder: of the artifact, in `incoming`; it is gone afterwards.
            contract: what it is.

        Raises:
            ContractError: not a whole artifact.
            SourceError: S3 refuses, or can't be reached.
        """
        return self.objects.adopt(folder, contract)

    def folder(self, reference: Reference) -> Path:
        """Where an artifact lies on this machine, brought here if need be.

        Raises:
            ContractError: it is not in the store any more, or the reference leads out of it.
        """
        return self.objects.folder(reference)

    @contextmanager
    def lent(self, reference: Reference, by_parts: Callable[[str], bool]) -> Iterator[Path]:
        """Where an artifact lies while it is read.

        Args:
            reference: to it.
            by_parts: of which files only parts are read; where they lie in S3, these are brought
                as they are asked for (`ranged.need`).
        """
        if isinstance(self.objects, BucketObjects):
            with self.objects.lent(reference, by_parts) as folder:
                yield folder
        else:
            yield self.objects.folder(reference)

    def manifest(self, reference: Reference) -> Manifest:
        """An artifact's manifest, without the rest of it.

        Raises:
            ContractError: it is not in the store any more.
        """
        return self.objects.manifest(reference)

    def held(self) -> Iterator[Held]:
        """All artifacts, by contract and hash."""
        return self.objects.held()

    def page(self, location: str, name: str) -> str:
        """Where a file of an artifact may be opened, a path or an address; empty if nowhere."""
        return self.objects.page(location, name)

    def reference(self, folder: Path, contract: str) -> Reference:
        """The reference of an artifact that lies in the store.

        Raises:
            ContractError: it doesn't lie in the store.
        """
        reference = Reference.to(read_single(folder, contract))
        if not self.objects.has(reference) or folder.resolve() != self.folder(reference).resolve():
            raise ContractError(
                f"{folder}: expected the artifact in the store {self.address}, found it elsewhere. "
                f"Write it with --store: python -m components.{WRITERS[contract]}"
            )
        return reference

    def put_ref(self, area: str, cell: str, key: str, reference: Reference) -> None:
        """Remember what a task made for a cell and a key."""
        self.documents.write(self._ref(area, cell, key, reference.contract), asdict(reference))

    def ref(self, area: str, cell: str, key: str, contract: str) -> Reference | None:
        """What was made for a cell and a key; None if nothing was yet."""
        return self._reference(self._ref(area, cell, key, contract))

    def publish(
        self,
        area: str,
        keys: Mapping[str, str],
        contracts: Sequence[str],
        maps: Reference | None = None,
    ) -> None:
        """Make the results for some keys the current ones, once the whole run has succeeded.

        A failed run is never what monitoring compares with or revises.

        Args:
            area: name.
            keys: of each cell.
            contracts: which results; all of them must be there.
            maps: of the area, made from these results.

        Raises:
            ContractError: naming the first that is missing; nothing was published.
        """
        found = [
            (cell, key, self.require_ref(area, cell, key, contract))
            for cell, key in keys.items()
            for contract in contracts
        ]
        for cell, key, reference in found:
            document = {**asdict(reference), "key": key}
            self.documents.write(self._current(area, cell, reference.contract), document)
        if maps is not None:
            self.documents.write(place_of("published", area), asdict(maps))

    def published(self, area: str) -> Reference | None:
        """The maps of an area that were published last; None if none were yet."""
        return self._reference(place_of("published", area))

    def input_of(self, reference: Reference, contract: str) -> Path:
        """Where the artifact lies that another one was made from.

        Raises:
            ContractError: it is not in the store any more.
        """
        return self.folder(Reference.named(contract, self.manifest(reference).inputs[contract]))

    def reviews(self, area: str) -> dict[str, Any] | None:
        """What analysts said of an area's events, as GeoJSON; None if nobody said anything yet."""
        return self.documents.read(place_of("reviews", area))

    def review(
        self, area: str, change: Callable[[dict[str, Any] | None], dict[str, Any]]
    ) -> dict[str, Any]:
        """Change what was said, and give it back.

        Raises:
            SourceError: somebody else changed it meanwhile (transient: nothing was changed).
        """
        place = place_of("reviews", area)
        present = self.documents.look(place)
        changed = change(self.documents.read(place))
        written = (
            self.documents.create(place, changed)
            if present is None
            else self.documents.exchange(place, changed, present.version)
        )
        if written is None:
            raise SourceError(
                f"reviews of {area}: expected nobody else to import at the same moment, found "
                "another import; nothing was changed. Run it again",
                transient=True,
            )
        return changed

    def require_ref(self, area: str, cell: str, key: str, contract: str) -> Reference:
        """What was made for a cell and a key.

        Raises:
            ContractError: nothing was.
        """
        reference = self.ref(area, cell, key, contract)
        if reference is None:
            raise ContractError(
                f"{self.address}: expected the {contract} of cell {cell} for key {key}, found "
                f"none. Rerun with caching off, so that {WRITERS[contract]} writes it"
            )
        return reference

    def current(self, area: str, cell: str, contract: str) -> Reference | None:
        """What was published last of a cell; None if nothing was yet."""
        return self._reference(self._current(area, cell, contract))

    def current_key(self, area: str, cell: str, contract: str) -> str:
        """The key for which a cell was published last; empty if it never was."""
        return str((self.documents.read(self._current(area, cell, contract)) or {}).get("key", ""))

    def promote(self, area: str, champion: Champion, *, replacing: str | None = None) -> None:
        """Make a model the one that monitoring maps with; earlier ones can still be asked for.

        Compare and swap: of several that want to replace the same champion one wins.

        Args:
            area: name.
            champion: the model.
            replacing: content hash of the present champion; by default the one it `replaced`,
                another one where an earlier champion comes back.

        Raises:
            SourceError: another model is the champion by now (transient: judge by that one).
        """
        expected = champion.replaced if replacing is None else replacing
        place, document = _champion(area), asdict(champion)
        present = self.documents.look(place)
        written = None
        if self.champion_hash(area) == expected:
            own = _champion(area, champion.model.content_hash)
            earlier = self.documents.read(own)
            self.documents.write(own, document)  # first: a champion can always be asked for
            written = (
                self.documents.create(place, document)
                if present is None
                else self.documents.exchange(place, document, present.version)
            )
            if written is None and self.champion_hash(area) != champion.model.content_hash:
                if earlier is None:
                    self.documents.remove([own])
                else:
                    self.documents.write(own, earlier)
        if written is None:
            raise SourceError(
                f"champion of {area}: expected {expected[:12] or 'none'}, found "
                f"{self.champion_hash(area)[:12] or 'none'}: another run was faster, nothing was "
                "changed. Run it again, to be judged by that one",
                transient=True,
            )

    def champion(self, area: str, content_hash: str = "") -> Champion | None:
        """The model that monitoring maps with, or an earlier one; None if there is none.

        Args:
            area: name.
            content_hash: of the model; empty for the present champion.
        """
        place = _champion(area, content_hash)
        document = self.documents.read(place)
        if document is None:
            return None
        model, evaluation = (
            Reference.from_dict(document.get(name, {}), place) for name in ("model", "evaluation")
        )
        return Champion(model, evaluation, str(document.get("replaced", "")))

    def champion_hash(self, area: str) -> str:
        """Content hash of the present champion's model; empty if there is none."""
        champion = self.champion(area)
        return champion.model.content_hash if champion else ""

    def decide(self, area: str, decision: Decision) -> None:
        """Write down what was decided about a model."""
        self.documents.write(place_of("decisions", area, decision.name), decision.to_dict())

    def decisions(self, area: str) -> tuple[Decision, ...]:
        """What was decided about an area's models, oldest first."""
        names = (item.name for item in self.documents.listed(f"decisions/{safe_name(area)}/"))
        documents = (self.documents.read(name) for name in names)
        return tuple(Decision.from_dict(document) for document in documents if document)

    def tag(self, name: str, reference: Reference) -> None:
        """Keep an artifact and all that it was made from, by a name.

        Raises:
            ContractError: it is not in the store.
        """
        whole = Reference.to(self.manifest(reference))
        self.documents.write(place_of("tags", name), asdict(whole))

    def tagged(self, name: str) -> Reference | None:
        """What is kept by a name; None if nothing is."""
        return self._reference(place_of("tags", name))

    def file_digests(self, area: str) -> FileDigests:
        """What is known of the files that an area's images come from."""
        place = place_of("catalogue", area)
        known = None
        with suppress(ContractError):  # a damaged memory only costs time
            known = self.documents.read(place)
        return FileDigests(known, lambda learnt: self.documents.write(place, learnt))

    def _reference(self, place: str) -> Reference | None:
        document = self.documents.read(place)
        return None if document is None else Reference.from_dict(document, place)

    @staticmethod
    def _ref(area: str, cell: str, key: str, contract: str) -> str:
        return place_of("refs", area, cell, key, _contract(contract))

    @staticmethod
    def _current(area: str, cell: str, contract: str) -> str:
        return place_of("current", area, cell, _contract(contract))


def _champion(area: str, content_hash: str = "") -> str:
    return place_of("champion", area, *filter(None, (content_hash,)))


def _contract(name: str) -> str:
    if name not in VERSIONS:
        raise ContractError(f"expected one of the contracts {', '.join(VERSIONS)}, found {name!r}")
    return name
