"""Artifacts: folders with a manifest, written whole or not at all, traceable to their inputs."""

from groundshift.artifacts.hashing import ValueHash, canonical_json, digest
from groundshift.artifacts.manifest import Manifest, read_manifest
from groundshift.artifacts.summary import Summary
from groundshift.artifacts.writing import Draft, writing

__all__ = [
    "Draft",
    "Manifest",
    "Summary",
    "ValueHash",
    "canonical_json",
    "digest",
    "read_manifest",
    "writing",
]
