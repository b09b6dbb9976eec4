import json
from datetime import timedelta
from typing import get_args

import pytest
import yaml

from groundshift.errors import SettingsError
from pipelines import profile
from pipelines.profile import NETWORK, STAGE_OF, TaskName
from tests.pipelines.packages import PROFILES

SMALL = {
    "images": {"light": "light:1", "network": "network:1"},
    "store": "/store",
    "defaults": {
        "cpu": {"request": "1", "limit": "2"},
        "memory": {"request": "1Gi", "limit": "2Gi"},
        "timeout": "1h",
    },
}


def load(tmp_path, **changes):
    path = tmp_path / "profile.yaml"
    path.write_text(yaml.safe_dump(SMALL | changes))
    return profile.load(path)


@pytest.mark.parametrize("path", sorted(PROFILES.glob("*.yaml")), ids=lambda path: path.stem)
def test_our_profiles_load_and_know_every_task(path):
    assert set(profile.load(path).tasks) == set(get_args(TaskName)) == set(STAGE_OF)


def test_a_task_takes_what_it_does_not_say_from_the_defaults(tmp_path):
    tasks = load(tmp_path, tasks={"train": {"memory": {"limit": "9Gi"}, "timeout": "3d"}}).tasks
    assert tasks["train"].memory.limit == "9Gi"
    assert tasks["train"].memory.request == "1Gi"
    assert tasks["train"].timeout == timedelta(days=3)
    assert tasks["fetch"].timeout == timedelta(hours=1)


def test_a_profile_comes_on_top_of_the_one_it_extends(tmp_path):
    load(tmp_path, tasks={"train": {"timeout": "3d"}})
    path = tmp_path / "gpu.yaml"
    gpu = {"accelerator": {"type": "nvidia.com/gpu"}}
    path.write_text(yaml.safe_dump({"extends": "profile.yaml", "tasks": {"train": gpu}}))
    train = profile.load(path).tasks["train"]
    assert (train.timeout, train.accelerator.count) == (timedelta(days=3), 1)


def test_the_gpu_profile_differs_from_the_cpu_profile_in_tasks_with_the_network_only():
    cpu, gpu = (profile.load(PROFILES / f"cluster-{name}.yaml") for name in ("cpu", "gpu"))
    changed = {name for name, task in gpu.tasks.items() if task != cpu.tasks[name]}
    assert changed == {"train", "evaluate", "infer"}
    assert all(gpu.tasks[name].accelerator.type == "nvidia.com/gpu" for name in changed)


def test_each_component_runs_in_the_image_it_needs(tmp_path):
    images = load(tmp_path, images={**SMALL["images"], "stages": {"infer": "own:1"}}).images
    assert {name: images.of(name) for name in ("fetch", "notify", "train", "infer")} == {
        "fetch": "light:1",
        "notify": "light:1",
        "train": "network:1",
        "infer": "own:1",
    }
    assert NETWORK == ("train", "evaluate", "infer")


def test_built_images_replace_those_of_the_profile(tmp_path):
    built = tmp_path / "images.json"
    built.write_text('{"light": {"reference": "a@sha256:1"}, "train": {"reference": "b@sha256:2"}}')
    images = load(tmp_path).with_images(built).images
    assert images.of("train") == "b@sha256:2"
    assert images.of("evaluate") == "network:1"


def test_tasks_on_accelerators_get_the_built_image_for_gpus(tmp_path):
    built = tmp_path / "images.json"
    names = ("fetch", "train", "evaluate", "infer", "network-gpu")
    built.write_text(json.dumps({name: {"reference": f"{name}@sha256:1"} for name in names}))
    gpu = {"accelerator": {"type": "nvidia.com/gpu"}}
    images = load(tmp_path, tasks={"train": gpu, "drift": gpu}).with_images(built).images
    assert {name: images.of(name) for name in ("fetch", "train", "evaluate", "infer")} == {
        "fetch": "fetch@sha256:1",
        "train": "network-gpu@sha256:1",
        "evaluate": "network-gpu@sha256:1",
        "infer": "infer@sha256:1",
    }
    built.write_text('{"train": {"reference": "train@sha256:1"}}')
    assert load(tmp_path, tasks={"train": gpu}).with_images(built).images.of("train") == "network:1"


def test_a_list_of_images_that_is_none_is_refused(tmp_path):
    built = tmp_path / "images.json"
    built.write_text('{"train": "b@sha256:2"}')
    with pytest.raises(SettingsError, match="Run `make images`"):
        load(tmp_path).with_images(built)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"parallelism": 0}, "parallelism.*greater than or equal to 1, found 0"),
        ({"colour": 1}, "colour"),
        ({"tasks": {"fetsch": {}}}, "tasks.fetsch"),
        ({"tasks": {"train": {"cpu": {"limit": "all"}}}}, "tasks.train.cpu.limit.*found 'all'"),
        ({"tasks": {"train": {"memory": {"limit": "2 GB"}}}}, "tasks.train.memory.limit"),
        ({"tasks": {"train": {"timeout": "soon"}}}, "tasks.train.timeout.*'soon' is no length"),
        (
            {"tasks": {"train": {"scratch": {"size": "1Gi", "storage_class": "fast"}}}},
            "tasks.train.scratch.*the node's disk has none; expected type: ephemeral",
        ),
        (
            {"tasks": {"fetch": {"accelerator": {"type": "nvidia.com/gpu"}}}},
            "only tasks of train, evaluate, infer can use one",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, changes, message):
    with pytest.raises(SettingsError, match=message):
        load(tmp_path, **changes)


def test_a_profile_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="expected a file such as"):
        profile.load(tmp_path / "none.yaml")


def test_text_that_is_no_profile_is_refused(tmp_path):
    path = tmp_path / "profile.yaml"
    path.write_text("just words")
    with pytest.raises(SettingsError, match="expected images, store"):
        profile.load(path)
    path.write_text("{")
    with pytest.raises(SettingsError, match="no valid YAML"):
        profile.load(path)
