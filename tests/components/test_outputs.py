"""Answers to the executor, given to and read by kfp's own code."""

import json
import math

import pytest
from google.protobuf import json_format
from kfp import dsl
from kfp.local import executor_input_utils, executor_output_utils, placeholder_utils
from kfp.pipeline_spec import pipeline_spec_pb2

from components.outputs import Executor, local_path
from groundshift.artifacts import Summary
from groundshift.errors import SettingsError
from groundshift.storage import Pointer

ROC = {"confidenceMetrics": [{"confidenceThreshold": 0.5, "recall": 1, "falsePositiveRate": 0.25}]}
CONFUSION = {
    "confusionMatrix": {
        "annotationSpecs": [{"displayName": "stable"}, {"displayName": "changed"}],
        "rows": [{"row": [3, 1]}, {"row": [0, 2]}],
    }
}
EXECUTOR = dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER
REAL, WHOLE, TRUTH, LIST = (dsl.OutputPath(kind) for kind in (float, int, bool, list))


@dsl.container_component
def judge(
    word: str,
    evaluation: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    roc: dsl.Output[dsl.ClassificationMetrics],
    confusion: dsl.Output[dsl.ClassificationMetrics],
    page: dsl.Output[dsl.HTML],
    text: dsl.Output[dsl.Markdown],
    absent: dsl.Output[dsl.HTML],
    verdict: dsl.OutputPath(str),
    lift: REAL,
    done: WHOLE,
    retrain: TRUTH,
    cells: LIST,
):
    return dsl.ContainerSpec(
        image="any",
        command=["judge"],
        args=[
            word,
            evaluation.path,
            "--executor-output",
            dsl.PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
        ],
    )


class Task:
    """What kfp does before and after the command of a task."""

    def __init__(self, folder):
        self.spec = judge.pipeline_spec
        (self.component,) = self.spec.components.values()
        self.input = executor_input_utils.construct_executor_input(
            self.component, {"word": "w"}, str(folder), block_input_artifact=True
        )
        (executor,) = self.spec.deployment_spec["executors"].values()
        container = executor["container"]
        self.command = placeholder_utils.replace_placeholders(
            [*container["command"], *container["args"]],
            executor_input_utils.executor_input_to_dict(self.input, self.component),
            *("job", "task", str(folder), "1"),
        )

    def outputs(self):
        return executor_output_utils.get_outputs_for_task(self.input, self.component)


@pytest.fixture
def task(tmp_path):
    return Task(tmp_path / "task")


@pytest.fixture
def summary(tmp_path):
    folder = tmp_path / "artifact"
    folder.mkdir()
    (folder / "report.html").write_text("<p>page</p>")
    (folder / "card.md").write_text("# card")
    return Summary(
        "evaluate",
        folder,
        "c" * 64,
        "v" * 64,
        metrics={"lift": 2.5, "undefined": math.nan},
        pages={"page": folder / "report.html", "text": folder / "card.md"},
        curves={"roc": ROC, "confusion": CONFUSION},
        parameters={
            "verdict": "passed",
            "lift": 2.5,
            "retrain": False,
            "cells": [{"cell": "east", "key": "k1"}],
        },
        version=Pointer("d" * 32 + ".dir", 1000, 3),
    )


@pytest.fixture
def outputs(task, summary, tmp_path):
    """What kfp finds after the answer."""
    *_, option, text = task.command
    assert option == "--executor-output"
    (tmp_path / "task").mkdir()
    (tmp_path / "task" / "evaluation").mkdir()
    Executor.parse(text).respond(summary, "evaluation", "evaluation")
    return task.outputs()


def test_every_output_arrives_with_its_type(outputs):
    types = {
        name: type(value) for name, value in outputs.items() if isinstance(value, dsl.Artifact)
    }
    assert types == {
        "evaluation": dsl.Dataset,
        "metrics": dsl.Metrics,
        "roc": dsl.ClassificationMetrics,
        "confusion": dsl.ClassificationMetrics,
        "page": dsl.HTML,
        "text": dsl.Markdown,
        "absent": dsl.HTML,
    }


def test_the_artifact_is_told_by_its_hashes_and_numbers(outputs):
    assert outputs["evaluation"].metadata == {
        "contract": "evaluation",
        "content_hash": "c" * 64,
        "value_hash": "v" * 64,
        "dvc_md5": "d" * 32 + ".dir",
        "dvc_size": 1000,
        "dvc_nfiles": 3,
        "lift": 2.5,
    }


def test_numbers_and_curves_are_what_the_page_draws(outputs):
    assert outputs["metrics"].metadata == {"lift": 2.5}
    assert outputs["roc"].metadata == ROC
    assert outputs["confusion"].metadata == CONFUSION


def test_pages_lie_where_the_page_looks(outputs, tmp_path):
    assert (tmp_path / "task" / "page").read_text() == "<p>page</p>"
    assert (tmp_path / "task" / "text").read_text() == "# card"
    assert outputs["page"].uri == str(tmp_path / "task" / "page")


def test_a_file_lies_at_every_output_so_that_caches_find_it(outputs, tmp_path):
    for name in outputs:
        assert (tmp_path / "task" / name).exists(), name


def test_parameters_keep_their_types(outputs):
    values = {name: outputs[name] for name in ("verdict", "lift", "done", "retrain", "cells")}
    assert values == {
        "verdict": "passed",
        "lift": 2.5,
        "done": 1,
        "retrain": False,
        "cells": [{"cell": "east", "key": "k1"}],
    }
    assert isinstance(values["done"], int)


def test_parameters_arrive_by_file_too(outputs, task, tmp_path):
    (tmp_path / "task" / "executor_output.json").unlink()
    assert task.outputs()["cells"] == [{"cell": "east", "key": "k1"}]


def test_the_answer_is_the_message_that_the_backend_reads(outputs, tmp_path):
    text = (tmp_path / "task" / "executor_output.json").read_text()
    message = json_format.Parse(text, pipeline_spec_pb2.ExecutorOutput())
    (artifact,) = message.artifacts["evaluation"].artifacts
    assert artifact.type.schema_title == "system.Dataset"
    assert artifact.uri == str(tmp_path / "task" / "evaluation")


def test_a_parameter_that_the_stage_does_not_give_is_our_fault(task, tmp_path):
    bare = Summary("evaluate", tmp_path, "c", "v")
    with pytest.raises(RuntimeError, match="evaluate gives the pipeline no cells, lift"):
        Executor.parse(task.command[-1]).respond(bare, "evaluation", "evaluation")


@pytest.mark.parametrize("text", ["{{$}}", "[]", "{}", '{"outputs": {"artifacts": {"x": {}}}}'])
def test_what_is_no_executor_input_is_refused(text):
    with pytest.raises(SettingsError, match="expected what Kubeflow passes"):
        Executor.parse(text)


def test_a_task_without_outputs_is_answered(tmp_path, summary):
    answer = tmp_path / "deep" / "executor_output.json"
    text = json.dumps({"outputs": {"outputFile": str(answer)}})
    Executor.parse(text).respond(summary, "evaluation", "evaluation")
    assert json.loads(answer.read_text()) == {"parameterValues": {}, "artifacts": {}}


@pytest.mark.parametrize("scheme", ["gs", "minio", "s3"])
def test_an_address_lies_where_kfp_says(scheme):
    uri = f"{scheme}://bucket/run/metrics"
    assert str(local_path(uri)) == dsl.Artifact(uri=uri).path
    assert str(local_path("/here/metrics")) == dsl.Artifact(uri="/here/metrics").path
