"""What models are judged by, and what is made of their scores."""

from pathlib import Path

from pydantic import Field

from groundshift.settings.base import Frozen


class GateSettings(Frozen):
    """What a model must reach to be mapped with."""

    minimum_lift: float = Field(
        2.0, ge=1, description="PR-AUC on the test blocks, at least so many times the prevalence"
    )
    minimum_positives: int = Field(
        50, ge=1, description="changed pixels (times windows) below which there is no verdict"
    )
    margin: float = Field(
        0.0, ge=-1, le=1, description="PR-AUC by which it must be ahead of the champion's"
    )
    confidence: float = Field(
        0.95,
        gt=0.5,
        lt=1,
        description="share of paired draws over blocks in which it must be so far ahead",
    )
    stratum_margin: float = Field(
        0.1,
        ge=0,
        le=1,
        description="most that it may lose against the champion in any stratum (recall of events, "
        "share of steady ground left alone, PR-AUC of a year)",
    )
    minimum_blocks: int = Field(
        20, ge=2, description="test blocks below which the champion is not replaced"
    )
    minimum_events: int = Field(
        30, ge=1, description="known events on them below which the champion is not replaced"
    )


class DriftSettings(Frozen):
    """When new images differ so much from those of the training that training anew pays."""

    threshold: float = Field(
        1.0, gt=0, description="difference from which on, in standard deviations of the training"
    )
    minimum_windows: int = Field(
        30, ge=1, description="new windows since the training below which it is never worth it"
    )


class EventSettings(Frozen):
    """What counts as a change event."""

    min_event: int = Field(4, ge=1, description="smallest event in pixels")
    hysteresis: float = Field(
        0.7,
        gt=0,
        le=1,
        description="share of the threshold at which pixels join an event that reaches it, and "
        "down to which its alarm goes on",
    )
    smooth: int = Field(
        1, ge=1, description="windows of a running median over each pixel's scores; 1 is none"
    )
    confirm: int = Field(
        2, ge=1, description="windows in a row, the first included, that confirm an event"
    )


class EvaluateSettings(EventSettings):
    """How a model is judged."""

    threshold: float | None = Field(None, description="None: chosen on validation blocks by F1")
    stride: int = Field(1, ge=1, description="score every n-th window")
    boundary: int = Field(1, ge=0, description="tolerance of boundary F1 in pixels")
    bootstrap: int = Field(1000, ge=0, description="draws over blocks for intervals")
    baselines: bool = True
    gate: GateSettings = GateSettings()
    drift: DriftSettings = DriftSettings()
    seed: int = 0


class InferSettings(EventSettings):
    """How maps and events are made."""

    stride: int = Field(1, ge=1, description="map every n-th window")
    block: int = Field(256, ge=16, description="inference block in pixels, without its halo")
    halo: int | None = Field(None, ge=0, description="None: from the model's influence radius")
    page: bool = Field(True, description="write the map page (docs/page.md)")
    timelapse: bool = Field(False, description="write a time-lapse, as MP4 and as GIF")
    series: bool = Field(
        True, description="also write all scores as one Zarr group, in columns of time"
    )
    reviews: Path | None = Field(
        None,
        description="what analysts said of events (groundshift review import); default: the "
        "reviews in the store",
    )
