"""Batches against the cube read plainly, in any order, turned and padded."""

import threading
import time
from itertools import pairwise

import numpy as np
import pytest

from groundshift.artifacts import writing
from groundshift.cube.store import CellCube
from groundshift.errors import ContractError, SettingsError
from groundshift.observations.store import Observations
from groundshift.samples.build import build
from groundshift.samples.labels.truth import dated_polygons
from groundshift.samples.loader import NEVER, Loader
from groundshift.samples.store import Samples
from tests.samples.ground import stage_settings


@pytest.fixture(scope="module")
def made(artifacts, tmp_path_factory):
    """Samples whose windows differ in length, and their cube."""
    return _made(artifacts, tmp_path_factory.mktemp("samples"))


@pytest.fixture(scope="module")
def triples(artifacts, tmp_path_factory):
    """Samples with neighbours, and their cube."""
    return _made(artifacts, tmp_path_factory.mktemp("triples"), kind="triple")


def _made(artifacts, folder, **chosen):
    patch = pytest.MonkeyPatch()
    patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
    cube = artifacts.opened
    settings = stage_settings(stride=4, **chosen)
    truth = dated_polygons(Observations.open(artifacts.observations).truth, where="test")
    inputs = {"cube": cube.manifest.content_hash}
    with writing(
        folder / "samples", "samples", area="test", settings=settings.affecting(), inputs=inputs
    ) as draft:
        build(cube, truth, settings, draft)
    patch.undo()
    return Samples.open(folder / "samples"), cube


def turns(image, y, x):
    """The eight ways to lay an array down, by mirror and quarter turn."""
    for mirrored in (False, True):
        for quarters in range(4):
            laid = np.rot90(image, quarters, axes=(y, x))
            yield np.flip(laid, x) if mirrored else laid


def expected(samples, cube, patch, window, which="truth"):
    """Values, ages, times and label of a sample, read step by step."""
    place = samples.splits.set_index("patch").loc[patch]
    rows, columns = slice(place.y0, place.y1), slice(place.x0, place.x1)
    cell = cube.cells[place.cell]
    row = samples.windows.query("id == @window and cell == @place.cell").iloc[0]
    streams = {
        stream.role: cell.read(cell.roles[stream.role], row["first"], row["stop"], rows, columns)
        for stream in cube.signature.streams
    }
    values = np.concatenate([frames.values for frames in streams.values()], axis=-1)
    ages = {role: frames.age_days for role, frames in streams.items()}
    label = samples.labels(place.cell, which, window, rows, columns)
    return values, ages, cell.times[row["first"] : row["stop"]], label


@pytest.mark.parametrize("which", ["truth", "synthetic"])
def test_batches_are_slices_of_the_cube(made, which):
    samples, cube = made
    loader = Loader(samples, cube, "validation", batch=7, labels=which)
    batches = list(loader.epoch())
    assert len(batches) == len(loader)
    assert sum(len(batch.labels) for batch in batches) == loader.samples
    longest = samples.windows.loc[samples.windows["complete"], "steps"].max()
    for batch in (batches[0], batches[-1]):
        assert batch.values.shape[1:] == (longest, 8, 8, cube.signature.channels)
        for i in (0, len(batch.labels) - 1):
            values, ages, times, label = expected(
                samples, cube, batch.patches[i], batch.windows[i], which
            )
            count = len(times)
            assert batch.steps[i].tolist() == [True] * count + [False] * (longest - count)
            np.testing.assert_array_equal(batch.values[i, :count], values)
            assert (batch.values[i, count:] == 0).all()
            np.testing.assert_allclose(batch.days[i, :count], times / 86400, atol=1e-2)
            np.testing.assert_array_equal(batch.labels[i], label)
            for role, stream in batch.streams.items():
                np.testing.assert_array_equal(stream.age_days[i, :count], ages[role])
                assert (stream.age_days[i, count:] == NEVER).all()
                assert (batch.valid[role][i] == (stream.age_days[i] >= 0)).all()


def test_every_sample_comes_once_in_an_order_the_generator_gives(made):
    samples, cube = made
    loader = Loader(samples, cube, "training", batch=16)

    def order(seed):
        batches = loader.epoch(np.random.default_rng(seed))
        return [
            pair
            for batch in batches
            for pair in zip(batch.patches.tolist(), batch.windows.tolist(), strict=True)
        ]

    first = order(1)
    assert first == order(1)
    assert first != order(2)
    assert sorted(first) == sorted(order(2))
    patches = (samples.splits["split"] == "training").sum()
    assert len(set(first)) == len(first) == patches * len(samples.windows_of("training"))


def test_augmentation_turns_inputs_and_labels_alike(made):
    samples, cube = made
    loader = Loader(samples, cube, "training", batch=32, augment=True)
    seen = set()
    for batch in loader.epoch(np.random.default_rng(3)):
        for i in range(len(batch.labels)):
            values, ages, times, label = expected(samples, cube, batch.patches[i], batch.windows[i])
            laid = [np.array_equal(v, batch.values[i, : len(times)]) for v in turns(values, 1, 2)]
            assert sum(laid) == 1
            turn = laid.index(True)
            seen.add(turn)
            np.testing.assert_array_equal(batch.labels[i], list(turns(label, 0, 1))[turn])
            for role, stream in batch.streams.items():
                turned = list(turns(ages[role], 1, 2))[turn]
                np.testing.assert_array_equal(stream.age_days[i, : len(times)], turned)
        if len(seen) == 8:
            break
    assert seen == set(range(8))


def test_a_patch_is_decoded_once_for_all_its_windows(made, monkeypatch):
    samples, cube = made
    decoded = []
    frames = CellCube.frames

    def counted(self, sensor, first, stop, rows, columns, bands=None):
        decoded.append((sensor, rows.start, columns.start))
        return frames(self, sensor, first, stop, rows, columns, bands)

    monkeypatch.setattr(CellCube, "frames", counted)
    loader = Loader(samples, cube, "training", batch=8)
    for seed in range(2):
        for _ in loader.epoch(np.random.default_rng(seed)):
            pass
    patches = (samples.splits["split"] == "training").sum()
    assert len(decoded) == len(set(decoded)) == patches * len(cube.roles)


def test_little_memory_gives_the_same_samples_and_decodes_a_patch_once_an_epoch(made, monkeypatch):
    samples, cube = made
    loader = Loader(samples, cube, "training", batch=5, shuffled=1)
    decoded = []
    monkeypatch.setattr(
        loader, "_patch_series", lambda p, load=loader._patch_series: decoded.append(p) or load(p)
    )
    pairs = {
        pair
        for batch in loader.epoch(np.random.default_rng(1))
        for pair in zip(batch.patches.tolist(), batch.windows.tolist(), strict=True)
    }
    assert len(pairs) == loader.samples
    changes = sum(a != b for a, b in pairwise(decoded))
    assert changes + 1 == (samples.splits["split"] == "training").sum()


def test_patches_that_memory_does_not_hold_are_decoded_again_in_the_same_order(made):
    samples, cube = made
    roomy, tight = (Loader(samples, cube, "training", batch=5, augment=True) for _ in range(2))
    tight.keep(1)
    epochs = [list(loader.epoch(np.random.default_rng(1))) for loader in (roomy, tight)]
    for one, other in zip(*epochs, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.labels, other.labels)


def test_memory_of_a_batch_is_used_again_once_nobody_holds_it(made):
    samples, cube = made
    loader = Loader(samples, cube, "training", batch=4, augment=True)
    reused = set()
    for batch in loader.epoch(np.random.default_rng(1)):
        reused.add(id(batch.streams["optical"].values.base))
    batches = loader.epoch(np.random.default_rng(1))
    held = next(batches).streams["optical"].values[1:2]  # a part keeps all of it
    before = held.copy()
    assert len(reused) < sum(1 for _ in batches)
    np.testing.assert_array_equal(held, before)


def test_a_stride_takes_every_nth_window(made):
    samples, cube = made
    loader = Loader(samples, cube, "test", batch=64, stride=3)
    windows = np.unique(np.concatenate([batch.windows for batch in loader.epoch()]))
    assert windows.tolist() == samples.windows_of("test")["id"].tolist()[::3]


def test_an_epoch_of_at_most_so_many_draws_others_each_time(made):
    samples, cube = made
    loader = Loader(samples, cube, "training", batch=4, at_most=6)
    assert (loader.samples, len(loader)) == (6, 2)

    def seen(generator):
        return [
            pair
            for batch in loader.epoch(generator)
            for pair in zip(batch.patches.tolist(), batch.windows.tolist(), strict=True)
        ]

    drawn = [seen(np.random.default_rng(seed)) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 6
    assert set(drawn[0]) != set(drawn[2])
    spaced = seen(None)
    every = Loader(samples, cube, "training", batch=4)
    known = [(p, w) for b in every.epoch() for p, w in zip(b.patches, b.windows, strict=True)]
    assert len(known) > 6
    places = [known.index(pair) for pair in spaced]
    assert (places[0], places[-1]) == (0, len(known) - 1)
    assert np.ptp(np.diff(places)) <= 1


def test_the_background_ends_with_the_reader(made):
    samples, cube = made
    batches = Loader(samples, cube, "training", batch=1).epoch()
    next(batches)
    assert any(thread.name == "loader" for thread in threading.enumerate())
    batches.close()
    deadline = time.monotonic() + 5
    while any(t.name == "loader" for t in threading.enumerate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not any(thread.name == "loader" for thread in threading.enumerate())


def test_an_error_in_the_background_reaches_the_reader(made, monkeypatch):
    samples, cube = made
    loader = Loader(samples, cube, "training", batch=4)
    monkeypatch.setattr(loader, "_patch_series", lambda patch: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        list(loader.epoch())


def test_another_cube_or_no_sample_is_refused(made):
    samples, cube = made
    other = Samples(samples.folder, samples.manifest)
    other.__dict__["splits"] = samples.splits[samples.splits["split"] != "test"]
    with pytest.raises(SettingsError, match="no test samples"):
        Loader(other, cube, "test", batch=4)
    other.manifest.inputs["cube"], kept = "another", other.manifest.inputs["cube"]
    with pytest.raises(ContractError, match="indexes the cube another"):
        Loader(other, cube, "training", batch=4)
    other.manifest.inputs["cube"] = kept


def labels_of(made, **chosen):
    """All labels of the training samples, by patch and window."""
    loader = Loader(*made, "training", batch=4, **chosen)
    return {
        (int(patch), int(window)): label
        for batch in loader.epoch()
        for patch, window, label in zip(batch.patches, batch.windows, batch.labels, strict=True)
    }


@pytest.mark.parametrize("control", ["labels", "time"])
def test_a_control_learns_from_labels_of_elsewhere_and_as_common(made, control):
    own, shuffled = labels_of(made), labels_of(made, control=control)
    assert own.keys() == shuffled.keys()
    patches, windows = (sorted({key[i] for key in own}) for i in (0, 1))
    moved = 0
    for (patch, window), label in shuffled.items():
        if control == "labels":
            other = (np.roll(patches, len(patches) // 2)[patches.index(patch)], window)
        else:
            other = (patch, np.roll(windows, len(windows) // 2)[windows.index(window)])
        np.testing.assert_array_equal(label, own[other])
        moved += other != (patch, window)
    assert moved == len(own)
    total = np.nansum(list(own.values()))
    assert np.nansum(list(shuffled.values())) == pytest.approx(total)


def test_neighbours_bring_their_mean_looks_turned_as_the_window(triples):
    samples, cube = triples
    plain = Loader(samples, cube, "training", batch=8, augment=True)
    loader = Loader(samples, cube, "training", batch=8, augment=True, neighbours=True)
    places, rows = samples.splits.set_index("patch"), samples.windows.set_index(["cell", "id"])
    pairs = zip(
        plain.epoch(np.random.default_rng(1)), loader.epoch(np.random.default_rng(1)), strict=True
    )
    for alone, batch in pairs:
        np.testing.assert_array_equal(batch.values, alone.values)
        assert list(batch.valid) == list(alone.valid)
        for i, patch in enumerate(batch.patches):
            place = places.loc[patch]
            cell, row = cube.cells[place.cell], rows.loc[(place.cell, batch.windows[i])]
            ground = (slice(place.y0, place.y1), slice(place.x0, place.x1))
            own = cell.read(cell.roles["optical"], row["first"], row["stop"], *ground).values
            shown = batch.streams["optical"].values[i, : len(own)]
            turn = next(k for k, laid in enumerate(turns(own, 1, 2)) if (laid == shown).all())
            for side, name in enumerate(("previous", "next")):
                looks = cell.read(
                    cell.roles["optical"], row[f"{name}_first"], row[f"{name}_stop"], *ground
                )
                count = looks.fresh.sum(axis=0)
                total = (looks.values * looks.fresh[..., None]).sum(axis=0)
                mean = total / np.maximum(count, 1)[..., None]
                found = batch.streams["optical_beside"]
                laid = list(turns(mean, 0, 1))[turn]
                np.testing.assert_allclose(found.values[i, side], laid, rtol=1e-5)
                known = list(turns(count > 0, 0, 1))[turn]
                np.testing.assert_array_equal(found.age_days[i, side] == 0, known)


def test_windows_without_neighbours_have_none_to_show(made):
    with pytest.raises(SettingsError, match=r"found window\.kind=single\. Set window\.kind=triple"):
        Loader(*made, "training", batch=4, neighbours=True)
