"""Colours, PNG, scale bars, the preview."""

import io
from pathlib import Path

import numpy as np
import pytest
import shapely
from PIL import Image

from groundshift.domain.time import DAY
from groundshift.products import pictures
from groundshift.products.preview import Sheet, write_preview


def test_scores_become_brighter_and_missing_ones_transparent() -> None:
    score = np.array([[0.0, 0.5, 1.0, np.nan]], np.float32)
    plain = pictures.paint_score(score)
    light = plain[0, :3, :3].astype(int).sum(axis=-1)
    assert light[0] < light[1] < light[2]
    assert list(plain[0, :, 3]) == [255, 255, 255, 0]
    assert list(pictures.paint_score(score, veil=True)[0, :, 3]) == [0, 127, 255, 0]


def test_dates_are_coloured_over_the_period_where_shown() -> None:
    day = np.array([[10, 20, 30]], np.int32)
    shown = np.array([[True, True, False]])
    picture = pictures.paint_date(day, shown, (10 * DAY, 20 * DAY))
    assert list(picture[0, :, 3]) == [255, 255, 0]
    viridis_first, viridis_last = (68, 1, 84), (253, 231, 36)
    assert tuple(picture[0, 0, :3]) == viridis_first
    assert tuple(picture[0, 1, :3]) == viridis_last


def test_ground_that_was_never_seen_is_grey() -> None:
    image = np.array([[[1.0, 0.5, 0.0], [np.nan] * 3]], np.float32)
    picture = pictures.paint_ground(image)
    assert picture[0, 0].tolist() == [255, 127, 0, 255]
    assert len(set(picture[0, 1, :3].tolist())) == 1


def test_png_is_lossless_and_the_same_every_time() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (5, 7, 4)).astype(np.uint8)
    png = pictures.encode_png(picture)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), picture)
    assert pictures.encode_png(picture) == png
    assert pictures.data_uri(png).startswith("data:image/png;base64,iVBOR")


@pytest.mark.parametrize(
    ("width", "length", "text"),
    [(640, 100, "100 m"), (9000, 2000, "2 km"), (1100, 200, "200 m"), (40, 10, "10 m")],
)
def test_scale_bars_have_round_lengths(width: float, length: float, text: str) -> None:
    assert pictures.scale_length(width) == length
    assert pictures.format_length(length) == text


@pytest.mark.parametrize("shape", [(64, 64), (40, 100), (300, 90)])
def test_the_preview_shows_four_panels_whatever_the_shape(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    rng = np.random.default_rng(0)
    grey = pictures.paint_ground(rng.random((*shape, 3)).astype(np.float32))
    score = pictures.paint_score(rng.random(shape).astype(np.float32))
    box = shapely.box(5, 5, 20, 30)
    hole = shapely.MultiPolygon([shapely.box(30, 5, 35, 9), shapely.box(30, 20, 35, 25)])
    sheet = Sheet("demo", grey, grey, score, score, (box, hole), (box,), (), 10.0, (0, 400 * DAY))
    path = tmp_path / "preview.png"
    write_preview(path, sheet)
    first = path.read_bytes()
    write_preview(path, sheet)
    assert path.read_bytes() == first
    picture = np.asarray(Image.open(path))
    assert picture.shape[1] == 1540
    event = np.array([0xFF, 0xB0, 0x00])
    assert (np.abs(picture[..., :3].astype(int) - event).max(axis=-1) < 10).sum() > 20
