"""Settings: `params.yaml` becomes typed, frozen values, one model per stage.

Shared defaults stand at the top level of the file, an area's own values under `areas.<name>`.
A stage is given its own section and `task`, `area` and `period`, never another stage's, so that a
changed `train.epochs` reruns nothing upstream.
"""

from groundshift.settings.base import AreaSettings, Frozen, PeriodSettings
from groundshift.settings.checks import CheckName, ChecksSettings
from groundshift.settings.clouds import CloudSettings
from groundshift.settings.loading import INPUTS, load, merge, parse
from groundshift.settings.masks import MaskSettings
from groundshift.settings.sections import (
    STAGE_SETTINGS,
    STAGES,
    BlockLists,
    DriftSettings,
    EvaluateSettings,
    EvaluateStage,
    EventSettings,
    FetchStage,
    GateSettings,
    InferSettings,
    InferStage,
    SplitSettings,
    StackSettings,
    StackStage,
    StageName,
    StageSettings,
    SyntheticSettings,
    TrainSettings,
    TrainStage,
    WindowSettings,
    WindowStage,
)
from groundshift.settings.sentinelhub import SentinelHubSensorSettings, SentinelHubSettings
from groundshift.settings.services import BudgetSettings
from groundshift.settings.sources import (
    CitySettings,
    FetchSettings,
    FileSensorSettings,
    FilesSettings,
    PartSettings,
)
from groundshift.settings.stac import StacSensorSettings, StacSettings

__all__ = [
    "INPUTS",
    "STAGES",
    "STAGE_SETTINGS",
    "AreaSettings",
    "BlockLists",
    "BudgetSettings",
    "CheckName",
    "ChecksSettings",
    "CitySettings",
    "CloudSettings",
    "DriftSettings",
    "EvaluateSettings",
    "EvaluateStage",
    "EventSettings",
    "FetchSettings",
    "FetchStage",
    "FileSensorSettings",
    "FilesSettings",
    "Frozen",
    "GateSettings",
    "InferSettings",
    "InferStage",
    "MaskSettings",
    "PartSettings",
    "PeriodSettings",
    "SentinelHubSensorSettings",
    "SentinelHubSettings",
    "SplitSettings",
    "StacSensorSettings",
    "StacSettings",
    "StackSettings",
    "StackStage",
    "StageName",
    "StageSettings",
    "SyntheticSettings",
    "TrainSettings",
    "TrainStage",
    "WindowSettings",
    "WindowStage",
    "load",
    "merge",
    "parse",
]
