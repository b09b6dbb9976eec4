"""Time-lapses: a picture per window, with what had happened by then; films that play."""

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from groundshift.cube.store import Cube
from groundshift.products import timelapse
from groundshift.products.maps import mapped_windows
from groundshift.products.timelapse import Scenes, draw_frames, write_gif, write_mp4
from tests.products.conftest import CHANGE, CHANGED, seconds
from tests.products.test_survey import WINDOWS, make_survey


def scenes_of(cube: Cube, tmp_path: Path) -> Scenes:
    survey = make_survey(cube, tmp_path / "maps", tmp_path)
    windows = {cell: mapped_windows(survey.folder, cell) for cell in survey.windows}
    assert windows == survey.windows
    return Scenes(survey.folder, windows, survey.events, cube.cells)


@pytest.fixture
def frames(cube: Cube, tmp_path: Path) -> list[Image.Image]:
    return list(draw_frames(scenes_of(cube, tmp_path)))


def test_there_is_a_picture_per_window_and_the_roof_comes(frames: list[Image.Image]) -> None:
    assert len(frames) == len(WINDOWS)
    scale = frames[0].width // 100
    place = (CHANGED[1].start + 7) * scale, (CHANGED[0].start + 5) * scale
    blue = [frame.getpixel(place)[2] for frame in frames]  # type: ignore[index]
    scored = [w.start <= seconds(CHANGE) < w.end for w in WINDOWS.values()]
    after = [w.middle > seconds(CHANGE) for w in WINDOWS.values()]
    plain = [
        value for value, high, late in zip(blue, scored, after, strict=True) if not high | late
    ]
    roof = [
        value for value, high, late in zip(blue, scored, after, strict=True) if late and not high
    ]
    assert max(plain) < 60
    assert min(roof) > 150
    edge = (CHANGED[1].start * scale, (CHANGED[0].start + 5) * scale)
    assert frames[0].getpixel(edge) != frames[-1].getpixel(edge)  # the outline of the event


def test_the_film_plays_in_order_and_repeats_byte_for_byte(
    frames: list[Image.Image], tmp_path: Path
) -> None:
    write_mp4(tmp_path / "one.mp4", frames)
    write_mp4(tmp_path / "two.mp4", frames)
    assert (tmp_path / "one.mp4").read_bytes() == (tmp_path / "two.mp4").read_bytes()
    with av.open(str(tmp_path / "one.mp4")) as film:
        assert film.streams.video[0].codec_context.name == "h264"
        decoded = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(decoded) == len(frames) + 8
    for shown, drawn in zip(decoded, frames, strict=False):
        assert np.abs(shown.astype(int) - np.asarray(drawn, int)).mean() < 6


def test_the_gif_holds_every_picture(frames: list[Image.Image], tmp_path: Path) -> None:
    write_gif(tmp_path / "film.gif", frames)
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == len(frames)  # type: ignore[attr-defined]
        assert max(film.size) <= 480
        assert film.info["loop"] == 0


def test_long_series_are_thinned_evenly(
    cube: Cube, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timelapse, "MOST_FRAMES", 4)
    assert len(list(draw_frames(scenes_of(cube, tmp_path)))) == 4
