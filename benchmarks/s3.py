"""What a store in S3 costs: bytes of a revision and of a second push, speed beside plain boto3.

    python -m benchmarks.s3 [--images 1600] [--megabytes 400]

A server of its own is started, and a proxy before it counts every byte on the line, requests and
headers included. The cube holds radar noise, which nothing shrinks: daily images of one tile, to
which one in a hundred is added. Bytes read are what the process asked the system for (`rchar`).
Speed is measured without the proxy, ours and boto3's in turns.
"""

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
from odc.geo.geobox import GeoBox

from groundshift.artifacts import ArtifactStore, Manifest, Reference, link_tree, writing
from groundshift.artifacts.bucket_objects import BucketObjects
from groundshift.cube.build import build
from groundshift.cube.commit import prune
from groundshift.cube.layout import is_shard
from groundshift.cube.revise import revise
from groundshift.cube.shards import TILE
from groundshift.cube.store import Cube
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor
from groundshift.domain.time import DAY, isoformat
from groundshift.settings import StackStage, parse
from groundshift.storage import Blob, Bucket, upload
from pipelines.seaweed import Seaweed
from tests.proxy import Proxy

START = 1_483_228_800
SENSOR = Sensor("s1", "radar", "sentinel1", ("VV", "VH"), units="linear power")
BOUNDS = (600_000, 5_600_000 - 10 * TILE, 600_000 + 10 * TILE, 5_600_000)
ROUNDS = 5


@dataclass
class Noise:
    """Observations of one tile, made when they are asked for."""

    images: int

    def __post_init__(self) -> None:
        grid = GeoBox.from_bbox(BOUNDS, crs="EPSG:32631", resolution=10, tight=True)
        self.cells = (Cell(f"noise_{TILE}x{TILE}", grid, 0),)
        self.sensors = {"s1": SENSOR}
        self.manifest = Manifest("observations", 1, {}, {}, (), str(self.images), {}, ("noise",))
        self.times = START + DAY * np.arange(self.images, dtype=np.int64)
        known = {"cell": self.cells[0].id, "sensor": "s1", "time": self.times}
        self.table = pd.DataFrame({**known, "digest": [str(each) for each in self.times]})

    def acquisitions(self, cell_id: str, sensor: str) -> Any:
        """All times."""
        return self.times

    def read(self, cell_id: str, sensor: str, time: int) -> Any:
        """Noise that a time always gives."""
        random = np.random.default_rng(time)
        return random.random((TILE, TILE, 2), np.float32), np.ones((TILE, TILE), bool)


def settings_for(images: int) -> StackStage:
    """Settings whose period holds so many days."""
    settings = parse(
        "stack",
        {
            "name": "noise",
            "task": "change",
            "area": {"bounds": BOUNDS, "bounds_crs": "EPSG:32631"},
            "period": {"start": isoformat(START), "end": isoformat(START + DAY * images)},
            "stack": {"step": "1d", "radar": ["s1"]},
        },
    )
    assert isinstance(settings, StackStage)
    return settings


def bytes_read() -> int:
    """What this process has read so far, from files and connections."""
    fields = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(fields["rchar"])


def size_of(folder: Path, but: Path | None = None) -> int:
    """Bytes of the files in a folder, without those that another one shares."""
    shared = {path.stat().st_ino for path in but.rglob("*")} if but else set[int]()
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in paths if path.stat().st_ino not in shared)


def keep(store: ArtifactStore, make: Callable[[Path], Any]) -> Reference:
    """Let a cube be made in a store."""
    with store.incoming() as incoming:
        make(incoming / "cube")
        return store.adopt(incoming / "cube", "cube")


def revision(store: ArtifactStore, proxy: Proxy, images: int, elsewhere: Path) -> None:
    """Print what it costs to version a cube after a revision, and to read a patch of it."""

    def stacked(folder: Path) -> None:
        settings = settings_for(images)
        with writing(
            folder, "cube", area="noise", settings=settings.affecting(), inputs={}
        ) as draft:
            build(Noise(images), draft, settings)

    def revised(folder: Path) -> None:
        link_tree(base, folder)
        revise(folder, Noise(later), settings_for(later))
        prune(folder)

    later = images + max(1, images // 100)
    base = store.folder(keep(store, stacked))
    total = size_of(base)
    print(f"cube of {images} images: {total / 1e6:.0f} MB")
    assert isinstance(store.objects, BucketObjects)
    began = bytes_read()
    with store.incoming() as incoming:
        revised(incoming / "cube")
        sent, read = proxy.sent, bytes_read()
        second = store.adopt(incoming / "cube", "cube")
    made, sent, read = read - began, proxy.sent - sent, bytes_read() - read
    fresh = size_of(store.folder(second), but=base)
    print(f"{later - images} more images: {fresh / total:.2%} of it is new")
    print(f"  making the revision read {made / total:.2%} of it")
    print(f"  versioning it read {read / total:.2%} and sent {sent / total:.2%}")
    sent, received = proxy.sent, proxy.received
    store.objects.push(second)
    print(f"  pushed again: {proxy.sent - sent} bytes sent")
    received = proxy.received
    with BucketObjects(store.objects.bucket, elsewhere).lent(second, is_shard) as folder:
        cube = next(iter(Cube.open(folder).cells.values()))
        cube.read("s1", images - 30, images, slice(0, 32), slice(0, 32))
    part = (proxy.received - received) / 1e6
    print(f"a patch of 32 x 32 pixels over 30 images, read from S3: {part:.1f} MB received")


def speed(bucket: Bucket, folder: Path, megabytes: int, count: int) -> None:
    """Print how fast files are sent, against `upload_file` of boto3 one after the other."""
    size = megabytes * 1_000_000 // count
    ratios, ours = [], []
    for number in range(ROUNDS):
        blobs = []
        for part in range(count):
            path, data = folder / str(part), os.urandom(size)
            path.write_bytes(data)
            md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
            blobs.append(Blob(path, f"speed/{md5}", md5, size))
        seconds = {}
        for who in ("ours", "boto3") if number % 2 else ("boto3", "ours"):
            began = time.perf_counter()
            if who == "ours":
                upload(bucket, blobs)
            else:
                for blob in blobs:
                    key = f"{bucket.address.prefix}plain/{blob.md5}"
                    bucket.client.upload_file(str(blob.path), bucket.address.bucket, key)
            seconds[who] = time.perf_counter() - began
        bucket.remove([f"{kind}/{blob.md5}" for kind in ("speed", "plain") for blob in blobs])
        ratios.append(seconds["boto3"] / seconds["ours"])
        ours.append(megabytes / seconds["ours"])
    print(
        f"{count} files of {size / 1e6:.1f} MB: {median(ours):.0f} MB/s, "
        f"{median(ratios):.2f} times boto3's ({min(ratios):.2f} to {max(ratios):.2f})"
    )


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1600)
    parser.add_argument("--megabytes", type=int, default=400)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = Seaweed(folder / "s3").start()
        try:
            os.environ.update(server.environment, GROUNDSHIFT_WORK=str(folder / "work"))
            (folder / "files").mkdir()
            for count in (1, 20, 400):
                bucket = Bucket.at("s3://groundshift/speed")
                speed(bucket, folder / "files", given.megabytes, count)
            with Proxy(server.ports["s3"]) as proxy:
                os.environ["AWS_ENDPOINT_URL"] = proxy.endpoint
                store = ArtifactStore.open("s3://groundshift/store")
                revision(store, proxy, given.images, folder / "elsewhere")
        finally:
            server.kill()


if __name__ == "__main__":
    main()
