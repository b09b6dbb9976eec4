"""Scenes per second from a Sentinel Hub service: the fetch stage beside eo-learn's task.

    python -m benchmarks.sentinelhub [--scenes 60] [--latency 0.3] [--concurrency 8]

The service is the tests' own, in a process of its own on this machine. eo-learn's
`SentinelHubInputTask` is called scene by scene, as the published work did, and keeps its EOPatches
in memory; the stage checks and writes its observations too.
"""

import multiprocessing
import os
import tempfile
import time
from datetime import timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import Queue
from typing import Annotated, Any

import numpy as np
import typer
from eolearn.core import FeatureType
from eolearn.io import SentinelHubInputTask
from sentinelhub import CRS, BBox, DataCollection, SHConfig

from components.fetch.stage import run
from groundshift.observations.store import Observations
from tests.hub import scenes
from tests.hub.fixtures import SENSORS, settings_for
from tests.hub.service import CLIENT, SECRET, Hub, serving
from tests.loopback.certificates import write_certificates

PERIOD = {"start": "2020-03-01", "end": "2020-09-01"}


def main(
    count: Annotated[int, typer.Option("--scenes")] = 60,
    latency: Annotated[list[float] | None, typer.Option(help="Seconds per answer.")] = None,
    concurrency: int = 8,
) -> None:
    """Print scenes per second of both, and the ratio."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        authority, certificate = write_certificates(work)
        os.environ |= {
            "REQUESTS_CA_BUNDLE": str(authority),
            "NO_PROXY": "localhost",
            "SH_CLIENT_ID": CLIENT,
            "SH_CLIENT_SECRET": SECRET,
            "GROUNDSHIFT_WORK": str(work / "work"),
            "GROUNDSHIFT_TRACKING": "off",
        }
        for seconds in latency or (0.3, 0.0):
            with _Elsewhere(certificate, count, seconds) as hub:
                mine = _stage(hub, work / f"observations-{seconds}", concurrency)
                theirs = _task(hub, count)
            print(
                f"latency {seconds:g} s: stage {count / mine:.1f} scenes/s, "
                f"task {count / theirs:.1f} scenes/s, ratio {theirs / mine:.1f}"
            )


class _Elsewhere:
    """The service in a process of its own."""

    def __init__(self, certificate: Path, count: int, latency: float) -> None:
        context = multiprocessing.get_context("spawn")
        self._stop, self._urls = context.Event(), context.Queue()
        given = (certificate, count, latency, self._urls, self._stop)
        self._process = context.Process(target=_serve, args=given)

    def __enter__(self) -> Hub:
        self._process.start()
        return Hub([], url=self._urls.get())

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._process.join()


def _serve(certificate: Path, count: int, latency: float, urls: "Queue[str]", stop: Event) -> None:
    hub = Hub(scenes.optical(range(count)), latency=latency)
    with serving(hub, certificate):
        urls.put(hub.url)
        stop.wait()


def _stage(hub: Hub, folder: Path, concurrency: int) -> float:
    """Seconds the stage takes."""
    settings = settings_for(
        hub,
        sensors={"s2": SENSORS["s2"]},
        period=PERIOD,
        fetch={"sentinelhub": {"concurrency": concurrency}},
    )
    began = time.perf_counter()
    run(settings, observations=folder)
    seconds = time.perf_counter() - began
    assert len(Observations.open(folder).table) > 0
    return seconds


def _task(hub: Hub, count: int) -> float:
    """Seconds eo-learn's task takes, one call per scene."""
    config = SHConfig(
        use_defaults=True,
        sh_client_id=CLIENT,
        sh_client_secret=SECRET,
        sh_base_url=hub.url,
        sh_token_url=f"{hub.url}/token",
    )
    task = SentinelHubInputTask(
        data_collection=DataCollection.SENTINEL2_L1C.define_from(
            f"at {hub.url}", service_url=hub.url, has_cloud_coverage=False
        ),
        size=(64, 64),
        bands_feature=(FeatureType.DATA, "L1C_data"),
        additional_data=[(FeatureType.MASK, "dataMask"), (FeatureType.MASK, "CLM")],
        time_difference=timedelta(minutes=1),
        config=config,
    )
    box = BBox(scenes.AREA, CRS(32631))
    began = time.perf_counter()
    for day in range(count):
        moment = np.datetime64(scenes.START + day * scenes.DAY, "s").astype(object)
        span: Any = (moment - timedelta(minutes=1), moment + timedelta(minutes=1))
        patch = task.execute(bbox=box, time_interval=span)
        assert len(patch.timestamps) == 1
    return time.perf_counter() - began


if __name__ == "__main__":
    typer.run(main)
