"""The settings of every stage, as typed, frozen models."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from groundshift.domain.eras import ERAS, EraName
from groundshift.domain.time import Duration

StageName = Literal["fetch", "stack", "window", "train", "evaluate", "infer"]
STAGES: tuple[StageName, ...] = ("fetch", "stack", "window", "train", "evaluate", "infer")

EXECUTION: dict[str, Any] = {"execution": True}
"""Marks a field that doesn't affect what is written: memory, workers, paths."""


class Frozen(BaseModel):
    """Base of all settings: immutable, and no key it doesn't know."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def _instant(value: object) -> object:
    """Dates as YAML gives them, naive ones in UTC."""
    if isinstance(value, str):
        value = datetime.fromisoformat(value.replace("Z", "+00:00"))
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if hasattr(value, "year"):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)  # type: ignore[attr-defined]
    return value


Instant = Annotated[datetime, BeforeValidator(_instant)]


class AreaSettings(Frozen):
    """Where."""

    geometry: Path | None = Field(
        None, description="GeoJSON, shapefile or GeoPackage; all its polygons are the area"
    )
    bounds: tuple[float, float, float, float] | None = Field(
        None, description="instead of geometry: left, bottom, right, top in bounds_crs"
    )
    bounds_crs: str = Field("EPSG:4326", description="reference system of bounds")
    like: Path | None = Field(
        None,
        description="image or EOPatch whose pixel grid is taken as it is, as one cell without "
        "halo; whole, or the part that geometry or bounds cover",
    )
    crs: str = Field("auto", description="reference system of the maps; auto is the UTM zone")
    resolution: float = Field(10, gt=0, description="pixel size in metres")
    cell: float = Field(10000, gt=0, description="edge of a cell in metres")
    halo: int = Field(16, ge=0, description="pixels of context around each cell")

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.geometry is not None and self.bounds is not None:
            raise ValueError("give either area.geometry (a file) or area.bounds, not both")
        if self.geometry is None and self.bounds is None and self.like is None:
            raise ValueError("give area.geometry (a file), area.bounds or area.like (an image)")
        return self


class PeriodSettings(Frozen):
    """When."""

    start: Instant = Field(description="first instant that counts (UTC)")
    end: Instant = Field(description="first instant that doesn't count any more (UTC)")

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.end <= self.start:
            raise ValueError(f"period.end ({self.end}) must lie after period.start ({self.start})")
        return self

    @property
    def start_seconds(self) -> int:
        """Start in seconds since 1970."""
        return int(self.start.timestamp())

    @property
    def end_seconds(self) -> int:
        """End in seconds since 1970, exclusive."""
        return int(self.end.timestamp())


class PartSettings(Frozen):
    """One folder of GeoTIFFs with the bands its files hold."""

    folder: str = Field(description="folder below fetch.files.root")
    pattern: str = Field("*.tif", description="which files; {band} stands for a band's name")
    bands: tuple[str, ...] = Field(description="names of the files' bands in file order")


class MaskSettings(Frozen):
    """Which pixels of a sensor are valid."""

    folder: str | None = Field(None, description="folder of mask files below the root")
    pattern: str = Field("*.tif", description="which files")
    band: str | None = Field(
        None, description="instead of folder: the band of the sensor's own files that is the mask"
    )
    rule: Literal["values", "bits", "nonzero", "zero"] = Field(
        "nonzero",
        description="values: valid where the mask is one of `valid`; bits: where none of the bits "
        "`reject` is set; nonzero, zero: where it is (not) zero",
    )
    valid: tuple[int, ...] = Field((), description="valid classes, e.g. SCL 4 5 6 7")
    reject: tuple[int, ...] = Field((), description="bit numbers, e.g. QA_PIXEL 0 1 2 3 4")


class FileSensorSettings(Frozen):
    """One sensor read from files."""

    mission: Literal["sentinel1", "sentinel2", "landsat_tm", "landsat_oli", "ers"]
    layout: Literal["geotiff", "eopatch", "landsat"] = Field(
        "geotiff", description="GeoTIFF folders, EOPatch folders, or Landsat product folders"
    )
    parts: tuple[PartSettings, ...] = Field((), description="folders of GeoTIFFs")
    folder: str | None = Field(None, description="folder of EOPatches or Landsat products")
    feature: str | None = Field(None, description="EOPatch data feature, e.g. L1C_data")
    mask_feature: str | None = Field(None, description="EOPatch mask feature, e.g. dataMask")
    bands: tuple[str, ...] = Field(description="bands to keep, in this order")
    units: Literal["dn", "reflectance", "linear", "db"] = Field(
        description="what the files hold; db becomes linear power"
    )
    scale: float = Field(1.0, description="value = number * scale + offset, before units")
    offset: float = Field(0.0, description="see scale")
    nodata: float | None = Field(
        None,
        allow_inf_nan=False,
        description="invalid number; default: the file's own tag; NaN is always invalid",
    )
    mask: MaskSettings | None = Field(None, description="mask files and their rule")
    time: str = Field("name", description="name, or tag:NAME for a GeoTIFF tag")
    level: str = Field("", description="product level, e.g. L2A")
    coefficient: str = Field("", description="backscatter coefficient of radar, if known")
    orbit: str = Field("", description="orbit direction or relative orbit of radar")
    store: Literal["auto", "uint16", "float32"] = Field(
        "auto", description="stored type; auto: uint16 x 10000 for reflectance from integers"
    )


class FilesSettings(Frozen):
    """The source `files`."""

    root: Path = Field(description="folder that holds the images")
    sensors: dict[str, FileSensorSettings] = Field(min_length=1)
    licences: tuple[str, ...] = Field((), description="licence and attribution lines")


class FetchSettings(Frozen):
    """Where observations come from."""

    source: Literal["files"] = "files"
    files: FilesSettings
    plant: Path | None = Field(
        None, description="GeoJSON of changes to plant into the real pixels, as controlled truth"
    )
    workers: int = Field(2, ge=1, json_schema_extra=EXECUTION)


class StackSettings(Frozen):
    """How observations become a cube."""

    step: Duration = Field("2d", description="bin of the common time line")  # type: ignore[assignment]
    radar: tuple[str, ...] = Field((), max_length=2, description="sensors of the radar inputs")
    optical: str | None = Field(None, description="sensor of the optical input")
    workers: int = Field(2, ge=1, json_schema_extra=EXECUTION)


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
        None, description="instead of shares: the blocks of each split by number"
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
    epochs: int = Field(30, ge=1)
    batch: int = Field(16, ge=1)
    stride: int = Field(
        1, ge=1, description="use every n-th window for training; which ones changes by epoch"
    )
    validation_stride: int = Field(5, ge=1, description="use every n-th window for validation")
    members: int = Field(1, ge=1, description="networks of the ensemble")
    optimiser: Literal["adam", "sgd"] = Field(
        "adam", description="adam with cosine decay, or sgd with momentum 0.8 as published"
    )
    learning_rate: float = Field(5e-3, gt=0)
    dropout: float = Field(0.0, ge=0, lt=1, description="recurrent dropout")
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
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, values: Any) -> Any:
        """Fill what is left out from the published training, if its preset is named."""
        if isinstance(values, dict) and values.get("preset", "tiny") != "tiny":
            return PUBLISHED_TRAINING | values
        return values


class EvaluateSettings(Frozen):
    """How a model is judged."""

    threshold: float | None = Field(None, description="None: chosen on validation blocks by F1")
    stride: int = Field(1, ge=1, description="score every n-th window")
    boundary: int = Field(1, ge=0, description="tolerance of boundary F1 in pixels")
    min_event: int = Field(4, ge=1, description="smallest event in pixels")
    bootstrap: int = Field(1000, ge=0, description="draws over blocks for intervals")
    baselines: bool = True
    seed: int = 0


class InferSettings(Frozen):
    """How maps and events are made."""

    stride: int = Field(1, ge=1, description="map every n-th window")
    block: int = Field(256, ge=16, description="inference block in pixels, without its halo")
    halo: int | None = Field(None, ge=0, description="None: from the model's influence radius")
    min_event: int = Field(4, ge=1, description="smallest event in pixels")


class StageSettings(Frozen):
    """What every stage knows: which task, which area, which period."""

    name: str = Field("area", description="name of the area", pattern=r"^[A-Za-z0-9][\w.-]*$")
    task: Literal["change"] = "change"
    area: AreaSettings
    period: PeriodSettings

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
    """A model's fields without execution settings and paths (their content is an input)."""
    values: dict[str, Any] = {}
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        extra = field.json_schema_extra
        if isinstance(value, Path) or (isinstance(extra, dict) and extra.get("execution")):
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
