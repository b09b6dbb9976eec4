"""The network's work, and the same by Keras' own layers on padded windows (method section 8).

Used by `benchmarks.bench`. Keras' network is `TimeDistributed` blocks and `ConvLSTM2D`, which
compute on padding too; both have the same weights. Inputs are in memory: reading is left out.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from groundshift.models.compiled import stepper
from groundshift.models.footprint import MEMORY, groups
from groundshift.models.losses import tanimoto_with_complement
from groundshift.models.networks import NetworkSpec, build, weights
from groundshift.models.walk import Images, Spans
from groundshift.reference import published_detector

TILE = 32
"""Edge of the tiles that the published system scores and trains on."""
HALO = 17
"""Influence radius of the published network."""
DIRECT = 9 * (4 * 10 + 13 * 26 + 26 * 26 + 2 * (10 * 40 + 26 * 104))
"""Multiplications of the plain convolutions of one pixel and step."""


@dataclass(frozen=True)
class Work:
    """Windows to score or to train on.

    Attributes:
        steps: of the longest window, to which Keras' batches are padded.
        stride: steps from one window to the next.
        windows: number of windows in time.
        block: edge of the block they are mapped on, without its halo.
        batch: windows in a batch of tiles.
    """

    steps: int
    stride: int
    windows: int
    block: int
    batch: int

    @property
    def ranges(self) -> NDArray[np.int64]:
        """Half-open ranges of steps, [window, 2]; one in three is as long as can be."""
        first = self.stride * np.arange(self.windows)
        shorter = (np.arange(self.windows) * 7) % 3 * self.steps // 10
        return np.stack([first, first + self.steps - shorter], axis=1)

    @property
    def tiles(self) -> int:
        """Tiles of the published size on the block."""
        return (self.block // TILE) ** 2

    @property
    def products(self) -> float:
        """As `products_of`, on the block with its halo."""
        return products_of(self.ranges, self.block)


def together(ranges: NDArray[np.int64], block: int) -> list[NDArray[np.int64]]:
    """The windows in groups, as `map_cell` scores them on a block within its memory."""
    detector = published_detector("s12")
    pixels = (block + 2 * HALO) ** 2
    return [ranges[each] for each in groups(detector, ranges, pixels, (block, block), MEMORY)]


def products_of(ranges: NDArray[np.int64], block: int) -> float:
    """Multiplications of the convolutions of some windows on a block with its halo, as we do them.

    Windows that are scored together make those of a frame once.

    Args:
        ranges: half-open ranges of steps, [window, 2].
        block: edge in pixels, without the halo.
    """
    spec = NetworkSpec.of_era("s12")
    radar, optical = spec.radar_filters, spec.optical_filters
    frame = spec.radar_channels * radar + 4 * radar**2
    frame += spec.optical_channels * optical + optical**2 + 4 * optical**2
    recurrent = 4 * radar**2 + 4 * optical**2
    steps = float((ranges[:, 1] - ranges[:, 0]).sum())
    shared = float(sum(np.ptp(group) for group in together(ranges, block)))
    winograd = 36 / 16
    return winograd * (recurrent * steps + frame * shared) * (block + 2 * HALO) ** 2


FRAMES = 8
"""Different frames, shown in turn, so that memory is that of the work."""


def frames_of(edge: int) -> NDArray[np.float32]:
    """Frames [frame, y, x, channel]; step t shows frame t modulo their number."""
    values = np.random.default_rng(0).random((FRAMES, edge, edge, 17), np.float32)
    values[..., :4] *= 0.2
    return values


def our_mapping(work: Work) -> Callable[[], NDArray[np.float32]]:
    """All windows of a block with its halo, a group at a time."""
    (network,) = published_detector("s12").networks
    ours = stepper(network)
    frames = frames_of(work.block + 2 * HALO)
    chosen = together(work.ranges, work.block)

    def run() -> NDArray[np.float32]:
        scores = [ours.score(_spans(frames, ranges), ranges) for ranges in chosen]
        return np.concatenate(scores)[:, HALO:-HALO, HALO:-HALO]

    return run


def our_tile(work: Work) -> Callable[[], NDArray[np.float32]]:
    """The first windows of one tile without context, as Keras is given them."""
    (network,) = published_detector("s12").networks
    ours, frames, ranges = stepper(network), frames_of(TILE), work.ranges[: work.batch]
    return lambda: ours.score(_spans(frames, ranges), ranges)


def keras_tile(work: Work) -> Callable[[], NDArray[np.float32]]:
    """`predict` on the first windows of one tile, padded to the longest."""
    network = keras_network(NetworkSpec.of_era("s12"), work.steps, (TILE, TILE))
    assign(network, weights(published_detector("s12").networks[0]))
    frames = frames_of(TILE)
    values, steps = padded(
        [frames[np.arange(*span) % FRAMES] for span in work.ranges[: work.batch]], work.steps
    )
    return lambda: np.asarray(network.predict({"values": values, "steps": steps}, verbose=0))


Check = Literal["", "initial", "published", "apart"]
"""The weights that gradients are compared with: none; those at the beginning; the published ones;
those at the beginning, but no value before a ReLU comes near its bend, so that none gets or loses
its slope by the last digit."""
CHECKS: tuple[Check, ...] = ("apart", "initial", "published")


def our_training(work: Work, check: Check = "") -> Callable[[], Any]:
    """Training steps on one batch; or loss and gradients of the first."""
    network = build(NetworkSpec.of_era("s12"), seed=0)
    assign(network, first_weights(check))
    return _training(network, work, check, fit=False)


def keras_training(work: Work, check: Check = "", double: bool = False) -> Callable[[], Any]:
    """`fit` on the same batch, padded to the longest a window may be; with float64 if wanted."""
    arrays = first_weights(check)
    if double:
        keras.config.set_floatx("float64")
        keras.config.set_dtype_policy("float64")
    network = keras_network(NetworkSpec.of_era("s12"), work.steps, (TILE, TILE))
    assign(network, arrays)
    return _training(network, work, check, fit=True)


def first_weights(check: Check) -> dict[str, NDArray[np.float32]]:
    """Weights to begin with; apart, values are normalised to 1 or -1 and 0.1 around it."""
    if check == "published":
        return weights(published_detector("s12").networks[0])
    arrays = weights(build(NetworkSpec.of_era("s12"), seed=0))
    if check == "apart":
        for name, values in arrays.items():
            if name.endswith("/gamma"):
                arrays[name] = np.full_like(values, 0.1)
            elif name.endswith("/beta"):
                arrays[name] = np.where(np.arange(len(values)) % 4 == 3, -1, 1).astype(np.float32)
    return arrays


def _training(network: keras.Model, work: Work, check: Check, *, fit: bool) -> Callable[[], Any]:
    values, steps, labels = training_batch(work, equal_length=bool(check))
    rate = 1e-5
    network.compile(optimizer=keras.optimizers.SGD(rate, momentum=0.8), loss=_loss)
    optimiser = network.optimizer
    optimiser.build(network.trainable_variables)

    @tf.function(reduce_retracing=True)
    def step(given: dict[str, tf.Tensor], labels: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            loss = tanimoto_with_complement(labels, network(given, training=True))
        gradients = tape.gradient(loss, network.trainable_variables)
        optimiser.apply(gradients, network.trainable_variables)
        return loss, gradients

    tensors = {"values": tf.constant(values, keras.config.floatx()), "steps": tf.constant(steps)}
    if check:
        loss, gradients = step(tensors, tf.constant(labels))
        by_name = {
            _name(variable): gradient.numpy()
            for variable, gradient in zip(network.trainable_variables, gradients, strict=True)
        }
        return lambda: (float(loss), by_name)
    if fit:
        given = {"values": values, "steps": steps}
        return lambda: network.fit(given, labels, batch_size=work.batch, verbose=0) and None
    return lambda: step(tensors, tf.constant(labels))[0].numpy() and None


def training_batch(work: Work, equal_length: bool) -> tuple[Any, Any, Any]:
    """Values, real steps and labels of a batch of tiles of a window each."""
    rng = np.random.default_rng(1)
    ranges = work.ranges[: work.batch]
    lengths = np.full(len(ranges), work.steps) if equal_length else ranges[:, 1] - ranges[:, 0]
    series = [rng.random((length, TILE, TILE, 17), np.float32) for length in lengths]
    values, steps = padded(series, work.steps)
    labels = (rng.random((len(lengths), TILE, TILE)) < 0.1).astype(np.float32)
    return values, steps, labels


def padded(
    series: list[NDArray[np.float32]], length: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Windows [t, y, x, channel] as one array with -1 behind, and which steps are real."""
    values = np.full((len(series), length, *series[0].shape[1:]), -1, np.float32)
    steps = np.zeros((len(series), length), bool)
    for number, window in enumerate(series):
        values[number, : len(window)] = window
        steps[number, : len(window)] = True
    return values, steps


def keras_network(spec: NetworkSpec, longest: int, shape: tuple[int, int]) -> keras.Model:
    """The same network from Keras' own layers."""
    values = keras.Input((longest, *shape, spec.channels), name="values")
    steps = keras.Input((longest,), dtype="bool", name="steps")
    branches = []
    for role, channels, filters, blocks in (
        ("radar", slice(0, spec.radar_channels), spec.radar_filters, 1),
        ("optical", slice(spec.radar_channels, None), spec.optical_filters, 2),
    ):
        features = values[..., channels]
        for number in range(1, blocks + 1):
            convolution = keras.layers.Conv2D(filters, 3, padding="same")
            wrapped = keras.layers.TimeDistributed(convolution, name=f"{role}_block_{number}")
            normal = keras.layers.BatchNormalization(name=f"{role}_block_{number}_normal")
            features = keras.layers.ReLU()(normal(wrapped(features)))
        memory = keras.layers.ConvLSTM2D(
            filters,
            3,
            padding="same",
            recurrent_activation=lambda z: keras.ops.clip(0.2 * z + 0.5, 0, 1),
            name=f"{role}_memory",
        )
        branches.append(memory(features, mask=steps))
    merged = keras.layers.Concatenate()(branches)
    for number in (1, 2):
        merged = keras.layers.Conv2D(spec.head_filters, 3, padding="same", name=f"head_{number}")(
            merged
        )
        normal = keras.layers.BatchNormalization(name=f"head_{number}_normal")
        merged = keras.layers.ReLU()(normal(merged))
    score = keras.layers.Conv2D(1, 1, activation="sigmoid", name="output")(merged)
    return keras.Model({"values": values, "steps": steps}, keras.ops.squeeze(score, axis=-1))


def assign(network: keras.Model, arrays: dict[str, NDArray[np.float32]]) -> None:
    """Give a network of Keras' layers the weights of one of ours."""
    for variable in network.weights:
        variable.assign(arrays[_name(variable)])


def _name(variable: keras.Variable) -> str:
    """Our name `layer/weight` of a network's variable, ours or Keras'."""
    layer, *_, weight = variable.path.split("/")
    return f"{layer.removesuffix('_normal')}/{weight}"


def _loss(labels: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    return tanimoto_with_complement(labels, scores)


def _spans(frames: NDArray[np.float32], ranges: NDArray[np.int64]) -> Spans:
    """What the branches see in the steps of some windows."""
    radar = NetworkSpec.of_era("s12").radar_channels
    shown = np.arange(ranges[:, 0].min(), ranges[:, 1].max()) % FRAMES
    parts = (frames[..., :radar], frames[..., radar:])
    return [[Images(part.__getitem__, shown) for part in parts]]
