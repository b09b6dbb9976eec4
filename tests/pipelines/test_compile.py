import pytest
import yaml
from kfp import components
from typer import Typer
from typer.testing import CliRunner

from groundshift.errors import SettingsError
from pipelines import profile
from pipelines.commands import compiling
from pipelines.compile import PIPELINES, compile_pipeline
from tests.pipelines.packages import PROFILES, ROOT

KIND = profile.load(PROFILES / "kind.yaml")


@pytest.fixture
def cli():
    app = Typer()
    app.callback()(lambda: None)
    compiling.register(app)
    return lambda *words: CliRunner().invoke(app, ["compile", *map(str, words)])


@pytest.mark.parametrize("name", PIPELINES)
def test_kfp_loads_what_was_compiled(name, tmp_path):
    path = tmp_path / "package.yaml"
    compile_pipeline(name, KIND, path)
    loaded = components.load_component_from_file(str(path))
    assert loaded.name == f"groundshift-{name}"
    assert loaded.pipeline_spec.root.dag.tasks["notify"]


def test_manifests_hold_the_same_pipeline(tmp_path):
    compile_pipeline("monitoring", KIND, tmp_path / "ir.yaml")
    compile_pipeline("monitoring", KIND, tmp_path / "k8s.yaml", kubernetes_manifests=True)
    ir, platform = yaml.safe_load_all((tmp_path / "ir.yaml").read_text())
    pipeline, version = yaml.safe_load_all((tmp_path / "k8s.yaml").read_text())
    assert (pipeline["kind"], version["kind"]) == ("Pipeline", "PipelineVersion")
    assert pipeline["metadata"]["name"] == version["spec"]["pipelineName"]
    assert version["spec"]["pipelineSpec"] == ir
    assert version["spec"]["platformSpec"] == platform


def test_a_version_is_named_after_its_content(tmp_path):
    names = []
    for store in ("/store", "/store", "/elsewhere"):
        path = tmp_path / "k8s.yaml"
        changed = KIND.model_copy(update={"store": store})
        compile_pipeline("monitoring", changed, path, kubernetes_manifests=True)
        names.append(list(yaml.safe_load_all(path.read_text()))[1]["metadata"]["name"])
    assert names[0] == names[1] != names[2]


def test_an_unknown_pipeline_is_refused(tmp_path):
    with pytest.raises(SettingsError, match="expected one of training"):
        compile_pipeline("trainning", KIND, tmp_path / "package.yaml")


def test_the_command_fills_in_an_areas_settings_and_built_images(cli, tmp_path):
    images = tmp_path / "images.json"
    images.write_text('{"fetch": {"reference": "registry/fetch@sha256:12"}}')
    path = tmp_path / "new" / "training.yaml"
    profile_path = PROFILES / "kind.yaml"
    options = ["--area", "demo", "--params", ROOT / "params.yaml", "--images", images]
    done = cli("training", "--profile", profile_path, "--output", path, *options)
    assert done.exit_code == 0, done.output
    spec = next(yaml.safe_load_all(path.read_text()))
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    assert parameters["area"]["defaultValue"] == "demo"
    assert '"epochs"' in parameters["train_settings"]["defaultValue"]
    executors = spec["deploymentSpec"]["executors"]
    assert executors["exec-fetch"]["container"]["image"] == "registry/fetch@sha256:12"


def test_the_command_writes_manifests(cli, tmp_path):
    path = tmp_path / "k8s.yaml"
    words = ["--profile", PROFILES / "kind.yaml", "--output", path, "--format", "k8s"]
    assert cli("monitoring", *words).exit_code == 0
    assert path.read_text().startswith("apiVersion: pipelines.kubeflow.org/")


def test_the_command_says_what_is_wrong(cli, tmp_path):
    words = ["--profile", tmp_path / "none.yaml", "--output", tmp_path / "out.yaml"]
    done = cli("training", *words)
    assert done.exit_code == 2
    assert "can't be read" in done.stderr
    assert not (tmp_path / "out.yaml").exists()
