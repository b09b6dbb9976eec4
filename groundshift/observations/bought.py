"""Images that a service was paid for are kept apart from the artifacts that they end up in.

An artifact in the making belongs to one catalogue, one period and one set of settings, and a
finished one may be deleted by whoever made it (DVC does so before it runs a stage again). What was
bought outlives them: it is kept by what was asked for, and whoever asks for the same again is given
it. Files are shared with the finished artifact by hard links where the file system has them, so
that they take their room once.

    <work>/<area>/bought/<sensor>-<what is asked of it>/<grid>/<YYYYmmddTHHMMSS>-<products>/
        data/BANDS.npy, mask/VALID.npy, mask/MEASURED.npy    as in observations
        data/CLP.npy                                         likewise, where it was asked for
        nothing                                              an image without a pixel of the grid

    <work>/<area>/bought/<sensor>-<...>/used.json    what asking took, and its size uncompressed
    <work>/<area>/bought/parts/    of images that `stac` was reading when its run was killed

The folder may be deleted at any time; then images are asked for again.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from odc.geo.geobox import GeoBox

from groundshift.artifacts import digest
from groundshift.artifacts.writing import write_text
from groundshift.domain.time import stamp
from groundshift.observations.costs import Cost, Used
from groundshift.observations.npy import map_array
from groundshift.observations.radiometry import encode
from groundshift.observations.sources.base import Acquisition, Image, Scene, Source
from groundshift.observations.sources.in_front import InFront
from groundshift.observations.store import DATA, MASK, PROBABILITY, Observations

_MEASURED, _NOTHING, _USED = "mask/MEASURED.npy", "nothing", "used.json"
_TYPICAL = {"uint16": 0.85, "float32": 0.9}
"""Bytes that travel of those of an image, where nothing was asked for yet: what deflate leaves of
real Sentinel-2 reflectance and Sentinel-1 power."""


class BoughtFirst(InFront):
    """A source whose images are kept, and taken from there when they are wanted again."""

    def __init__(self, source: Source, folder: Path, asked: Mapping[str, Any]) -> None:
        """Keep a source's images.

        Args:
            source: Where they are bought.
            folder: Where they are kept.
            asked: By sensor, all that its images depend on beside place and product.
        """
        super().__init__(source)
        self._folders = {
            name: folder / f"{name}-{digest([settings, source.sensors[name].to_dict()])[:12]}"
            for name, settings in asked.items()
        }
        self.expected = {name: Used() for name in asked}
        """What was expected of all that this run asked for, bytes before compression."""

    def cost(self, acquisition: Acquisition, grid: GeoBox) -> Cost | None:
        """Nothing for what is kept, else the source's price."""
        return None if self._folder(acquisition, grid).is_dir() else super().cost(acquisition, grid)

    def image(self, scene: Scene, acquisition: Acquisition, grid: GeoBox) -> Image | None:
        """The image that is kept, or else one that is asked for now and kept."""
        folder = self._folder(acquisition, grid)
        if not folder.is_dir():
            self._keep(folder, acquisition, scene.read(grid))
            if cost := super().cost(acquisition, grid):
                self.expected[acquisition.sensor].add(
                    requests=cost.requests, units=cost.units, bytes=cost.bytes
                )
        if (folder / _NOTHING).is_file():
            return None
        decode = self.sensors[acquisition.sensor].decode
        return Image(
            decode(np.asarray(map_array(folder / DATA)[0])),
            np.asarray(map_array(folder / MASK)[0, :, :, 0]),
            np.asarray(map_array(folder / _MEASURED)),
            np.asarray(map_array(known)[0, :, :, 0])
            if (known := folder / PROBABILITY).is_file()
            else None,
        )

    def share(self, observations: Observations) -> None:
        """Let the files of an artifact that hold the same be the files that are kept."""
        grids = {cell.id: cell.grid for cell in observations.cells}
        for acquisition in self.acquisitions:
            for cell, grid in grids.items():
                folder = self._folder(acquisition, grid)
                place = cell, acquisition.sensor, acquisition.time
                for name in (DATA, MASK, PROBABILITY):
                    _link_equal(observations.path(*place) / name, folder / name)

    def travelling(self, costs: Iterable[Cost]) -> list[Cost]:
        """Costs with the bytes that compressed images are expected to have.

        Once images were asked for, by the ratio that was measured on these. What costs no units
        comes as files, whose size is known.
        """
        return [
            replace(cost, bytes=round(cost.bytes * self._ratio(cost.sensor)))
            if cost.units
            else cost
            for cost in costs
        ]

    def compare(self, used: Mapping[str, Used]) -> tuple[str, ...]:
        """Note what asking took for later plans, and say how it compares with what was expected.

        Args:
            used: By sensor, as the source counted it.
        """
        sentences = []
        for name, really in used.items():
            expected = self.expected[name]
            if not expected.requests:
                continue
            # What costs no units comes as files, whose size is known.
            bytes_planned = expected.bytes * (self._ratio(name) if expected.units else 1.0)
            sentences.append(
                f"{name}: planned {expected.requests} requests, {expected.units:.3g} units, "
                f"{bytes_planned / 1e6:.3g} MB; used {really.requests} requests, "
                f"{really.units:.3g} units, {really.bytes / 1e6:.3g} MB"
            )
            before = self._noted(name)
            total = [before[0] + really.bytes, before[1] + expected.bytes]
            write_text(self._folders[name] / _USED, json.dumps(total))
        return tuple(sentences)

    def _ratio(self, sensor: str) -> float:
        travelled, whole = self._noted(sensor)
        return travelled / whole if whole else _TYPICAL[self.sensors[sensor].dtype]

    def _noted(self, sensor: str) -> tuple[int, int]:
        """Bytes that travelled for a sensor so far, and what they were before compression."""
        try:
            travelled, whole = json.loads((self._folders[sensor] / _USED).read_text())
        except (OSError, ValueError):
            return 0, 0
        return travelled, whole

    def _keep(self, folder: Path, acquisition: Acquisition, image: Image | None) -> None:
        """Write an image: whole under its name, or not at all."""
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
        if image is None:
            (draft / _NOTHING).touch()
        else:
            for name in (DATA, MASK):
                (draft / name).parent.mkdir()
            sensor = self.sensors[acquisition.sensor]
            np.save(draft / DATA, encode(image.values, image.valid, sensor)[None])
            np.save(draft / MASK, image.valid[None, ..., None])
            np.save(draft / _MEASURED, image.seen)
            if image.probability is not None:
                np.save(draft / PROBABILITY, image.probability[None, ..., None])
        try:
            draft.rename(folder)
        except OSError:  # another run kept it at the same time
            shutil.rmtree(draft)

    def _folder(self, acquisition: Acquisition, grid: GeoBox) -> Path:
        place = digest([str(grid.crs), list(grid.transform)[:6], list(grid.shape)])[:12]
        product = digest([acquisition.source, acquisition.product_id])[:12]
        name = f"{stamp(acquisition.time)}-{product}"
        return self._folders[acquisition.sensor] / place / name


def _link_equal(file: Path, kept: Path) -> None:
    """Make one file of two that hold the same bytes."""
    if not (file.is_file() and kept.is_file()) or file.samefile(kept):
        return
    if file.stat().st_size != kept.stat().st_size or file.read_bytes() != kept.read_bytes():
        return
    partial = kept.with_suffix(".part")
    try:
        os.link(file, partial)
    except OSError:  # another file system, or one without links
        return
    partial.replace(kept)
