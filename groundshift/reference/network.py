"""The published networks: their weights, their step mask, their batch statistics.

Differences from `groundshift.models.networks`, all of which the published weights grew up with
(method section 8.2): whether a step counts is read from one pixel of one band (Q13), padding takes
part in batch statistics (Q14), and the per-step blocks follow the batch statistics twice (Q26).
"""

from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from groundshift.domain.eras import era as find_era
from groundshift.models.layers import PackSteps
from groundshift.models.networks import NetworkSpec, assign_weights, branches, head
from groundshift.reference.weights import path

PADDING = -1.0
"""Value of every pixel and channel of a padded step."""

TWICE_FOLLOWED = 0.99**2
"""Momentum whose one update equals the published blocks' two (Q26)."""

_GROUPS = {
    "s12": {
        "radar_block_1": "conv_sar_10",
        "optical_block_1": "conv_opt_26_1",
        "optical_block_2": "conv_opt_26_2",
        "radar_memory": "conv_lstm_10_1",
        "optical_memory": "conv_lstm_opt_26_1",
        "head_1": "conv_opt_2_8_1_seq",
        "head_2": "conv_opt_2_8_2_seq",
        "output": "conv_out_ebbi_sar_opt",
    },
    "ers12ls5": {
        "radar_block_1": "conv_sar_4",
        "optical_block_1": "conv_opt_20_1",
        "optical_block_2": "conv_opt_20_2",
        "radar_memory": "conv_lstm_4_1",
        "optical_memory": "conv_lstm_opt_20_1",
        "head_1": "conv_opt_2_8_1_seq",
        "head_2": "conv_opt_2_8_2_seq",
        "output": "conv_out_ebbi_sar_opt",
    },
}
"""Group of the weight file for every layer (method section 8.3)."""


def load_network(era: str, *, shape: tuple[int, int], dropout: float = 0.0) -> keras.Model:
    """The published network of an era with the published weights.

    Args:
        era: `s12` or `ers12ls5`.
        shape: rows and columns of the images.
        dropout: recurrent dropout in training; 0.4 was published, 0 makes training repeatable.

    Returns:
        A model of float32 `[b, t, y, x, channel]` (ascending radar, descending radar, optical;
        raw values; padded steps -1 everywhere) to scores `[b, y, x]`.

    Raises:
        SettingsError: there is no such era.
        SourceError: the weight files are not installed.
    """
    model = build(era, shape=shape, dropout=dropout)
    assign_weights(model, read_weights(era))
    return model


def build(era: str, *, shape: tuple[int, int], dropout: float = 0.0) -> keras.Model:
    """The published network with initial weights; see `load_network`."""
    spec = NetworkSpec.of_era(find_era(era).name, dropout=dropout)
    values = keras.Input((None, *shape, spec.channels), name="values")
    steps = StepMask(name="steps")(values)
    images = FoldSteps(name="images")(values)
    memories = []
    for branch in branches(spec, momentum=TWICE_FOLLOWED):
        features = images[..., branch.channels]
        for block in branch.blocks:
            features = block(features)
        unfolded = UnfoldSteps(name=f"{branch.role}_steps")(features, steps)
        frames = PackSteps(name=f"{branch.role}_frames")(unfolded, steps)
        memories.append(branch.memory(frames, steps))
    return keras.Model(values, head(memories, spec, None), name=f"published_{era}")


def read_weights(era: str) -> dict[str, NDArray[np.float32]]:
    """The published weights by this library's names, as `networks.weights` gives them."""
    return _read_file(path(era), _GROUPS[find_era(era).name])


class StepMask(keras.layers.Layer):
    """Which steps count: `[b, t, y, x, c]` -> bool `[b, t]`, from pixel (0, 0) alone (Q13)."""

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """A step counts if its corner is no padding and its first radar band there is not 0."""
        corner = values[:, :, 0, 0, :]
        real = tf.reduce_any(corner != PADDING, axis=-1)
        return real & (corner[..., 0] != 0)

    def compute_output_spec(self, values: keras.KerasTensor) -> keras.KerasTensor:
        """Booleans by sample and step."""
        return keras.KerasTensor(values.shape[:2], dtype="bool")


class FoldSteps(keras.layers.Layer):
    """All steps as images, padding included: `[b, t, y, x, c]` -> `[b t, y, x, c]` (Q14)."""

    def call(self, values: tf.Tensor) -> tf.Tensor:
        """Merge samples and steps."""
        return tf.reshape(values, (-1, *values.shape[2:]))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Any number of images."""
        return (None, *input_shape[2:])


class UnfoldSteps(keras.layers.Layer):
    """Images as samples and steps again: `[b t, y, x, c]` -> `[b, t, y, x, c]`."""

    def call(self, images: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
        """Split by the shape of `steps` `[b, t]`."""
        shape = tf.concat([tf.shape(steps), tf.shape(images)[1:]], axis=0)
        return tf.ensure_shape(tf.reshape(images, shape), (None, None, *images.shape[1:]))

    def compute_output_shape(
        self, images_shape: tuple[int | None, ...], steps_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        """Samples, steps, and the images' size."""
        return (*steps_shape, *images_shape[1:])


def _read_file(file: Path, groups: dict[str, str]) -> dict[str, NDArray[np.float32]]:
    """Weights of every layer by `layer/weight`; names inside the file's groups are unique."""
    found: dict[str, NDArray[np.float32]] = {}
    with h5py.File(file) as document:
        for layer, group in groups.items():

            def collect(name: str, node: h5py.HLObject, layer: str = layer) -> None:
                if isinstance(node, h5py.Dataset):
                    weight = name.rsplit("/", 1)[-1].removesuffix(":0")
                    found[f"{layer}/{weight}"] = np.asarray(node, np.float32)

            document["model_weights"][group].visititems(collect)
    return found
