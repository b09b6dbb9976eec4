"""The Kubeflow faces: described, run in the image given, and understood by the stages."""

import importlib
from typing import get_args

import pytest
from google.protobuf.json_format import MessageToDict
from kfp import dsl

from components import faces
from components.evaluate import component as evaluate
from components.fetch import component as fetch
from components.folders import Folder, output_of
from components.infer import component as infer
from components.notify import component as notify
from components.stack import component as stack
from components.train import component as train
from components.window import component as window
from pipelines.checks import parse

FACES = [
    fetch.plan("image:1"),
    fetch.plan("image:1", changed_only=True),
    fetch.index("image:1"),
    fetch.fetch("image:1"),
    stack.stack("image:1"),
    stack.stack("image:1", revise=True),
    window.coefficients("image:1"),
    window.betas("image:1"),
    window.window("image:1"),
    window.window_index("image:1"),
    train.train("image:1"),
    evaluate.evaluate("image:1"),
    evaluate.drift("image:1"),
    infer.infer("image:1"),
    infer.infer_champion("image:1"),
    infer.report("image:1"),
    infer.report_champion("image:1"),
]
each = pytest.mark.parametrize("face", FACES, ids=lambda face: face.name)


def container(face):
    """Image, command and arguments as they are compiled."""
    (executor,) = MessageToDict(face.pipeline_spec.deployment_spec)["executors"].values()
    return executor["container"]


@each
def test_everything_is_described(face):
    inputs = face.component_spec.inputs.values()
    outputs = (face.component_spec.outputs or {}).values()
    assert all(spec.description for spec in (*inputs, *outputs))
    assert face.description


@each
def test_the_image_is_the_one_given(face):
    assert container(face)["image"] == "image:1"


@each
def test_the_command_is_the_stages_own_and_answers_kubeflow(face):
    assert container(face)["command"][:2] == ["python3", "-m"]
    assert container(face)["args"][-2:] == ["--executor-output", "{{$}}"]


@each
def test_the_command_names_its_inputs_and_its_artifact(face):
    """All inputs but those that are there for the order or the cache alone."""
    text = " ".join(container(face)["args"])
    for name in face.component_spec.inputs:
        assert (f"['{name}']" in text) == (name not in ("done", "digest")), name


@each
def test_the_stage_writes_the_artifact_that_the_face_declares(face):
    """The stage's own parser and folders understand the command as the face means it."""
    stage = container(face)["command"][2]
    options = parse(stage, container(face)["args"])
    callback = importlib.import_module(f"{stage}.__main__").app.registered_commands[0].callback
    declared = {
        name: mark
        for name, annotation in callback.__annotations__.items()
        for mark in get_args(annotation)
        if isinstance(mark, Folder)
    }
    given = {name: options[name] for name in declared if options[name] is not None}
    written = output_of(declared, given)
    assert f"{{{{$.outputs.artifacts['{written}'].path}}}}" in container(face)["args"]


def test_notify_takes_the_status_and_needs_no_sink():
    face = notify.notify("image:1")
    assert container(face)["args"] == [
        *("--status", "{{$.inputs.parameters['status']}}"),
        *("--store", "{{$.inputs.parameters['store']}}"),
        *("--area", "{{$.inputs.parameters['area']}}"),
    ]
    assert all(spec.description for spec in face.component_spec.inputs.values())


def test_an_output_that_is_not_described_is_noticed():
    def nameless(settings: str, colours: dsl.Output[dsl.Dataset]) -> dsl.ContainerSpec:
        """Say nothing of colours."""
        return faces.command("image:1", "fetch")

    with pytest.raises(KeyError, match="colours"):
        faces.component(nameless)
