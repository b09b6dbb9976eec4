"""A small made-up area of one cell: real artifacts, an untrained network."""

import geopandas as gpd
import numpy as np
import pandas as pd
from odc.geo.geobox import GeoBox
from shapely import box

from components.stack import stage as stack
from components.window import stage as window
from groundshift.artifacts import writing
from groundshift.cube.store import Cube
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Sensor
from groundshift.domain.time import DAY
from groundshift.models.inputs import fit_inputs
from groundshift.models.networks import NetworkSpec, build, weights
from groundshift.models.store import Detector, write_probe
from groundshift.observations.store import Record, write_observation, write_tables
from groundshift.samples.loader import Loader
from groundshift.samples.store import Samples
from groundshift.settings import parse

START = int(np.datetime64("2017-01-01", "s").astype(int))
DAYS, PIXELS, BLOCK = 200, 24, 8
RADIUS = 16  # no block of 8 pixels sees less than all 24 with it
SENSORS = {
    "s1": Sensor("s1", "radar", "sentinel1", ("VV", "VH"), units="linear power"),
    "s2": Sensor("s2", "optical", "sentinel2", ("B02", "B03", "B04", "B08", "B11", "B12")),
}
AREA = {
    "name": "made-up",
    "area": {"bounds": [600_000, 5_599_760, 600_240, 5_600_000], "bounds_crs": "EPSG:32631"},
}
WINDOW = {
    "kind": "single",
    "length": "60d",
    "min_steps": 8,
    "max_steps": 40,
    "patch": 8,
    "labels": "truth",
    "split": {
        "block": BLOCK,
        "buffer": 0,
        "assign": {"training": [0, 2, 6, 8], "validation": [1, 7], "test": [3, 4, 5]},
    },
}
CHANGES = [  # id, kind, block, day
    ("train-1", "urban", 0, 70),
    ("train-2", "urban", 8, 90),
    ("validation-1", "urban", 1, 80),
    ("validation-2", "urban", 7, 60),
    ("test-1", "urban", 3, 75),
    ("test-2", "urban", 5, 95),
    ("test-swap", "swap", 4, 80),
]


def cell():
    grid = GeoBox.from_bbox(AREA["area"]["bounds"], crs="EPSG:32631", resolution=10, tight=True)
    return Cell(f"made_up_{PIXELS}x{PIXELS}", grid, 0)


def footprint(block):
    """Rows and columns 2 to 5 of a block."""
    top, left = (BLOCK * i + 2 for i in divmod(block, PIXELS // BLOCK))
    return slice(top, top + 4), slice(left, left + 4)


def truth_table():
    rows = []
    for name, kind, block, day in CHANGES:
        rows_, columns = footprint(block)
        shape = box(
            600_000 + 10 * columns.start,
            5_600_000 - 10 * rows_.stop,
            600_000 + 10 * columns.stop,
            5_600_000 - 10 * rows_.start,
        )
        date = pd.Timestamp(START + day * DAY, unit="s")
        rows.append((name, kind, date, date, 1.0, block, shape))
    columns = ["id", "kind", "start", "end", "strength", "plot", "geometry"]
    return gpd.GeoDataFrame(rows, columns=columns, crs="EPSG:32631")


def image(generator, sensor, day):
    """Speckle on flat ground, brighter where it was built over by then."""
    bands = len(sensor.bands)
    values = generator.gamma(8, 0.05 / 8, (PIXELS, PIXELS, bands)).astype(np.float32)
    if sensor.kind == "optical":
        values += np.linspace(0.05, 0.25, bands, dtype=np.float32)
    for _, kind, block, since in CHANGES:
        if kind == "urban" and day >= since:
            values[footprint(block)] *= 4 if sensor.kind == "radar" else 0.7
    return values


def make_observations(folder, truth, days, until=None):
    """Looks of both sensors every few days; those from the day `until` on have not come yet."""
    generator = np.random.default_rng(2)
    place, records = cell(), []
    with writing(folder, "observations", area="t", settings={}, inputs={}) as draft:
        for name, sensor in SENSORS.items():
            for day in range(0 if name == "s1" else 1, days, days // 50):
                time = START + day * DAY + 3600
                record = Record(place.id, name, time, "made up", valid_share=1.0, digest="x")
                values = image(generator, sensor, day)
                if until is not None and day >= until:
                    continue
                valid = np.ones(values.shape[:2], bool)
                write_observation(draft.folder, draft.scratch, place.grid, record, values, valid)
                records.append(record)
        write_tables(draft.folder, records, truth)
        draft.summary["cells"] = [place.to_dict()]
        draft.summary["sensors"] = {n: sensor.to_dict() for n, sensor in SENSORS.items()}
        draft.licences.add("made up, no rights reserved")
    return folder


def make_model(folder, cube, samples, days=DAYS, seed=5, neighbours=False):
    """A network with its first weights."""
    images, indexed = Cube.open(cube), Samples.open(samples)
    patches = indexed.splits[indexed.splits["split"] == "training"]
    inputs = fit_inputs(images.signature, images.cells, patches, neighbours=neighbours)
    spec = NetworkSpec(
        inputs.channels("radar"),
        inputs.channels("optical"),
        2,
        2,
        context_channels=inputs.context_channels,
    )
    network = build(spec, (BLOCK, BLOCK), seed=seed)
    windows = {name: indexed.settings[name] for name in ("length", "min_steps", "max_steps")}
    detector = Detector(spec, inputs, images.signature, RADIUS, (weights(network),), windows)
    loader = Loader(indexed, images, "validation", batch=2, neighbours=neighbours)
    batch = next(loader.epoch())
    settings = settings_of("train", days).affecting()
    with writing(folder, "model", area="t", settings=settings, inputs={}) as draft:
        detector.write(draft.folder)
        write_probe(draft.folder / "probe.npz", detector, batch)
    return folder


def settings_of(stage_name="evaluate", days=DAYS, **chosen):
    period = {"start": "2017-01-01", "end": str(np.datetime64("2017-01-01") + days)}
    own = {"bootstrap": 50} if stage_name == "evaluate" else {}
    return parse(stage_name, AREA | {"period": period, stage_name: own | chosen})


def artifacts(folder, planted, days=DAYS, neighbours=False, **overrides):
    """Folders of all inputs of the stage."""
    observations = make_observations(folder / "observations", planted, days)
    cube, samples = folder / "cube", folder / "samples"
    chosen = settings_of("stack", days, step="4d", radar=["s1"], optical="s2")
    stack.run(chosen, observations=observations, cube=cube)
    chosen = settings_of("window", days, **(WINDOW | overrides))
    window.run(chosen, observations=observations, cube=cube, samples=samples)
    return {
        "cube": cube,
        "samples": samples,
        "model": make_model(folder / "model", cube, samples, days, neighbours=neighbours),
    }
