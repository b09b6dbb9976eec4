import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from groundshift.errors import SettingsError
from groundshift.reference import beta, beta_coefficients, endisi, mean_image, synthetic_label
from tests.reference.conftest import load

ARCHIVE = load("label/labels")
SETS = sorted({key.rsplit("/", 1)[0] for key in ARCHIVE if key.endswith("/betas")})
SHIFTED = sorted({key.rsplit("/", 1)[0] for key in ARCHIVE if key.endswith("/label")})
ERAS = ("s12", "ers12ls5")


@pytest.mark.parametrize("name", SETS)
def test_coefficients_and_betas_are_the_published_ones(name: str) -> None:
    era = name.split("/")[0]
    expected = ARCHIVE[f"{name}/coefficients"]
    found = np.array(
        [
            [beta_coefficients(mean_image(ARCHIVE[f"{name}/{when}_optical"][tile]), era)]
            for tile in range(len(expected))
            for when in ("prev", "next")
        ]
    ).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    betas = [beta(found[:, 0]), beta(found[:, 1])]
    np.testing.assert_allclose(betas, ARCHIVE[f"{name}/betas"], rtol=1e-5)


@pytest.mark.parametrize("name", SHIFTED)
def test_index_and_label_are_the_published_ones(name: str) -> None:
    group, shift = name.rsplit("/A", 1)
    era = name.split("/")[0]
    betas = ARCHIVE[f"{name}/betas_used"]
    for tile, expected in enumerate(ARCHIVE[f"{name}/label"]):
        windows = [ARCHIVE[f"{group}/{when}_optical"][tile] for when in ("prev", "next")]
        for when, window, value in zip(("prev", "next"), windows, betas, strict=True):
            index = endisi(mean_image(window), value, float(shift), era)
            np.testing.assert_allclose(
                index, ARCHIVE[f"{name}/endisi_{when}"][tile], rtol=0, atol=1e-5
            )
        label = synthetic_label(
            ARCHIVE[f"{group}/sar_asc_{tile}"],
            ARCHIVE[f"{group}/sar_dsc_{tile}"],
            *windows,
            era=era,
            shift=float(shift),
            betas=betas,
        )
        assert label.dtype == np.float32
        np.testing.assert_allclose(label, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("kind", "before"), [("script", 1), ("intended", 0)])
def test_labels_of_a_whole_area_are_the_published_ones(
    era: str, kind: str, before: int, golden: Path
) -> None:
    """`script` takes the beta before from the current window, as the scripts did (quirk Q10)."""
    series = load(f"windows/labelled_{era}")
    parameters = json.loads((golden / f"windows/labelled_{era}.json").read_text())
    frames = series["codes"].astype(np.float32) / 256
    bands = parameters["bands_sar"]
    for number, ranges in enumerate(series["ranges"]):
        windows = [frames[first:stop] for first, stop in ranges]
        betas = [_beta(windows[which][..., 2 * bands :], era) for which in (before, 2)]
        np.testing.assert_allclose(betas, series[f"betas_{kind}"][number], rtol=1e-5)
        for j, i in np.ndindex(frames.shape[1:3]):
            previous, current, following = (window[:, j, i] for window in windows)
            label = synthetic_label(
                current[..., :bands],
                current[..., bands : 2 * bands],
                previous[..., 2 * bands :],
                following[..., 2 * bands :],
                era=era,
                shift=parameters["A"],
                betas=betas,
            )
            expected = series[f"labels_{kind}"][j, i, number]
            np.testing.assert_allclose(label, expected, rtol=0, atol=1e-4)


def _beta(window: NDArray[np.float32], era: str) -> float:
    """Beta over all tiles of a window [t, tile_y, tile_x, y, x, band]."""
    return beta(
        [
            beta_coefficients(mean_image(window[:, j, i]), era)
            for j, i in np.ndindex(*window.shape[1:3])
        ]
    )


def _image(**pixel: float) -> NDArray[np.float32]:
    """One Sentinel-2 pixel beside an ordinary one."""
    index = {"blue": 1, "green": 2, "mir": 11, "mir2": 12}
    image = np.full((1, 2, 13), 0.2, np.float32)
    for name, value in pixel.items():
        image[0, 0, index[name]] = value
    return image


def test_division_by_zero_dominates_beta() -> None:
    coefficients = beta_coefficients(_image(mir2=0), "s12")
    assert coefficients[1] > 1e38  # quirk Q9
    assert beta([coefficients]) < 1e-37


def test_undefined_water_index_leaves_only_the_third_mean() -> None:
    coefficients = beta_coefficients(_image(green=0, mir=0), "s12")
    np.testing.assert_allclose(coefficients, [0.2, 0.5, 0], rtol=1e-6)
    assert beta_coefficients(np.zeros((2, 2, 13)), "s12").tolist() == [0, 0, 0]


def test_undefined_pixels_get_no_shift() -> None:
    """Quirk Q28: blue itself where the water index is undefined, 0 where the index is."""
    undefined_water = endisi(_image(green=0, mir=0, blue=0.1), 0.3, 0.5, "s12")
    assert undefined_water[0, 0] == np.float32(0.1)
    undefined_index = endisi(_image(mir=0.2, green=0.2, blue=0), 0.0, 0.5, "s12")
    assert undefined_index[0, 0] == 0
    assert (endisi(np.zeros((2, 2, 13)), 0.3, 0.5, "s12") == 0).all()


def test_windows_of_different_sizes_are_refused() -> None:
    radar, optical = np.ones((3, 4, 4, 2), np.float32), np.ones((3, 4, 5, 13), np.float32)
    with pytest.raises(SettingsError, match="one height and width"):
        synthetic_label(radar, radar, optical, optical, era="s12", shift=0.25, betas=(0.3, 0.3))


def test_other_bands_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"expected \[y, x, 7\] with bands B1, .* \(2, 2, 13\)"):
        endisi(np.zeros((2, 2, 13)), 0.3, 0.25, "ers12ls5")
