"""Scoring many windows of one place while looking at every frame once, by TensorFlow.

What a network makes of a frame before its memory does not depend on the window. Windows that
overlap (at stride 1 a step lies in some fifty) share it, and a frame carried forward over several
steps is worked through once. Only the recurrence runs per window, several windows at a time, and
only its present state is held. This is the way of a GPU, and of machines without the compiled
kernel, which `compiled` has.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from groundshift.models.layers import ConvBlock, ConvLSTM
from groundshift.models.networks import CONTEXT
from groundshift.models.recurrence import advance
from groundshift.models.walk import Spans, walk

CHUNK = 4
"""Windows whose memories advance together. They start and end within a few steps of one another:
what one computes before its own start is dropped."""


class Stepper:
    """A network taken apart: its branches frame by frame, its memories, its head."""

    def __init__(self, network: keras.Model) -> None:
        """Take a network that `networks.build` made."""
        self._branches = [_Branch(network, role) for role in roles_of(network)]
        self._head = Head(network)

    def score(self, spans: Spans, windows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Score windows of one place.

        Args:
            spans: what the branches see, from the first step of the windows to the last.
            windows: half-open ranges of steps, int [window, 2].

        Returns:
            Scores [window, y, x].
        """
        scores: dict[int, NDArray[np.float32]] = {}
        waiting = deque(_chunks(windows))
        running: list[_Chunk] = []
        newest: list[Callable[[], NDArray[np.float32]] | None] = [None] * len(self._branches)
        gates: list[tf.Tensor | None] = [None] * len(self._branches)
        for step, images in walk(spans, int(windows[:, 0].min())):
            newest = [new or last for new, last in zip(images, newest, strict=True)]
            while waiting and waiting[0].first <= step:
                running.append(waiting.popleft())
            if not running:
                continue
            for number, (branch, image) in enumerate(zip(self._branches, newest, strict=True)):
                if image is not None:
                    gates[number] = branch.gates(tf.constant(image()[np.newaxis]))
            newest = [None] * len(newest)
            for chunk in running:
                chunk.advance(step, self._branches, gates)
                for place, window in chunk.ending(step):
                    scores[window] = self._head(chunk.outputs(place)).numpy()
            running = [chunk for chunk in running if chunk.stop > step + 1]
        return np.stack([scores[window] for window in range(len(windows))])

    def score_apart(
        self,
        values: NDArray[np.float32],
        lengths: NDArray[np.integer],
        contexts: NDArray[np.float32],
    ) -> NDArray[np.float32]:
        """Score windows of one place that share no frame, since their channels differ.

        Args:
            values: all channels of the network, float32 [window, t, y, x, channel].
            lengths: steps of each window, int [window], the first that many of `values`.
            contexts: what each window's head sees beside the memories, [window, y, x, channel];
                without a channel if the network has none.

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
                seen = tf.constant(contexts[window : window + 1])
                scores[window] = self._head(chunk.outputs(place), seen)
        return scores

    def _split(self, frames: tf.Tensor) -> Iterator[tuple["_Branch", tf.Tensor]]:
        """Each branch with its channels."""
        begin = 0
        for branch in self._branches:
            yield branch, frames[..., begin : begin + branch.channels]
            begin += branch.channels


class Head:
    """The last layers of a network, from the branches' outputs to scores."""

    def __init__(self, network: keras.Model) -> None:
        """Take them from a network that `networks.build` made."""
        self._layers = [network.get_layer(name) for name in ("head_1", "head_2", "output")]
        names = {layer.name for layer in network.layers}
        self._context = [network.get_layer(name) for name in CONTEXT if name in names]

    @tf.function(reduce_retracing=True)
    def __call__(self, outputs: list[tf.Tensor], context: tf.Tensor | None = None) -> tf.Tensor:
        """The scores [y, x] of one window.

        Args:
            outputs: last ones of its memories, each [1, y, x, filters].
            context: [1, y, x, channel], what is seen beside them by a network that has one.
        """
        for layer in self._context:
            context = layer(context)
        merged = tf.concat([*outputs, context] if self._context else outputs, axis=-1)
        for layer in self._layers:
            merged = layer(merged)
        return merged[0, ..., 0]


class _Branch:
    """One branch of a network, from a frame to the gates and from step to step."""

    def __init__(self, network: keras.Model, role: str) -> None:
        self._blocks = blocks_of_branch(network, role)
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


def roles_of(network: keras.Model) -> list[str]:
    """The branches that a network has, radar first."""
    names = {layer.name for layer in network.layers}
    return [role for role in ("radar", "optical") if f"{role}_memory" in names]


def blocks_of_branch(network: keras.Model, role: str) -> list[ConvBlock]:
    """The layers of a branch before its memory, in their order."""
    names = [layer.name for layer in network.layers]
    blocks = [name for name in names if name.startswith(f"{role}_block_")]
    return [network.get_layer(name) for name in sorted(blocks)]


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
