"""Cells in memory and small untrained detectors."""

from dataclasses import dataclass

import numpy as np

from groundshift.cube.store import Frames
from groundshift.domain.cells import Cell
from groundshift.domain.signature import Signature, Stream
from groundshift.models.inputs import Inputs, StreamScale, is_radar
from groundshift.models.networks import NetworkSpec, build, weights
from groundshift.models.store import Detector
from tests.samples.ground import box

STREAMS = (
    Stream("radar_a", "sentinel1", ("VV", "VH"), units="linear power"),
    Stream("radar_b", "sentinel1", ("VV", "VH"), units="linear power"),
    Stream("optical", "sentinel2", ("B02", "B08", "B11"), units="reflectance"),
)
SIGNATURE = Signature(STREAMS, 10, 172800)


@dataclass
class MemoryCell:
    """A cell whose images lie in memory: by role each image once, and which one a step shows."""

    cell: Cell
    signature: Signature
    images: dict
    frame_of_step: dict

    @property
    def roles(self):
        return {role: role for role in self.images}

    @property
    def times(self):
        return 172800 * np.arange(len(next(iter(self.frame_of_step.values()))), dtype=np.int64)

    @property
    def shape(self):
        return tuple(self.cell.grid.shape)

    def frames(self, sensor, first, stop, rows, columns, bands=None):
        shown = self.frame_of_step[sensor][first:stop]
        kept, frame_of_step = np.unique(shown, return_inverse=True)
        values = self.images[sensor][kept][:, rows, columns]
        known = values.any(axis=-1)
        return Frames(values, known, np.where(known, 0, -1).astype(np.int16)), frame_of_step

    def read(self, sensor, first, stop, rows, columns, bands=None):
        frames, shown = self.frames(sensor, first, stop, rows, columns)
        every = self.frame_of_step[sensor]
        waited = np.arange(len(every)) - np.searchsorted(every, every)
        waited = waited[first:stop, None, None]
        ages = np.where(frames.age_days[shown] < 0, -1, frames.age_days[shown] + 2 * waited)
        return Frames(frames.values[shown], frames.fresh[shown], ages.astype(np.int16))


def memory_cell(signature, *, steps, shape, halo=0, carried=1, own_size=True, seed=0):
    """Patches of ground under noise; every image is shown for `carried` steps."""
    rng = np.random.default_rng(seed)
    core = (shape[0] - 2 * halo, shape[1] - 2 * halo)
    name = f"32631_600000_5600000_{core[1]}x{core[0]}" if own_size else "32631_600000_5600000"
    images, shown = {}, {}
    for number, stream in enumerate(signature.streams):
        frame_of_step = (np.arange(steps) + number) // carried
        count = int(frame_of_step[-1]) + 1
        coarse = rng.random((count, shape[0] // 6 + 1, shape[1] // 6 + 1, len(stream.bands)))
        fields = coarse.repeat(6, axis=1).repeat(6, axis=2)[:, : shape[0], : shape[1]]
        values = np.clip(0.8 * fields + 0.2 * rng.random(fields.shape), 0.01, 1)
        images[stream.role], shown[stream.role] = values.astype(np.float32), frame_of_step
    return MemoryCell(Cell(name, box(*core), halo), signature, images, shown)


def small_detector(
    signature=SIGNATURE, *, features=("level",), members=1, radius=8, neighbours=False
):
    """An untrained detector whose scores differ from pixel to pixel."""
    scales = tuple(
        StreamScale(
            stream.role,
            "decibel" if is_radar(stream.role) else "linear",
            ((-5.0 if is_radar(stream.role) else 0.4),) * len(stream.bands),
            ((4.0 if is_radar(stream.role) else 0.3),) * len(stream.bands),
        )
        for stream in signature.streams
    )
    inputs = Inputs(scales, features, neighbours=neighbours)
    spec = NetworkSpec.of_preset(
        "tiny",
        radar_channels=inputs.channels("radar"),
        optical_channels=inputs.channels("optical"),
        context_channels=inputs.context_channels,
    )
    networks = tuple(weights(build(spec, seed=seed)) for seed in range(members))
    return Detector(spec, inputs, signature, radius, networks, {"length": "40d"})
