"""Scoring many windows of one place by the compiled kernel, frames once, as `stepping` does.

Images stay as the kernel stores them from a network's input to the last step of a window. A few
windows advance together through every strip of tiles, so that what the frame adds to the gates is
read from memory once for all of them.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from groundshift.models.layers import ConvLSTM
from groundshift.models.stepping import Head, Stepper, blocks_of_branch, roles_of
from groundshift.models.walk import Image, Images, Spans, walk
from groundshift.models.winograd import Kernel, State, Tiles, Tiling, Weights, by_filter, kernel

TOGETHER = 4
"""Windows that advance together: more take more memory, fewer read more of it."""


def stepper(network: keras.Model) -> "CompiledStepper | Stepper":
    """The fastest way to score windows with a network on this machine."""
    compiled = None if tf.config.list_physical_devices("GPU") else kernel()
    return Stepper(network) if compiled is None else CompiledStepper(network, compiled)


class CompiledStepper:
    """A network taken apart: its branches and their memories in the kernel's own form."""

    def __init__(self, network: keras.Model, compiled: Kernel) -> None:
        """Take a network that `networks.build` made, as it is now.

        Args:
            network: the network.
            compiled: the kernel.
        """
        self._kernel = compiled
        self._branches = [_Branch(network, role, compiled) for role in roles_of(network)]
        self._head = Head(network)

    def score(
        self,
        spans: Spans,
        windows: NDArray[np.integer],
        contexts: NDArray[np.float32] | None = None,
    ) -> NDArray[np.float32]:
        """Score windows of one place.

        Args:
            spans: what the branches see, from the first step of the windows to the last.
            windows: half-open ranges of steps, int [window, 2].
            contexts: as `score_apart` takes them.

        Returns:
            Scores [window, y, x].
        """
        scores: dict[int, NDArray[np.float32]] = {}
        place: _Place | None = None
        newest: list[Callable[[], Image] | None] = [None] * len(self._branches)
        for step, images in walk(spans, int(windows[:, 0].min())):
            newest = [new or last for new, last in zip(images, newest, strict=True)]
            starting = np.flatnonzero(windows[:, 0] == step)
            if not len(starting) and not (place and place.running):
                continue
            seen = [image and image() for image in newest]
            newest = [None] * len(newest)
            if place is None:
                shapes = [image.shape[:2] for image in seen if image is not None]
                place = _Place(self._kernel, self._branches, shapes[0])
            place.start(starting)
            place.advance(seen)
            for window in np.flatnonzero(windows[:, 1] == step + 1):
                own = None if contexts is None else tf.constant(contexts[window : window + 1])
                scores[int(window)] = self._head(place.take(int(window)), own).numpy()
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
        bounds = np.cumsum([0, *(branch.channels for branch in self._branches)])
        return np.concatenate(
            [
                self.score(
                    [
                        [
                            Images(series[..., begin:end].__getitem__, np.arange(length))
                            for begin, end in pairwise(bounds)
                        ]
                    ],
                    np.array([[0, length]]),
                    context[np.newaxis],
                )
                for series, length, context in zip(values, lengths, contexts, strict=True)
            ]
        )


class _Branch:
    """Weights of one branch of a network as the kernel takes them."""

    def __init__(self, network: keras.Model, role: str, compiled: Kernel) -> None:
        self._kernel = compiled
        self._blocks: list[tuple[Weights, NDArray[np.float32]]] = []
        for block in blocks_of_branch(network, role):
            weights, shift = (part.numpy() for part in block.folded())
            self._blocks.append((compiled.weights(weights), shift))
        self.channels = self._blocks[0][0].inputs
        memory: ConvLSTM = network.get_layer(f"{role}_memory")
        self.filters: int = memory.filters
        self._inputs, self.recurrent = (
            compiled.weights(by_filter(part.numpy()))
            for part in (memory.kernel, memory.recurrent_kernel)
        )
        self._bias = by_filter(memory.bias.numpy())

    def gates(self, tiling: Tiling, image: Image) -> Tiles:
        """What an image [y, x, channel] adds to the gates."""
        features = tiling.enter(image)
        for weights, shift in self._blocks:
            features = self._kernel.convolve(tiling, features, weights, shift, positive=True)
        return self._kernel.convolve(tiling, features, self._inputs, self._bias, positive=False)


class _Place:
    """The windows that run at one place, in every branch."""

    def __init__(
        self, compiled: Kernel, branches: Sequence[_Branch], shape: tuple[int, int]
    ) -> None:
        self._kernel = compiled
        self._branches = branches
        self._tiling = Tiling(compiled, shape)
        self._gates: list[Tiles] = [np.empty(0, np.float32)] * len(branches)
        self._spare = [
            [self._tiling.zeros(branch.filters) for _ in range(TOGETHER)] for branch in branches
        ]
        self.running: dict[int, list[State]] = {}

    def start(self, windows: NDArray[np.integer]) -> None:
        """Let windows begin."""
        for window in windows:
            states = [self._tiling.state(branch.filters) for branch in self._branches]
            self.running[int(window)] = states

    def advance(self, images: Sequence[Image | None]) -> None:
        """One step of all windows; a branch without an image sees what it saw before."""
        windows = list(self.running)
        for number, (branch, image) in enumerate(zip(self._branches, images, strict=True)):
            if image is not None:
                self._gates[number] = branch.gates(self._tiling, image)
            for begin in range(0, len(windows), TOGETHER):
                some = windows[begin : begin + TOGETHER]
                before = [self.running[window][number] for window in some]
                spare = self._spare[number][: len(some)]
                after = self._kernel.advance(
                    self._tiling, self._gates[number], branch.recurrent, before, spare
                )
                self._spare[number][: len(some)] = [state.output for state in before]
                for window, state in zip(some, after, strict=True):
                    self.running[window][number] = state

    def take(self, window: int) -> list[tf.Tensor]:
        """A window's last outputs, each [1, y, x, filters]; its memory is free."""
        states = self.running.pop(window)
        return [tf.constant(self._tiling.leave(state.output)[np.newaxis]) for state in states]
