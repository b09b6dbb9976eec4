"""Artifacts of a few files for tests of stores."""

import os

import numpy as np

from groundshift.artifacts import link_tree, writing

LARGE = 300_000


def keep(store, text="one", contract="cube", base=None, *, inputs=None, size=LARGE):
    """Write an artifact of two files into a store; the large one is shared with a base."""
    with store.incoming() as incoming:
        folder = incoming / contract
        with writing(folder, contract, area="a", settings={}, inputs=inputs or {}) as draft:
            if base is not None:
                link_tree(base / "deep", draft.folder / "deep")
            else:
                (draft.folder / "deep").mkdir()
                (draft.folder / "deep" / "large ü.bin").write_bytes(os.urandom(size))
            (draft.folder / "a.txt").write_text(text)
            draft.values.add("v", np.frombuffer(text.encode(), np.uint8))
        return store.adopt(folder, contract)
