"""Scoring many windows of one place while looking at every frame once.

What a network makes of a frame before its memory does not depend on the window. Windows that
overlap (at stride 1 a step lies in some fifty) share it, and a frame carried forward over several
steps is worked through once. Only the recurrence runs per window, several windows at a time, and
only its present state is held.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from groundshift.models.layers import ConvBlock, ConvLSTM
from groundshift.models.recurrence import advance

CHUNK = 4
"""Windows whose memories advance together. They start and end within a few steps of one another:
what one computes before its own start is dropped."""


@dataclass(frozen=True)
class Images:
    """What one branch of a network sees of a place.

    Attributes:
        values: [image, y, x, channel] float32, the branch's channels.
        image_of_step: int [step], which image a step shows.
    """

    values: NDArray[np.float32]
    image_of_step: NDArray[np.int64]


class Stepper:
    """A network taken apart: its branches frame by frame, its memories, its head."""

    def __init__(self, network: keras.Model) -> None:
        """Take a network that `networks.build` made."""
        self._branches = [
            _Branch(network, role)
            for role in ("radar", "optical")
            if f"{role}_memory" in {layer.name for layer in network.layers}
        ]
        self._head = [network.get_layer(name) for name in ("head_1", "head_2", "output")]

    def score(self, images: Sequence[Images], windows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Score windows of one place.

        Args:
            images: for each branch of the network, radar first.
            windows: half-open ranges of steps, int [window, 2].

        Returns:
            Scores [window, y, x].
        """
        shape = images[0].values.shape[1:3]
        scores = np.empty((len(windows), *shape), np.float32)
        waiting = deque(_chunks(windows))
        running: list[_Chunk] = []
        shown = [-1] * len(images)
        gates: list[tf.Tensor | None] = [None] * len(images)
        for step in range(int(windows[:, 0].min()), int(windows[:, 1].max())):
            while waiting and waiting[0].first <= step:
                running.append(waiting.popleft())
            if not running:
                continue
            for number, (branch, seen) in enumerate(zip(self._branches, images, strict=True)):
                image = int(seen.image_of_step[step])
                if image != shown[number]:
                    shown[number] = image
                    gates[number] = branch.gates(tf.constant(seen.values[image : image + 1]))
            for chunk in running:
                chunk.advance(step, self._branches, gates)
                for place, window in chunk.ending(step):
                    scores[window] = self._finish(chunk.outputs(place))
            running = [chunk for chunk in running if chunk.stop > step + 1]
        return scores

    def score_apart(
        self, values: NDArray[np.float32], lengths: NDArray[np.integer]
    ) -> NDArray[np.float32]:
        """Score windows of one place that share no frame, since their channels differ.

        Args:
            values: all channels of the network, float32 [window, t, y, x, channel].
            lengths: steps of each window, int [window], the first that many of `values`.

        Returns:
            Scores [window, y, x].
        """
        scores = np.empty((len(values), *values.shape[2:4]), np.float32)
        whole = np.stack([np.zeros_like(lengths), lengths], axis=1)
        chunk = _Chunk(np.arange(len(values)), whole)
        for step in range(chunk.stop):
            frames = tf.constant(values[:, step])
            gates = [branch.gates(part) for branch, part in self._split(frames)]
            chunk.advance(step, self._branches, gates)
            for place, window in chunk.ending(step):
                scores[window] = self._finish(chunk.outputs(place))
        return scores

    def _split(self, frames: tf.Tensor) -> Iterator[tuple["_Branch", tf.Tensor]]:
        """Each branch with its channels."""
        begin = 0
        for branch in self._branches:
            yield branch, frames[..., begin : begin + branch.channels]
            begin += branch.channels

    @tf.function(reduce_retracing=True)
    def _finish(self, outputs: list[tf.Tensor]) -> tf.Tensor:
        """From one window's last outputs, each [1, y, x, filters], to its scores [y, x]."""
        merged = tf.concat(outputs, axis=-1)
        for layer in self._head:
            merged = layer(merged)
        return merged[0, ..., 0]


class _Branch:
    """One branch of a network, from a frame to the gates and from step to step."""

    def __init__(self, network: keras.Model, role: str) -> None:
        names = [layer.name for layer in network.layers]
        blocks = [name for name in names if name.startswith(f"{role}_block_")]
        self._blocks: list[ConvBlock] = [network.get_layer(name) for name in sorted(blocks)]
        self._memory: ConvLSTM = network.get_layer(f"{role}_memory")
        self.channels: int = self._blocks[0].kernel.shape[2]
        self.filters: int = self._memory.filters

    @tf.function(reduce_retracing=True)
    def gates(self, frames: tf.Tensor) -> tf.Tensor:
        """What frames `[frame, y, x, c]` add to the gates, `[frame, y, x, 4 filters]`."""
        for block in self._blocks:
            frames = block(frames, training=False)
        return self._memory.gate_inputs(frames)

    @tf.function(reduce_retracing=True)
    def step(
        self, gates: tf.Tensor, output: tf.Tensor, memory: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One step of several windows; they may see the same frame, `gates` [1, ...]."""
        kernel = tf.convert_to_tensor(self._memory.recurrent_kernel)
        recurrent = tf.nn.conv2d(output, kernel, strides=1, padding="SAME")
        stepped: tuple[tf.Tensor, tf.Tensor] = advance(gates + recurrent, memory)
        return stepped


class _Chunk:
    """A few windows that follow one another closely, and the state of their memories."""

    def __init__(self, numbers: NDArray[np.integer], windows: NDArray[np.integer]) -> None:
        """Take the windows of these numbers; a number may occur twice to fill the chunk."""
        self._numbers = numbers
        self._first, self._stop = windows[numbers].T
        self.first, self.stop = int(self._first.min()), int(self._stop.max())
        self._state: list[tuple[tf.Tensor, tf.Tensor]] = []

    def advance(
        self, step: int, branches: Sequence[_Branch], gates: Sequence[tf.Tensor | None]
    ) -> None:
        """Take one step in every branch."""
        starting = self._first == step
        if starting.any():
            self._start(starting, branches, gates)
        self._state = [
            branch.step(part, *state)
            for branch, part, state in zip(branches, gates, self._state, strict=True)
        ]

    def _start(
        self,
        starting: NDArray[np.bool_],
        branches: Sequence[_Branch],
        gates: Sequence[tf.Tensor | None],
    ) -> None:
        """Forget what the windows that start here computed before."""
        keep = tf.constant(~starting[:, None, None, None], tf.float32)
        if not self._state:
            for branch, part in zip(branches, gates, strict=True):
                assert part is not None
                zeros = tf.zeros((len(self._numbers), *part.shape[1:3], branch.filters))
                self._state.append((zeros, zeros))
        self._state = [(output * keep, memory * keep) for output, memory in self._state]

    def ending(self, step: int) -> Iterator[tuple[int, int]]:
        """Place in the chunk and number of each window whose last step this is."""
        for place in np.flatnonzero(self._stop == step + 1):
            yield int(place), int(self._numbers[place])

    def outputs(self, place: int) -> list[tf.Tensor]:
        """The branches' present outputs for one window, each `[1, y, x, filters]`."""
        return [output[place : place + 1] for output, _ in self._state]


def _chunks(windows: NDArray[np.integer]) -> Iterator[_Chunk]:
    """Windows in order of their start, a chunk at a time.

    All chunks have the same size, for which the step is compiled once: the last is filled up with
    its last window.
    """
    order = np.argsort(windows[:, 0], kind="stable")
    size = min(CHUNK, len(order))
    filled = np.pad(order, (0, -len(order) % size), mode="edge")
    for begin in range(0, len(filled), size):
        yield _Chunk(filled[begin : begin + size], windows)
