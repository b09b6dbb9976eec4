"""The convolutional LSTM in training by the compiled kernel `recurrence.c`, with its gradient.

The gates' convolutions of a frame and of the output before it are one, by Winograd's method, and
so is the way back; nothing of it is padded. Samples are worked through each for itself, one per
thread, and what they add to the gradients is summed in their order: the same to the last bit
whatever the number of threads. Numbers differ from TensorFlow's by some 1e-6.
"""

import ctypes
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from groundshift.compiled import address
from groundshift.models.winograd import (
    ENTER,
    LINE,
    TILE,
    Kernel,
    aligned,
    by_filter,
    kernel,
    library,
)

Floats = NDArray[np.float32]

STRIP = 2
"""Registers of tiles that are worked through at a time, as in `recurrence.c`."""
ROWS = 8
"""Inputs that the sums of the kernel's gradient are padded to multiples of, likewise."""
PIXELS = TILE * TILE


class _Layer(ctypes.Structure):
    """`Layer` of `recurrence.c`."""

    _fields_ = (
        *((n, ctypes.c_int64) for n in ("width", "blocks", "margin", "pixels", "seen", "filters")),
        *(
            (name, ctypes.c_void_p)
            for name in ("places", "edges", "mask", "weights", "back", "bias")
        ),
    )


class _Sample(ctypes.Structure):
    """`Sample` of `recurrence.c`."""

    _fields_ = (
        ("length", ctypes.c_int64),
        *((name, ctypes.c_void_p) for name in ("frames", "outputs", "memories", "gates")),
    )


class _Grid:
    """How the tiles of an image of so many rows and columns lie in registers."""

    def __init__(self, shape: tuple[int, int], lanes: int) -> None:
        rows, self.width = (-(-size // TILE) for size in shape)
        tiles = rows * self.width
        self.blocks = -(-tiles // (STRIP * lanes)) * STRIP
        self.margin = (self.width + 1) // lanes + 1
        number = np.arange(self.blocks * lanes).reshape(self.blocks, 1, lanes)
        row, column = np.divmod(number, self.width)
        pixel = np.arange(PIXELS).reshape(1, -1, 1)
        y, x = row * TILE + pixel // TILE, column * TILE + pixel % TILE
        inside = (y < shape[0]) & (x < shape[1])
        self.places = np.where(inside, y * shape[1] + x, -1).astype(np.int32)
        self.mask = aligned(inside.shape)
        self.mask[:] = inside
        neighbours = (column > 0, column < self.width - 1, row > 0, row < rows - 1)
        edges = aligned((self.blocks, len(neighbours), lanes)).view(np.int32)
        # What fills up the last block has no neighbours: it must see zeros only, as it is summed.
        edges[:] = -(np.concatenate(neighbours, axis=1) & (row < rows)).astype(np.int32)
        self.edges = edges


@dataclass(frozen=True)
class _Tape:
    """Where the states of every sample lie in one array."""

    lengths: NDArray[np.int32]
    image: int
    """Values of the output of one step."""
    margin: int

    @property
    def size(self) -> int:
        """Number of values."""
        return 2 * self.margin + self.image * int((6 * self.lengths + 2).sum())

    def samples(self, tape: Floats, frames: Floats) -> Iterable[_Sample]:
        """Every sample, given the packed frames [frame, y, x, channel]."""
        place, first = self.margin, 0
        for length in map(int, self.lengths):
            kept = (length + 1) * self.image
            parts = (place, place + kept, place + 2 * kept)
            yield _Sample(
                length,
                frames.ctypes.data + first * frames[0:1].nbytes,
                *(tape.ctypes.data + tape.itemsize * part for part in parts),
            )
            place, first = parts[2] + 4 * length * self.image, first + length


class Folding:
    """The layer's way forth and back, for one kind of processor."""

    def __init__(self, compiled: ctypes.CDLL, shared: Kernel) -> None:
        """Take the functions that `shared`, the kernel of inference, is of the kind of."""
        self._kernel = shared
        self._fold = getattr(compiled, f"fold_{shared.kind.name}")
        self._unfold = getattr(compiled, f"unfold_{shared.kind.name}")
        self._grid = cache(lambda shape: _Grid(shape, shared.kind.lanes))
        self.kind = shared.kind.name

    def __call__(
        self, frames: tf.Tensor, steps: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor
    ) -> tf.Tensor:
        """Fold frames in time.

        Args:
            frames: packed frames `[frame, y, x, channel]`, by sample, then time.
            steps: bool `[b, t]`, true for the real steps, of which there are as many as frames.
            weights: of frame and output before to the gates, `[3, 3, channel + filter, 4 filter]`.
            bias: `[4 filter]`.

        Returns:
            The output after each sample's last frame, `[b, y, x, filter]`; zeros where there is
            none.
        """
        lengths = tf.reduce_sum(tf.cast(steps, tf.int32), axis=1)

        @tf.custom_gradient
        def fold(frames: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor) -> tuple[Any, Any]:
            given = (frames, lengths, weights, bias)
            last, tape = tf.numpy_function(self.forth, given, (tf.float32, tf.float32))

            def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
                found = tf.numpy_function(self.back, (*given, tape, upstream), (tf.float32,) * 3)
                sources = (frames, weights, bias)
                return [tf.ensure_shape(g, s.shape) for g, s in zip(found, sources, strict=True)]

            return tf.ensure_shape(last, (None, *frames.shape[1:3], bias.shape[0] // 4)), gradient

        return fold(frames, weights, bias)

    def forth(
        self, frames: Floats, lengths: NDArray[np.int32], weights: Floats, bias: Floats
    ) -> tuple[Floats, Floats]:
        """The last outputs `[b, y, x, filter]`, and all states as `back` takes them."""
        grid, layer, _alive = self._layer(frames, weights, bias)
        plan = self._tape(grid, lengths, layer.filters)
        tape = aligned((plan.size,))
        last = np.empty((len(lengths), *frames.shape[1:3], layer.filters), np.float32)

        def fold(number: int, sample: _Sample) -> int:
            code: int = self._fold(*map(ctypes.byref, (layer, sample)), address(last[number:]))
            return code

        self._each(fold, plan.samples(tape, frames))
        return last, tape

    def back(
        self,
        frames: Floats,
        lengths: NDArray[np.int32],
        weights: Floats,
        bias: Floats,
        tape: Floats,
        upstream: Floats,
    ) -> tuple[Floats, Floats, Floats]:
        """Gradients of frames, weights and bias, given that of the last outputs."""
        grid, layer, _alive = self._layer(frames, weights, bias)
        plan = self._tape(grid, lengths, layer.filters)
        lanes, inputs, gates = self._kernel.kind.lanes, *weights.shape[2:]
        padded = (-(-inputs // ROWS) * ROWS, -(-gates // lanes) * lanes)
        by_frames = np.empty_like(frames)
        by_weights = aligned((len(lengths), 36, *padded))
        by_bias = aligned((len(lengths), gates, lanes))
        by_weights[:], by_bias[:] = 0, 0
        upstream = np.ascontiguousarray(upstream)

        def unfold(number: int, sample: _Sample) -> int:
            first = int(lengths[:number].sum())
            code: int = self._unfold(
                *map(ctypes.byref, (layer, sample)),
                *(address(a) for a in (upstream[number:], by_frames[first:])),
                *(address(a[number:]) for a in (by_weights, by_bias)),
            )
            return code

        if tape.ctypes.data % (LINE * tape.itemsize):  # TensorFlow may have copied it
            tape, copied = aligned(tape.shape), tape
            tape[:] = copied
        self._each(unfold, plan.samples(tape, frames))
        turned = by_weights.sum(axis=0, dtype=np.float64)[:, :inputs, :gates]
        turned = turned.reshape(6, 6, inputs, gates)
        found = np.einsum("ai,bj,abko->ijko", ENTER, ENTER, turned)
        return (
            by_frames,
            _by_gate(found).astype(np.float32),
            _by_gate(by_bias.sum(axis=(0, 2), dtype=np.float64)).astype(np.float32),
        )

    def _layer(
        self, frames: Floats, weights: Floats, bias: Floats
    ) -> tuple[_Grid, _Layer, tuple[Any, ...]]:
        """The layer as the kernel takes it, and what must live as long."""
        grid = self._grid(frames.shape[1:3])
        gates = by_filter(weights)
        forth = self._kernel.weights(gates).values
        back = self._kernel.weights(gates[::-1, ::-1].swapaxes(2, 3)).values
        alive = (grid.places, grid.edges, grid.mask, forth, back, by_filter(bias))
        filters = len(bias) // 4
        seen = weights.shape[2] - filters
        pixels = int(np.prod(frames.shape[1:3]))
        numbers = (grid.width, grid.blocks, grid.margin, pixels, seen, filters)
        return grid, _Layer(*numbers, *(array.ctypes.data for array in alive)), alive

    def _tape(self, grid: _Grid, lengths: NDArray[np.int32], filters: int) -> _Tape:
        block = filters * PIXELS * self._kernel.kind.lanes
        return _Tape(lengths, grid.blocks * block, grid.margin * block)

    def _each(self, run: Callable[[int, _Sample], int], samples: Iterable[_Sample]) -> None:
        """Work through samples, several at a time."""
        if any(list(self._kernel.map(lambda given: run(*given), enumerate(samples)))):
            raise MemoryError("no memory for the states of a training sample")


@cache
def folding(kind: str | None = None, threads: int | None = None) -> Folding | None:
    """The training kernel, or None where it was not compiled or a GPU is there to do the work."""
    compiled, shared = library("_recurrence"), kernel(kind, threads)
    if compiled is None or shared is None or tf.config.list_physical_devices("GPU"):
        return None
    return Folding(compiled, shared)


def _by_gate(gates: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """The other way round than `by_filter`."""
    split = gates.reshape(*gates.shape[:-1], -1, 4)
    return np.swapaxes(split, -1, -2).reshape(gates.shape)
