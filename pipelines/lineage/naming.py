"""Names of artifacts in a store, as people give them."""

import re

from groundshift.artifacts import ArtifactStore, Reference
from groundshift.artifacts.lineage import inputs_of
from groundshift.errors import SettingsError

HELP = (
    "maps:AREA (published), champion:AREA (its model), run:ID, tag:NAME, or the first digits of "
    "an artifact's content hash."
)

_HASH = re.compile(r"[0-9a-f]{6,64}")


def find(store: ArtifactStore, name: str) -> tuple[Reference, ...]:
    """The artifacts that a name stands for; of a run, those that nothing in it was made from.

    Raises:
        SettingsError: there is none, or more than one begins so.
    """
    kind, _, rest = name.partition(":")
    found: tuple[Reference | None, ...]
    if kind == "maps" and rest:
        found = (store.published(rest),)
    elif kind == "champion" and rest:
        champion = store.champion(rest)
        found = (champion.model if champion else None,)
    elif kind == "tag" and rest:
        found = (store.tagged(rest),)
    elif kind == "run" and rest:
        found = _results(store, rest)
    elif _HASH.fullmatch(name):
        found = tuple(
            h.reference for h in store.held() if h.reference.content_hash.startswith(name)
        )
        if len(found) > 1:
            raise SettingsError(f"{name}: {len(found)} artifacts begin so: give more digits")
    else:
        raise SettingsError(f"expected {HELP[:-1]}, found {name!r}")
    known = tuple(reference for reference in found if reference is not None)
    if not known:
        raise SettingsError(f"{store.address}: expected {name}, found no such artifact")
    return known


def one(store: ArtifactStore, name: str) -> Reference:
    """The one artifact that a name stands for.

    Raises:
        SettingsError: there is none, or there are several.
    """
    found = find(store, name)
    if len(found) > 1:
        listed = ", ".join(f"{r.contract} {r.content_hash[:12]}" for r in found)
        raise SettingsError(f"{name} stands for several artifacts ({listed}): name one")
    return found[0]


def _results(store: ArtifactStore, run: str) -> tuple[Reference, ...]:
    """What a run has made that no other task of it has read; plans are a means."""
    made = []
    for outcome in store.runs.of(run):
        _, _, rest = outcome.artifact.partition("objects/")
        contract, _, content_hash = rest.partition("/")
        if content_hash and contract != "plan":
            made.append(Reference.named(contract, content_hash))
    read = {
        part.location
        for reference in made
        for parts in inputs_of(store.manifest(reference)).values()
        for part in parts.values()
    }
    unread = (reference for reference in made if reference.location not in read)
    return tuple({reference.location: reference for reference in unread}.values())
