import copy

import pytest

from groundshift.errors import ContractError
from pipelines import checks
from pipelines.checks import Package, parse, problems
from pipelines.compile import PIPELINES
from tests.pipelines.packages import compiled, package


@pytest.fixture
def monitoring():
    return copy.deepcopy(package("monitoring"))


def task(package, dag, name):
    return package.spec["components"][dag]["dag"]["tasks"][name]


@pytest.mark.parametrize("name", PIPELINES)
@pytest.mark.parametrize("cluster", ["cluster-cpu", "cluster-gpu", "kind", "local"])
def test_our_pipelines_are_fit_to_run(name, cluster):
    assert problems(package(name, cluster)) == []


def test_a_task_without_resources_is_found(monitoring):
    del monitoring.containers["exec-fetch"]["resources"]["resourceMemoryLimit"]
    assert problems(monitoring) == ["exec-fetch: no resourceMemoryLimit"]


def test_a_task_without_a_time_out_is_found(monitoring):
    del monitoring.on_kubernetes["exec-notify"]["activeDeadlineSeconds"]
    assert problems(monitoring) == ["exec-notify: no time-out"]


def test_a_task_without_retries_is_found(monitoring):
    del monitoring.spec["root"]["dag"]["tasks"]["notify"]["retryPolicy"]
    assert problems(monitoring) == ["root/notify: no retries set"]


def test_a_task_without_an_image_is_found(monitoring):
    monitoring.containers["exec-stack"]["image"] = ""
    assert problems(monitoring) == ["exec-stack: no image"]


def test_a_circle_is_found(monitoring):
    loop = monitoring.spec["components"]["comp-for-loop-3"]["dag"]["tasks"]
    loop["fetch"]["dependentTasks"] = ["stack"]
    assert problems(monitoring) == [
        "comp-for-loop-3: goes round in a circle: fetch -> stack -> fetch"
    ]


def test_a_task_that_is_not_there_is_found(monitoring):
    task(monitoring, "comp-for-loop-3", "fetch")["dependentTasks"] = ["fetsch"]
    assert "comp-for-loop-3: waits for tasks that are not there: fetsch" in problems(monitoring)


def test_an_input_of_another_type_is_found(monitoring):
    definitions = monitoring.spec["components"]["comp-stack"]["inputDefinitions"]
    definitions["artifacts"]["observations"]["artifactType"]["schemaTitle"] = "system.Model"
    assert problems(monitoring) == [
        "comp-for-loop-3/stack: input observations is system.Model, and is given system.Dataset"
    ]


def test_an_input_that_is_not_given_is_found(monitoring):
    del task(monitoring, "comp-for-loop-3", "stack")["inputs"]["parameters"]["store"]
    assert problems(monitoring) == ["comp-for-loop-3/stack: input store is not given"]


def test_an_output_that_nobody_reads_is_found(monitoring):
    outputs = monitoring.spec["components"]["comp-fetch"]["outputDefinitions"]
    outputs["parameters"] = {"verdict": {"parameterType": "STRING"}}
    assert problems(monitoring) == ["comp-for-loop-3/fetch: nobody reads its output verdict"]


def test_a_command_that_the_stage_does_not_understand_is_found(monitoring):
    monitoring.containers["exec-stack"]["args"] += ["--colour", "red"]
    (problem,) = problems(monitoring)
    assert problem.startswith("exec-stack: components.stack does not understand its command")
    assert "--colour" in problem


def test_a_command_of_no_stage_is_found(monitoring):
    monitoring.containers["exec-stack"]["command"][2] = "components.stak"
    monitoring.containers["exec-fetch"]["command"] = ["sh", "-c"]
    found = problems(monitoring)
    assert "exec-fetch: expected `python3 -m components.STAGE`, found sh -c --settings" in found
    assert any("components.stak does not understand" in problem for problem in found)


def test_what_kfp_does_not_know_is_found(monitoring):
    monitoring.spec["colour"] = "red"
    (problem,) = problems(monitoring)
    assert problem.startswith("pipeline: not what kfp's schema says")


def test_a_package_is_refused_with_everything_that_is_wrong(tmp_path):
    path = tmp_path / "monitoring.yaml"
    path.write_text(compiled("monitoring").replace("maxRetryCount", "maxRetries"))
    with pytest.raises(ContractError, match="not fit to run") as refused:
        checks.require(path)
    assert str(refused.value).count("no retries set") == 8


def test_a_file_that_is_no_package_is_refused(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("task: change\n")
    with pytest.raises(ContractError, match="expected a compiled pipeline"):
        Package.read(path)


def test_a_placeholder_stands_for_its_name():
    words = package("training").containers["exec-stack"]["args"]
    options = parse("components.stack", words)
    assert (options["cell"], options["key"], str(options["cube"])) == ("cell", "key", "cube")
    assert options["executor_output"] == "{}"
