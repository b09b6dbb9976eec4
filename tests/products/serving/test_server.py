"""The server on loopback: what it answers, what it refuses, and that nothing brings it down."""

import json
import shutil
import socket
import threading
import time
import warnings

import numpy as np
import pytest
import rasterio
import requests
import uvicorn
from mlflow.artifacts import download_artifacts
from typer.testing import CliRunner

from groundshift.artifacts import read_manifest
from groundshift.errors import ContractError
from groundshift.products.serving.scorer import OPENER, example
from groundshift.services import logged_model, mlflow_store
from groundshift.services.packed import pack, unpack
from groundshift.services.served_files import check_logged_model
from groundshift.services.server import ServerLimits, main, make_app
from pipelines.cli import app as command_line
from tests.products.serving.malformed import bodies, table

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def logged(area, tmp_path_factory):
    """Folder of the logged model."""
    folder = tmp_path_factory.mktemp("mlflow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder}/mlflow.db")
        store = mlflow_store.open_store()
        run = store.client.create_run(store.experiment)
        content_hash = read_manifest(area["model"], "model").content_hash
        uri = logged_model.log_model(
            store,
            run.info.run_id,
            area["model"],
            opener=OPENER,
            example=example(area["model"]),
            content_hash=content_hash,
        )
        yield shutil.copytree(download_artifacts(uri), folder / "model")


def serve(app):
    """Run an app on a free port; its address, and what ends it."""
    port = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [port]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    return f"http://127.0.0.1:{port.getsockname()[1]}", server, thread


@pytest.fixture(scope="module")
def address(area, logged):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDSHIFT_SERVE_PREFIXES", str(area["cube"].parent))
        patch.setenv("GROUNDSHIFT_SERVE_UNPACKED_MB", "16")
        app = make_app(str(logged), ServerLimits(body=8 << 20))
    address, server, thread = serve(app)
    yield address
    server.should_exit = True
    thread.join()


def ask(address, *rows):
    return requests.post(f"{address}/invocations", table(*rows), headers=JSON, timeout=60)


def test_it_answers_as_the_artifact_does(address, scorer, area):
    place = {"cube": str(area["cube"]), "date": "2017-04-20"}
    sample = {"sample": pack(example(area["model"]))}
    answer = ask(address, place, sample)
    assert answer.status_code == 200, answer.text
    for found, request in zip(answer.json()["predictions"], (place, sample), strict=True):
        expected = scorer(request)
        assert json.loads(found["about"]) == json.loads(expected["about"])
        np.testing.assert_allclose(
            unpack(found["result"])["score"], unpack(expected["result"])["score"], atol=1e-6
        )


def test_it_says_when_it_is_ready_and_what_it_did(address, area):
    assert requests.get(f"{address}/ready", timeout=10).text == "ready\n"
    assert requests.get(f"{address}/ping", timeout=10).status_code == 200
    assert ask(address, {"sample": "x"}).status_code == 400
    text = requests.get(f"{address}/metrics", timeout=10).text
    model = read_manifest(area["model"], "model").content_hash
    assert f'groundshift_model{{model="{model}"}} 1.0' in text
    assert 'groundshift_requests_total{status="400"}' in text
    assert "groundshift_requests_at_work 0.0" in text


def test_malformed_requests_are_refused_and_never_break_it(address, area):
    arrays = {n: a[:, :12] for n, a in example(area["model"]).items()}
    arrays["steps"] = np.ones_like(arrays["steps"])
    place = {"cube": str(area["cube"]), "start": "2017-02-02", "end": "2017-04-03"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of making what is malformed
        made = list(bodies(arrays, place))
    assert len(made) >= 200
    session = requests.Session()
    answers = {
        name: session.post(f"{address}/invocations", body, headers=JSON, timeout=60)
        for name, body in made
    }
    wrong = {
        n: (a.status_code, a.text[:200]) for n, a in answers.items() if a.status_code // 100 != 4
    }
    assert sorted(wrong.items()) == []
    assert not any("Traceback" in answer.text for answer in answers.values())
    assert ask(address, place).status_code == 200


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({}, b"{}", 415),
        ({"Content-Type": "text/csv"}, b"sample\nx", 415),
        ({"Content-Type": "application/x-parquet"}, b"PAR1", 415),
        (JSON, b"x" * ((8 << 20) + 1), 413),
        (JSON, (b"x" * (1 << 20) for _ in range(9)), 413),
    ],
)
def test_bodies_of_another_kind_or_too_long_are_refused_unread(address, headers, body, status):
    try:
        answer = requests.post(f"{address}/invocations", body, headers=headers, timeout=30)
    except requests.ConnectionError:
        assert status == 413, "it hangs up on who keeps sending"
        return
    assert answer.status_code == status
    assert answer.json()["error_code"]


def test_bodies_that_never_come_and_requests_too_many_are_turned_away():
    slow = threading.Event()

    async def inner(scope, receive, send):
        import asyncio

        await asyncio.to_thread(slow.wait, 20)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})

    from groundshift.services.server import Guard, Metrics

    limits = ServerLimits(body=100, seconds=1, at_once=1, waiting=1)
    address, server, thread = serve(Guard(inner, limits, Metrics("m")))
    found = []

    def post():
        found.append(
            requests.post(f"{address}/invocations", "{}", headers=JSON, timeout=30).status_code
        )

    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as lazy:
        lazy.sendall(
            b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 50\r\n\r\n{"
        )
        assert b" 408 " in lazy.recv(1000)
    posts = [threading.Thread(target=post) for _ in range(4)]
    for one in posts:
        one.start()
        time.sleep(0.2)
    assert requests.get(f"{address}/ready", timeout=10).status_code == 503
    time.sleep(1)
    slow.set()
    for one in posts:
        one.join()
    assert sorted(found)[-1] == 504, "the first took too long"
    assert found.count(429) >= 2, "there was room for one at work and one that waits"
    assert requests.get(f"{address}/ready", timeout=10).status_code == 200
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("artifacts/model/weights.pkl", b"\x80\x04."),
        ("python_model.pkl", b"\x80\x04."),
        ("code/os.py", b"print('here')"),
        ("code/groundshift/models/_fast.so", b"\x7fELF"),
        ("sitecustomize.py", b""),
    ],
)
def test_a_model_with_something_planted_is_refused(logged, tmp_path, name, content):
    folder = shutil.copytree(logged, tmp_path / "model")
    assert check_logged_model(folder)
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    with pytest.raises(ContractError, match=f"{name.rpartition('/')[2]}: expected a model's"):
        check_logged_model(folder)
    assert main(["--model", str(folder)]) == 2


def test_a_model_that_was_changed_is_refused(logged, tmp_path):
    folder = shutil.copytree(logged, tmp_path / "model")
    network = folder / "artifacts" / "model" / "network.json"
    network.write_text(network.read_text().replace('"radius": 16', '"radius": 15'))
    with pytest.raises(ContractError, match="damaged after it was written"):
        check_logged_model(folder)
    (folder / "artifacts" / "model" / "network.json").unlink()
    network.symlink_to("/etc/hostname")
    with pytest.raises(ContractError):
        check_logged_model(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("loader_module: mlflow.pyfunc.loaders.code_model", "loader_module: os"),
        (OPENER, "os:system"),
        ("    streamable: false", "    streamable: false\n    python_model: python_model.pkl"),
        ("flavors:", "flavors: [\n"),
    ],
)
def test_a_description_that_names_other_code_is_refused(logged, tmp_path, old, new):
    folder = shutil.copytree(logged, tmp_path / "model")
    described = folder / "MLmodel"
    text = described.read_text()
    assert old in text
    described.write_text(text.replace(old, new))
    with pytest.raises(ContractError, match="Register"):
        check_logged_model(folder)


def test_code_that_a_model_brings_is_not_run(logged, tmp_path):
    folder = shutil.copytree(logged, tmp_path / "model")
    for path in [folder / "served_model.py", *(folder / "code").rglob("*.py")]:
        path.write_text("raise SystemExit('code of the model was run')\n")
    assert make_app(str(folder), ServerLimits())


def test_a_model_that_is_not_there_is_worth_no_retry(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    assert main(["--model", "models:/groundshift-nowhere@champion"]) == 2
    assert main(["--model", "models:/x@champion", "--at-once", "0"]) == 2


def predict(address, out, *options):
    arguments = ["predict", "--server", address, "--out", str(out), *options]
    return CliRunner().invoke(command_line, arguments)


def test_the_command_line_asks_for_places_and_series(address, area, scorer, tmp_path):
    place = ["--cube", str(area["cube"]), "--date", "2017-04-20"]
    expected = scorer({"cube": str(area["cube"]), "date": "2017-04-20"})
    result = predict(address, tmp_path / "a.npz", *place)
    assert result.exit_code == 0, result.output
    assert json.loads(result.output) == json.loads(expected["about"])
    with np.load(tmp_path / "a.npz") as found:
        np.testing.assert_allclose(found["score"], unpack(expected["result"])["score"], atol=1e-6)
    box = ["--bbox", "600050,5599800,600120,5599960", "--crs", "EPSG:32631"]
    assert predict(address, tmp_path / "a.tif", *place, *box).exit_code == 0
    with rasterio.open(tmp_path / "a.tif") as raster:
        assert raster.shape == (16, 7)
    np.savez(tmp_path / "series.npz", **example(area["model"]))
    series = ["--series", str(tmp_path / "series.npz")]
    assert predict(address, tmp_path / "a.json", *series).exit_code == 0
    assert json.loads((tmp_path / "a.json").read_text())["about"]["kind"] == "score"


def test_the_command_line_tells_who_is_to_blame(address, area, tmp_path):
    out = tmp_path / "a.npz"
    refused = predict(address, out, "--cube", "/etc", "--date", "2017-04-20")
    assert refused.exit_code == 2
    assert "lies below none of the folders" in refused.output
    assert predict(address, tmp_path / "a.png", "--cube", "x").exit_code == 2
    assert predict(address, out, "--series", str(tmp_path / "none.npz")).exit_code == 2
    away = predict("http://ann:secret@127.0.0.1:9", out, "--cube", "x")
    assert away.exit_code == 4
    assert "secret" not in away.output
    assert not out.exists()
