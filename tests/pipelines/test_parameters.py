import json
import shlex
from dataclasses import fields

import pytest
import yaml

from components.options import Common
from groundshift.errors import SettingsError
from groundshift.settings import STAGES, load
from pipelines.checks import parse
from pipelines.parameters import DESCRIPTIONS, STAGES_OF, arguments, names, variant
from tests.pipelines.packages import ROOT, package

PARAMS = ROOT / "params.yaml"
AREAS = list(yaml.safe_load(PARAMS.read_text())["areas"])


def settings_of(stage, words):
    """The settings that a stage's command line arrives at."""
    options = parse(f"components.{stage}", words)
    common = Common(**{field.name: options[field.name] for field in fields(Common)})
    return common.settings_of(stage)


def by_dvc(stage, area):
    document = yaml.safe_load((ROOT / "dvc.yaml").read_text())
    words = shlex.split(document["stages"][stage]["do"]["cmd"].replace("${key}", area))
    return settings_of(stage, words[3:])


def by_kubeflow(stage, pipeline, area):
    """What every task of a stage is given when a pipeline runs with the arguments of an area."""
    given = arguments(pipeline, area, PARAMS)
    compiled = package(pipeline)
    for task in compiled.tasks():
        container = compiled.containers.get(task.executor, {"command": [""]})
        if container["command"][-1] != f"components.{stage}":
            continue
        inputs = task.spec["inputs"]["parameters"]
        values = {
            f"{{{{$.inputs.parameters['{name}']}}}}": given[
                inputs[name]["componentInputParameter"].removeprefix("pipelinechannel--")
            ]
            for name in ("settings", "as_of")
        }
        yield settings_of(stage, [values.get(word, word) for word in container["args"]])


@pytest.mark.parametrize("pipeline", STAGES_OF)
@pytest.mark.parametrize("area", AREAS)
def test_dvc_and_kubeflow_give_a_stage_the_same_settings(pipeline, area, monkeypatch):
    monkeypatch.chdir(ROOT)
    for stage in STAGES_OF[pipeline]:
        tasks = list(by_kubeflow(stage, pipeline, area))
        assert tasks, stage
        assert all(settings == by_dvc(stage, area) for settings in tasks), stage


@pytest.mark.parametrize("pipeline", STAGES_OF)
def test_arguments_fit_the_parameters_of_the_compiled_pipeline(pipeline):
    parameters = package(pipeline).spec["root"]["inputDefinitions"]["parameters"]
    assert set(names(pipeline)) == set(parameters)
    assert set(arguments(pipeline, "demo", PARAMS)) == set(parameters) - {"store"}
    assert {name: given["description"] for name, given in parameters.items()} == {
        name: DESCRIPTIONS[name] for name in parameters
    }
    assert parameters["store"]["defaultValue"] == "/store"


def test_a_pipeline_takes_the_settings_of_the_stages_that_it_runs():
    for pipeline, stages in STAGES_OF.items():
        commands = [container["command"] for container in package(pipeline).containers.values()]
        ran = {command[-1].removeprefix("components.") for command in commands}
        assert ran == {*stages, "notify"}


def test_an_override_reaches_its_stage_and_no_other():
    plain = arguments("training", "demo", PARAMS)
    changed = arguments("training", "demo", PARAMS, ["train.epochs=3"])
    assert json.loads(changed["train_settings"])["train"]["epochs"] == 3
    assert {name for name in plain if plain[name] != changed[name]} == {"train_settings"}


def test_settings_that_cells_results_depend_on_change_the_variant():
    plain = arguments("training", "demo", PARAMS)["variant"]
    assert arguments("monitoring", "demo", PARAMS)["variant"] == plain
    for override, same in (
        ("stack.step=8d", False),
        ("window.length=90d", False),
        ("stack.workers=7", True),
        ("infer.stride=9", True),
    ):
        changed = arguments("training", "demo", PARAMS, [override])["variant"]
        assert (changed == plain) is same, override


def test_the_variant_is_sixteen_hexadecimal_digits():
    settings = {stage: load(stage, PARAMS, area="demo") for stage in STAGES}
    assert len(variant(settings)) == 16
    int(variant(settings), 16)


def test_the_date_is_passed_on():
    assert arguments("training", "demo", PARAMS)["as_of"] == ""
    assert arguments("training", "demo", PARAMS, as_of="2018-06-01")["as_of"] == "2018-06-01"


@pytest.mark.parametrize(
    ("pipeline", "area", "message"),
    [
        ("trainning", "demo", "expected one of training, monitoring, retraining"),
        ("training", "atlantis", "area 'atlantis' is not there"),
    ],
)
def test_what_is_not_there_is_refused(pipeline, area, message):
    with pytest.raises(SettingsError, match=message):
        arguments(pipeline, area, PARAMS)
