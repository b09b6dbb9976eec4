"""A served model: what `infer` gives of the same window, and every other request refused."""

import base64
import json
import shutil

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile

from groundshift.artifacts import ArtifactStore, read_manifest
from groundshift.cube.store import Cube
from groundshift.errors import ContractError, SettingsError
from groundshift.models.inference import map_cell
from groundshift.models.store import PROBE, Detector, read_probe
from groundshift.products.serving.limits import Limits
from groundshift.products.serving.scorer import OPENER, example, open_scorer
from groundshift.samples.store import Samples
from groundshift.services.packed import pack, unpack
from tests.s3 import s3, seaweed  # noqa: F401 (fixtures)

WINDOW = {"start": "2017-02-02", "end": "2017-04-03"}


@pytest.fixture(scope="module")
def window(area):
    """A window of the index, its request, and its map as the stage infer makes it."""
    cube, samples = Cube.open(area["cube"]), Samples.open(area["samples"])
    [(name, cell)] = cube.cells.items()
    row = samples.windows_of("test", name).iloc[[7]]
    [(_, expected)] = map_cell(Detector.open(area["model"]), cell, row)
    request = {
        "cube": str(area["cube"]),
        "start": row["start"].iloc[0].isoformat(),
        "end": row["end"].iloc[0].isoformat(),
    }
    return request, expected


def test_served_by_reference_equals_infer(scorer, window, area):
    request, expected = window
    answer = scorer(request)
    np.testing.assert_allclose(unpack(answer["result"])["score"], expected, atol=1e-6)
    about = json.loads(answer["about"])
    assert about["kind"] == "score"
    assert about["model"] == read_manifest(area["model"], "model").content_hash
    assert about["data"] == read_manifest(area["cube"], "cube").content_hash
    assert about["licences"] == ["made up, no rights reserved"]
    assert about["transform"][:3] == [10.0, 0.0, 600_000.0]


def test_a_box_is_cut_from_the_same_scores(scorer, window):
    request, expected = window
    box = {"bbox": "600050,5599800,600120,5599960", "crs": "EPSG:32631", "format": "json"}
    answer = scorer(request | box)
    scores = np.array(json.loads(answer["result"])["score"])
    np.testing.assert_allclose(scores, expected[4:20, 5:12], atol=1e-4)
    everywhere = scorer(request | {"bbox": "4,50,5,51"})
    np.testing.assert_array_equal(unpack(everywhere["result"])["score"], expected)


def test_a_cog_lies_where_the_cube_does(scorer, window, area):
    request, expected = window
    content = base64.b64decode(scorer(request | {"format": "cog"})["result"])
    with MemoryFile(content) as file, file.open() as raster:
        np.testing.assert_allclose(raster.read(1), expected, atol=1e-6)
        assert raster.crs == rasterio.crs.CRS.from_epsg(32631)
        assert raster.transform[2] == 600_000
        assert raster.tags()["CUBE"] == read_manifest(area["cube"], "cube").content_hash


def test_a_date_names_the_newest_window_that_ends_by_then(scorer, window):
    request, expected = window
    end = request["end"]
    dated = {"cube": request["cube"], "date": end}
    answer = scorer(dated)
    assert json.loads(answer["about"])["end"][:10] == end[:10]
    np.testing.assert_array_equal(unpack(answer["result"])["score"], expected)


def test_a_raw_series_of_any_steps_and_size_is_scored(scorer, area):
    probe = example(area["model"])
    expected = read_probe(area["model"] / PROBE).score
    scores = unpack(scorer({"sample": pack(probe)})["result"])["score"]
    np.testing.assert_allclose(scores, expected, atol=1e-6)
    cut = {
        name: array[:, -12:] if name == "steps" else array[:, -12:, :5, :3]
        for name, array in probe.items()
    }
    cut["steps"] = np.ones((1, 12), bool)
    assert unpack(scorer({"sample": pack(cut)})["result"])["score"].shape == (1, 5, 3)
    doubled = {name: np.concatenate([array] * 2) for name, array in cut.items()}
    two = unpack(scorer({"sample": pack(doubled)})["result"])["score"]
    np.testing.assert_allclose(two[0], two[1], atol=1e-6)


def test_small_series_may_be_nested_lists(scorer, area):
    probe = {name: array[:, :12] for name, array in example(area["model"]).items()}
    probe = {n: a if n == "steps" else a[:, :, :2, :2] for n, a in probe.items()}
    probe["steps"] = np.ones((1, 12), bool)
    text = json.dumps({name: array.tolist() for name, array in probe.items()})
    scores = json.loads(scorer({"sample": text, "format": "json"})["result"])["score"]
    packed = unpack(scorer({"sample": pack(probe)})["result"])["score"]
    np.testing.assert_allclose(scores, packed, atol=1e-4)


def test_a_signature_that_differs_is_refused_by_name(scorer, area):
    signature = Detector.open(area["model"]).signature
    probe = pack(example(area["model"]))
    scorer({"sample": probe, "signature": json.dumps(signature.to_dict())})
    other = signature.to_dict()
    other["streams"][0]["bands"] = ["HH", "HV"]
    with pytest.raises(ContractError, match=r"radar_a\.bands: expected .*VV.*, found .*HH"):
        scorer({"sample": probe, "signature": json.dumps(other)})
    for broken in ("{}", "[]", "no", json.dumps({"streams": [{}]})):
        with pytest.raises(ContractError, match="signature: expected that of"):
            scorer({"sample": probe, "signature": broken})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cube": "/etc"}, "lies below none of the folders"),
        ({"cube": "{cube}/../../../../etc"}, "lies below none of the folders"),
        ({"cube": "s3://elsewhere/cube"}, "lies below none of the folders"),
        ({"cube": "{cube}/none"}, "expected a whole cube artifact"),
        ({"start": "2017-01-02", "end": "2017-01-12"}, "expected 8 to 40 steps"),
        ({"start": "2019-01-01", "end": "2019-03-01"}, "expected 8 to 40 steps, .* found 0"),
        ({"start": "soon"}, "start: expected a date"),
        ({"start": ""}, "expected start and end of the window, or date"),
        ({"start": "", "end": "", "date": "2016-01-01"}, "date: expected one with"),
        ({"cell": "other"}, "cell: expected one of"),
        ({"bbox": "1,2,3"}, "bbox: expected left,bottom,right,top"),
        ({"bbox": "nan,0,1,1"}, "bbox: expected left,bottom,right,top"),
        ({"bbox": "0,0,1,1"}, "touches no pixel"),
        ({"bbox": "4,50,5,51", "crs": "mars"}, "bbox: expected left,bottom,right,top"),
        ({"format": "png"}, "format: expected npz or json or cog"),
        ({"sample": "x"}, "found sample and cube"),
        ({"signature": "x"}, "signature: means nothing beside a cube"),
        ({"crs": "EPSG:32631"}, "means nothing without a bbox"),
        ({"date": "2017-05-01"}, "expected start and end of the window, or date"),
    ],
)
def test_places_that_are_none_are_refused(scorer, window, area, change, message):
    change = {name: value.format(cube=area["cube"]) for name, value in change.items()}
    with pytest.raises(ContractError, match=message):
        scorer(window[0] | change)


def test_nothing_is_read_unless_a_prefix_is_set(area, window, monkeypatch, tmp_path):
    monkeypatch.delenv("GROUNDSHIFT_SERVE_PREFIXES", raising=False)
    closed = open_scorer(area["model"])
    with pytest.raises(ContractError, match="none of the folders"):
        closed(window[0])
    (tmp_path / "link").symlink_to(area["cube"])
    monkeypatch.setenv("GROUNDSHIFT_SERVE_PREFIXES", str(tmp_path))
    with pytest.raises(ContractError, match="none of the folders"):
        open_scorer(area["model"])(window[0] | {"cube": str(tmp_path / "link")})


def test_large_images_are_asked_for_in_parts(area, window, monkeypatch):
    monkeypatch.setenv("GROUNDSHIFT_SERVE_PREFIXES", str(area["cube"].parent))
    monkeypatch.setenv("GROUNDSHIFT_SERVE_PIXELS", "100")
    with pytest.raises(ContractError, match="at most 100 pixels, found 576"):
        open_scorer(area["model"])(window[0])


def test_limits_that_make_no_sense_are_refused(tmp_path):
    for name, value in (("PIXELS", "-1"), ("JSON_MB", "1.5"), ("PREFIXES", str(tmp_path / "no"))):
        with pytest.raises(SettingsError, match=name):
            Limits.from_environment({f"GROUNDSHIFT_SERVE_{name}": value})


def test_a_logged_model_can_name_the_opener():
    assert OPENER == "groundshift.products.serving.scorer:open_scorer"


def test_a_cube_in_a_store_in_s3_is_read_by_parts(area, window, s3, monkeypatch):  # noqa: F811
    store = ArtifactStore.open(s3)
    with store.incoming() as incoming:
        shutil.copytree(area["cube"], incoming / "cube")
        reference = store.adopt(incoming / "cube", "cube")
    monkeypatch.setenv("GROUNDSHIFT_SERVE_PREFIXES", f"{area['cube'].parent}, {s3}/")
    scorer = open_scorer(area["model"])
    request, expected = window
    answer = scorer(request | {"cube": f"{s3}/objects/cube/{reference.content_hash}"})
    np.testing.assert_array_equal(unpack(answer["result"])["score"], expected)
    for other in (f"{s3}x/objects/cube/{reference.content_hash}", f"{s3}/objects/model/{'0' * 64}"):
        with pytest.raises(ContractError, match="none of the folders and stores"):
            scorer(request | {"cube": other})
    with pytest.raises(ContractError):
        scorer(request | {"cube": f"{s3}/objects/cube/{'0' * 64}"})
