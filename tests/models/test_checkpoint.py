import keras
import numpy as np
import pytest
import tensorflow as tf

from groundshift.models.checkpoint import Progress, restore, save
from groundshift.models.networks import NetworkSpec, build, weights

SPEC = NetworkSpec.of_preset("tiny", radar_channels=1, optical_channels=1, dropout=0.3)


def made(seed):
    network = build(SPEC, seed=seed)
    optimiser = keras.optimizers.Adam(0.01)
    optimiser.build(network.trainable_variables)
    return network, optimiser


def step(network, optimiser):
    """One training step; dropout draws from the network's own state."""
    values = np.random.default_rng(0).normal(size=(2, 3, 5, 5, 2)).astype(np.float32)
    with tf.GradientTape() as tape:
        scores = network({"values": values, "steps": np.ones((2, 3), bool)}, training=True)
        loss = tf.reduce_mean(scores**2)
    gradients = tape.gradient(loss, network.trainable_variables)
    optimiser.apply(gradients, network.trainable_variables)


def test_training_goes_on_from_a_checkpoint_as_if_nothing_had_happened(tmp_path):
    path = tmp_path / "member_0.safetensors"
    network, optimiser = made(1)
    step(network, optimiser)
    row = {"epoch": 1, "loss": 0.1 + 0.2, "validation_pr_auc": None}
    progress = Progress(1, 0, 0.25, [row], weights(network))
    save(path, progress, network, optimiser)
    step(network, optimiser)

    resumed, other_optimiser = made(2)
    found = restore(path, resumed, other_optimiser)
    assert (found.epoch, found.best_epoch, found.best_value) == (1, 0, 0.25)
    assert found.history == [row]
    for name, array in progress.best.items():
        np.testing.assert_array_equal(found.best[name], array)
    step(resumed, other_optimiser)
    for one, two in zip(network.variables, resumed.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())
    for one, two in zip(optimiser.variables, other_optimiser.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), two.numpy())


def test_nothing_is_restored_from_nothing(tmp_path):
    (tmp_path / "member_0.partial").write_bytes(b"killed while writing")
    assert restore(tmp_path / "member_0.safetensors", *made(0)) is None


@pytest.mark.parametrize(
    ("epoch", "best", "patience", "finished"),
    [(0, -1, 2, False), (3, 2, 2, False), (4, 2, 2, False), (5, 2, 2, True), (9, 0, 0, False)],
)
def test_patience_counts_epochs_since_the_best(epoch, best, patience, finished):
    assert Progress(epoch, best).finished(10, patience) is finished
    assert Progress(10, best).finished(10, patience) is True
