"""The cubes that a served model may read: below allowed prefixes, in folders or in a store in S3.

In S3 an address is a store's with the cube's place in it, `s3://bucket/store/objects/cube/<hash>`;
of its shards only the parts that are asked for are brought.
"""

import re
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from groundshift.artifacts import ArtifactStore, Reference
from groundshift.artifacts.manifest import FILE_NAME
from groundshift.cube.commit import CONTRACT
from groundshift.cube.layout import is_shard
from groundshift.cube.store import Cube
from groundshift.errors import ContractError
from groundshift.products.serving.limits import S3, Limits

_KEPT = 8
"""Cubes that stay open, several times those that are read at once."""
_IN_A_STORE = re.compile(rf"({S3}[\w./-]+)/objects/{CONTRACT}/([0-9a-f]{{64}})")


@dataclass
class Cubes:
    """Opens cubes by address and keeps them open."""

    limits: Limits
    _open: OrderedDict[tuple[str, int], tuple[Cube, ExitStack]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def open(self, address: str) -> Cube:
        """The cube at an address.

        Raises:
            ContractError: it may not be read, or is no whole cube.
            SourceError: S3 can't be reached (transient), or refuses.
        """
        if address.startswith(S3):
            store, reference = self._in_a_store(address)
            place = (address, 0)
        else:
            folder, store = self._folder(address), None
            manifest = folder / FILE_NAME
            place = (str(folder), manifest.stat().st_mtime_ns if manifest.is_file() else 0)
        with self._lock:
            if place not in self._open:
                with ExitStack() as stack:
                    if store is not None:
                        folder = stack.enter_context(store.lent(reference, is_shard))
                    self._open[place] = (Cube.open(folder), stack.pop_all())
                if len(self._open) > _KEPT:
                    self._open.popitem(last=False)[1][1].close()
            self._open.move_to_end(place)
            return self._open[place][0]

    def _in_a_store(self, address: str) -> tuple[ArtifactStore, Reference]:
        found = _IN_A_STORE.fullmatch(address)
        if found is None or found[1] not in self.limits.stores:
            raise _refused(address)
        return ArtifactStore.open(found[1]), Reference.named(CONTRACT, found[2])

    def _folder(self, address: str) -> Path:
        """The folder of an address, all links followed, if it lies below an allowed prefix."""
        if "\0" in address or len(address) > 4096:
            raise _refused(address)
        plain = address.removeprefix("file://")
        try:
            folder = Path(plain).resolve()
        except (OSError, RuntimeError):
            raise _refused(address) from None
        allowed = (folder.is_relative_to(prefix) for prefix in self.limits.prefixes)
        if "://" in plain or not any(allowed):
            raise _refused(address)
        return folder


def _refused(address: str) -> ContractError:
    return ContractError(
        f"cube: {address[:200]!r} lies below none of the folders and stores that this server reads "
        "(GROUNDSHIFT_SERVE_PREFIXES)"
    )
