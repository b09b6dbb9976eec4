"""The time-lapse: the ground as it was last seen, the scores of each window, the date."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from groundshift.artifacts import read_manifest
from groundshift.cube.store import CellCube, Cube
from groundshift.domain.cells import Cell
from groundshift.domain.time import isoformat
from groundshift.errors import ContractError
from groundshift.products import pictures
from groundshift.products.canvas import Canvas, GroundSeries, backdrops
from groundshift.products.events_io import GEOPARQUET
from groundshift.products.maps import CONTRACT as MAPS
from groundshift.products.maps import MapWindow, mapped_windows
from groundshift.products.survey import window_scores

MP4, GIF = "timelapse.mp4", "timelapse.gif"

LONGEST = 720
"""Pixels along the longer edge of the film, about."""
MOST_FRAMES = 240

_PER_SECOND, _LAST_SECONDS = 4, 2
_BAR = 44
"""Height of the strip below the picture."""
_GIF_LONGEST = 480

Picture = Image.Image


@dataclass(frozen=True)
class Scenes:
    """What a time-lapse is drawn from.

    Attributes:
        folder: of the artifact that holds the maps.
        cells: the windows mapped in each.
        events: with a reference system.
        cubes: the cells' cubes.
    """

    folder: Path
    cells: Mapping[Cell, Sequence[MapWindow]]
    events: gpd.GeoDataFrame
    cubes: Mapping[str, CellCube]

    @classmethod
    def open(cls, maps: Path, cube: Path) -> "Scenes":
        """Open maps and the cube that they were made from.

        Raises:
            ContractError: no such artifacts, or another cube.
        """
        manifest, source = read_manifest(maps, MAPS), Cube.open(cube)
        expected, found = manifest.inputs["cube"], source.manifest.content_hash
        if expected != found:
            raise ContractError(
                f"{maps} was made from the cube {expected[:12]}, found {found[:12]} in {cube}. "
                "Give the cube of the same run as --cube"
            )
        cells = [Cell.from_dict(entry) for entry in manifest.summary["cells"]]
        windows = {cell: mapped_windows(maps, cell) for cell in cells}
        return cls(maps, windows, gpd.read_parquet(maps / GEOPARQUET), source.cells)


def draw_frames(scenes: Scenes) -> Iterator[Picture]:
    """A picture per window, in order of time; of long series evenly some of them.

    Raises:
        ContractError: no window, or no sensor whose images show the ground.
    """
    windows = sorted({window for own in scenes.cells.values() for window in own})
    canvas = Canvas.over(scenes.cells, LONGEST)
    grounds = backdrops(scenes.cubes, canvas)
    if not windows or grounds is None:
        raise ContractError(
            f"{scenes.folder}: expected a window and images of the ground for a time-lapse, found "
            f"{len(windows)} windows and {'no' if grounds is None else 'some'} images"
        )
    series = GroundSeries(scenes.cubes, canvas, grounds[0].limits)
    picks = np.unique(np.linspace(0, len(windows) - 1, min(len(windows), MOST_FRAMES)).round())
    for number in picks.astype(int):
        window = windows[number]
        yield _frame(scenes, canvas, window, series.at(window.middle), (windows[0], windows[-1]))


def write_mp4(path: Path, frames: Sequence[Picture]) -> None:
    """Write a film that every browser plays (H.264, 4:2:0); the same bytes every time."""
    width, height = frames[0].size
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as film:
        stream = film.add_stream("libx264", rate=_PER_SECOND)
        stream.width, stream.height = width - width % 2, height - height % 2
        stream.pix_fmt = "yuv420p"
        # Several threads would cut the pictures into as many slices as there are cores.
        stream.options = {"crf": "20", "preset": "medium", "threads": "1"}
        held = [*frames, *[frames[-1]] * (_LAST_SECONDS * _PER_SECOND)]
        for picture in held:
            whole = picture.crop((0, 0, stream.width, stream.height))
            for packet in stream.encode(av.VideoFrame.from_image(whole)):
                film.mux(packet)
        for packet in stream.encode():
            film.mux(packet)


def write_gif(path: Path, frames: Sequence[Picture]) -> None:
    """Write the film as GIF, smaller, for where films don't play."""
    share = min(1.0, _GIF_LONGEST / max(frames[0].size))
    size = (round(frames[0].width * share), round(frames[0].height * share))
    small = [frame.resize(size, Image.Resampling.BOX) for frame in frames]
    # One palette for all: colours that change from picture to picture flicker.
    sample = Image.new("RGB", (size[0], size[1] * min(len(small), 8)))
    picks = np.linspace(0, len(small) - 1, min(len(small), 8)).round().astype(int)
    for place, number in enumerate(picks):
        sample.paste(small[number], (0, place * size[1]))
    palette = sample.quantize(256)
    first, *rest = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in small]
    each = 1000 // _PER_SECOND
    durations = [each] * len(rest) + [1000 * _LAST_SECONDS]
    first.save(path, save_all=True, append_images=rest, duration=durations, loop=0, optimize=False)


def _frame(
    scenes: Scenes,
    canvas: Canvas,
    window: MapWindow,
    ground: NDArray[np.float32],
    ends: tuple[MapWindow, MapWindow],
) -> Picture:
    picture = Image.fromarray(pictures.paint_ground(ground))
    scores = window_scores(scenes.folder, scenes.cells, canvas, window)
    veil = Image.fromarray(pictures.paint_score(scores, veil=True))
    picture.alpha_composite(veil)
    scale = max(1, LONGEST // max(picture.size))
    picture = picture.resize(
        (picture.width * scale, picture.height * scale), Image.Resampling.NEAREST
    )
    draw = ImageDraw.Draw(picture)
    happened = pd.to_datetime(scenes.events["date"]) <= pd.Timestamp(window.end, unit="s")
    shapes = scenes.events.geometry[happened].to_crs(str(canvas.grid.crs))
    for shape in shapes:
        drawn = canvas.to_picture(shape)
        for part in getattr(drawn, "geoms", [drawn]):
            points = [(x * scale, y * scale) for x, y in part.exterior.coords]
            draw.line(points, fill=(0, 0, 0, 255), width=4)
            draw.line(points, fill=pictures.EVENT_COLOUR, width=2)
    return _with_bar(picture, window, ends, f"{int(happened.sum())} events")


def _with_bar(
    picture: Picture, window: MapWindow, ends: tuple[MapWindow, MapWindow], note: str
) -> Picture:
    """A strip with the date and how far the film has come, below a picture."""
    width, height = picture.size
    whole = Image.new("RGB", (width, height + _BAR), "#161d24")
    whole.paste(picture.convert("RGB"), (0, 0))
    draw = ImageDraw.Draw(whole)
    first, last = (end.middle for end in ends)
    share = (window.middle - first) / max(last - first, 1)
    draw.rectangle((0, height, width, height + 3), fill="#2c3742")
    draw.rectangle((0, height, round(width * share), height + 3), fill=pictures.EVENT_COLOUR)
    font = ImageFont.load_default(20)
    middle = height + 3 + (_BAR - 3) // 2
    draw.text((12, middle), isoformat(window.middle)[:10], fill="#e8edf2", font=font, anchor="lm")
    draw.text((width - 12, middle), note, fill="#a3b0bd", font=font, anchor="rm")
    return whole
