"""Synthetic labels: what a step and steady ground get, who gets none, and what doesn't matter."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from groundshift.domain.time import DAY
from groundshift.samples.labels import synthetic
from groundshift.samples.labels.synthetic import (
    Formula,
    block_labels,
    blocks,
    index_sums,
    obstacle,
    regional_betas,
    season_offset,
)
from groundshift.samples.windows import triple
from groundshift.settings import WindowSettings
from tests.samples.ground import changing, own_cell, simulate


def cut(cube, steps, count=1):
    """The middle windows, complete triples of so many steps each."""
    table = triple(
        cube.times, length=steps * 2 * DAY, stride=1, min_steps=3, max_steps=steps
    ).table(cube.cell.id)
    complete = table[table["complete"]]
    return complete.iloc[(len(complete) - count) // 2 :][:count]


def labels(cube, windows, formula, betas=None):
    """Labels of the whole cell, [window, y, x], made block by block."""
    if betas is None:
        betas = regional_betas([index_sums(cube, windows)])
    found = np.full((len(windows), *cube.shape), np.nan, np.float32)
    for place in blocks(cube):
        found[:, *place] = block_labels(cube, place, windows, betas, formula).label
    return found


@pytest.mark.parametrize("era", ["s12", "ers12ls5"])
@pytest.mark.parametrize("looks", [20, 35, 60, 90])
@pytest.mark.parametrize("place", [1 / 3, 1 / 2, 2 / 3])
def test_a_clean_step_gets_at_least_0_8_and_steady_ground_at_most_0_02(era, looks, place, rng):
    """With each era's own defaults, and so many looks of each orbit in the window."""
    formula = Formula.of(WindowSettings(era=era))
    change = looks + round(place * looks)
    shape = (32, 32)
    cube = simulate(
        rng,
        era=era,
        looks=formula.test.looks,
        steps=3 * looks,
        shape=shape,
        change=change,
        in_turn=False,
    )
    found = labels(cube, cut(cube, looks), formula)[0]
    stepped, steady = found[changing(shape)], found[~changing(shape)]
    assert stepped.mean() >= 0.8
    assert steady.mean() <= 0.02
    assert (steady <= 0.02).mean() > 0.99


def test_the_published_formula_gives_a_clean_step_next_to_nothing(rng):
    """Why the radar part is what it is: one change in 90 looks is 1 / 90 of the frequency."""
    shape = (32, 32)
    cube = simulate(rng, steps=270, shape=shape, change=135, in_turn=False)
    windows = cut(cube, 90)
    made = block_labels(
        cube,
        (slice(0, 32), slice(0, 32)),
        windows,
        regional_betas([index_sums(cube, windows)]),
        Formula.of(WindowSettings()),
    )
    difference = np.abs(made.index[0, 1] - made.index[0, 0])[changing(shape)].mean()
    assert 10 * difference / 90 < 0.04 < 0.8 < made.label[0][changing(shape)].mean()


def test_pixels_with_fewer_than_three_looks_have_no_label(rng):
    cube = simulate(rng, steps=90, change=45, shape=(32, 8))
    windows = cut(cube, 30)
    first, stop = int(windows["first"].iloc[0]), int(windows["stop"].iloc[0])
    for name in ("r0", "r1"):
        _, fresh, steps = cube.images[name]
        inside = (steps >= first) & (steps < stop)
        fresh[inside, 0] = False  # no look in the window
        fresh[np.flatnonzero(inside)[2:], 1] = False  # two
        fresh[np.flatnonzero(inside)[3:], 2] = False  # three
    cube.images["r1"][1][:, 3] = False  # one orbit is enough
    found = labels(cube, windows, Formula.of(WindowSettings()))[0]
    assert np.isnan(found[:2]).all()
    assert not np.isnan(found[2:]).any()
    assert found[3, :4].mean() > 0.8


def test_pixels_without_a_clear_look_before_or_after_have_no_label(rng):
    cube = simulate(rng, steps=90)
    windows = cut(cube, 30)
    values, fresh, steps = cube.images["o"]
    fresh[steps < 30, 0] = False
    fresh[steps >= 60, 1] = False
    values[steps == steps[steps < 30][-1], 2] = 0  # one look without ground is one of many
    found = labels(cube, windows, Formula.of(WindowSettings()))[0]
    assert np.isnan(found[:2]).all()
    assert not np.isnan(found[2:]).any()


def test_windows_without_neighbours_have_no_label(rng):
    cube = simulate(rng, steps=60)
    windows = cut(cube, 20, count=2)
    columns = ["next_first", "next_stop"]
    windows = pd.concat([windows, windows.assign(**dict.fromkeys(columns, -1))])
    found = labels(cube, windows, Formula.of(WindowSettings()))
    assert not np.isnan(found[:2]).any()
    assert np.isnan(found[2:]).all()


def test_labels_do_not_depend_on_blocks(rng, monkeypatch):
    cube = simulate(rng, steps=60, change=30, shape=(50, 70))
    windows, formula = cut(cube, 20, count=3), Formula.of(WindowSettings())
    whole = labels(cube, windows, formula)
    monkeypatch.setattr(synthetic, "_BLOCK_BYTES", 1)
    assert len(list(blocks(cube))) == 6
    np.testing.assert_allclose(labels(cube, windows, formula), whole, atol=1e-6)


def test_betas_of_two_cells_are_those_of_one(rng):
    cube = simulate(rng, steps=60, shape=(12, 20))
    windows = cut(cube, 20, count=2)
    halves = []
    for part in (slice(0, 8), slice(8, 20)):
        images = {
            name: (values[:, :, part], fresh[:, :, part], steps)
            for name, (values, fresh, steps) in cube.images.items()
        }
        cell = own_cell(12, part.stop - part.start)
        half = dataclasses.replace(cube, cell=cell, images=images)
        halves.append(index_sums(half, windows.assign(cell=cell.id)))
    whole = regional_betas([index_sums(cube, windows)])
    joined = regional_betas(halves)
    assert joined["pixels"].tolist() == [96] * 4 + [144] * 4
    for rows in (joined.iloc[:4], joined.iloc[4:]):
        np.testing.assert_allclose(rows["beta"], whole["beta"], rtol=1e-6)


def test_betas_leave_the_halo_out(rng):
    cube = simulate(rng, steps=60, shape=(12, 20))
    with_halo = dataclasses.replace(cube, cell=own_cell(8, 16, halo=2))
    assert with_halo.shape == (12, 20)
    sums = index_sums(with_halo, cut(cube, 20))
    assert sums["pixels"].tolist() == [8 * 16] * 2


def test_what_labels_need_is_named(rng):
    cube = simulate(rng, steps=9)
    assert obstacle(cube) is None
    only = {name: cube.sensors[name] for name in ("r0", "r1")}
    assert "found radar_a, radar_b" in obstacle(dataclasses.replace(cube, sensors=only))
    blind = dataclasses.replace(cube.sensors["o"], bands=("B02", "B03", "B04", "B08"))
    without = dataclasses.replace(cube, sensors=cube.sensors | {"o": blind})
    assert "no swir1 band" in obstacle(without)


@pytest.mark.parametrize(("days", "offset"), [(182, 1.25), (365, 0.5), (120, 125.25), (91, 182)])
def test_windows_should_lie_whole_years_apart(days, offset):
    assert season_offset(days * DAY) == pytest.approx(offset, abs=0.3)
