"""The settings of land cover: sections of the stages from window on, for `task: landcover`."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from groundshift.domain.time import Duration
from groundshift.settings.base import Frozen
from groundshift.settings.sections import SplitSettings, StageSettings

IndexName = Literal["ndvi", "ndwi", "ndbi", "mndwi", "bsi", "norm"]


class ClassSettings(Frozen):
    """One class of land cover."""

    name: str = Field(min_length=1, description="what maps, tables and legends call it")
    codes: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        min_length=1, description="numbers of the reference that stand for it; 0 is no reference"
    )
    colour: str = Field(
        pattern=r"^#[0-9a-fA-F]{6}$", description="on maps and in legends, as #rrggbb"
    )


class LandcoverSplitSettings(SplitSettings):
    """How samples are divided without sharing a pixel."""

    until: None = Field(None, description="land cover has no split in time")


class LandcoverWindowSettings(Frozen):
    """The regular view, the reference and the samples of land cover."""

    interval: Duration = Field("16d", description="days between two instants of the regular view")  # type: ignore[assignment]
    indices: tuple[IndexName, ...] = Field(
        ("ndvi", "ndwi", "ndbi", "norm"),
        description="made of the optical bands at every instant (docs/landcover.md)",
    )
    reference: Path | None = Field(
        None, description="map of classes as a GeoTIFF of whole numbers; none only to map with"
    )
    classes: tuple[ClassSettings, ...] = Field(
        min_length=2, max_length=254, description="in the order of the map's numbers, from 1"
    )
    erode: int = Field(1, ge=0, description="pixels taken off the edge of every patch of one class")
    per_class: int = Field(
        2000, ge=1, description="most training samples of a class in the whole area"
    )
    patch: int = Field(4, ge=1, description="edge of the squares that splits are made of")
    split: LandcoverSplitSettings = LandcoverSplitSettings(block=64, buffer=4)
    seed: int = Field(0, description="of the samples that are drawn")

    @field_validator("classes")
    @classmethod
    def _once(cls, classes: tuple[ClassSettings, ...]) -> tuple[ClassSettings, ...]:
        codes = [str(code) for one in classes for code in one.codes]
        for what, values in (("code", codes), ("name", [one.name for one in classes])):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"{what} {', '.join(twice)} belongs to several classes")
        return classes


class LandcoverTrainSettings(Frozen):
    """Gradient boosted trees on the series of single pixels."""

    rounds: int = Field(200, ge=1, description="most trees of each class")
    patience: int = Field(
        20, ge=0, description="rounds without a smaller validation loss before it stops; 0 never"
    )
    leaves: int = Field(15, ge=2, description="most leaves of a tree")
    min_leaf: int = Field(20, ge=1, description="fewest samples of a leaf")
    learning_rate: float = Field(0.1, gt=0, le=1)
    features: float = Field(0.5, gt=0, le=1, description="share of the features each tree sees")
    samples: float = Field(0.8, gt=0, le=1, description="share of the samples each tree sees")
    balance: float = Field(
        0.5,
        ge=0,
        le=1,
        description="0: every sample weighs the same, 1: every class does; between, the power",
    )
    seed: int = 0


class LandcoverGateSettings(Frozen):
    """What a model must reach to be mapped with."""

    margin: float = Field(
        0.0, ge=0, le=1, description="mIoU by which it must be ahead of naming the commonest class"
    )
    confidence: float = Field(
        0.95,
        gt=0.5,
        lt=1,
        description="share of paired draws over blocks in which it must be ahead of the champion",
    )
    minimum_samples: int = Field(
        50, ge=1, description="test samples below which there is no verdict"
    )


class LandcoverEvaluateSettings(Frozen):
    """How a model is judged."""

    bootstrap: int = Field(1000, ge=0, description="draws over blocks for intervals")
    gate: LandcoverGateSettings = LandcoverGateSettings()
    seed: int = 0


class LandcoverInferSettings(Frozen):
    """How an area is mapped."""

    block: int = Field(256, ge=16, description="pixels along the edge of what is mapped at once")


class LandcoverWindowStage(StageSettings):
    """Settings of the window stage."""

    window: LandcoverWindowSettings

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        period = (self.period.end - self.period.start).total_seconds()
        if self.window.interval.total_seconds() > period:
            raise ValueError(
                f"window.interval ({self.window.interval}) is longer than the period: expected at "
                "least one instant in it"
            )
        return self


class LandcoverTrainStage(StageSettings):
    """Settings of the train stage."""

    train: LandcoverTrainSettings


class LandcoverEvaluateStage(StageSettings):
    """Settings of the evaluate stage."""

    evaluate: LandcoverEvaluateSettings


class LandcoverInferStage(StageSettings):
    """Settings of the infer stage."""

    infer: LandcoverInferSettings


LANDCOVER_SETTINGS: dict[str, type[StageSettings]] = {
    "window": LandcoverWindowStage,
    "train": LandcoverTrainStage,
    "evaluate": LandcoverEvaluateStage,
    "infer": LandcoverInferStage,
}
