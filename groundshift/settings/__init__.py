"""Settings: `params.yaml` becomes typed, frozen values, one model per stage.

Shared defaults stand at the top level of the file, an area's own values under `areas.<name>`. The
sections from window on belong to a task: an area of another task than the top level's takes none of
those over.
A stage is given its own section and `task`, `area` and `period`, never another stage's, so that a
changed `train.epochs` reruns nothing upstream.
"""

from groundshift.settings.assessing import (
    DriftSettings,
    EvaluateSettings,
    EventSettings,
    GateSettings,
    InferSettings,
)
from groundshift.settings.base import AreaSettings, Frozen, PeriodSettings
from groundshift.settings.checks import CheckName, ChecksSettings
from groundshift.settings.clouds import CloudSettings
from groundshift.settings.landcover import (
    ClassSettings,
    IndexName,
    LandcoverEvaluateSettings,
    LandcoverEvaluateStage,
    LandcoverInferStage,
    LandcoverTrainSettings,
    LandcoverTrainStage,
    LandcoverWindowSettings,
    LandcoverWindowStage,
)
from groundshift.settings.loading import INPUTS, load, merge, parse
from groundshift.settings.masks import MaskSettings
from groundshift.settings.sections import (
    STAGE_SETTINGS,
    STAGES,
    BlockLists,
    EvaluateStage,
    FetchStage,
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
from groundshift.settings.tasks import DEFAULT_TASK, TASK_SETTINGS, own_sections

__all__ = [
    "DEFAULT_TASK",
    "INPUTS",
    "STAGES",
    "STAGE_SETTINGS",
    "TASK_SETTINGS",
    "AreaSettings",
    "BlockLists",
    "BudgetSettings",
    "CheckName",
    "ChecksSettings",
    "CitySettings",
    "ClassSettings",
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
    "IndexName",
    "InferSettings",
    "InferStage",
    "LandcoverEvaluateSettings",
    "LandcoverEvaluateStage",
    "LandcoverInferStage",
    "LandcoverTrainSettings",
    "LandcoverTrainStage",
    "LandcoverWindowSettings",
    "LandcoverWindowStage",
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
    "own_sections",
    "parse",
]
