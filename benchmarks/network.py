"""Seconds per training step and per scored batch: this network against Keras's own layers.

    python -m benchmarks.network [--threads 2]

Both are the network of method section 8 with the same masks; the Keras one uses `TimeDistributed`
blocks and `ConvLSTM2D`, which computes on padding too. CPU seconds are the steadier number on a
machine that is shared.
"""

import time
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
import typer

from groundshift.models.losses import tanimoto_with_complement
from groundshift.models.networks import NetworkSpec, build


class Case(NamedTuple):
    """A batch and the network for it."""

    name: str
    spec: NetworkSpec
    samples: int
    steps: int
    edge: int
    shortest: float
    """Steps of the shortest sample as a share of the longest."""


CASES = (
    Case("tiny", NetworkSpec(4, 10, 4, 8), 16, 46, 16, 1.0),
    Case("tiny, half of the steps padding at most", NetworkSpec(4, 10, 4, 8), 16, 61, 16, 0.5),
    Case("published s12", NetworkSpec.of_era("s12"), 2, 92, 32, 1.0),
)


def keras_network(case: Case) -> keras.Model:
    """The same network from Keras's own layers."""
    spec = case.spec
    values = keras.Input((case.steps, case.edge, case.edge, spec.channels), name="values")
    steps = keras.Input((case.steps,), dtype="bool", name="steps")
    branches = []
    for channels, filters, blocks in (
        (slice(0, spec.radar_channels), spec.radar_filters, 1),
        (slice(spec.radar_channels, None), spec.optical_filters, 2),
    ):
        features = values[..., channels]
        for _ in range(blocks):
            convolution = keras.layers.Conv2D(filters, 3, padding="same")
            features = keras.layers.TimeDistributed(convolution)(features)
            features = keras.layers.ReLU()(keras.layers.BatchNormalization()(features))
        memory = keras.layers.ConvLSTM2D(
            filters,
            3,
            padding="same",
            recurrent_activation=lambda z: keras.ops.clip(0.2 * z + 0.5, 0, 1),
        )
        branches.append(memory(features, mask=steps))
    merged = keras.layers.Concatenate()(branches)
    for _ in range(2):
        merged = keras.layers.Conv2D(spec.head_filters, 3, padding="same")(merged)
        merged = keras.layers.ReLU()(keras.layers.BatchNormalization()(merged))
    score = keras.layers.Conv2D(1, 1, activation="sigmoid")(merged)
    return keras.Model({"values": values, "steps": steps}, keras.ops.squeeze(score, axis=-1))


def measure(network: keras.Model, case: Case) -> dict[str, tuple[float, float]]:
    """Best wall and CPU seconds of a training step and of scoring a batch, after compilation."""
    generator = np.random.default_rng(0)
    shape = (case.samples, case.steps, case.edge, case.edge, case.spec.channels)
    lengths = np.linspace(case.shortest, 1, case.samples) * case.steps
    given = {
        "values": tf.constant(generator.normal(size=shape), tf.float32),
        "steps": tf.constant(np.arange(case.steps) < lengths[:, np.newaxis]),
    }
    labels = tf.constant(generator.random((case.samples, case.edge, case.edge)) < 0.1, tf.float32)
    optimiser = keras.optimizers.Adam(1e-3)
    optimiser.build(network.trainable_variables)

    @tf.function
    def train() -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = tanimoto_with_complement(labels, network(given, training=True))
        gradients = tape.gradient(loss, network.trainable_variables)
        optimiser.apply(gradients, network.trainable_variables)
        return loss

    @tf.function
    def score() -> tf.Tensor:
        return network(given, training=False)

    return {"train": _best(train), "score": _best(score)}


def _best(run: Callable[[], Any], repeats: int = 5) -> tuple[float, float]:
    run()
    seconds = []
    for _ in range(repeats):
        wall, processor = time.perf_counter(), time.process_time()
        run().numpy()
        seconds.append((time.perf_counter() - wall, time.process_time() - processor))
    return min(s[0] for s in seconds), min(s[1] for s in seconds)


def main(
    threads: Annotated[int, typer.Option(help="Threads inside and between operations.")] = 2,
) -> None:
    """Print seconds for every case."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    for case in CASES:
        shape = f"{case.samples} x {case.steps} x {case.edge} x {case.edge} x {case.spec.channels}"
        typer.echo(f"{case.name}: batch {shape}")
        for name, network in (("ours", build(case.spec, seed=0)), ("Keras", keras_network(case))):
            for what, (wall, processor) in measure(network, case).items():
                typer.echo(f"  {name:5s} {what}: {wall:.3f} s, {processor:.3f} s of CPU")


if __name__ == "__main__":
    typer.run(main)
