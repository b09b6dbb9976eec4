"""Artifacts: folders with a manifest, written whole or not at all, traceable to their inputs."""

from groundshift.artifacts.collection import (
    is_artifact,
    is_collection,
    parts_of,
    read_manifest,
    read_parts,
    write_collection,
)
from groundshift.artifacts.hashing import ValueHash, canonical_json, digest
from groundshift.artifacts.manifest import Manifest
from groundshift.artifacts.outcomes import Outcome
from groundshift.artifacts.references import REFERENCE, Champion, Reference
from groundshift.artifacts.store import ArtifactStore
from groundshift.artifacts.summary import Summary
from groundshift.artifacts.writing import Draft, link_tree, writing

__all__ = [
    "REFERENCE",
    "ArtifactStore",
    "Champion",
    "Draft",
    "Manifest",
    "Outcome",
    "Reference",
    "Summary",
    "ValueHash",
    "canonical_json",
    "digest",
    "is_artifact",
    "is_collection",
    "link_tree",
    "parts_of",
    "read_manifest",
    "read_parts",
    "write_collection",
    "writing",
]
