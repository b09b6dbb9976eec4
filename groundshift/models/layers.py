"""Layers of the network: packed steps, convolution blocks, and a convolutional LSTM.

Two ideas make them quick on a processor. Padding is taken out before the first convolution and
never computed on: a window of 30 steps in a batch padded to 60 costs 30. And what does not depend
on the previous step (the convolution of the inputs, the gradient of the recurrent kernel) is done
for all steps in one call instead of one call per step.
"""

from functools import partial
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from groundshift.models.convblock import convblock
from groundshift.models.folding import folding
from groundshift.models.recurrence import Layout, recur, recur_with_gradient

EPSILON = 1e-3
"""Added to the variance in batch normalisation (method section 8)."""
SHORTEST_SPAN = 3
"""Steps that the fastest filter of a memory looks back over, where spans are given."""


class PackSteps(keras.layers.Layer):
    """The frames of the real steps, without padding: `[b, t, y, x, c]` -> `[frame, y, x, c]`.

    Frames follow one another by sample, then by time. Statistics over them know no padding.
    """

    def call(self, values: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        """Take the frames of `values` where `steps` (bool `[b, t]`) holds."""
        return tf.boolean_mask(values, steps)

    def compute_output_shape(
        self, values_shape: tuple[int | None, ...], steps_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Any number of frames of the values' size."""
        return (None, *values_shape[2:])


class ConvBlock(keras.layers.Layer):
    """Convolution 3 x 3, batch normalisation, ReLU (method section 8, steps 3, 4 and 6).

    In training the statistics are those of the images given, and the moving averages take the
    batch variance with Bessel's correction. In inference the normalisation is folded into the
    kernel, so that a block costs one convolution.
    """

    def __init__(
        self, filters: int, *, momentum: float = 0.99, seed: int | None = None, name: str
    ) -> None:
        """Settle everything but the number of input channels.

        Args:
            filters: number of output channels.
            momentum: share of the old moving average that stays.
            seed: of the initial kernel.
            name: name of the layer, and of its weights in an artifact.
        """
        super().__init__(name=name)
        self.filters = filters
        self.momentum = momentum
        self.kernel_initialiser = keras.initializers.GlorotUniform(seed)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Create the weights for inputs `[image, y, x, c]`."""
        size = (self.filters,)
        self.kernel = self.add_weight(
            shape=(3, 3, input_shape[-1], self.filters),
            initializer=self.kernel_initialiser,
            name="kernel",
        )
        self.bias = self.add_weight(shape=size, initializer="zeros", name="bias")
        self.gamma = self.add_weight(shape=size, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=size, initializer="zeros", name="beta")
        self.moving_mean = self.add_weight(
            shape=size, initializer="zeros", trainable=False, name="moving_mean"
        )
        self.moving_variance = self.add_weight(
            shape=size, initializer="ones", trainable=False, name="moving_variance"
        )

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Turn images `[image, y, x, c]` into features `[image, y, x, filters]`."""
        if not training:
            kernel, shift = self.folded()
            return tf.nn.relu(_convolve(images, kernel) + shift)
        kernel, bias, gamma, beta = map(
            tf.convert_to_tensor, (self.kernel, self.bias, self.gamma, self.beta)
        )
        if compiled := convblock():
            convolve = compiled.convolve if compiled.wide else _convolve
            convolved = convolve(images, kernel)
            features, mean, variance = compiled.normalise(convolved, bias, gamma, beta, EPSILON)
        else:
            convolved = tf.nn.bias_add(_convolve(images, kernel), bias)
            normalised, mean, variance = tf.compat.v1.nn.fused_batch_norm(
                convolved, gamma, beta, epsilon=EPSILON, is_training=True
            )
            features = tf.nn.relu(normalised)
        self._follow(self.moving_mean, mean)
        self._follow(self.moving_variance, variance)
        return features

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The images' size with `filters` channels."""
        return (*input_shape[:-1], self.filters)

    def folded(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Kernel and shift of the convolution that the block is in inference."""
        scale = self.gamma * tf.math.rsqrt(self.moving_variance + EPSILON)
        return self.kernel * scale, self.beta + (self.bias - self.moving_mean) * scale

    def _follow(self, average: keras.Variable, value: tf.Tensor) -> None:
        average.assign(average * self.momentum + value * (1 - self.momentum))


class ConvLSTM(keras.layers.Layer):
    """Convolutional LSTM over packed frames; gives the output after the last real step.

    Gates in the order input, forget, cell, output; hard sigmoid `clip(0.2 z + 0.5, 0, 1)` on
    input, forget and output gates; recurrent dropout with one mask per gate, drawn once per batch
    and shared by all steps (method section 8.1). A sample without any real step gives zeros.
    """

    def __init__(
        self,
        filters: int,
        *,
        dropout: float = 0.0,
        span: int | None = None,
        seed: int | None = None,
        name: str,
    ) -> None:
        """Settle everything but the number of input channels.

        Args:
            filters: number of output channels.
            dropout: recurrent dropout in training.
            span: steps that the slowest filter looks back over at first; None opens all forget
                gates equally, as published.
            seed: of initial kernels and dropout masks.
            name: name of the layer, and of its weights in an artifact.
        """
        super().__init__(name=name)
        self.filters = filters
        self.dropout = dropout
        self.kernel_initialiser = keras.initializers.GlorotUniform(seed)
        self.recurrent_initialiser = keras.initializers.Orthogonal(seed=seed)
        self.bias_initialiser = _forget_bias if span is None else partial(_span_bias, span)
        self.masks = keras.random.SeedGenerator(seed) if dropout else None

    def build(
        self, frames_shape: tuple[int | None, ...], steps_shape: tuple[int | None, ...]
    ) -> None:
        """Create the weights for frames `[frame, y, x, c]`."""
        gates = 4 * self.filters
        self.kernel = self.add_weight(
            shape=(3, 3, frames_shape[-1], gates),
            initializer=self.kernel_initialiser,
            name="kernel",
        )
        self.recurrent_kernel = self.add_weight(
            shape=(3, 3, self.filters, gates),
            initializer=self.recurrent_initialiser,
            name="recurrent_kernel",
        )
        self.bias = self.add_weight(shape=(gates,), initializer=self.bias_initialiser, name="bias")

    def call(self, frames: tf.Tensor, steps: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Fold frames in time.

        Args:
            frames: `[frame, y, x, c]`, as `PackSteps` gives them for `steps`.
            steps: bool `[b, t]`, true for real steps.
            training: whether dropout applies and a gradient of all steps will be asked for.

        Returns:
            `[b, y, x, filters]`.
        """
        kernel = tf.convert_to_tensor(self.recurrent_kernel)
        if training and self.masks is None and (fold := folding()):
            both = tf.concat([tf.convert_to_tensor(self.kernel), kernel], axis=2)
            return fold(frames, steps, both, tf.convert_to_tensor(self.bias))
        inputs = self.gate_inputs(frames)
        layout = Layout.of(steps)
        if not training:
            return recur(inputs, kernel, layout)
        return recur_with_gradient(inputs, kernel, layout, self._dropout_masks(inputs, layout))

    def gate_inputs(self, frames: tf.Tensor) -> tf.Tensor:
        """What the frames add to the gates: `[frame, y, x, c]` -> `[frame, y, x, 4 filters]`."""
        convolved = _convolve(frames, tf.convert_to_tensor(self.kernel))
        return tf.nn.bias_add(convolved, tf.convert_to_tensor(self.bias))

    def compute_output_shape(
        self, frames_shape: tuple[int | None, ...], steps_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """One image of `filters` channels per sample."""
        return (steps_shape[0], *frames_shape[1:-1], self.filters)

    def _dropout_masks(self, inputs: tf.Tensor, layout: Layout) -> tf.Tensor | None:
        """One mask per gate, scaled so that the mean stays: `[gate, b, y, x, filters]`."""
        if self.masks is None:
            return None
        samples = tf.shape(layout.lengths)[0]
        shape = (4, samples, *tf.unstack(tf.shape(inputs)[1:-1]), self.filters)
        drawn = tf.random.stateless_uniform(shape, tf.cast(self.masks.next(), tf.int32))
        return tf.cast(drawn >= self.dropout, tf.float32) / (1 - self.dropout)


def _convolve(images: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """Convolve images `[image, y, x, c]`, of which there may be none."""
    shape = tf.concat([tf.shape(images)[:-1], tf.shape(kernel)[-1:]], axis=0)
    return tf.cond(
        tf.size(images) > 0,
        lambda: tf.nn.conv2d(images, kernel, strides=1, padding="SAME"),
        # TensorFlow's own convolution of nothing has the input's number of channels.
        lambda: tf.zeros(shape),
    )


def _forget_bias(shape: tuple[int, ...], dtype: Any = None) -> tf.Tensor:
    """Zeros, and ones for the forget gate (the second quarter)."""
    quarter = shape[0] // 4
    parts = [tf.zeros(quarter), tf.ones(quarter), tf.zeros(2 * quarter)]
    return tf.cast(tf.concat(parts, axis=0), dtype or tf.float32)


def _span_bias(span: int, shape: tuple[int, ...], dtype: Any = None) -> tf.Tensor:
    """Biases by which each filter begins as a running mean over a span of its own.

    With forget gates at 1 - 1/T and input gates at 1/T a memory is a mean over about T steps
    (Tallec and Ollivier, ICLR 2018, with the gates' hard sigmoid); T goes from `SHORTEST_SPAN` to
    `span` in equal ratios. Of forget gates that all begin at 0.7, none remembers what was ten
    steps ago, and a short training hardly gets them there.
    """
    spans = np.geomspace(SHORTEST_SPAN, span, shape[0] // 4)
    forget = (0.5 - 1 / spans) / 0.2
    return tf.constant(np.concatenate([-forget, forget, 0 * spans, 0 * spans]), dtype or tf.float32)
