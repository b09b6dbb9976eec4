"""The settings of every stage, as typed, frozen models."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from groundshift.domain.eras import ERAS, EraName
from groundshift.domain.time import Duration
from groundshift.memory import Size
from groundshift.settings.assessing import EvaluateSettings, InferSettings
from groundshift.settings.base import (
    EXECUTION,
    LATER,
    AreaSettings,
    Frozen,
    Instant,
    PeriodSettings,
)
from groundshift.settings.sources import FetchSettings

StageName = Literal["fetch", "stack", "window", "train", "evaluate", "infer"]
STAGES: tuple[StageName, ...] = ("fetch", "stack", "window", "train", "evaluate", "infer")


_DAY = timedelta(days=1)


class StackSettings(Frozen):
    """How observations become a cube."""

    step: Duration = Field("2d", description="bin of the common time line")  # type: ignore[assignment]
    radar: tuple[str, ...] = Field((), max_length=2, description="sensors of the radar inputs")
    optical: str | None = Field(None, description="sensor of the optical input")
    max_age: Duration | None = Field(
        None,
        description="whole days after which a carried value is no longer valid, and reads as never "
        "seen; None: it stays until the next look",
        json_schema_extra=LATER,
    )
    workers: int = Field(2, ge=1, json_schema_extra=EXECUTION)

    @model_validator(mode="after")
    def _whole_days(self) -> Self:
        if self.max_age is not None and (self.max_age < _DAY or self.max_age % _DAY):
            raise ValueError(
                f"max_age: expected whole days from 1d on, found {self.max_age}; ages are counted "
                "in days"
            )
        return self

    @property
    def max_age_days(self) -> int | None:
        """The greatest age of a carried value in days."""
        return None if self.max_age is None else self.max_age.days


class BlockLists(Frozen):
    """Blocks named one by one, by number in rows from the top left of an area of one cell."""

    training: tuple[int, ...] = Field((), description="numbers of the training blocks")
    validation: tuple[int, ...] = Field((), description="numbers of the validation blocks")
    test: tuple[int, ...] = Field((), description="numbers of the test blocks")

    @model_validator(mode="after")
    def _once(self) -> Self:
        numbers = (*self.training, *self.validation, *self.test)
        twice = sorted({number for number in numbers if numbers.count(number) > 1})
        if twice:
            raise ValueError(f"blocks {twice} are named more than once; each has one split only")
        return self


class SplitSettings(Frozen):
    """How samples are divided without sharing a pixel or an observation."""

    block: int = Field(256, ge=1, description="edge of a split block in pixels")
    shares: tuple[
        Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]
    ] = Field((0.5, 0.25, 0.25), description="weights of training, validation and test blocks")
    assign: BlockLists | None = Field(
        None,
        description="instead of shares, in an area of at most 10 km: the blocks of each split by "
        "number, in rows from its top left corner",
    )
    buffer: int = Field(16, ge=0, description="pixels left unused along borders between splits")
    seed: int = 0
    until: Instant | None = Field(
        None,
        description="disjoint in time: training and validation windows end before, "
        "test windows' look-back starts after",
    )


class SyntheticSettings(Frozen):
    """Synthetic labels: radar change times change of an impervious surface index."""

    looks: float | None = Field(
        None, gt=0, description="equivalent number of looks; default by era"
    )
    significance: float = Field(
        0.01, gt=0, lt=1, description="chance that steady ground shows a step in a window"
    )
    gain: float = Field(10.0, gt=0, description="factor of the product")
    shift: float = Field(0.25, description="shift of the index; must fit the signature")


class WindowSettings(Frozen):
    """How the time line is cut into windows, and what they are labelled with."""

    era: EraName = Field("s12", description="preset of the fields left out")
    kind: Literal["single", "triple"] = "triple"
    length: Duration = Field("182d", description="length of a window")  # type: ignore[assignment]
    stride: int = Field(1, ge=1, description="steps from one window's start to the next")
    min_steps: int = Field(35, ge=1, description="fewest steps of a window")
    max_steps: int = Field(92, ge=1, description="most steps of a window")
    patch: int = Field(32, ge=4, description="edge of a training patch in pixels")
    split: SplitSettings = SplitSettings()
    labels: Literal["truth", "synthetic"] = "synthetic"
    truth: Path | None = Field(
        None, description="polygons with dates (or masks per period); default: planted truth"
    )
    synthetic: SyntheticSettings = SyntheticSettings()

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, values: Any) -> Any:
        """Fill what is left out from the era's preset."""
        if not isinstance(values, dict):
            return values
        preset = ERAS.get(values.get("era", "s12"))
        if preset is None:
            return values
        defaults = {
            "length": f"{preset.window_days}d",
            "min_steps": preset.min_steps,
            "max_steps": preset.max_steps,
        }
        return defaults | values


PUBLISHED_TRAINING: dict[str, Any] = {
    "epochs": 500,
    "batch": 32,
    "optimiser": "sgd",
    "learning_rate": 1e-3,
    "dropout": 0.4,
    "features": ("level",),
    "augment": False,
    "paste": 0.0,
    "jitter": 0.0,
    "border": 1,
}
"""How the published networks were trained (method section 9)."""


class TrainSettings(Frozen):
    """The network and how it learns."""

    preset: Literal["tiny", "s12", "ers12ls5"] = Field(
        "tiny", description="the network's size; preset of the fields left out"
    )
    variant: Literal["both", "radar", "optical"] = Field(
        "both", description="which streams the network looks at"
    )
    features: tuple[str, ...] = Field(
        ("level", "anomaly"),
        min_length=1,
        description="channels made of every band: level (standardised value), anomaly (less its "
        "mean over the window), rise (less its mean over the first third), recency (of the look)",
    )
    neighbours: bool = Field(
        False,
        description="the network also sees the mean images of the windows before and after its "
        "own (window.kind: triple): it finds more, a window's length later",
        json_schema_extra=LATER,
    )
    epochs: int = Field(30, ge=1)
    batch: int = Field(16, ge=1)
    stride: int = Field(
        1, ge=1, description="use every n-th window for training; which ones changes by epoch"
    )
    validation_stride: int = Field(5, ge=1, description="use every n-th window for validation")
    samples: int | None = Field(
        None,
        ge=1,
        description="an epoch has at most so many samples, drawn anew for each, and so has a "
        "validation; so that training a large area takes no longer than a small one. None: all",
        json_schema_extra=LATER,
    )
    members: int = Field(1, ge=1, description="networks of the ensemble")
    optimiser: Literal["adam", "sgd"] = Field(
        "adam", description="adam with cosine decay, or sgd with momentum 0.8 as published"
    )
    learning_rate: float = Field(5e-3, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1, description="recurrent dropout")
    span: int | None = Field(
        None,
        ge=4,
        description="before training each filter of a memory is a running mean over steps of its "
        "own, the longest over so many; None: all forget within some steps, as published",
    )
    augment: bool = Field(True, description="turns and mirrors")
    paste: float = Field(
        0.5, ge=0, le=1, description="share of samples that get a rectangle of another sample"
    )
    jitter: float = Field(
        0.5, ge=0, description="deviation of a constant added to each level of a sample"
    )
    border: int = Field(0, ge=0, description="pixels along patch edges that the loss leaves out")
    select: Literal["loss", "pr_auc"] = Field(
        "loss", description="validation score by which the best epoch is chosen"
    )
    patience: int = Field(
        0, ge=0, description="epochs without improvement before it stops; 0 never"
    )
    control: Literal["none", "labels", "time"] = Field(
        "none",
        description="control experiment: learn from the labels of another patch (labels) or of "
        "another window (time); whatever such a network still finds was not learnt from labels",
    )
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, values: Any) -> Any:
        """Fill what is left out from the published training, if its preset is named."""
        if isinstance(values, dict) and values.get("preset", "tiny") != "tiny":
            return PUBLISHED_TRAINING | values
        return values


class StageSettings(Frozen):
    """What every stage knows: which task, which area, which period, how much memory."""

    name: str = Field("area", description="name of the area", pattern=r"^[A-Za-z0-9][\w.-]*$")
    task: str = Field("change", description="what the area is mapped for: change or landcover")
    area: AreaSettings
    period: PeriodSettings
    memory: Size | None = Field(
        None,
        description="most memory a stage's process may take, e.g. 4GB; what takes more is done in "
        "smaller pieces, or refused before it begins. No value depends on it. None: no limit",
        json_schema_extra=EXECUTION,
    )

    def affecting(self) -> dict[str, Any]:
        """The settings that affect the output, JSON-ready: all but execution and paths."""
        values: dict[str, Any] = _affecting(self)
        values.pop("name")
        return values


class FetchStage(StageSettings):
    """Settings of the fetch stage."""

    fetch: FetchSettings


class StackStage(StageSettings):
    """Settings of the stack stage."""

    stack: StackSettings


class WindowStage(StageSettings):
    """Settings of the window stage."""

    window: WindowSettings


class TrainStage(StageSettings):
    """Settings of the train stage."""

    train: TrainSettings


class EvaluateStage(StageSettings):
    """Settings of the evaluate stage."""

    evaluate: EvaluateSettings


class InferStage(StageSettings):
    """Settings of the infer stage."""

    infer: InferSettings


STAGE_SETTINGS: dict[str, type[StageSettings]] = {
    "fetch": FetchStage,
    "stack": StackStage,
    "window": WindowStage,
    "train": TrainStage,
    "evaluate": EvaluateStage,
    "infer": InferStage,
}


def _affecting(model: BaseModel) -> dict[str, Any]:
    """A model's fields that decide on what is written.

    Without execution settings, paths (their content is an input), and what came later and is left
    at its default.
    """
    values: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        extra = field.json_schema_extra
        marks = extra if isinstance(extra, dict) else {}
        if isinstance(value, Path) or marks.get("execution"):
            continue
        if marks.get("later") and value == field.default:
            continue
        values[name] = _plain(value, model, name)
    return values


def _plain(value: Any, model: BaseModel, name: str) -> Any:
    if isinstance(value, BaseModel):
        return _affecting(value)
    if isinstance(value, dict):
        return {key: _plain(item, model, name) for key, item in value.items()}
    if isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value):
        return [_plain(item, model, name) for item in value]
    return model.model_dump(mode="json", include={name})[name]
