"""Asking Kubeflow: credentials, errors that help, patience, creating once, paging."""

from collections.abc import Mapping
from pathlib import Path

import kfp_server_api
import pytest

from groundshift.errors import SettingsError
from pipelines.kubeflow.engine import experiment_id
from pipelines.kubeflow.server import ClusterError, Connection, Server
from tests.pipelines.kubeflow.conftest import Clock
from tests.pipelines.kubeflow.fake import FakeKubeflow

SECRET = "s3cr3t-t0k3n"


def connection(fake: FakeKubeflow, **environment: str) -> Connection:
    return Connection.from_environment({"KFP_HOST": fake.host, **environment})


@pytest.mark.parametrize(
    "environment",
    [{}, {"KFP_HOST": "kubeflow.example.com"}, {"KFP_HOST": f"https://me:{SECRET}@example.com"}],
)
def test_a_host_that_is_no_address_is_refused(environment: Mapping[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"KFP_HOST") as error:
        Connection.from_environment(environment)
    assert SECRET not in str(error.value)


def test_an_option_goes_before_the_environment() -> None:
    environment = {"KFP_HOST": "http://a", "KFP_NAMESPACE": "mine"}
    found = Connection.from_environment(environment, host="http://b/pipeline/")
    assert (found.host, found.namespace) == ("http://b/pipeline", "mine")


def test_secrets_are_in_no_repr() -> None:
    text = repr(Connection("http://a", token=SECRET, cookies=SECRET))
    assert SECRET not in text


@pytest.mark.parametrize("kind", ["KFP_TOKEN", "KFP_COOKIES", "KFP_TOKEN_FILE"])
def test_each_kind_of_credentials_opens(kind: str, clock: Clock, tmp_path: Path) -> None:
    cookies = f"authservice_session={SECRET}"
    fake = FakeKubeflow(token=SECRET, cookies=cookies)
    try:
        file = tmp_path / "token"
        file.write_text(SECRET + "\n")
        values = {"KFP_TOKEN": SECRET, "KFP_COOKIES": cookies, "KFP_TOKEN_FILE": str(file)}
        assert Server(connection(fake, **{kind: values[kind]})).namespace == ""
    finally:
        fake.stop()


def test_a_renewed_token_file_is_read_again(clock: Clock, tmp_path: Path) -> None:
    fake = FakeKubeflow(token="first")
    try:
        file = tmp_path / "token"
        file.write_text("first")
        server = Server(connection(fake, KFP_TOKEN_FILE=str(file)))
        fake.token = "second"
        file.write_text("second")
        assert experiment_id(server, "tests")
    finally:
        fake.stop()


def test_a_token_file_that_is_missing_is_named(fake: FakeKubeflow, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nowhere.*KFP_TOKEN_FILE"):
        Server(connection(fake, KFP_TOKEN_FILE=str(tmp_path / "nowhere")))


def test_a_wrong_token_is_refused_and_not_repeated(
    clock: Clock, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    fake = FakeKubeflow(token="right")
    try:
        with pytest.raises(ClusterError, match=r"401.*KFP_TOKEN") as error:
            Server(connection(fake, KFP_TOKEN=SECRET))
        assert error.value.status == 401
        output = capfd.readouterr()
        # The fake's message repeats the header, as careless servers do.
        assert SECRET not in str(error.value) + output.out + output.err + caplog.text
        assert "***" in str(error.value)
    finally:
        fake.stop()


def test_a_login_page_is_no_api(clock: Clock) -> None:
    fake = FakeKubeflow(cookies="right", login_page=True)
    try:
        with pytest.raises(ClusterError, match=r"text/html.*login page.*KFP_COOKIES"):
            Server(connection(fake))
    finally:
        fake.stop()


def test_a_foreign_namespace_is_refused(clock: Clock) -> None:
    fake = FakeKubeflow(namespaces=("ours",))
    try:
        with pytest.raises(SettingsError, match=r"KFP_NAMESPACE"):
            Server(connection(fake))
        server = Server(connection(fake, KFP_NAMESPACE="theirs"))
        with pytest.raises(ClusterError, match=r"403.*namespace") as error:
            experiment_id(server, "tests")
        assert error.value.status == 403
        ours = Server(connection(fake, KFP_NAMESPACE="ours"))
        assert fake.state.get("experiments", experiment_id(ours, "tests"))["namespace"] == "ours"
    finally:
        fake.stop()


def test_a_namespace_is_not_sent_to_a_server_of_one_user(fake: FakeKubeflow, clock: Clock) -> None:
    server = Server(connection(fake, KFP_NAMESPACE="kubeflow"))
    assert experiment_id(server, "tests")


def test_nobody_there_is_said_after_the_patience(fake: FakeKubeflow, clock: Clock) -> None:
    fake.stop()
    with pytest.raises(ClusterError, match=r"no answer.*refused.*port-forward") as error:
        Server(connection(fake), patience=20)
    assert error.value.transient
    assert 5 < clock.now <= 20


def test_what_is_not_there_is_said_at_once(server: Server, clock: Clock) -> None:
    with pytest.raises(ClusterError, match=r"404.*runs nothing not found") as error:
        server.ask(server.api.runs.run_service_get_run, "nothing")
    assert (error.value.status, error.value.transient, clock.now) == (404, False, 0)


def test_a_server_that_comes_back_is_waited_for(
    fake: FakeKubeflow, server: Server, clock: Clock
) -> None:
    fake.answers(503, times=4)
    fake.drops("GET", times=1)
    assert experiment_id(server, "tests")
    assert len(fake.state.items["experiments"]) == 1
    assert clock.now > 0


def test_a_server_error_that_stays_is_given_up(
    fake: FakeKubeflow, server: Server, clock: Clock
) -> None:
    fake.answers(500, times=1000)
    with pytest.raises(ClusterError, match=r"500: the server is not ready.*try later") as error:
        experiment_id(server, "tests")
    assert error.value.transient
    assert clock.now <= server.patience


@pytest.mark.parametrize("trouble", ["loses", "drops"])
def test_an_answer_that_gets_lost_makes_no_second_one(
    fake: FakeKubeflow, server: Server, trouble: str
) -> None:
    getattr(fake, trouble)("POST /apis/v2beta1/experiments")
    found = experiment_id(server, "tests")
    assert list(fake.state.items["experiments"]) == [found]


def test_somebody_who_makes_it_first_is_no_error(fake: FakeKubeflow, server: Server) -> None:
    def create(**_: object) -> object:
        fake.state.create("experiments", {"display_name": "tests"})
        body = kfp_server_api.V2beta1Experiment(display_name="tests")
        return server.api.experiments.experiment_service_create_experiment(body)

    def find() -> dict[str, object]:
        return {item["experiment_id"]: item for item in fake.state.named("experiments", "tests")}

    assert server.once(create, find) == fake.state.named("experiments", "tests")[0]


def test_a_name_that_is_taken_where_we_cannot_see_is_said(
    fake: FakeKubeflow, server: Server
) -> None:
    fake.answers(409, "POST")
    with pytest.raises(ClusterError, match=r"409.*same time") as error:
        experiment_id(server, "tests")
    assert not error.value.transient


def test_a_refused_request_is_quoted(fake: FakeKubeflow, server: Server) -> None:
    body = kfp_server_api.V2beta1Experiment(display_name="tests", namespace="nowhere")
    with pytest.raises(ClusterError, match=r"400: In single-user mode.*empty$") as error:
        server.ask(server.api.experiments.experiment_service_create_experiment, body)
    assert error.value.status == 400


def test_pages_have_everything_once(fake: FakeKubeflow, server: Server) -> None:
    for number in range(250):
        fake.state.create("experiments", {"display_name": f"e{number}"})
    call = server.api.experiments.experiment_service_list_experiments
    names = [item.display_name for item in server.pages(call, "experiments")]
    assert sorted(names) == sorted(f"e{number}" for number in range(250))
    assert fake.trace.count("GET /apis/v2beta1/experiments") == 3


def test_connecting_leaves_no_file_behind(clock: Clock, tmp_path: Path) -> None:
    fake = FakeKubeflow(namespaces=("ours",))
    try:
        Server(connection(fake, KFP_NAMESPACE="ours"))
        assert not (tmp_path / "kfp").exists()
        assert fake.trace == ["GET /apis/v2beta1/healthz"]
    finally:
        fake.stop()
