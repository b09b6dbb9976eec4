"""A whole samples artifact on a small real cube: tables, labels, card, and what is refused."""

import json

import numpy as np
import pandas as pd
import pytest

from groundshift.artifacts import read_manifest, writing
from groundshift.errors import ContractError, SettingsError
from groundshift.observations.store import Observations
from groundshift.samples.build import build
from groundshift.samples.labels.truth import dated_polygons
from groundshift.samples.plan import plan
from groundshift.samples.store import Samples
from tests.samples.ground import changing, stage_settings

TRIPLES = {"kind": "triple", "length": "40d", "labels": "truth"}


def make(folder, artifacts, settings, *, truth="planted"):
    """Write the samples of the small cube; returns them and the label card."""
    cube = artifacts.opened
    known = None
    if truth == "planted":
        table = Observations.open(artifacts.observations).truth
        known = dated_polygons(table, where="test")
    inputs = {"cube": cube.manifest.content_hash}
    with writing(
        folder, "samples", area="test", settings=settings.affecting(), inputs=inputs
    ) as draft:
        card = build(cube, known, settings, draft)
    return Samples.open(folder), card


@pytest.fixture(scope="module")
def made(artifacts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("samples")
    patch = pytest.MonkeyPatch()
    patch.setenv("GROUNDSHIFT_WORK", str(folder / "work"))
    samples, card = make(folder / "samples", artifacts, stage_settings(**TRIPLES))
    patch.undo()
    return samples, card


def test_the_tables_index_the_cube(made, artifacts):
    samples = made[0]
    cube = artifacts.opened
    samples.require(cube)
    cell = next(iter(cube.cells.values()))
    windows = samples.windows
    complete = windows[windows["complete"]]
    assert len(complete) > 20
    assert (windows["stop"] <= len(cell.times)).all()
    for row in complete.sample(5, random_state=0).itertuples():
        inside = cell.times[row.first : row.stop].astype("datetime64[s]")
        assert inside[0] == row.start.to_datetime64()
        assert inside[-1] < row.end.to_datetime64()
    assert samples.splits["split"].value_counts().to_dict() == {
        "training": 8, "validation": 4, "test": 4
    }  # fmt: skip
    assert samples.manifest.summary["patches"] == {"training": 8, "validation": 4, "test": 4}
    assert samples.target == "truth"
    assert samples.settings["length"] == "40d"


def test_truth_labels_are_the_planted_changes(made, artifacts):
    samples = made[0]
    cell = next(iter(artifacts.opened.cells))
    everything = slice(0, 32), slice(0, 32)
    when = samples.truth["start"].iloc[0]
    for row in samples.windows_of("test").itertuples():
        label = samples.labels(cell, "truth", row.id, *everything)
        expected = changing((32, 32)) & (row.start <= when < row.end)
        np.testing.assert_array_equal(label, expected)


def test_synthetic_labels_find_the_change_and_the_card_says_so(made, artifacts):
    samples, card = made
    cell = next(iter(artifacts.opened.cells))
    truth, synthetic = (
        samples.label_series(cell, kind, slice(0, 32), slice(0, 32))
        for kind in ("truth", "synthetic")
    )
    assert truth.shape == synthetic.shape == (len(samples.labelled(cell)), 32, 32)
    known = ~np.isnan(synthetic)
    assert synthetic[known & (truth == 1)].mean() > 5 * synthetic[known & (truth == 0)].mean()
    assert card.average_precision > 5 * card.prevalence
    document = json.loads((samples.folder / "label_card.json").read_text())
    assert document["agreement"]["average_precision"] == card.average_precision
    assert document["agreement"]["classes"]["other"]["labels"] > 0
    assert any("season would look like change" in warning for warning in document["warnings"])


def test_labels_of_one_window_are_a_part_of_the_series(made, artifacts):
    samples = made[0]
    cell = next(iter(artifacts.opened.cells))
    series = samples.label_series(cell, "synthetic", slice(3, 20), slice(5, 9))
    ids = samples.labelled(cell)
    for i in (0, len(ids) - 1):
        label = samples.labels(cell, "synthetic", int(ids[i]), slice(3, 20), slice(5, 9))
        np.testing.assert_array_equal(label, series[i])
    incomplete = samples.windows.loc[~samples.windows["complete"], "id"].iloc[0]
    with pytest.raises(ContractError, match=f"window {incomplete} .* has no labels"):
        samples.labels(cell, "truth", incomplete, slice(0, 4), slice(0, 4))


def test_betas_are_written_per_window_and_part(made):
    betas = made[0].betas
    assert set(betas["part"]) == {"previous", "next"}
    assert len(betas) == 2 * made[0].windows["complete"].sum()
    assert betas["beta"].between(0.05, 0.3).all()
    assert (betas["pixels"] > 0).all()


def test_the_same_input_gives_the_same_bytes(made, artifacts, tmp_path):
    again, _ = make(tmp_path / "again", artifacts, stage_settings(**TRIPLES))
    assert again.manifest.content_hash == made[0].manifest.content_hash
    changed = stage_settings(**TRIPLES, split={"block": 16, "buffer": 0, "seed": 1})
    other, _ = make(tmp_path / "other", artifacts, changed)
    assert other.manifest.value_hash != again.manifest.value_hash


def test_single_windows_have_synthetic_labels_where_neighbours_exist(artifacts, tmp_path):
    samples, _ = make(tmp_path / "samples", artifacts, stage_settings(length="50d"))
    cell = next(iter(artifacts.opened.cells))
    series = samples.label_series(cell, "synthetic", slice(0, 32), slice(0, 32))
    complete = samples.windows[samples.windows["complete"]]
    paired = (complete[["previous_first", "next_first"]] >= 0).all(axis=1).to_numpy()
    assert 0 < paired.sum() < len(paired)
    assert np.isnan(series[~paired]).all()
    assert not np.isnan(series[paired]).all(axis=(1, 2)).any()


def test_without_room_for_neighbours_the_card_says_why(artifacts, tmp_path):
    samples, card = make(tmp_path / "samples", artifacts, stage_settings(length="100d"))
    assert samples.label_kinds == ("truth",)
    assert any("no synthetic labels: no complete window" in w for w in card.warnings)
    cell = next(iter(artifacts.opened.cells))
    with pytest.raises(ContractError, match="no synthetic labels, found truth"):
        samples.labels(cell, "synthetic", 0, slice(0, 4), slice(0, 4))


def test_synthetic_labels_need_no_truth(artifacts, tmp_path):
    settings = stage_settings(kind="triple", length="12d", min_steps=2, labels="synthetic")
    samples, card = make(tmp_path / "samples", artifacts, settings, truth=None)
    assert samples.label_kinds == ("synthetic",)
    assert samples.target == "synthetic"
    assert card.average_precision is None
    assert samples.truth is None


def test_time_disjoint_splits_leave_windows_to_either_side(artifacts, tmp_path):
    split = {"block": 16, "buffer": 0, "until": "2017-03-20"}
    samples, _ = make(tmp_path / "samples", artifacts, stage_settings(length="30d", split=split))
    until = pd.Timestamp("2017-03-20")
    training, test = samples.windows_of("training"), samples.windows_of("test")
    assert len(training) > 0
    assert len(test) > 0
    assert (training["end"] <= until).all()
    assert (test["start"] >= until).all()
    assert samples.windows_of("validation")["id"].tolist() == training["id"].tolist()


def test_look_ahead_and_look_back_stay_on_their_side_too(artifacts):
    split = {"block": 16, "buffer": 0, "until": "2017-04-02"}
    settings = stage_settings(kind="triple", length="30d", split=split)
    truth = dated_polygons(Observations.open(artifacts.observations).truth, where="test")
    windows = plan(artifacts.opened, truth, settings).windows
    length, until = pd.Timedelta(days=30), pd.Timestamp("2017-04-02")
    complete = windows[windows["complete"]]
    before, after = (complete[complete["side"] == side] for side in ("before", "after"))
    assert (before["end"] + length <= until).all()
    assert (after["start"] - length >= until).all()
    assert len(before) > 0
    assert len(after) > 0
    assert (complete["side"] == "across").any()


@pytest.mark.parametrize(
    ("window", "truth", "message"),
    [
        ({"length": "90d", "kind": "triple"}, True, r"Set window\.length=60d or shorter"),
        ({"max_steps": 15}, True, r"Set window\.max_steps=20"),
        ({}, False, "none is known: expected window.truth"),
        ({"labels": "synthetic", "length": "120d"}, True, "season would look like change"),
        ({"patch": 16, "split": {"block": 32, "buffer": 0}}, True, "patches in every split"),
        (
            {"split": {"block": 16, "buffer": 0, "until": "2017-01-10"}},
            True,
            "no complete window is left for training",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_a_pixel_is_read(artifacts, window, truth, message):
    cube = artifacts.opened
    known = None
    if truth:
        known = dated_polygons(Observations.open(artifacts.observations).truth, where="test")
    with pytest.raises(SettingsError, match=message):
        plan(cube, known, stage_settings(**window))


def test_the_half_year_and_the_year_are_whole_years_apart(artifacts):
    for length in ("182d", "365d"):
        settings = stage_settings(kind="triple", length=length, labels="synthetic")
        with pytest.raises(SettingsError, match="no complete triple window"):
            plan(artifacts.opened, None, settings)  # and not the season


def test_samples_belong_to_one_cube(made, artifacts):
    cube = artifacts.opened
    samples = Samples(made[0].folder, read_manifest(made[0].folder, "samples"))
    object.__setattr__(samples.manifest, "inputs", {"cube": "another"})
    with pytest.raises(ContractError, match="indexes the cube another"):
        samples.require(cube)


def test_a_pixel_in_two_splits_is_refused(made, tmp_path, artifacts, monkeypatch):
    import groundshift.samples.plan as planning

    def overlapping(*arguments, **options):
        table = made[0].splits.copy()
        table.loc[0, ["y0", "x0", "y1", "x1"]] = table.loc[9, ["y0", "x0", "y1", "x1"]]
        table.loc[0, "split"] = "training"
        table.loc[9, "split"] = "test"
        return table

    monkeypatch.setattr(planning, "patches", overlapping)
    with pytest.raises(ContractError, match="is in two splits"):
        make(tmp_path / "samples", artifacts, stage_settings(**TRIPLES))
