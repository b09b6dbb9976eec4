"""Leases: one writer at a time among tasks that share nothing but a store.

A lease is a document with an end. Whoever wants it creates it, or exchanges one whose end has
passed; both are conditional writes, so that of two who try at once one succeeds. A holder that
was killed holds it until that end and no longer. Clocks may differ by less than `LENGTH`.
"""

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from groundshift.artifacts.documents import BucketDocuments, Documents
from groundshift.errors import SourceError
from groundshift.storage import Bucket

SWEEP = "sweep"
"""Held while unreachable objects are removed: who sends meanwhile waits."""
LENGTH = 300.0
"""Seconds for which a lease counts after it was taken or renewed."""
_LOOK = 1.0


@dataclass(frozen=True)
class Leases:
    """The leases of a store."""

    documents: Documents
    clock: Callable[[], float] = time.time

    @classmethod
    def of(cls, bucket: Bucket) -> "Leases":
        """Those of a store in S3."""
        return cls(BucketDocuments(bucket))

    @contextmanager
    def held(self, name: str, patience: float = LENGTH) -> Iterator[Callable[[], None]]:
        """Hold a lease; the value renews it, which long work has to do.

        Args:
            name: of the lease.
            patience: seconds to wait for another holder.

        Raises:
            SourceError: another task held it all that time, or took it over.
        """
        place, owner = self._place(name), uuid.uuid4().hex
        began = time.monotonic()
        while (version := self._take(place, owner)) is None:
            if time.monotonic() - began > patience:
                raise _lost(name)
            time.sleep(_LOOK)
        holding = [version]

        def renew() -> None:
            renewed = self.documents.exchange(place, self._document(owner), holding[0])
            if renewed is None:
                raise _lost(name)
            holding[0] = renewed

        try:
            yield renew
        finally:
            # Its end is put into the past rather than removed: the write is conditional.
            self.documents.exchange(place, {"owner": owner, "until": 0.0}, holding[0])

    def wait(self, name: str, patience: float = 4 * LENGTH) -> None:
        """Wait until nobody holds a lease.

        Raises:
            SourceError: somebody held it all that time.
        """
        began = time.monotonic()
        while not self._over(self._place(name)):
            if time.monotonic() - began > patience:
                raise _lost(name)
            time.sleep(_LOOK)

    def _take(self, place: str, owner: str) -> str | None:
        found = self.documents.look(place)
        if found is None:
            return self.documents.create(place, self._document(owner))
        if not self._over(place):
            return None
        return self.documents.exchange(place, self._document(owner), found.version)

    def _over(self, place: str) -> bool:
        document = self.documents.read(place)
        return document is None or float(document.get("until", 0)) < self.clock()

    def _document(self, owner: str) -> dict[str, str | float]:
        return {"owner": owner, "until": self.clock() + LENGTH}

    @staticmethod
    def _place(name: str) -> str:
        return f"leases/{name}.json"


def _lost(name: str) -> SourceError:
    return SourceError(
        f"the store's lease {name!r} is held by another task. Wait for it; one that was killed "
        f"lets go after {LENGTH:.0f} s",
        transient=True,
    )
