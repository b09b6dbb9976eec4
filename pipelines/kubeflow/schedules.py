"""Schedules on the server: recurring runs compared with what the file says, and made so."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import kfp_server_api

from groundshift.errors import SettingsError
from pipelines.kubeflow.comparison import differences
from pipelines.kubeflow.engine import experiment_id, find_experiment
from pipelines.kubeflow.packages import (
    Package,
    Version,
    find_package,
    find_pipeline,
    find_version,
    upload,
)
from pipelines.kubeflow.schedule_file import Schedule, ScheduleFile
from pipelines.kubeflow.server import ClusterError, Server

LATEST = "latest"
MARK = "groundshift schedule"
"""How a recurring run's description begins that is ours to replace or delete."""
SCHEDULED_DAY = "[[ScheduledTime.2006-01-02]]"
"""Kubeflow puts the day (UTC) for which a run was scheduled in its place."""


Arguments = Callable[..., dict[str, str]]
"""`pipelines.parameters.arguments`: a run's parameters from the settings file."""


@dataclass(frozen=True)
class Wished:
    """What a schedule should be on the server.

    Attributes:
        name: of the recurring run.
        enabled: whether it starts runs.
        values: all else, as `_values` reads it off a recurring run; None where it is an id that
            doesn't exist yet.
    """

    name: str
    enabled: bool
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Resolver:
    """Turns the file's schedules into recurring runs.

    Attributes:
        server: where pipelines, versions and the experiment are looked up.
        file: the schedules.
        params: settings file of the arguments.
        packages: folder of the compiled pipelines.
        arguments: makes a run's parameters.
    """

    server: Server
    file: ScheduleFile
    params: Path
    packages: Path
    arguments: Arguments

    def wished(self, *, create: bool) -> list[Wished]:
        """All of the file's schedules.

        Args:
            create: upload pipelines and make the experiment where they aren't there.

        Raises:
            SettingsError: a pipeline or version is needed that isn't there.
        """
        find = experiment_id if create else find_experiment
        experiment = find(self.server, self.file.experiment)
        return [
            self._wished(name, schedule, experiment, create)
            for name, schedule in self.file.schedules.items()
        ]

    def _wished(
        self, name: str, schedule: Schedule, experiment: str | None, create: bool
    ) -> Wished:
        label, pipeline_id, version_id = self._version(name, schedule, create)
        arguments = self.arguments(
            schedule.pipeline, schedule.area, self.params, schedule.overrides, ""
        )
        place = schedule.timezone or self.file.server_timezone
        values = {
            "description": f"{MARK}: {schedule.cron} in {place}, version {label}",
            "cron": self.file.cron(schedule).text,
            "catch_up": schedule.catch_up,
            "max_concurrency": schedule.max_concurrency,
            "pipeline_id": pipeline_id,
            "version_id": version_id,
            "experiment_id": experiment,
            "arguments": arguments | {"as_of": SCHEDULED_DAY},
        }
        return Wished(name, schedule.enabled, values)

    def _version(
        self, name: str, schedule: Schedule, create: bool
    ) -> tuple[str, str | None, str | None]:
        """The version's name, the pipeline's id and the version's id."""
        version: Version | None
        package = Package.read(self.packages / f"{schedule.pipeline}.yaml")
        if schedule.version is None:
            made = upload if create else find_package
            version = made(self.server, package)
            if version is None:
                return package.version, find_pipeline(self.server, package.pipeline), None
            return version.name, version.pipeline_id, version.version_id
        pipeline_id = find_pipeline(self.server, package.pipeline)
        if pipeline_id and schedule.version == LATEST:
            return LATEST, pipeline_id, LATEST
        version = find_version(self.server, pipeline_id, schedule.version) if pipeline_id else None
        if version is None:
            raise SettingsError(
                f"schedules.{name}: version {schedule.version!r} of pipeline {package.pipeline!r} "
                "is not on the server. Submit it once, or leave `version` out to use the pipeline "
                "that is compiled"
            )
        return version.name, version.pipeline_id, version.version_id


@dataclass(frozen=True)
class Change:
    """What it takes to get from the server's recurring runs of one name to what is wished."""

    name: str
    differences: tuple[str, ...] = ()
    keep: str | None = None
    switch: bool = False
    drop: tuple[str, ...] = field(default=(), repr=False)

    @property
    def needed(self) -> bool:
        """Whether there is anything to do."""
        return self.keep is None or self.switch or bool(self.drop)

    @property
    def verb(self) -> str:
        """`unchanged`, `create`, `replace`, `enable or disable`, `remove duplicates`."""
        if self.keep is None:
            return "replace" if self.drop else "create"
        if self.switch:
            return "enable or disable"
        return "remove duplicates" if self.drop else "unchanged"


class Schedules:
    """The server's schedules: recurring runs whose description has our mark."""

    def __init__(self, server: Server) -> None:
        """Work on one server."""
        self.server = server
        self._api = server.api.recurring_runs

    def existing(self) -> dict[str, list[Any]]:
        """All recurring runs by name, the newest first."""
        listed = self.server.pages(
            self._api.recurring_run_service_list_recurring_runs,
            "recurring_runs",
            sort_by="created_at desc",
            **self.server.scope(),
        )
        found: dict[str, list[Any]] = {}
        for item in listed:
            found.setdefault(item.display_name, []).append(item)
        return found

    def plan(self, wished: Iterable[Wished]) -> list[Change]:
        """Compare what is wished with what is there.

        Raises:
            SettingsError: a recurring run of that name is somebody else's.
        """
        existing = self.existing()
        return [self._compare(wish, existing.get(wish.name, [])) for wish in wished]

    def apply(self, wished: Iterable[Wished]) -> list[Change]:
        """Make the server's schedules what is wished, in an order that may break off anywhere.

        What is new comes first and what is old goes then: in between a schedule is there twice,
        and the next `apply` removes one. Schedules of other names are left alone.
        """
        wishes = list(wished)
        changes = self.plan(wishes)
        for wish, change in zip(wishes, changes, strict=True):
            if change.keep is None:
                self._create(wish, known=change.drop)
            elif change.switch:
                self._switch(change.keep, wish.enabled)
            for recurring_run in change.drop:
                self._delete(recurring_run)
        return changes

    def remove(self, name: str) -> int:
        """Delete every schedule of a name; say how many there were.

        Raises:
            SettingsError: it is somebody else's.
        """
        found = self.existing().get(name, [])
        _require_ours(name, found)
        for item in found:
            self._delete(item.recurring_run_id)
        return len(found)

    def _compare(self, wish: Wished, found: list[Any]) -> Change:
        _require_ours(wish.name, found)
        different = [differences(_values(item), wish.values) for item in found]
        same = [item for item, lines in zip(found, different, strict=True) if not lines]
        keep = same[0] if same else None
        drop = tuple(item.recurring_run_id for item in found if item is not keep)
        if keep is None:
            return Change(wish.name, different[0] if found else (), None, False, drop)
        switch = (keep.mode == "ENABLE") != wish.enabled
        return Change(
            wish.name,
            (f"enabled: {not wish.enabled} -> {wish.enabled}",) if switch else (),
            keep.recurring_run_id,
            switch,
            drop,
        )

    def _create(self, wish: Wished, known: tuple[str, ...]) -> None:
        values = wish.values
        version = None if values["version_id"] == LATEST else values["version_id"]
        body = kfp_server_api.V2beta1RecurringRun(
            display_name=wish.name,
            description=values["description"],
            mode="ENABLE" if wish.enabled else "DISABLE",
            experiment_id=values["experiment_id"],
            pipeline_version_reference=kfp_server_api.V2beta1PipelineVersionReference(
                pipeline_id=values["pipeline_id"], pipeline_version_id=version
            ),
            runtime_config=kfp_server_api.V2beta1RuntimeConfig(parameters=values["arguments"]),
            trigger=kfp_server_api.V2beta1Trigger(
                cron_schedule=kfp_server_api.V2beta1CronSchedule(cron=values["cron"])
            ),
            max_concurrency=str(values["max_concurrency"]),
            no_catchup=not values["catch_up"],
            **self.server.scope(),
        )
        create = partial(self._api.recurring_run_service_create_recurring_run, body)

        def find() -> dict[str, Any]:
            found = self.existing().get(wish.name, [])
            return {item.recurring_run_id: item for item in found}

        self.server.once(create, find, known)

    def _switch(self, recurring_run: str, enabled: bool) -> None:
        if enabled:
            call = self._api.recurring_run_service_enable_recurring_run
        else:
            call = self._api.recurring_run_service_disable_recurring_run
        self.server.ask(call, recurring_run)

    def _delete(self, recurring_run: str) -> None:
        try:
            self.server.ask(
                self._api.recurring_run_service_delete_recurring_run,
                recurring_run,
                # By default its running workflows are deleted with it.
                propagation_policy="ORPHAN",
            )
        except ClusterError as error:
            if error.status != 404:
                raise


def ours(item: Any) -> bool:
    """Whether a recurring run was made by `schedule apply`."""
    return (item.description or "").startswith(MARK)


def _require_ours(name: str, found: list[Any]) -> None:
    foreign = [item.recurring_run_id for item in found if not ours(item)]
    if foreign:
        raise SettingsError(
            f"schedule {name!r}: a recurring run of that name is there that groundshift didn't "
            f"make ({foreign[0]}). Choose another name, or delete it in Kubeflow"
        )


def _values(item: Any) -> dict[str, Any]:
    """What a recurring run is, in the words of `Wished.values`."""
    reference = item.pipeline_version_reference
    cron = item.trigger.cron_schedule if item.trigger else None
    return {
        "description": item.description,
        "cron": cron.cron if cron else None,
        "catch_up": not item.no_catchup,
        "max_concurrency": int(item.max_concurrency or 1),
        "pipeline_id": reference.pipeline_id if reference else None,
        "version_id": (reference and reference.pipeline_version_id) or LATEST,
        "experiment_id": item.experiment_id,
        "arguments": (item.runtime_config and item.runtime_config.parameters) or {},
    }
