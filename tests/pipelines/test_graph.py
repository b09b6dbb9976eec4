"""The shape of the three pipelines: what runs in which order, what waits, what is cached."""

import pytest

from pipelines.compile import PIPELINES
from tests.pipelines.packages import package

PLAN = "pipelinechannel--plan-cells"


def order(dag):
    """Tasks of a graph in an order in which they can run."""
    done = []
    while len(done) < len(dag["tasks"]):
        ready = [
            name
            for name, task in dag["tasks"].items()
            if name not in done and set(task.get("dependentTasks", ())) <= set(done)
        ]
        done += sorted(ready)
    return done


def titles(package, dag):
    """Titles of a graph's tasks in their order, groups with what is in them."""
    content = dict(package.dags())[dag]
    found = []
    for name in order(content):
        task = content["tasks"][name]
        inner = task["componentRef"]["name"]
        title = task["taskInfo"]["name"]
        is_group = "dag" in package.spec["components"][inner]
        found.append({title: titles(package, inner)} if is_group else title)
    return found


def test_training_goes_from_the_plan_to_the_report():
    assert titles(package("training"), "root") == [
        {
            "training": [
                "Plan",
                {"every cell: fetch and stack": ["Fetch", "Stack", "Coefficients"]},
                "Index",
                "Betas",
                {"every cell: label": ["Window"]},
                "Train",
                "Evaluate",
                {"it is the champion": [{"every cell: map": ["Map"]}, "Report"]},
            ]
        },
        "Notify",
    ]


def test_monitoring_does_nothing_where_nothing_is_new():
    monitored = package("monitoring")
    assert titles(monitored, "root") == [
        {
            "monitoring": [
                "Plan",
                {
                    "something is new": [
                        {
                            "every cell: revise and map": [
                                "Fetch",
                                "Revise cube",
                                "Windows",
                                "Map",
                            ]
                        },
                        "Index",
                        "Report",
                    ]
                },
            ]
        },
        "Notify",
    ]
    condition = monitored.spec["components"]["comp-exit-handler-1"]["dag"]["tasks"]["condition-2"]
    assert "plan-count" in condition["triggerPolicy"]["condition"]


def test_retraining_is_monitoring_and_training_where_it_pays():
    (handled, last) = titles(package("retraining"), "root")
    learned = titles(package("training"), "comp-exit-handler-1")[3:]
    assert handled["retraining"] == [
        "Plan",
        {"every cell: revise and map": ["Fetch", "Revise cube", "Windows", "Map"]},
        "Index",
        "Report",
        "Drift",
        {"training pays": [{"every cell: coefficients": ["Coefficients"]}, *learned]},
    ]
    assert last == "Notify"


def test_only_the_plan_and_the_notice_are_never_cached():
    for name in PIPELINES:
        cached = {
            task.spec["taskInfo"]["name"]: task.spec["cachingOptions"].get("enableCache", False)
            for task in package(name).tasks()
            if task.executor
        }
        assert {title for title, yes in cached.items() if not yes} == {"Plan", "Notify"}, name


@pytest.mark.parametrize("name", PIPELINES)
def test_nobody_but_the_loops_takes_the_plans_artifact(name):
    """A plan is new in each run: who takes its artifact is never found in the cache."""
    for task in package(name).tasks():
        given = task.spec.get("inputs", {}).get("artifacts", {}).values()
        producers = [source.get("taskOutputArtifact", {}).get("producerTask") for source in given]
        assert "plan" not in producers, task.name


@pytest.mark.parametrize("name", PIPELINES)
def test_a_cells_key_is_in_every_command_of_its_tasks(name):
    compiled = package(name)
    looped = [task for task in compiled.tasks() if task.dag.startswith("comp-for-loop")]
    assert looped
    for task in looped:
        words = compiled.containers[task.executor]["args"]
        assert words[words.index("--key") + 1] == "{{$.inputs.parameters['key']}}"
        item = task.spec["inputs"]["parameters"]["key"]
        assert item["componentInputParameter"] == f"{PLAN}-loop-item"
        assert item["parameterExpressionSelector"] == 'parseJson(string_value)["key"]'


@pytest.mark.parametrize("name", PIPELINES)
def test_what_comes_after_a_loop_waits_for_all_of_its_cells(name):
    """Its results are found in the store, so that only `done` makes the next task wait."""
    waiting = 0
    for task in package(name).tasks():
        done = task.spec.get("inputs", {}).get("parameters", {}).get("done")
        if done is not None:
            waiting += 1
            assert done["taskOutputParameter"]["producerTask"].startswith("for-loop")
            assert task.component["inputDefinitions"]["parameters"]["done"] == {
                "description": "results of the loop that must be over before this begins",
                "parameterType": "LIST",
            }
    assert waiting == {"training": 3, "monitoring": 1, "retraining": 4}[name]


def test_the_exit_handler_gets_the_status_of_all_that_went_before():
    notify = package("training").spec["root"]["dag"]["tasks"]["notify"]
    assert notify["inputs"]["parameters"]["status"] == {
        "taskFinalStatus": {"producerTask": "exit-handler-1"}
    }
    assert notify["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"
