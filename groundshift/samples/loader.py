"""Batches of windows, cut from the cube while the network is busy with the batch before.

Nothing is copied per window in storage: a patch's frames are decoded once, kept for the windows
that share them, and a window is a choice of frames. Order and augmentation follow from the
generator that is passed in and from how many patches are shuffled together, not from threads nor
from how many patches memory holds.
"""

import queue
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundshift.cube.store import Cube
from groundshift.domain.time import DAY
from groundshift.errors import SettingsError
from groundshift.samples.patch_series import NEVER, PatchSeries, patch_stream
from groundshift.samples.splits import Split
from groundshift.samples.store import LabelKind, Samples
from groundshift.samples.windows import NEIGHBOURS, OWN_STEPS

Control = Literal["none", "labels", "time"]

_UNUSED = 3  # references to an array of which there is no view
_AHEAD = 2  # batches prepared in advance
MEMORY = 1 << 29
"""Bytes of decoded patches: so many are shuffled together, and as many kept where there is room."""


def beside(role: str) -> str:
    """The name under which the mean images of a role before and after a window go."""
    return f"{role}_beside"


class StreamBatch(NamedTuple):
    """One stream of a batch.

    Attributes:
        values: [b, t, y, x, band] float32 in physical units; 0 where never seen, and at padding.
        age_days: [b, t, y, x] int16 days since the last look; -1 where there was none, at padding.
    """

    values: NDArray[np.float32]
    age_days: NDArray[np.int16]


@dataclass(frozen=True)
class Batch:
    """Some samples: windows of patches, padded at the end to one number of steps.

    Attributes:
        streams: By role, in the order of the signature. Where asked for, `beside(role)` has the
            mean looks of the windows before and after, as two steps; their age is 0.
        days: [b, t] float32 days since 1970-01-01; 0 at padding.
        steps: [b, t] bool, whether a step is real and no padding.
        labels: [b, y, x] float32; NaN where there is no label.
        patches: [b] numbers of the patches.
        windows: [b] ids of the windows.
    """

    streams: Mapping[str, StreamBatch]
    days: NDArray[np.float32]
    steps: NDArray[np.bool_]
    labels: NDArray[np.float32]
    patches: NDArray[np.int64]
    windows: NDArray[np.int64]

    @property
    def values(self) -> NDArray[np.float32]:
        """All channels in the order of the signature, [b, t, y, x, channel]."""
        return np.concatenate([self.streams[role].values for role in self._roles], axis=-1)

    @property
    def valid(self) -> dict[str, NDArray[np.bool_]]:
        """By role, whether a pixel has been seen, [b, t, y, x]."""
        return {role: self.streams[role].age_days != NEVER for role in self._roles}

    @property
    def _roles(self) -> list[str]:
        means = {beside(role) for role in self.streams}
        return [role for role in self.streams if role not in means]


class _Sample(NamedTuple):
    """One window of one patch, and how it is turned."""

    patch: int
    window: int
    turn: int


class _Arrays:
    """Arrays of an epoch's batches; those that nobody holds any more are used again.

    To write into new pages costs several times what cutting the windows does.
    """

    def __init__(self) -> None:
        self._made: list[NDArray[Any]] = []

    def take(self, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any]:
        """An array that may hold anything."""
        for made in self._made:
            # Held by the list, by `made`, by the call, and by every view there is of it.
            if made.shape == shape and made.dtype == dtype and sys.getrefcount(made) == _UNUSED:
                return made[...]
        self._made.append(np.empty(shape, dtype))
        return self._made[-1][...]


class Loader:
    """Reads the samples of one split in batches."""

    def __init__(
        self,
        samples: Samples,
        cube: Cube,
        split: Split,
        *,
        batch: int,
        labels: LabelKind | None = None,
        stride: int = 1,
        at_most: int | None = None,
        augment: bool = False,
        control: Control = "none",
        neighbours: bool = False,
        shuffled: int = MEMORY,
    ) -> None:
        """Choose samples.

        Args:
            samples: windows, patches and labels.
            cube: what they index.
            split: which patches, and with time-disjoint splits which windows.
            batch: samples per batch; the last one of an epoch may have fewer.
            labels: which kind; by default what the settings train on.
            stride: take every n-th of the windows; with a generator, epochs begin at any of the
                first n, so that all windows are seen in the end.
            at_most: samples of an epoch; of more, a generator draws so many anew for each epoch,
                and without one they are taken evenly spaced. None: all.
            augment: turn and mirror samples when a generator is given.
            control: take the labels of another patch of the cell, or of another window.
            neighbours: also give the mean looks of the windows before and after.
            shuffled: bytes of decoded patches whose samples come in one random order.

        Raises:
            ContractError: the samples index another cube.
            SettingsError: the split has no sample, or windows have no neighbours.
        """
        samples.require(cube)
        if neighbours and samples.settings["kind"] != "triple":
            raise SettingsError(
                "train.neighbours: expected windows with neighbours, found window.kind="
                f"{samples.settings['kind']}. Set window.kind=triple and rerun from window"
            )
        self._samples, self._cube = samples, cube
        self._batch, self._augment, self._control = batch, augment, control
        self._at_most = at_most or sys.maxsize
        self._which: LabelKind = labels or samples.target
        # By number, which is by place: however an area is cut, the order is the same.
        patches = samples.splits[samples.splits["split"] == split].sort_values("patch")
        windows = samples.windows_of(split)
        windows = windows.assign(phase=windows.groupby("cell").cumcount() % stride)
        self._phases = [
            patches[["patch", "cell"]]
            .merge(windows.loc[windows["phase"] == phase, ["cell", "id"]], on="cell")[
                ["patch", "id"]
            ]
            .to_numpy(np.int64)
            for phase in range(min(stride, len(windows)))
        ]
        if not self._phases or not len(self._phases[0]):
            raise SettingsError(
                f"no {split} samples: expected patches and complete windows, found {len(patches)} "
                f"patches and {len(windows)} windows. Check window.split and window.length"
            )
        self._patches = patches.set_index("patch")
        self._cells: dict[int, str] = self._patches["cell"].to_dict()
        keys = zip(windows["cell"], windows["id"], strict=True)
        columns = [*OWN_STEPS, *(NEIGHBOURS if neighbours else ())]
        ranges = windows[columns].itertuples(index=False, name=None)
        self._spans: dict[tuple[str, int], tuple[int, ...]] = dict(zip(keys, ranges, strict=True))
        self._neighbours = neighbours
        self._edge: int = samples.settings["patch"]
        self._length = int(samples.windows.loc[samples.windows["complete"], "steps"].max())
        self._group = self._capacity = max(1, shuffled // self._patch_bytes())
        self._series: OrderedDict[int, PatchSeries] = OrderedDict()

    def __len__(self) -> int:
        """Number of batches of an epoch; one that begins at a later window may have fewer."""
        return -(-self.samples // self._batch)

    @property
    def samples(self) -> int:
        """Number of samples of an epoch that begins at the first window."""
        return min(len(self._phases[0]), self._at_most)

    def keep(self, size: int) -> None:
        """Keep decoded patches of so many bytes; with less, more are decoded again."""
        self._capacity = max(1, size // self._patch_bytes())

    @property
    def batch_looks(self) -> int:
        """Pixels times steps of a batch, padding included."""
        return self._batch * self._length * self._edge**2

    def epoch(self, generator: np.random.Generator | None = None) -> Iterator[Batch]:
        """Every sample once, or so many of them.

        Args:
            generator: gives order and augmentation; without one the samples come unchanged, by
                patch and window.
        """
        order = self._order(generator)
        batches = (order[i : i + self._batch] for i in range(0, len(order), self._batch))
        arrays = _Arrays()
        return _ahead(self._read(batch, arrays) for batch in batches)

    def _order(self, generator: np.random.Generator | None) -> list[_Sample]:
        """Samples in order; shuffled within groups of patches."""
        if generator is None:
            whole = self._phases[0]
            evenly = np.linspace(0, len(whole) - 1, self.samples).round().astype(np.int64)
            return [_Sample(int(patch), int(window), 0) for patch, window in whole[evenly]]
        pairs = self._phases[generator.integers(len(self._phases))]
        if len(pairs) > self._at_most:
            pairs = pairs[np.sort(generator.choice(len(pairs), self._at_most, replace=False))]
        patches = np.unique(pairs[:, 0])
        rank = np.argsort(generator.permutation(len(patches)))
        group = rank[np.searchsorted(patches, pairs[:, 0])] // self._group
        order = np.lexsort((generator.random(len(pairs)), group))
        turns = generator.integers(0, 8, len(order)) if self._augment else np.zeros(len(order), int)
        return [
            _Sample(int(patch), int(window), int(turn))
            for (patch, window), turn in zip(pairs[order], turns, strict=True)
        ]

    def _read(self, chosen: list[_Sample], arrays: "_Arrays") -> Batch:
        """A batch: every sample cut from its patch's frames, turned, padded."""
        count, length = len(chosen), self._length
        edge = self._edge
        steps = np.zeros((count, length), bool)
        instants = np.zeros((count, length), np.float32)
        labels = np.empty((count, edge, edge), np.float32)
        streams = {
            stream.role: StreamBatch(
                arrays.take((count, length, edge, edge, len(stream.bands)), np.float32),
                arrays.take((count, length, edge, edge), np.int16),
            )
            for stream in self._cube.signature.streams
        }
        if self._neighbours:
            streams |= {
                beside(stream.role): StreamBatch(
                    np.empty((count, 2, edge, edge, len(stream.bands)), np.float32),
                    np.empty((count, 2, edge, edge), np.int16),
                )
                for stream in self._cube.signature.streams
            }
        for i, sample in enumerate(chosen):
            series = self._patch_series(sample.patch)
            first, stop, *around = self._spans[self._cells[sample.patch], sample.window]
            taken = slice(0, stop - first)
            steps[i, taken] = True
            instants[i, taken] = series.days[first:stop]
            labels[i] = _turned(series.labels[series.row_of_window[sample.window]], sample.turn, 0)
            for role, stream in series.streams.items():
                values, ages = streams[role]
                shown = stream.frame_of_step[first:stop]
                _lay(stream.values, shown, sample.turn, values[i, taken])
                ages[i, taken] = _turned(stream.age_days[first:stop], sample.turn, 1)
                values[i, stop - first :], ages[i, stop - first :] = 0, NEVER
                for side, begin in enumerate(around[::2]):
                    mean, known = stream.mean_look(begin, around[2 * side + 1])
                    streams[beside(role)].values[i, side] = _turned(mean, sample.turn, 0)
                    streams[beside(role)].age_days[i, side] = _turned(known, sample.turn, 0)
        patches, windows = (np.array([s[j] for s in chosen], np.int64) for j in (0, 1))
        return Batch(streams, instants, steps, labels, patches, windows)

    def _patch_series(self, patch: int) -> PatchSeries:
        """A patch's frames, decoded or remembered."""
        if patch in self._series:
            self._series.move_to_end(patch)
            return self._series[patch]
        while len(self._series) >= self._capacity:
            self._series.popitem(last=False)
        row = self._patches.loc[patch]
        rows, columns = slice(int(row.y0), int(row.y1)), slice(int(row.x0), int(row.x1))
        cell = self._cube.cells[row.cell]
        ids = self._samples.labelled(row.cell)
        self._series[patch] = PatchSeries(
            {
                stream.role: patch_stream(cell, stream.role, rows, columns)
                for stream in self._cube.signature.streams
            },
            (cell.times / DAY).astype(np.float32),
            self._labels(patch),
            {int(window): i for i, window in enumerate(ids)},
        )
        return self._series[patch]

    def _labels(self, patch: int) -> NDArray[np.float32]:
        """Labels of a patch [window, y, x]; those of a control have nothing to do with it.

        Shuffling moves by half the patches or windows, which keeps how common change is.
        """
        if self._control == "labels":
            same = self._patches.index[self._patches["cell"] == self._cells[patch]]
            patch = int(np.roll(same, len(same) // 2)[same.get_loc(patch)])
        row = self._patches.loc[patch]
        rows, columns = slice(int(row.y0), int(row.y1)), slice(int(row.x0), int(row.x1))
        labels = self._samples.label_series(row.cell, self._which, rows, columns)
        return np.roll(labels, len(labels) // 2, axis=0) if self._control == "time" else labels

    def _patch_bytes(self) -> int:
        """What a patch takes at most, as if every step had a frame of its own."""
        steps = max(len(cell.times) for cell in self._cube.cells.values())
        signature = self._cube.signature
        per_step = signature.channels * 4 + len(signature.streams) * 2
        windows = int(self._samples.windows["cell"].value_counts().max())
        return self._edge**2 * (steps * per_step + windows * 4)


def _lay(
    frames: NDArray[np.float32], shown: NDArray[np.int64], turn: int, out: NDArray[np.float32]
) -> None:
    """Put the frames that steps show into their place [t, y, x, band], turned: one copy of each."""
    if turn == 0:
        np.take(frames, shown, axis=0, out=out, mode="clip")  # else numpy checks in a copy
        return
    # A pixel's bands move as one item: up to six times faster than band by band.
    pixel = np.dtype((np.void, out.shape[-1] * out.itemsize))
    out.view(pixel)[..., 0] = _turned(frames.view(pixel)[shown, ..., 0], turn, 1)


def _turned(images: NDArray[Any], turn: int, axis: int) -> NDArray[Any]:
    """Images turned by `turn % 4` quarters, mirrored for `turn >= 4`; y and x begin at `axis`."""
    images = np.rot90(images, turn % 4, axes=(axis, axis + 1))
    return np.flip(images, axis + 1) if turn >= 4 else images


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same batches, prepared in the background while the last one is in use."""
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(_AHEAD)
    stopped = threading.Event()

    def offer(item: Batch | BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                ready.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def prepare() -> None:
        try:
            for batch in batches:
                if not offer(batch):
                    return
            offer(None)
        except BaseException as error:
            offer(error)

    worker = threading.Thread(target=prepare, daemon=True, name="loader")
    worker.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        worker.join()
