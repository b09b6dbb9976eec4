"""Results don't depend on how an area is drawn or cut: cubes and maps are equal inside."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
import yaml

from components.evaluate.stage import run as evaluate
from components.fetch.stage import run as fetch
from components.infer.stage import run as infer
from components.stack.stage import run as stack
from components.train.stage import run as train
from components.window.stage import run as index
from groundshift.artifacts import read_manifest
from groundshift.cube.store import CellCube, Cube
from groundshift.domain.cells import Cell
from groundshift.models.inference import map_cell
from groundshift.models.inputs import Inputs
from groundshift.models.networks import NetworkSpec, build, weights
from groundshift.models.store import Detector
from groundshift.samples.windows import single
from groundshift.settings import load

ROOT = Path(__file__).parents[1]
RESOLUTION = 10
LEFT, TOP = 501360, 5629680
WHOLE = [501360, 5629040, 502000, 5629680]
INNER = [501520, 5629200, 501840, 5629520]  # 32 x 32 pixels in the middle of the whole
PERIOD = {"start": "2017-08-01", "end": "2017-12-15"}


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Fetch and stack a part of the demo's images as some area, cut into cells of some size."""
    folder = tmp_path_factory.mktemp("cut")

    def made(name: str, bounds: list[int], cell: int, halo: int) -> Cube:
        area = {"bounds": bounds, "cell": cell, "halo": halo, "crs": "EPSG:32631"}
        overrides = [f"period={yaml.safe_dump(PERIOD, default_flow_style=True).strip()}"]
        overrides += [f"area.{key}={value}" for key, value in area.items()]
        overrides += [f"fetch.files.root={ROOT / 'demo/data/s1s2l8_flanders_2017_2018'}"]
        overrides += ["fetch.plant=null"]  # a donor may lie in another cell
        paths = {kind: folder / name / kind for kind in ("observations", "cube")}
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GROUNDSHIFT_WORK", str(folder / "work" / name))
            params = ROOT / "params.yaml"
            fetch(
                load("fetch", params, area="demo", overrides=overrides),
                observations=paths["observations"],
            )
            stack(load("stack", params, area="demo", overrides=overrides), **paths)
        return Cube.open(paths["cube"])

    return made


@pytest.fixture(scope="module")
def whole(make):
    return make("whole", WHOLE, 10000, 0)


def place(cell: Cell) -> tuple[slice, slice]:
    """Where a cell's core lies in the whole, as rows and columns of it; may reach beyond."""
    left, _, _, top = tuple(cell.core.boundingbox)
    row, column = round((TOP - top) / RESOLUTION), round((left - LEFT) / RESOLUTION)
    rows, columns = cell.core.shape
    return slice(row, row + rows), slice(column, column + columns)


def shared(cell: Cell) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part of a cell's core that lies in the whole: where in the core, where in the whole."""
    inside, outside = [], []
    for span in place(cell):
        first, last = max(span.start, 0), min(span.stop, 64)
        outside.append(slice(first, last))
        inside.append(slice(first - span.start, last - span.start))
    return tuple(inside), tuple(outside)


def core_frames(cube: CellCube, sensor: str):
    return cube.read(sensor, 0, len(cube.times), *cube.cell.inner)


def assert_equal_inside(part: CellCube, whole: CellCube) -> None:
    assert np.array_equal(part.times, whole.times)
    (rows, columns), (whole_rows, whole_columns) = shared(part.cell)
    for sensor in whole.sensors:
        ours = core_frames(part, sensor)
        theirs = whole.read(sensor, 0, len(whole.times), whole_rows, whole_columns)
        for field in ("values", "fresh", "age_days"):
            found = getattr(ours, field)[:, rows, columns]
            assert np.array_equal(found, getattr(theirs, field)), (part.cell.id, sensor, field)


@pytest.mark.parametrize(("cell", "count"), [(10000, 1), (600, 4), (320, 9)])
def test_a_cut_area_gives_the_same_cube(make, whole, cell, count):
    cut = make(f"cut_{cell}", WHOLE, cell, 4)
    assert len(cut.cells) == count
    (complete,) = whole.cells.values()
    covered = np.zeros((64, 64), int)
    for part in cut.cells.values():
        assert_equal_inside(part, complete)
        covered[shared(part.cell)[1]] += 1
    assert (covered == 1).all()


def test_a_larger_area_around_gives_the_same_cube_inside(make, whole):
    (inner,) = make("inner", INNER, 10000, 4).cells.values()
    assert inner.cell.core.shape == (32, 32)
    assert_equal_inside(inner, next(iter(whole.cells.values())))


def random_detector(cube: Cube, radius: int) -> Detector:
    """A network with its first, random weights."""
    inputs = Inputs.raw(cube.signature)
    spec = NetworkSpec(inputs.channels("radar"), inputs.channels("optical"), 4, 8)
    network = build(spec, (16, 16), seed=5)
    return Detector(spec, inputs, cube.signature, radius, (weights(network),))


def test_maps_of_a_cut_area_equal_the_map_of_the_whole(make, whole):
    cut = make("halo", WHOLE, 320, 16)
    detector = random_detector(whole, 16)
    (complete,) = whole.cells.values()
    windows = single(
        complete.times,
        length=60 * 86400,
        stride=9,
        min_steps=5,
        max_steps=40,
        period=(int(complete.times[0]), int(complete.times[-1])),
    ).table("any")
    windows = windows[windows["complete"]]
    assert len(windows) >= 3
    expected = dict(map_cell(detector, complete, windows))
    spread = max(scores.max() - scores.min() for scores in expected.values())
    assert spread > 0.05, "a flat map would prove nothing"
    for part in cut.cells.values():
        inside, outside = shared(part.cell)
        for window, scores in map_cell(detector, part, windows):
            # Where the whole ends, its image ends; the squares go on with ground never seen.
            difference = np.abs(scores[inside] - expected[window][outside])
            assert difference[away_from_the_edge(outside)].max(initial=0) <= 1e-4


def away_from_the_edge(place: tuple[slice, slice]) -> np.ndarray:
    """Which pixels of a part of the whole are as far from its edge as the halo is wide."""
    rows, columns = (np.arange(span.start, span.stop) for span in place)
    far_rows, far_columns = ((n >= 16) & (n < 48) for n in (rows, columns))
    return far_rows[:, None] & far_columns[None, :]


QUARTERED = [501360, 5629200, 501840, 5629680]  # 48 x 48 pixels, four squares of 240 m
LESS = [
    "period={start: 2017-08-01, end: 2018-08-01}",
    f"area.bounds={QUARTERED}",
    "area.crs=EPSG:32631",
    "area.halo=24",
    f"fetch.files.root={ROOT / 'demo/data/s1s2l8_flanders_2017_2018'}",
    "fetch.plant=null",  # a donor may lie in another cell
    f"window.truth={ROOT / 'demo/plantings/flanders_4.geojson'}",
    "window.patch=12",
    "window.split={block: 12, buffer: 0, shares: [2, 1, 1]}",
    "train={epochs: 2, members: 1, stride: 10, validation_stride: 20}",
    "evaluate={baselines: false, bootstrap: 20, stride: 10}",
    "infer={stride: 40}",
]


@pytest.fixture(scope="module")
def run_all(tmp_path_factory):
    """All six stages on an area that is cut into cells of some size."""
    folder = tmp_path_factory.mktemp("all")

    def ran(cell: int) -> dict[str, Path]:
        params, chosen = ROOT / "params.yaml", [*LESS, f"area.cell={cell}"]
        made: dict[str, Path] = {}

        def stage(name, run, inputs: str, output: str) -> None:
            made[output] = folder / str(cell) / output
            taken = {kind: made[kind] for kind in inputs.split()} | {output: made[output]}
            run(load(name, params, area="demo", overrides=chosen), **taken)

        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GROUNDSHIFT_WORK", str(folder / "work" / str(cell)))
            patch.setenv("GROUNDSHIFT_TRACKING", "off")
            stage("fetch", fetch, "", "observations")
            stage("stack", stack, "observations", "cube")
            stage("window", index, "observations cube", "samples")
            stage("train", train, "cube samples", "model")
            stage("evaluate", evaluate, "cube samples model", "evaluation")
            stage("infer", infer, "cube samples model evaluation", "maps")
        return made

    return ran


def test_the_six_stages_give_the_same_for_one_cell_and_for_four(run_all):
    """The same windows, patches and order, so the same weights; and the same scores with them."""
    whole, quarters = run_all(10000), run_all(240)
    cells = [read_manifest(made["maps"], "maps").summary["cells"] for made in (whole, quarters)]
    assert [len(found) for found in cells] == [1, 4]
    for kind in ("model", "evaluation"):
        one, four = (read_manifest(made[kind], kind) for made in (whole, quarters))
        assert one.value_hash == four.value_hash, kind
    (complete,) = Cube.open(whole["cube"]).cells.values()
    expected = scores_of(whole["maps"], complete.cell)
    assert len(expected) >= 2
    for part in Cube.open(quarters["cube"]).cells.values():
        found = scores_of(quarters["maps"], part.cell)
        assert found.keys() == expected.keys()
        for name, scores in found.items():
            np.testing.assert_allclose(scores, expected[name][place(part.cell)], atol=1e-4)


def scores_of(maps: Path, cell: Cell) -> dict[str, np.ndarray]:
    """Score maps of a cell by window."""
    found = {}
    for path in sorted((maps / "scores" / cell.id).glob("*.tif")):
        with rasterio.open(path) as image:
            found[path.stem] = image.read(1)
    return found
