"""Convolutions and steps of the convolutional LSTM by the compiled kernel `convolution.c`.

It is compiled when the package is installed; where no compiler was found, `kernel` gives None and
the network is computed by TensorFlow. Numbers differ from TensorFlow's by some 1e-6.
"""

import ctypes
import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from groundshift import compiled
from groundshift.compiled import address

log = logging.getLogger(__name__)

Tiles = NDArray[np.float32]
"""An image as the kernel stores it, [block, channel, 16 pixels of a tile, tile of the block]."""

TILE = 4
"""Edge of a tile in pixels."""
LINE = 16
"""Values in a processor's cache line."""


class _Kind(NamedTuple):
    """One of the kernel's compilations: tiles in a register, registers in a strip, sums at once."""

    name: str
    lanes: int
    strip: int
    outputs: int


KINDS = (_Kind("plain", 4, 2, 4), _Kind("avx2", 8, 2, 4), _Kind("avx512", 16, 3, 8))
"""As in `convolution.c`, from what every processor has to what the newest have."""


class _Work(ctypes.Structure):
    """`Work` of `convolution.c`."""

    _fields_ = (
        *((n, ctypes.c_int64) for n in ("width", "margin", "inputs", "outputs", "begin", "end")),
        *((name, ctypes.c_void_p) for name in ("weights", "mask")),
    )


@dataclass(frozen=True)
class Weights:
    """A kernel [3, 3, inputs, outputs] turned into what 6 x 6 values are weighed by."""

    inputs: int
    channels: int
    values: NDArray[np.float32]


class State(NamedTuple):
    """Output and memory of one window in one branch."""

    output: Tiles
    memory: Tiles


class Kernel:
    """The compiled kernel for one kind of processor."""

    def __init__(self, library: ctypes.CDLL, kind: _Kind, threads: int) -> None:
        """Take the functions of a kind, to be run by so many threads."""
        self.kind = kind
        self._advance = getattr(library, f"advance_{kind.name}")
        self._convolve = getattr(library, f"convolve_{kind.name}")
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, "winograd") if threads > 1 else None

    def weights(self, kernel: NDArray[np.floating[Any]]) -> Weights:
        """Turn a kernel [3, 3, inputs, outputs]."""
        inputs, channels = kernel.shape[2:]
        turned = np.einsum("ai,bj,ijko->abko", ENTER, ENTER, kernel.astype(np.float64))
        turned = turned.reshape(36, inputs, channels)
        turned = np.pad(turned, ((0, 0), (0, 0), (0, -channels % self.kind.outputs)))
        turned = turned.reshape(36, inputs, -1, self.kind.outputs).transpose(2, 0, 1, 3)
        return Weights(inputs, channels, np.ascontiguousarray(turned, np.float32))

    def convolve(
        self,
        tiling: "Tiling",
        image: Tiles,
        weights: Weights,
        shifts: NDArray[np.float32],
        *,
        positive: bool,
    ) -> Tiles:
        """Convolve an image and add a shift per channel.

        Args:
            tiling: of the image.
            image: zeros outside of the image proper.
            weights: of the convolution.
            shifts: [output], float32.
            positive: whether to cut off below 0; else what lies outside of the image is anything.
        """
        result = tiling.zeros(weights.channels) if positive else tiling.empty(weights.channels)

        def run(work: _Work) -> int:
            code: int = self._convolve(
                ctypes.byref(work),
                address(image),
                address(shifts),
                int(positive),
                ctypes.c_int64(weights.channels),
                address(result),
            )
            return code

        self._strips(tiling, weights, run)
        return result

    def advance(
        self,
        tiling: "Tiling",
        gates: Tiles,
        weights: Weights,
        states: Sequence[State],
        spare: Sequence[Tiles],
    ) -> list[State]:
        """One step of several windows that see the same frame.

        Args:
            tiling: of the images.
            gates: what the frame adds, channels by filter, then gate.
            weights: of the recurrent kernel, likewise.
            states: of the windows; the memories are overwritten.
            spare: as many places for outputs; the old outputs' places are free afterwards.
        """
        outputs, memories = zip(*states, strict=True)
        before, after, kept = (
            (ctypes.c_void_p * len(states))(*(part.ctypes.data for part in parts))
            for parts in (outputs, spare, memories)
        )

        def run(work: _Work) -> int:
            code: int = self._advance(
                ctypes.byref(work),
                ctypes.c_int64(len(states)),
                address(gates),
                before,
                after,
                kept,
            )
            return code

        self._strips(tiling, weights, run)
        return [State(*parts) for parts in zip(spare, memories, strict=True)]

    def map(self, run: Callable[[Any], int], works: Iterable[Any]) -> Iterator[int]:
        """Run all of some works, as many at a time as there are threads; results in order."""
        return (self._pool.map if self._pool else map)(run, works)

    def _strips(self, tiling: "Tiling", weights: Weights, run: Callable[[_Work], int]) -> None:
        """Work through all strips, each thread through its share."""
        count = min(self._threads, tiling.strips)
        bounds = np.linspace(0, tiling.strips, count + 1).astype(int)
        works = [
            _Work(
                tiling.width,
                tiling.margin,
                weights.inputs,
                weights.values.shape[0] * self.kind.outputs,
                begin,
                end,
                address(weights.values),
                address(tiling.mask),
            )
            for begin, end in pairwise(bounds)
        ]
        if any(self.map(run, works)):
            raise MemoryError("no memory for the convolution of a strip of tiles")


class Tiling:
    """How images of one shape are stored as tiles."""

    def __init__(self, kernel: Kernel, shape: tuple[int, int]) -> None:
        """Tiles of images of so many rows and columns."""
        self._lanes = kernel.kind.lanes
        self._shape = shape
        rows, columns = (-(-size // TILE) for size in shape)
        self.width = columns + 1
        """Tiles from one row to the next: one at its end is empty."""
        self._tiles = rows * self.width
        self.strips = -(-self._tiles // (kernel.kind.strip * self._lanes))
        """Number of strips."""
        self.margin = (self.width + 1) // self._lanes + 1
        """Blocks before the first tile, and at least as many behind the last."""
        self._blocks = 2 * self.margin + self.strips * kernel.kind.strip
        self.mask = self.enter(np.ones((*shape, 1), np.float32))
        """1 at every pixel of the image, 0 elsewhere."""

    def enter(self, image: NDArray[np.float32]) -> Tiles:
        """An image [y, x, channel] as tiles."""
        channels = image.shape[2]
        height, width = self._tiles // self.width * TILE, self.width * TILE
        padded = np.zeros((height, width, channels), np.float32)
        padded[: self._shape[0], : self._shape[1]] = image
        tiles = padded.reshape(-1, TILE, self.width, TILE, channels).transpose(0, 2, 4, 1, 3)
        begin = self.margin * self._lanes
        rows = np.zeros((self._blocks * self._lanes, channels, TILE * TILE), np.float32)
        rows[begin : begin + self._tiles] = tiles.reshape(self._tiles, channels, -1)
        stored = self.empty(channels)
        stored[:] = rows.reshape(self._blocks, self._lanes, channels, -1).transpose(0, 2, 3, 1)
        return stored

    def leave(self, stored: Tiles) -> NDArray[np.float32]:
        """Tiles as an image [y, x, channel]."""
        channels = stored.shape[1]
        begin = self.margin * self._lanes
        rows = stored.transpose(0, 3, 1, 2).reshape(-1, channels, TILE, TILE)
        tiles = rows[begin : begin + self._tiles].reshape(-1, self.width, channels, TILE, TILE)
        image = tiles.transpose(0, 3, 1, 4, 2).reshape(-1, self.width * TILE, channels)
        return np.ascontiguousarray(image[: self._shape[0], : self._shape[1]])

    def empty(self, channels: int) -> Tiles:
        """Place for an image, which holds anything."""
        return aligned((self._blocks, channels, TILE * TILE, self._lanes))

    def zeros(self, channels: int) -> Tiles:
        """An image of zeros."""
        stored = self.empty(channels)
        stored[:] = 0
        return stored

    def state(self, filters: int) -> State:
        """State of a window before its first step."""
        return State(self.zeros(filters), self.zeros(filters))


@cache
def kernel(kind: str | None = None, threads: int | None = None) -> Kernel | None:
    """The kernel as it was compiled at installation, or None where it was not.

    Args:
        kind: name of one of `kinds`; by default the best one.
        threads: that share the work; by default OMP_NUM_THREADS, or one for each processor core.
    """
    compiled = library("_convolution")
    if compiled is None:
        return None
    chosen = {each.name: each for each in kinds()}[kind or kinds()[-1].name]
    return Kernel(compiled, chosen, threads or _threads())


def kinds() -> tuple[_Kind, ...]:
    """Those of `KINDS` that run on this processor; none where no kernel was compiled."""
    compiled = library("_convolution")
    return () if compiled is None else KINDS[: compiled.kind() + 1]


def _threads() -> int:
    """As other numerical libraries have it."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else len(os.sched_getaffinity(0))


@cache
def library(name: str) -> ctypes.CDLL | None:
    """A compiled module of this package, or None where there is none."""
    found = compiled.library(f"groundshift.models.{name}")
    if found is None:
        log.warning(
            "the compiled kernel %s is missing, so that TensorFlow does its work several times "
            "slower: install the package where there is a C compiler",
            name,
        )
    return found


def _turn() -> NDArray[np.float64]:
    """Values of the polynomial with a line of the kernel at the points, over their distances."""
    points = np.array([0, 1, -1, 0.5, -0.5])
    apart = np.array([np.prod(point - points[points != point]) for point in points])
    return np.vstack([np.vander(points, 3, increasing=True) / apart[:, None], [0, 0, 1]])


ENTER = _turn()
"""What a line of three weights becomes at the six points, [point, place]."""


def aligned(shape: tuple[int, ...], dtype: type[Any] = np.float32) -> NDArray[Any]:
    """Place for values, which holds anything; registers are read from whole cache lines."""
    size = int(np.prod(shape))
    raw = np.empty(size + LINE, dtype)
    begin = -raw.ctypes.data // raw.itemsize % LINE
    return raw[begin : begin + size].reshape(shape)


def by_filter(gates: NDArray[np.float32]) -> NDArray[np.float32]:
    """Gates `[..., gate, filter]`, flat, in the kernel's order `[..., filter, gate]`."""
    split = gates.reshape(*gates.shape[:-1], 4, -1)
    return np.ascontiguousarray(np.swapaxes(split, -1, -2).reshape(gates.shape))
