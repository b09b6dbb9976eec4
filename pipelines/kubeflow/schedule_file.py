"""The file of schedules: what runs when, checked before a server is asked."""

from datetime import UTC, datetime
from pathlib import Path

import yaml
from pydantic import Field, ValidationError

from groundshift.errors import SettingsError
from groundshift.settings.base import Frozen
from pipelines.kubeflow import EXPERIMENT
from pipelines.kubeflow.cron import Cron, for_server, zone


class Schedule(Frozen):
    """One schedule of the file."""

    pipeline: str = Field(description="Which pipeline, as `groundshift compile` calls it.")
    area: str = Field(description="Which area of the settings file.")
    cron: str = Field(description="When: five fields, or six with seconds first.")
    timezone: str | None = Field(None, description="Zone of `cron`; the server's by default.")
    version: str | None = Field(
        None, description="A version on the server, `latest`, or what was compiled (default)."
    )
    overrides: tuple[str, ...] = Field(
        (), alias="set", description="Overrides of settings, e.g. infer.stride=5."
    )
    enabled: bool = Field(True, description="Whether it starts runs.")
    catch_up: bool = Field(False, description="Whether missed times are made up for.")
    max_concurrency: int = Field(1, ge=1, le=10, description="Runs at the same time.")


class ScheduleFile(Frozen):
    """All schedules of a file, by name, and the zone that the cluster's scheduler has."""

    server_timezone: str = Field(
        "UTC", description="CRON_SCHEDULE_TIMEZONE of ml-pipeline-scheduledworkflow."
    )
    experiment: str = Field(EXPERIMENT, description="Experiment of the runs.")
    schedules: dict[str, Schedule]

    @classmethod
    def read(cls, path: Path) -> "ScheduleFile":
        """Read a file and check every time in it.

        Raises:
            SettingsError: the first thing that is wrong, and its place.
        """
        try:
            file = cls.model_validate(yaml.safe_load(path.read_text()))
        except OSError as error:
            raise SettingsError(f"{path}: can't be read ({error.strerror})") from error
        except yaml.YAMLError as error:
            raise SettingsError(f"{path}: no valid YAML: {error}") from error
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"])) or "schedules"
            raise SettingsError(f"{path}: {place}: {problem['msg']}") from None
        for name, schedule in file.schedules.items():
            try:
                file.cron(schedule)
            except SettingsError as error:
                raise SettingsError(f"{path}: schedules.{name}: {error}") from error
        return file

    def cron(self, schedule: Schedule) -> Cron:
        """When the server's clock says it is time."""
        wished = zone(schedule.timezone or self.server_timezone)
        return for_server(Cron.parse(schedule.cron), wished, zone(self.server_timezone))

    def next_times(self, schedule: Schedule, count: int = 5) -> list[datetime]:
        """The next times in the schedule's zone."""
        there = zone(schedule.timezone or self.server_timezone)
        return Cron.parse(schedule.cron).next_times(there, datetime.now(UTC), count)
