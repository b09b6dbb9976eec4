import dataclasses
import math

import numpy as np
import pytest

from groundshift.errors import SettingsError
from groundshift.models.checkpoint import Progress
from groundshift.models.inputs import fit_inputs
from groundshift.models.networks import NetworkSpec
from groundshift.models.training import Epoch, Training
from groundshift.samples.loader import Loader
from groundshift.settings import TrainSettings

SETTINGS = TrainSettings(epochs=3, batch=8, members=2, stride=3, dropout=0.2, seed=5)


def training(indexed, scratch, settings=SETTINGS):
    samples, cube = indexed
    patches = samples.splits[samples.splits["split"] == "training"]
    inputs = fit_inputs(cube.signature, cube.cells, patches, features=settings.features)
    spec = NetworkSpec.of_preset(
        "tiny",
        radar_channels=inputs.channels("radar"),
        optical_channels=inputs.channels("optical"),
        dropout=settings.dropout,
    )
    loaders = (
        Loader(samples, cube, "training", batch=8, stride=settings.stride, augment=True),
        Loader(samples, cube, "validation", batch=8, stride=settings.validation_stride),
    )
    scratch.mkdir(exist_ok=True)
    return Training(spec, inputs, *loaders, settings, scratch)


@pytest.fixture(scope="module")
def undisturbed(indexed, tmp_path_factory):
    found = training(indexed, tmp_path_factory.mktemp("scratch"))
    list(found.run())
    return found


def test_an_ensemble_learns(undisturbed):
    assert len(undisturbed.members) == 2
    first, second = undisturbed.members
    assert not np.array_equal(first["output/kernel"], second["output/kernel"])
    assert [(e.member, e.epoch) for e in undisturbed.history] == [
        (m, e) for m in (0, 1) for e in (1, 2, 3)
    ]
    losses = [epoch.loss for epoch in undisturbed.history if epoch.member == 0]
    assert losses[-1] < losses[0]
    rates = [epoch.learning_rate for epoch in undisturbed.history[:3]]
    assert SETTINGS.learning_rate > rates[0] > rates[1] > rates[2]


def test_the_best_epoch_of_each_member_is_kept(undisturbed):
    for member, best in enumerate(undisturbed.best):
        rows = [epoch for epoch in undisturbed.history if epoch.member == member]
        assert best == min(rows, key=lambda epoch: epoch.validation_loss)


@pytest.mark.parametrize("done", [2, 4])
def test_an_interrupted_run_ends_the_same(indexed, undisturbed, tmp_path, done):
    interrupted = training(indexed, tmp_path / "scratch").run()
    for _ in range(done):
        next(interrupted)
    interrupted.close()
    resumed = training(indexed, tmp_path / "scratch")
    assert len(list(resumed.run())) == 6 - done
    assert resumed.history == undisturbed.history
    for one, two in zip(resumed.members, undisturbed.members, strict=True):
        for name, array in one.items():
            np.testing.assert_array_equal(array, two[name])


def test_a_loss_that_is_no_number_stops_training(indexed, tmp_path):
    diverging = training(indexed, tmp_path / "scratch")
    diverging._step = lambda *given: math.nan
    with pytest.raises(SettingsError, match=r"member 0 diverged in epoch 1.*learning_rate"):
        next(diverging.run())


def test_selecting_by_pr_auc_needs_changed_pixels(indexed, tmp_path):
    settings = SETTINGS.model_copy(update={"select": "pr_auc"})
    selecting = training(indexed, tmp_path / "scratch", settings)
    epoch = Epoch(0, 1, 0.3, 0.4, 0.6, 0.001)
    progress = Progress()
    selecting._note(progress, epoch)
    assert progress.best_value == -0.6
    with pytest.raises(SettingsError, match=r"Set train\.select=loss"):
        selecting._note(progress, dataclasses.replace(epoch, validation_pr_auc=None))


def test_presets_train_as_published_unless_told_otherwise():
    settings = TrainSettings(preset="s12", epochs=7)
    assert (settings.optimiser, settings.learning_rate, settings.dropout) == ("sgd", 0.001, 0.4)
    assert (settings.epochs, settings.batch, settings.features) == (7, 32, ("level",))
    assert (settings.augment, settings.paste, settings.jitter, settings.border) == (False, 0, 0, 1)
    assert TrainSettings().optimiser == "adam"
