"""Checks that artifacts belong together, which tasks share."""

from collections.abc import Sequence

from groundshift.artifacts import Manifest
from groundshift.artifacts.manifest import WRITERS
from groundshift.cube.store import Cube
from groundshift.errors import ContractError
from groundshift.observations.store import Observations


def require_inputs(made: Manifest, given: Sequence[Manifest]) -> None:
    """Refuse an artifact that was made from others than those given.

    Raises:
        ContractError: naming the first that differs.
    """
    for manifest in given:
        expected, found = made.inputs.get(manifest.contract), manifest.content_hash
        if expected is not None and expected != found:
            raise ContractError(
                f"the {made.contract} was made from {manifest.contract} {expected[:12]}, found "
                f"{found[:12]}. Rerun: python -m components.{WRITERS[made.contract]}"
            )


def require_lineage(observations: Observations, cube: Cube) -> None:
    """Refuse a cube that was made from other observations.

    Raises:
        ContractError: naming both.
    """
    expected, found = observations.manifest.content_hash, cube.manifest.inputs.get("observations")
    if found != expected:
        raise ContractError(
            f"{cube.folder} was made from observations {str(found)[:12]}, expected those in "
            f"{observations.folder} ({expected[:12]}). Rerun: python -m components.stack"
        )
