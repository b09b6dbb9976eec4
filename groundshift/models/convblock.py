"""A block of the network in training by the compiled kernel `convblock.c`, and its gradient.

Convolution and batch statistics are summed in float64. A float32 sum over a batch's pixels is off
by some 1e-5 of their spread: enough to move a few of millions of values over the ReLU's bend, each
of which gets or loses its gradient. Images share the threads, and their sums are added up in their
order: the same to the last bit whatever the number of threads.
"""

import ctypes
from collections.abc import Sequence
from functools import cache, partial
from itertools import pairwise
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from groundshift.compiled import address
from groundshift.models.winograd import Kernel, aligned, kernel, library

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

SPAN = 16
"""Pixels that are normalised at a time, as in `convblock.c`."""
PANEL = 8
"""Outputs of the convolution at a time, likewise."""
TOGETHER = 16
"""Images that a thread takes at a time."""


class ConvBlockKernel:
    """The way forth and back through a convolution, a batch normalisation and a ReLU."""

    def __init__(self, compiled: ctypes.CDLL, shared: Kernel) -> None:
        """Take the functions; `shared`, the kernel of inference, lends its threads."""
        self._compiled = compiled
        for name in ("add_moments", "normalise", "add_slopes", "spread_slopes"):
            getattr(compiled, name).restype = None
        self._map = shared.map
        self.wide = shared.kind.name == "avx512"
        """Whether registers hold a panel of sums; else `convolve` is many times slower."""

    def convolve(self, images: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
        """Convolve images, with zeros around them; the gradient is TensorFlow's.

        Args:
            images: `[image, y, x, input]`, of which there may be none.
            weights: `[3, 3, input, output]`.

        Returns:
            `[image, y, x, output]`.
        """
        options = {"strides": [1, 1, 1, 1], "padding": "SAME"}

        @tf.custom_gradient
        def convolve(images: tf.Tensor, weights: tf.Tensor) -> tuple[Any, Any]:
            found = tf.numpy_function(self.sums, (images, weights), tf.float32)

            def back(upstream: tf.Tensor) -> list[tf.Tensor]:
                by_images = tf.raw_ops.Conv2DBackpropInput(
                    input_sizes=tf.shape(images), filter=weights, out_backprop=upstream, **options
                )
                by_weights = tf.raw_ops.Conv2DBackpropFilter(
                    input=images, filter_sizes=weights.shape, out_backprop=upstream, **options
                )
                return [by_images, by_weights]

            def gradient(upstream: tf.Tensor) -> list[tf.Tensor]:
                found: list[tf.Tensor] = tf.cond(
                    tf.size(images) > 0,
                    lambda: back(upstream),
                    lambda: [tf.zeros_like(images), tf.zeros_like(weights)],
                )
                return found

            return tf.ensure_shape(found, (*images.shape[:-1], weights.shape[-1])), gradient

        return convolve(images, weights)

    def normalise(
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
            forth, back = (partial(each, epsilon=epsilon) for each in (self.forth, self.back))
            found = tf.numpy_function(forth, (images, gamma, beta), types)
            result, mean, variance = (
                tf.ensure_shape(each, source.shape)
                for each, source in zip(found, (images, gamma, gamma), strict=True)
            )
            count = tf.cast(tf.size(images[..., 0]), tf.float64)
            unbiased = variance * count / tf.maximum(count - 1, 1)

            def gradient(by_result: tf.Tensor, *_: tf.Tensor) -> list[tf.Tensor]:
                given = (images, gamma, result, mean, variance, by_result)
                slopes = tf.numpy_function(back, given, (tf.float32,) * 3)
                by_images, by_gamma, by_beta = (
                    tf.ensure_shape(slope, source.shape)
                    for slope, source in zip(slopes, (images, gamma, beta), strict=True)
                )
                return [by_images, tf.zeros_like(bias), by_gamma, by_beta]

            shown = tf.cast(mean, tf.float32) + bias
            return (result, shown, tf.cast(unbiased, tf.float32)), gradient

        found: tuple[tf.Tensor, tf.Tensor, tf.Tensor] = normalise(images, bias, gamma, beta)
        return found

    def sums(self, images: Floats, weights: Floats) -> Floats:
        """Images convolved."""
        inputs, outputs = weights.shape[2:]
        padded = np.pad(weights, ((0, 0), (0, 0), (0, 0), (0, -outputs % PANEL)))
        panels = aligned(padded.shape, np.float64)
        panels[:] = padded
        result = aligned((*images.shape[:-1], outputs))
        numbers = (*images.shape[1:3], inputs, outputs)
        self._each("convolve", numbers, [panels], [images, result])
        return result

    def forth(
        self, images: Floats, gamma: Floats, beta: Floats, *, epsilon: float
    ) -> tuple[Floats, Doubles, Doubles]:
        """The result, and mean and variance, the latter as they are."""
        sums = _sums(images)
        self._by_channel("add_moments", [], [images, sums])
        mean, square = _mean(sums, images)
        variance = np.maximum(square - mean**2, 0)
        scale = gamma / np.sqrt(variance + epsilon)
        result = aligned(images.shape)
        self._by_channel("normalise", [mean, scale, beta], [images, result])
        return result, mean, variance

    def back(
        self,
        images: Floats,
        gamma: Floats,
        result: Floats,
        mean: Doubles,
        variance: Doubles,
        by_result: Floats,
        *,
        epsilon: float,
    ) -> tuple[Floats, Floats, Floats]:
        """Gradients of images, gamma and beta, given that of the result (Ioffe, Szegedy 2015)."""
        given = [images, result, np.ascontiguousarray(by_result)]
        sums = _sums(images)
        self._by_channel("add_slopes", [mean], [*given, sums])
        level, along = _mean(sums, images)
        deviation = np.sqrt(variance + epsilon)
        by_images = aligned(images.shape)
        channels = [mean, gamma / deviation, level, along / deviation**2]
        self._by_channel("spread_slopes", channels, [*given, by_images])
        count = images[..., 0].size
        by_gamma, by_beta = along * count / deviation, level * count
        return by_images, by_gamma.astype(np.float32), by_beta.astype(np.float32)

    def _by_channel(
        self, name: str, channels: Sequence[NDArray[Any]], images: Sequence[NDArray[Any]]
    ) -> None:
        """`_each` of those functions that take values of each channel."""
        _, *shape, depth = images[0].shape
        spans = [np.tile(each.astype(np.float64), SPAN) for each in channels]
        self._each(name, (int(np.prod(shape)), depth), spans, images)

    def _each(
        self,
        name: str,
        numbers: Sequence[int],
        shared: Sequence[NDArray[Any]],
        images: Sequence[NDArray[Any]],
    ) -> None:
        """Work through all images, several at a time.

        Args:
            name: of a function of the kernel.
            numbers: that it takes behind the number of images.
            shared: what it takes for all images, in its order.
            images: what it takes of each image, likewise.
        """
        function = getattr(self._compiled, name)

        def run(bounds: tuple[int, int]) -> int:
            first, end = bounds
            code = function(
                *map(ctypes.c_int64, (end - first, *numbers)),
                *(address(each) for each in shared),
                *(address(each[first:]) for each in images),
            )
            return code or 0

        count = len(images[0])
        if any(list(self._map(run, pairwise([*range(0, count, TOGETHER), count])))):
            raise MemoryError("no memory for a convolution")


@cache
def convblock() -> ConvBlockKernel | None:
    """The kernel, or None where it was not compiled or a GPU is there to do the work."""
    compiled, shared = library("_convblock"), kernel()
    if compiled is None or shared is None or tf.config.list_physical_devices("GPU"):
        return None
    return ConvBlockKernel(compiled, shared)


def _sums(images: Floats) -> Doubles:
    """Where two sums of every image go."""
    return np.zeros((len(images), 2, SPAN, images.shape[-1]))


def _mean(sums: Doubles, images: Floats) -> Doubles:
    """Two means over all images and pixels, [2, channel]; zeros if there are none."""
    found: Doubles = sums.sum(axis=(0, 2)) / max(images[..., 0].size, 1)
    return found
