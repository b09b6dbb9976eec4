"""A served model: packed arrays against nested JSON, by number of clients; memory over time.

    python -m benchmarks.serving                    a table in Markdown
    python -m benchmarks.serving --requests 4 --steady 100      for a look

Both forms ask one server for the same scores of one series, in turn, so that the ratio holds on any
machine. Then small requests of changing shapes follow one another, and the server's memory is read
along the way.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import requests

from groundshift.artifacts import read_manifest, writing
from groundshift.domain.signature import Signature, Stream
from groundshift.models.inputs import Inputs
from groundshift.models.networks import NetworkSpec, build, weights
from groundshift.models.store import PROBE, Detector, write_probe
from groundshift.products.serving.scorer import OPENER, example
from groundshift.samples.loader import Batch, StreamBatch
from groundshift.services import logged_model, mlflow_store
from groundshift.services.packed import pack

OPTICAL = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
BANDS = {"radar_a": ("VV", "VH"), "radar_b": ("VV", "VH"), "optical": OPTICAL}
STEPS, SIZE = 30, 32
CLIENTS = (1, 4, 16)
PORT = 18473


def series(steps: int, size: int, seed: int = 0) -> dict[str, Any]:
    """A sample of random numbers."""
    generator = np.random.default_rng(seed)
    arrays: dict[str, Any] = {"steps": np.ones((1, steps), bool)}
    for role, bands in BANDS.items():
        shape = (1, steps, size, size)
        arrays[f"values_{role}"] = generator.random((*shape, len(bands)), np.float32)
        arrays[f"age_days_{role}"] = generator.integers(0, 20, shape).astype(np.int16)
    return arrays


def make_model(folder: Path) -> Path:
    """The network of the preset `tiny` with its first weights, as an artifact."""
    streams = tuple(
        Stream(r, "sentinel2" if r == "optical" else "sentinel1", b) for r, b in BANDS.items()
    )
    signature = Signature(streams, 10, 4 * 86400)
    spec = NetworkSpec.of_preset("tiny", radar_channels=4, optical_channels=len(OPTICAL))
    network = build(spec, (SIZE, SIZE), seed=1)
    windows = {"length": "120d", "min_steps": 4, "max_steps": 61}
    detector = Detector(
        spec, Inputs.raw(signature), signature, 12, (weights(network),), windows=windows
    )
    arrays = series(5, 8)
    batch = Batch(
        {r: StreamBatch(arrays[f"values_{r}"], arrays[f"age_days_{r}"]) for r in BANDS},
        arrays["steps"].astype(np.float32),
        arrays["steps"],
        np.zeros((1, 8, 8), np.float32),
        np.zeros(1, np.int64),
        np.zeros(1, np.int64),
    )
    with writing(folder, "model", area="benchmark", settings={}, inputs={}) as draft:
        detector.write(draft.folder)
        write_probe(draft.folder / PROBE, detector, batch)
    return folder


def logged(model: Path) -> Path:
    """The artifact as a logged model; its folder."""
    from mlflow.artifacts import download_artifacts

    store = mlflow_store.open_store()
    run = store.client.create_run(store.experiment)
    uri = logged_model.log_model(
        store,
        run.info.run_id,
        model,
        opener=OPENER,
        example=example(model),
        content_hash=read_manifest(model, "model").content_hash,
    )
    return Path(download_artifacts(uri))


def ask(body: bytes) -> tuple[float, int]:
    """Seconds that a request took, and bytes of its answer."""
    began = time.perf_counter()
    answer = requests.post(
        f"http://127.0.0.1:{PORT}/invocations",
        body,
        headers={"Content-Type": "application/json"},
        timeout=600,
    )
    answer.raise_for_status()
    return time.perf_counter() - began, len(answer.content)


def measure(body: bytes, clients: int, count: int) -> dict[str, float]:
    """Latency and throughput of a request, asked so often by so many."""
    began = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        found = list(pool.map(lambda _: ask(body), range(count)))
    elapsed = time.perf_counter() - began
    seconds = np.array([seconds for seconds, _ in found])
    return {
        "clients": clients,
        "p50": float(np.percentile(seconds, 50)),
        "p95": float(np.percentile(seconds, 95)),
        "per_second": count / elapsed,
        "answer": found[0][1],
    }


def memory(process: int) -> float:
    """Megabytes that a process holds."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"{process} is gone")


def body_of(request: dict[str, str]) -> bytes:
    """A body with one request."""
    return json.dumps({"dataframe_records": [request]}).encode()


def serve(folder: Path) -> "subprocess.Popen[bytes]":
    """Start the server and wait until it is ready."""
    command = [sys.executable, "-m", "groundshift.services.server", "--model", str(folder)]
    command += ["--port", str(PORT), "--body-mb", "512", "--seconds", "600"]
    limits = {"GROUNDSHIFT_SERVE_JSON_MB": "512"}
    server = subprocess.Popen(command, env=os.environ | limits)
    while server.poll() is None:
        try:
            requests.get(f"http://127.0.0.1:{PORT}/ready", timeout=5)
            return server
        except requests.ConnectionError:
            time.sleep(0.2)
    raise RuntimeError("the server did not start")


def speed(count: int) -> None:
    """Both forms side by side, as rows of a table."""
    arrays = series(STEPS, SIZE)
    nested = json.dumps({name: array.tolist() for name, array in arrays.items()})
    bodies = {
        "packed arrays": (body_of({"sample": pack(arrays)}), count),
        "nested JSON": (body_of({"sample": nested, "format": "json"}), max(count // 4, 2)),
    }
    for body, _ in bodies.values():
        ask(body)
    print(
        f"One series of {STEPS} steps, {SIZE} x {SIZE} pixels, {sum(map(len, BANDS.values()))} "
        "bands:\n"
    )
    print("| sample | body | answer | clients | p50 | p95 | requests/s |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for clients in CLIENTS:
        for name, (body, times) in bodies.items():
            found = measure(body, clients, max(times, clients))
            print(
                f"| {name} | {len(body) / 1e6:.1f} MB | {found['answer'] / 1e3:.0f} kB | {clients} "
                f"| {found['p50']:.2f} s | {found['p95']:.2f} s | {found['per_second']:.2f} |",
                flush=True,
            )


def steadiness(process: int, count: int) -> None:
    """Memory of the server while small requests of changing shapes follow one another."""
    shapes = [(steps, size) for steps in range(5, 21, 3) for size in (8, 12, 16)]
    bodies = [body_of({"sample": pack(series(*shape))}) for shape in shapes]
    print(f"\n{count} requests of {len(shapes)} shapes in turn:\n")
    print("| requests | memory |")
    print("| ---: | ---: |")
    for number in range(count + 1):
        if number in (0, count // 10, count // 4, count // 2, count):
            print(f"| {number} | {memory(process):.0f} MB |", flush=True)
        ask(bodies[number % len(bodies)])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=16, help="per row of the table")
    parser.add_argument("--steady", type=int, default=1000, help="for the memory")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{folder}/mlflow.db"
        os.environ["GROUNDSHIFT_WORK"] = str(folder / "work")
        server = serve(logged(make_model(folder / "model")))
        try:
            speed(given.requests)
            steadiness(server.pid, given.steady)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
