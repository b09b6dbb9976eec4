"""The exit handler: what it makes of a run, and where that goes."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner

from components.notify import delivery
from components.notify.__main__ import app
from components.notify.report import Status, report_on
from groundshift.artifacts import ArtifactStore, Outcome

DONE = {"exit": 0, "kind": "done"}
SUCCEEDED = {"state": "SUCCEEDED", "error": {}}
FAILED = {"state": "FAILED", "error": {"code": 1, "message": "Task exit-handler-1 failed."}}
SECRET = "T0KEN"


@pytest.fixture(autouse=True)
def _run(monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_RUN_ID", "run-1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(delivery, "_PAUSE", 0)


@pytest.fixture
def store(tmp_path):
    return ArtifactStore.open(str(tmp_path / "store"))


def report(store, status, *outcomes):
    return report_on(Status.parse(json.dumps(status)), "area", "run-1", outcomes, store)


def test_a_run_that_succeeded_is_done(store):
    told = report(
        store,
        SUCCEEDED | {"pipelineJobResourceName": "projects/p/pipelineJobs/training-7"},
        Outcome("fetch", "plan", **DONE),
        Outcome("stack", cell="east", **DONE),
        Outcome("stack", cell="west", **DONE),
        Outcome("infer", **DONE),
    )
    assert told == {
        "area": "area",
        "pipeline": "training-7",
        "run": "run-1",
        "outcome": "done",
        "message": "",
        "stages": {"fetch-plan": {"done": 1}, "infer": {"done": 1}, "stack": {"done": 2}},
        "failed_cells": [],
        "failed_cell_count": 0,
        "links": {},
    }


def test_a_plan_without_a_new_scene_is_nothing_new(store):
    idle = Outcome("fetch", "plan", exit=0, kind="nothing new")
    assert report(store, SUCCEEDED, idle)["outcome"] == "nothing new"
    assert report(store, SUCCEEDED, idle, Outcome("train", **DONE))["outcome"] == "done"


def test_a_run_that_only_credentials_or_quota_stopped_is_blocked(store):
    blocked = Outcome("fetch", cell="east", exit=2, kind="blocked", message="no such user")
    done, broken = (
        Outcome("stack", cell="west", **DONE),
        Outcome("stack", cell="south", exit=1, kind="broken", message="MemoryError: "),
    )
    told = report(store, FAILED, blocked, done)
    assert (told["outcome"], told["message"]) == ("blocked", "fetch-east: no such user")
    assert report(store, FAILED, blocked, broken)["outcome"] == "broken"


def test_the_reason_is_the_first_task_that_tells_one(store):
    killed = Outcome("infer", cell="east")
    failed = Outcome("stack", cell="east", exit=2, kind="broken", message="wrong setting")
    assert report(store, FAILED, killed, failed)["message"] == "stack-east: wrong setting"
    told = report(store, FAILED, killed)
    assert (told["outcome"], told["message"]) == ("broken", "infer-east was killed")
    assert report(store, FAILED)["message"] == "Task exit-handler-1 failed."


def test_of_many_failed_cells_the_first_are_named(store):
    failed = [Outcome("stack", cell=f"{n:04}", exit=1, kind="broken") for n in range(30)]
    told = report(store, FAILED, *reversed(failed))
    assert told["failed_cells"] == [f"{n:04}" for n in range(20)]
    assert told["failed_cell_count"] == 30
    assert told["stages"] == {"stack": {"broken": 30}}


def test_a_report_that_the_run_wrote_is_linked(store):
    page = store.root / "objects" / "maps" / "h" / "report.html"
    page.parent.mkdir(parents=True)
    page.write_text("")
    maps = Outcome("infer", **DONE, artifact="objects/maps/h")
    assert report(store, SUCCEEDED, Outcome("fetch", **DONE), maps)["links"] == {
        "report": str(page)
    }


@pytest.mark.parametrize(
    ("text", "state", "pipeline"),
    [
        (
            '{"state": "SUCCEEDED", "pipelineJobResourceName": "a/b/run", "error": {}}',
            "SUCCEEDED",
            "run",
        ),
        (
            '{"state": "FAILED", "pipeline_job_resource_name": "local-run", "error": null}',
            "FAILED",
            "local-run",
        ),
        ("{}", "UNKNOWN", ""),
        ("", "UNKNOWN", ""),
        ("[1]", "UNKNOWN", ""),
    ],
)
def test_the_status_is_read_as_every_engine_writes_it(text, state, pipeline, store):
    status = Status.parse(text)
    assert (status.state, status.pipeline) == (state, pipeline)
    outcome = report_on(status, "area", "run-1", (), store)["outcome"]
    assert outcome == ("done" if state == "SUCCEEDED" else "broken")


class Hook(ThreadingHTTPServer):
    """A webhook on this machine that answers as it is told."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.taken = [], []

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/hook/{SECRET}"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, self.headers["Content-Type"], json.loads(body)))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 200)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
        self.end_headers()

    do_GET = do_POST  # noqa: N815

    def log_message(self, *_):
        pass


@pytest.fixture
def hook(monkeypatch):
    with Hook() as server:
        monkeypatch.setenv("HOOK", server.address)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def notify(store, *options, status=SUCCEEDED):
    words = ["--status", json.dumps(status), "--store", store.root, "--area", "area", *options]
    return CliRunner().invoke(app, [str(word) for word in words])


def test_the_report_goes_to_the_webhook_and_the_file(store, hook, tmp_path):
    store.runs.record("run-1", Outcome("fetch", "plan", exit=0, kind="nothing new"))
    done = notify(store, "--file", tmp_path / "logs" / "runs.jsonl", "--webhook-env", "HOOK")
    assert done.exit_code == 0
    ((path, kind, posted),) = hook.taken
    (line,) = (tmp_path / "logs" / "runs.jsonl").read_text().splitlines()
    assert (path, kind) == (f"/hook/{SECRET}", "application/json")
    assert posted == json.loads(line) == json.loads(done.stdout)
    assert posted["outcome"] == "nothing new"
    assert (store.root / "runs" / "run-1" / "ended.json").is_file()


def test_lines_of_several_runs_stand_below_each_other(store, tmp_path, monkeypatch):
    file = tmp_path / "runs.jsonl"
    for run in ("run-1", "run-2", "run-2"):  # the last is a retry
        monkeypatch.setenv("GROUNDSHIFT_RUN_ID", run)
        assert notify(store, "--file", file).exit_code == 0
    assert [json.loads(line)["run"] for line in file.read_text().splitlines()] == ["run-1", "run-2"]


@pytest.mark.parametrize("answers", [[500], [503, 429]])
def test_a_webhook_that_recovers_gets_the_report(store, hook, answers):
    hook.answers = list(answers)
    assert notify(store, "--webhook-env", "HOOK").exit_code == 0
    assert len(hook.taken) == len(answers) + 1


@pytest.mark.parametrize(
    ("answers", "tries", "code"),
    [([500] * 9, 3, 4), ([404] * 9, 1, 2), ([302] * 9, 1, 2), ([307] * 9, 1, 2)],
)
def test_a_webhook_that_fails_is_told_and_the_file_is_written(
    store, hook, tmp_path, caplog, answers, tries, code
):
    hook.answers = list(answers)
    done = notify(store, "--file", tmp_path / "runs.jsonl", "--webhook-env", "HOOK")
    assert done.exit_code == code
    assert len(hook.taken) == tries
    assert f"the webhook in HOOK did not take the report: it answered {answers[0]}" in caplog.text
    assert len((tmp_path / "runs.jsonl").read_text().splitlines()) == 1


def test_a_file_that_can_not_be_written_does_not_keep_the_webhook(store, hook, tmp_path, caplog):
    done = notify(store, "--file", tmp_path, "--webhook-env", "HOOK")
    assert done.exit_code == 1
    assert "the file could not be written" in caplog.text
    assert len(hook.taken) == 1


def addresses():
    return [
        (f"http://127.0.0.1:9/{SECRET}", 4, "it could not be reached (ConnectionRefusedError)"),
        (f"http://127.0.0.1:{SECRET}/x", 2, "it could not be reached"),
        (f"https://[{SECRET}", 2, "it could not be reached (ValueError)"),
        (f"file:///etc/{SECRET}", 2, "an address that starts with https://, found another text"),
        ("", 2, "an address that starts with https://, found nothing"),
    ]


@pytest.mark.parametrize(("address", "code", "message"), addresses())
def test_no_message_shows_the_webhooks_address(store, monkeypatch, caplog, address, code, message):
    monkeypatch.setenv("HOOK", address)
    done = notify(store, "--webhook-env", "HOOK")
    assert done.exit_code == code
    assert message in caplog.text
    for text in (caplog.text, done.output):
        assert SECRET not in text


def test_a_damaged_outcome_does_not_keep_the_report(store, tmp_path, caplog):
    store.runs.record("run-1", Outcome("train", exit=1, kind="broken"))
    (store.root / "runs" / "run-1" / "train.json").write_text("{")
    done = notify(store, "--file", tmp_path / "runs.jsonl", status=FAILED)
    assert done.exit_code == 0
    assert json.loads(done.stdout)["outcome"] == "broken"
    assert "can't be read" in caplog.text


def test_the_command_explains_itself():
    done = CliRunner().invoke(app, ["--help"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    assert "Example: python -m components.notify" in done.stdout
