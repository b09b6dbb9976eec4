"""Batch normalisation and ReLU in training by the compiled kernel `normalisation.c`, with gradient.

Statistics are summed in float64. A float32 sum over a batch's pixels is off by some 1e-5 of their
spread: enough to move a few of millions of values over the ReLU's bend, each of which gains or
loses its gradient. Images share the threads, and their sums are added up in their order: the same
to the last bit whatever the number of threads.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from groundshift.models.winograd import Kernel, address, aligned, kernel, library

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

SPAN = 16
"""Pixels that are worked through at a time, as in `normalisation.c`."""
TOGETHER = 16
"""Images that a thread takes at a time."""


class Normalising:
    """The way forth and back through a batch normalisation and the ReLU behind it."""

    def __init__(self, compiled: ctypes.CDLL, shared: Kernel) -> None:
        """Take the functions; `shared`, the kernel of inference, lends its threads."""
        self._compiled = compiled
        self._map = shared.map

    def __call__(
        self, images: tf.Tensor, bias: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Normalise images by their own statistics and cut off below 0.

        Args:
            images: `[image, y, x, channel]`.
            bias: `[channel]`, added to them; as the normalisation takes it away again, all that it
                changes is the mean, and it has no gradient.
            gamma: `[channel]`.
            beta: `[channel]`.
            epsilon: added to the variance.

        Returns:
            The images, and mean and variance per channel, the latter with Bessel's correction; no
            gradient goes through these two.
        """

        @tf.custom_gradient
        def normalise(
            images: tf.Tensor, bias: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor
        ) -> tuple[Any, Any]:
            types = (tf.float32, tf.float64, tf.float64)
            found = tf.numpy_function(self.forth, (images, gamma, beta, epsilon), types)
            result, mean, variance = (
                tf.ensure_shape(each, source.shape)
                for each, source in zip(found, (images, gamma, gamma), strict=True)
            )
            count = tf.cast(tf.size(images[..., 0]), tf.float64)
            unbiased = variance * count / tf.maximum(count - 1, 1)

            def gradient(by_result: tf.Tensor, *_: tf.Tensor) -> list[tf.Tensor]:
                given = (images, gamma, epsilon, result, mean, variance, by_result)
                slopes = tf.numpy_function(self.back, given, (tf.float32,) * 3)
                by_images, by_gamma, by_beta = (
                    tf.ensure_shape(slope, source.shape)
                    for slope, source in zip(slopes, (images, gamma, beta), strict=True)
                )
                return [by_images, tf.zeros_like(bias), by_gamma, by_beta]

            shown = tf.cast(mean, tf.float32) + bias
            return (result, shown, tf.cast(unbiased, tf.float32)), gradient

        return normalise(images, bias, gamma, beta)

    def forth(
        self, images: Floats, gamma: Floats, beta: Floats, epsilon: float
    ) -> tuple[Floats, Doubles, Doubles]:
        """The result, and mean and variance, the latter as they are."""
        sums = _sums(images)
        self._each("add_moments", [images, sums])
        mean, square = _mean(sums, images)
        variance = np.maximum(square - mean**2, 0)
        scale = gamma / np.sqrt(variance + epsilon)
        result = aligned(images.shape)
        self._each("normalise", [images, result], mean, scale, beta)
        return result, mean, variance

    def back(
        self,
        images: Floats,
        gamma: Floats,
        epsilon: float,
        result: Floats,
        mean: Doubles,
        variance: Doubles,
        by_result: Floats,
    ) -> tuple[Floats, Floats, Floats]:
        """Gradients of images, gamma and beta, given that of the result (Ioffe, Szegedy 2015)."""
        given = [images, result, np.ascontiguousarray(by_result)]
        sums = _sums(images)
        self._each("add_slopes", [*given, sums], mean)
        level, along = _mean(sums, images)
        deviation = np.sqrt(variance + epsilon)
        by_images = aligned(images.shape)
        self._each(
            "spread_slopes",
            [*given, by_images],
            *(mean, gamma / deviation, level, along / deviation**2),
        )
        count = images[..., 0].size
        by_gamma, by_beta = along * count / deviation, level * count
        return by_images, by_gamma.astype(np.float32), by_beta.astype(np.float32)

    def _each(
        self, name: str, images: list[NDArray[Any]], *channels: NDArray[np.floating[Any]]
    ) -> None:
        """Work through all images, several at a time.

        Args:
            name: of a function of the kernel.
            images: what it takes of each image, in its order.
            channels: what it takes of each channel, likewise.
        """
        function = getattr(self._compiled, name)
        function.restype = None
        count, *shape, depth = images[0].shape
        spans = [np.tile(each.astype(np.float64), SPAN) for each in channels]

        def run(bounds: tuple[int, int]) -> int:
            first, end = bounds
            numbers = (end - first, int(np.prod(shape)), depth)
            function(
                *map(ctypes.c_int64, numbers),
                *(address(each) for each in spans),
                *(address(each[first:]) for each in images),
            )
            return 0

        list(self._map(run, pairwise([*range(0, count, TOGETHER), count])))


@cache
def normalising() -> Normalising | None:
    """The kernel, or None where it was not compiled or a GPU is there to do the work."""
    compiled, shared = library("_normalisation"), kernel()
    if compiled is None or shared is None or tf.config.list_physical_devices("GPU"):
        return None
    return Normalising(compiled, shared)


def _sums(images: Floats) -> Doubles:
    """Where two sums of every image go."""
    return np.zeros((len(images), 2, SPAN, images.shape[-1]))


def _mean(sums: Doubles, images: Floats) -> Doubles:
    """Two means over all images and pixels, [2, channel]; zeros if there are none."""
    found: Doubles = sums.sum(axis=(0, 2)) / max(images[..., 0].size, 1)
    return found
