"""The fake speaks with the unmodified `kfp.Client` as a server does."""

from pathlib import Path

import kfp
import kfp_server_api
import pytest

from tests.pipelines.kubeflow.conftest import write_package
from tests.pipelines.kubeflow.fake import FakeKubeflow


@pytest.fixture
def client(fake: FakeKubeflow) -> kfp.Client:
    with pytest.warns(FutureWarning):
        return kfp.Client(host=fake.host)


def test_a_pipeline_runs_from_upload_to_end(
    client: kfp.Client, fake: FakeKubeflow, tmp_path: Path
) -> None:
    package = str(write_package(tmp_path, "training"))
    pipeline = client.upload_pipeline(package, pipeline_name="training")
    version = client.upload_pipeline_version(package, "v2", pipeline_id=pipeline.pipeline_id)
    experiment = client.create_experiment("tests")
    run = client.run_pipeline(
        experiment.experiment_id,
        "first",
        params={"area": "demo"},
        pipeline_id=pipeline.pipeline_id,
        version_id=version.pipeline_version_id,
    )
    assert client.get_run(run.run_id).state == "PENDING"
    fake.state.tick()
    fake.state.tick()
    found = client.wait_for_run_completion(run.run_id, timeout=5, sleep_duration=0)
    assert found.state == "SUCCEEDED"
    assert found.runtime_config.parameters == {"area": "demo"}
    assert [entry.state for entry in found.state_history] == ["PENDING", "RUNNING", "SUCCEEDED"]


def test_a_recurring_run_lives_and_dies(
    client: kfp.Client, fake: FakeKubeflow, tmp_path: Path
) -> None:
    package = str(write_package(tmp_path, "training"))
    experiment = client.create_experiment("tests")
    made = client.create_recurring_run(
        experiment.experiment_id,
        "nightly",
        cron_expression="0 0 3 * * *",
        pipeline_package_path=package,
    )
    client.disable_recurring_run(made.recurring_run_id)
    assert client.get_recurring_run(made.recurring_run_id).status == "DISABLED"
    client.enable_recurring_run(made.recurring_run_id)
    assert client.get_recurring_run(made.recurring_run_id).mode == "ENABLE"
    client.delete_recurring_run(made.recurring_run_id)
    with pytest.raises(kfp_server_api.ApiException) as error:
        client.get_recurring_run(made.recurring_run_id)
    assert error.value.status == 404


def test_names_are_unique_where_the_server_says_so(
    client: kfp.Client, fake: FakeKubeflow, tmp_path: Path
) -> None:
    package = str(write_package(tmp_path, "training"))
    client.upload_pipeline(package, pipeline_name="training")
    with pytest.raises(kfp_server_api.ApiException) as error:
        client.upload_pipeline(package, pipeline_name="training")
    assert error.value.status == 409
    assert client.get_pipeline_id("training")
    assert client.get_pipeline_id("nothing") is None


def test_several_users_need_a_namespace(tmp_path: Path) -> None:
    fake = FakeKubeflow(namespaces=("ours",))
    try:
        with pytest.warns(FutureWarning):
            client = kfp.Client(host=fake.host, namespace="ours")
        assert client.create_experiment("tests", namespace="ours").namespace == "ours"
        with pytest.raises(kfp_server_api.ApiException) as error:
            client.list_experiments(namespace="theirs")
        assert error.value.status == 403
        with pytest.raises(kfp_server_api.ApiException) as error:
            client.list_recurring_runs()
        assert error.value.status == 400
    finally:
        fake.stop()
