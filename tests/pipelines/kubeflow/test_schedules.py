"""Schedules: what the file says is what the server has, whatever breaks in between."""

from pathlib import Path

import pytest

from groundshift.errors import SettingsError
from pipelines.kubeflow.packages import Package, upload
from pipelines.kubeflow.schedule_file import ScheduleFile
from pipelines.kubeflow.schedules import Change, Resolver, Schedules
from pipelines.kubeflow.server import ClusterError, Connection, Server
from tests.pipelines.kubeflow.conftest import Clock, arguments, write_package
from tests.pipelines.kubeflow.fake import FakeKubeflow

FILE = """
schedules:
  weekly:
    pipeline: monitoring
    area: demo
    cron: 0 3 * * MON
"""
RECURRING = "/apis/v2beta1/recurringruns"


class Cluster:
    """A folder with a file and compiled pipelines, and the server they go to."""

    def __init__(self, fake: FakeKubeflow, server: Server, packages: Path) -> None:
        self.fake, self.server, self.packages = fake, server, packages
        self.file = packages / "schedules.yaml"
        self.write(FILE)

    def write(self, text: str) -> None:
        self.file.write_text(text)

    def resolver(self) -> Resolver:
        file = ScheduleFile.read(self.file)
        return Resolver(self.server, file, Path("params.yaml"), self.packages, arguments)

    def apply(self) -> list[Change]:
        return Schedules(self.server).apply(self.resolver().wished(create=True))

    def diff(self) -> list[Change]:
        return Schedules(self.server).plan(self.resolver().wished(create=False))

    def there(self, name: str = "weekly") -> list[dict[str, object]]:
        return self.fake.state.named("recurring_runs", name)

    def trace(self) -> list[str]:
        """The requests that changed something, and forget all so far."""
        lines = [line for line in self.fake.trace if not line.startswith("GET")]
        self.fake.trace.clear()
        return lines


@pytest.fixture
def cluster(fake: FakeKubeflow, server: Server, packages: Path) -> Cluster:
    return Cluster(fake, server, packages)


def test_a_schedule_is_what_the_file_says(cluster: Cluster) -> None:
    (change,) = cluster.apply()
    assert change.verb == "create"
    (made,) = cluster.there()
    version = upload(cluster.server, Package.read(cluster.packages / "monitoring.yaml"))
    assert made["trigger"] == {"cron_schedule": {"cron": "0 0 3 * * MON"}}
    assert made["pipeline_version_reference"] == {
        "pipeline_id": version.pipeline_id,
        "pipeline_version_id": version.version_id,
    }
    assert made["runtime_config"] == {
        "parameters": {
            "area": "demo",
            "infer_settings": '{"infer":{"stride":1}}',
            "as_of": "[[ScheduledTime.2006-01-02]]",
        }
    }
    assert (made["mode"], made["no_catchup"], made["max_concurrency"]) == ("ENABLE", True, "1")
    assert made["description"] == (
        f"groundshift schedule: 0 3 * * MON in UTC, version {version.name}"
    )


def test_applying_twice_changes_nothing(cluster: Cluster) -> None:
    cluster.apply()
    assert f"POST {RECURRING}" in cluster.trace()
    assert [change.verb for change in cluster.apply()] == ["unchanged"]
    assert cluster.trace() == []
    assert not any(change.needed for change in cluster.diff())


def test_looking_changes_nothing(cluster: Cluster) -> None:
    (change,) = cluster.diff()
    assert (change.verb, change.needed) == ("create", True)
    assert cluster.trace() == []


def test_a_change_is_told_setting_by_setting_and_made(cluster: Cluster) -> None:
    cluster.apply()
    (before,) = cluster.there()
    cluster.write(FILE + "    set: [infer.stride=5]\n    max_concurrency: 2\n")
    expected = ("arguments.infer_settings.infer.stride: 1 -> 5", "max_concurrency: 1 -> 2")
    cluster.trace()
    for changes in (cluster.diff(), cluster.apply()):
        assert [(change.verb, change.differences) for change in changes] == [("replace", expected)]
    (after,) = cluster.there()
    assert cluster.trace() == [
        f"POST {RECURRING}",
        f"DELETE {RECURRING}/{before['recurring_run_id']}",
    ]
    assert after["runtime_config"]["parameters"]["infer_settings"] == '{"infer":{"stride":5}}'


def test_replacing_leaves_a_run_that_goes_on(cluster: Cluster) -> None:
    cluster.apply()
    run = cluster.fake.state.trigger(cluster.there()[0]["recurring_run_id"])
    cluster.fake.state.tick()
    cluster.write(FILE.replace("0 3", "0 4"))
    cluster.apply()
    assert run["state"] == "RUNNING"
    Schedules(cluster.server).remove("weekly")
    assert run["state"] == "RUNNING"


def test_switching_off_and_on_replaces_nothing(cluster: Cluster) -> None:
    cluster.apply()
    (made,) = cluster.there()
    for enabled, verb in (("false", "disable"), ("true", "enable")):
        cluster.write(FILE + f"    enabled: {enabled}\n")
        assert [change.verb for change in cluster.diff()] == ["enable or disable"]
        cluster.trace()
        cluster.apply()
        assert cluster.trace() == [f"POST {RECURRING}/{made['recurring_run_id']}:{verb}"]
        assert not cluster.diff()[0].needed


def test_a_schedule_may_start_switched_off(cluster: Cluster) -> None:
    cluster.write(FILE + "    enabled: false\n")
    cluster.apply()
    assert cluster.there()[0]["status"] == "DISABLED"
    assert not cluster.diff()[0].needed


def test_what_breaks_off_between_new_and_old_heals(cluster: Cluster) -> None:
    cluster.apply()
    cluster.write(FILE.replace("0 3", "0 4"))
    cluster.fake.answers(403, "DELETE")
    with pytest.raises(ClusterError, match="403"):
        cluster.apply()
    assert len(cluster.there()) == 2
    (change,) = cluster.diff()
    assert (change.verb, change.needed) == ("remove duplicates", True)
    cluster.apply()
    (left,) = cluster.there()
    assert left["trigger"] == {"cron_schedule": {"cron": "0 0 4 * * MON"}}
    assert not cluster.diff()[0].needed


@pytest.mark.parametrize("request_line", [f"POST {RECURRING}", "DELETE", "upload_version"])
@pytest.mark.parametrize("trouble", ["loses", "drops"])
def test_a_lost_answer_leaves_no_duplicate(
    cluster: Cluster, trouble: str, request_line: str
) -> None:
    cluster.apply()
    cluster.write(FILE.replace("0 3", "0 4"))
    write_package(cluster.packages, "monitoring", image="image:2")
    getattr(cluster.fake, trouble)(request_line)
    cluster.apply()
    assert len(cluster.there()) == 1
    assert not cluster.diff()[0].needed
    assert len(cluster.fake.state.items["pipeline_versions"]) == 2


def test_an_answer_lost_for_good_is_healed_by_the_next_apply(
    cluster: Cluster, clock: Clock
) -> None:
    cluster.fake.loses(f"POST {RECURRING}")
    clock.then = lambda: cluster.fake.answers(503, times=1000)
    with pytest.raises(ClusterError, match=r"503"):
        cluster.apply()
    cluster.fake.recovers()
    assert [change.verb for change in cluster.apply()] == ["unchanged"]
    assert len(cluster.there()) == 1


def test_a_new_pipeline_moves_the_pin_and_latest_does_not_care(cluster: Cluster) -> None:
    latest = FILE.replace("weekly", "newest") + "    version: latest\n"
    cluster.write(FILE + latest.partition("schedules:")[2])
    upload(cluster.server, Package.read(cluster.packages / "monitoring.yaml"))
    cluster.apply()
    old = Package.read(cluster.packages / "monitoring.yaml")
    write_package(cluster.packages, "monitoring", image="image:2")
    new = Package.read(cluster.packages / "monitoring.yaml")
    changes = cluster.diff()
    assert [change.verb for change in changes] == ["replace", "unchanged"]
    assert len(changes[0].differences) == 1
    assert old.version in changes[0].differences[0]
    assert new.version in changes[0].differences[0]
    cluster.apply()
    assert "pipeline_version_id" not in cluster.there("newest")[0]["pipeline_version_reference"]


def test_a_version_by_name_is_pinned_and_must_be_there(cluster: Cluster) -> None:
    cluster.write(FILE + "    version: 0.0.1-abc\n")
    with pytest.raises(SettingsError, match=r"weekly.*'0.0.1-abc'.*not on the server"):
        cluster.apply()
    version = upload(cluster.server, Package.read(cluster.packages / "monitoring.yaml"))
    cluster.write(FILE + f"    version: {version.name}\n")
    write_package(cluster.packages, "monitoring", image="image:2")
    cluster.apply()
    reference = cluster.there()[0]["pipeline_version_reference"]
    assert reference["pipeline_version_id"] == version.version_id


def test_others_recurring_runs_are_left_alone(cluster: Cluster) -> None:
    cluster.apply()
    (ours,) = cluster.there()
    foreign = {**ours, "recurring_run_id": "theirs", "description": "my own"}
    cluster.fake.state.items["recurring_runs"]["theirs"] = foreign
    with pytest.raises(SettingsError, match=r"didn't make \(theirs\)"):
        cluster.apply()
    with pytest.raises(SettingsError, match=r"didn't make"):
        Schedules(cluster.server).remove("weekly")
    assert len(cluster.there()) == 2


def test_removing_deletes_once(cluster: Cluster) -> None:
    cluster.apply()
    cluster.fake.loses("DELETE")
    assert Schedules(cluster.server).remove("weekly") == 1
    assert cluster.there() == []
    assert Schedules(cluster.server).remove("weekly") == 0


def test_a_name_is_found_among_many_pages(cluster: Cluster) -> None:
    cluster.apply()
    (made,) = cluster.there()
    for number in range(120):
        item = {**made, "display_name": f"other-{number}", "recurring_run_id": f"id-{number}"}
        cluster.fake.state.items["recurring_runs"][f"id-{number}"] = item
    cluster.fake.trace.clear()
    assert [change.verb for change in cluster.apply()] == ["unchanged"]
    assert cluster.fake.trace.count(f"GET {RECURRING}") == 2
    assert len(Schedules(cluster.server).existing()) == 121


def test_in_a_namespace_of_several_users(clock: Clock, packages: Path) -> None:
    fake = FakeKubeflow(namespaces=("ours", "yours"))
    try:
        ours = Cluster(fake, Server(Connection(fake.host, namespace="ours")), packages)
        ours.apply()
        assert not ours.diff()[0].needed
        yours = Cluster(fake, Server(Connection(fake.host, namespace="yours")), packages)
        assert [change.verb for change in yours.apply()] == ["create"]
        assert [item["namespace"] for item in ours.there()] == ["ours", "yours"]
    finally:
        fake.stop()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("schedules: [", r"no valid YAML"),
        ("- 1", r"valid dictionary"),
        (FILE + "    paralel: 1\n", r"schedules\.weekly\.paralel"),
        (FILE + "    max_concurrency: 11\n", r"max_concurrency.*less than or equal to 10"),
        (FILE.replace("MON", "7"), r"schedules\.weekly.*day of week '7'"),
        (FILE + "    timezone: Europe/Brussels\n", r"weekly.*CRON_SCHEDULE_TIMEZONE"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "schedules.yaml"
    path.write_text(text)
    with pytest.raises(SettingsError, match=reason) as error:
        ScheduleFile.read(path)
    assert str(path) in str(error.value)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.yaml: can't be read"):
        ScheduleFile.read(tmp_path / "nothing.yaml")


def test_the_cron_is_sent_in_the_servers_zone(cluster: Cluster) -> None:
    cluster.write(FILE + "    timezone: Asia/Tokyo\n")
    cluster.apply()
    (made,) = cluster.there()
    assert made["trigger"] == {"cron_schedule": {"cron": "0 0 18 * * 0"}}
    assert "0 3 * * MON in Asia/Tokyo" in str(made["description"])
    cluster.write("server_timezone: Asia/Tokyo\n" + FILE)
    assert "cron: 0 0 18 * * 0 -> 0 0 3 * * MON" in cluster.diff()[0].differences
