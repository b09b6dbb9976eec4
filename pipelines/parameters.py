"""The parameters of the pipelines, and their values from `params.yaml`.

Every stage is given its settings as the JSON of what `params.yaml` says for it, the same values
that `python -m components.<stage> --params params.yaml` reads.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from components import options
from groundshift.artifacts.hashing import canonical_json, digest
from groundshift.errors import SettingsError
from groundshift.settings import STAGES, StageSettings, load
from groundshift.settings.sections import StageName

PipelineName = Literal["training", "monitoring", "retraining"]

STAGES_OF: dict[PipelineName, tuple[StageName, ...]] = {
    "training": STAGES,
    "monitoring": ("fetch", "stack", "window", "infer"),
    "retraining": STAGES,
}
"""The stages whose settings a pipeline takes."""

BY_CELL: tuple[StageName, ...] = ("stack", "window")
"""Stages whose results lie under a cell's key.

Their settings are part of the key by way of `variant`: a result made with other settings is
another result. What hangs on a model (train, evaluate, infer) is told apart by the model's hash.
"""

DESCRIPTIONS: dict[str, str] = {
    "area": options.DESCRIPTIONS["area"],
    **{f"{stage}_settings": f"settings of the {stage} stage as JSON" for stage in STAGES},
    "variant": "digest of the stack and window settings; part of every cell's key",
    "as_of": options.DESCRIPTIONS["as_of"],
    "store": options.DESCRIPTIONS["store"],
}


def names(pipeline: PipelineName) -> list[str]:
    """The parameters of a pipeline, in the order in which its form shows them."""
    stages = {f"{stage}_settings" for stage in STAGES_OF[pipeline]}
    return [name for name in DESCRIPTIONS if not name.endswith("_settings") or name in stages]


def arguments(
    pipeline: str,
    area: str,
    params: Path,
    overrides: Iterable[str] = (),
    as_of: str = "",
) -> dict[str, str]:
    """A pipeline's arguments for an area of a settings file.

    Args:
        pipeline: training, monitoring or retraining.
        area: which of the file's areas.
        params: the file (`params.yaml`).
        overrides: `window.length=90d`, applied last.
        as_of: date at which the period ends; empty: where the settings say.

    Returns:
        All parameters but the store, which is the profile's or the engine's to say.

    Raises:
        SettingsError: unknown pipeline or area, or settings that can't be run.
    """
    name = require(pipeline)
    overrides = tuple(overrides)
    settings = {stage: load(stage, params, area=area, overrides=overrides) for stage in STAGES}
    return {
        "area": area,
        **{f"{stage}_settings": to_json(settings[stage]) for stage in STAGES_OF[name]},
        "variant": variant(settings),
        "as_of": as_of,
    }


def to_json(settings: StageSettings) -> str:
    """Settings as canonical JSON, all values written out: equal settings are equal text."""
    return canonical_json(settings.model_dump(mode="json"))


def variant(settings: Mapping[StageName, StageSettings]) -> str:
    """Digest (16 hex) of the settings that results per cell depend on beside those of fetch."""
    affecting: dict[str, Any] = {stage: settings[stage].affecting()[stage] for stage in BY_CELL}
    return digest(affecting)[:16]


def require(pipeline: str) -> PipelineName:
    """The pipeline of that name.

    Raises:
        SettingsError: there is none.
    """
    for name in get_args(PipelineName):
        if name == pipeline:
            found: PipelineName = name
            return found
    known = ", ".join(get_args(PipelineName))
    raise SettingsError(f"pipeline {pipeline!r} is not there: expected one of {known}")
