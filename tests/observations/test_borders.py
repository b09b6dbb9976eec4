"""Border noise of radar is masked where it hangs on the edge, and nothing else is."""

import numpy as np
import pytest

from components.fetch.stage import run
from groundshift.observations.borders import NOTE, border_noise
from groundshift.observations.store import Observations
from tests.hub.fixtures import RADAR, settings_for

NOISE = 1e-4
"""Linear power, -40 dB."""


def image(seed=0, shape=(60, 80)):
    """Speckle over ground of -12 dB and calm water of -24 dB, all of it valid."""
    ground = np.where(np.arange(shape[1]) < 60, 0.06, 0.004)[None, :, None] * [1.0, 0.2]
    speckle = np.random.default_rng(seed).gamma(4, 1 / 4, (*shape, 2))
    return (ground * speckle).astype(np.float32), np.ones(shape, bool)


def slanted(shape, width):
    """A strip along the left that widens downwards, as the edge of a swath lies on the grid."""
    rows, columns = np.indices(shape)
    return columns < width + rows // 6


def test_clean_images_with_water_keep_every_pixel():
    for seed in range(20):
        assert not border_noise(*image(seed)).any()


@pytest.mark.parametrize("seen", [True, False], ids=["at the cell's end", "beside unseen ground"])
def test_noise_along_the_edge_is_found_to_the_pixel(seen):
    values, valid = image()
    unseen = slanted(valid.shape, 0) & (not seen)
    valid &= ~unseen
    noise = slanted(valid.shape, 4) & valid
    values[noise] = NOISE
    values[~valid] = 0
    np.testing.assert_array_equal(border_noise(values, valid), noise)


def test_dark_ground_inside_and_single_dark_pixels_stay():
    values, valid = image()
    values[20:40, 20:30] = NOISE  # the check `border` looks at these
    values[0, ::7] = NOISE
    assert not border_noise(values, valid).any()


def test_one_bright_band_is_a_signal():
    values, valid = image()
    values[:, :5, 1] = NOISE
    assert not border_noise(values, valid).any()


def test_masking_twice_is_masking_once():
    values, valid = image()
    values[slanted(valid.shape, 4)] = NOISE
    values[30:33, 5:40] = NOISE  # hangs on it
    noise = border_noise(values, valid)
    assert noise[31, 39]
    assert not border_noise(np.where(noise[..., None], 0, values), valid & ~noise).any()


@pytest.fixture
def noisy(hub, tmp_path, monkeypatch):
    """A service whose second image has noise along its left edge; the settings."""
    monkeypatch.setenv("GROUNDSHIFT_WORK", str(tmp_path / "work"))
    for band in hub.scenes[9].bands.values():
        band[:, :13] = NOISE
    return settings_for(hub, sensors={"s1": RADAR | {"orbit": "ascending"}})


def read(folder):
    found = Observations.open(folder)
    (cell,) = found.cells
    row = found.table.iloc[1]
    return found, row, found.read(cell.id, "s1", row["time"])[1]


def test_what_was_masked_is_noted_with_its_share_and_the_rest_stays(hub, noisy, tmp_path):
    run(noisy, observations=tmp_path / "observations")
    found, row, valid = read(tmp_path / "observations")
    assert not valid[:, :3].any()  # the cell begins ten pixels from the scene's edge
    assert valid[:, 3:].all()
    assert row["checks"] == f"{NOTE}4.69% of the pixels, below -30 dB along the edge"
    assert found.quarantine.empty
    assert (found.table["checks"] != "").sum() == 1
    # An image that an earlier artifact holds says the same of itself.
    run(noisy, observations=tmp_path / "again", earlier=tmp_path / "observations")
    again = Observations.open(tmp_path / "again")
    assert again.manifest.content_hash == found.manifest.content_hash


def test_a_setting_keeps_it(hub, noisy, tmp_path):
    kept = noisy.model_copy(update={"fetch": noisy.fetch.model_copy(update={"border": "keep"})})
    run(kept, observations=tmp_path / "observations")
    _, row, valid = read(tmp_path / "observations")
    assert valid.all()
    assert row["checks"] == ""
