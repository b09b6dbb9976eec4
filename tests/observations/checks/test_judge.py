"""Planted defects are found and named; clean series pass, whatever season or change is in them."""

import re

import numpy as np
import pytest

from groundshift.domain.time import stamp
from tests.observations.checks.conftest import PIXELS

S2A = "20200301T103021"


def moved(rows, columns):
    """An image that lies some pixels down and to the right of its place."""

    def how(values, valid):
        return np.roll(values, (rows, columns), (0, 1)), np.roll(valid, (rows, columns), (0, 1))

    return how


def only(verdict, time, check):
    """The reason of the one image that failed."""
    assert list(verdict.reasons) == [time]
    assert verdict.reasons[time].startswith(f"{check}: ")
    return verdict.reasons[time]


def test_three_hundred_clean_images_pass(city):
    assert sum(len(made.records) for made in city.values()) == 300
    for made in city.values():
        verdict = made.judge()
        assert verdict.reasons == {}
        judged = {measure.time for measure in verdict.measures}
        assert len(judged) > 0.9 * len(made.records)


def test_an_offset_left_in_is_found(optical, clear):
    def added(values, valid):
        return np.where(valid[..., None], values + 0.1, 0), valid

    time = optical.change(clear[5], added, baseline="0400")
    reason = only(optical.judge(), time, "offset")
    assert "all 13 bands lie +0.1 off other images of the season" in reason
    assert "baseline 0400 that still has its offset" in reason


def test_an_offset_taken_off_without_need_is_found(optical, clear):
    def taken(values, valid):
        return np.maximum(values - 0.1, 0), valid

    time = optical.change(clear[5], taken, baseline="0301")
    assert "lost an offset it never had" in only(optical.judge(), time, "offset")


def test_a_baseline_whose_offset_was_left_in_is_found_also_on_hazy_images(optical):
    def added(values, valid):
        return np.where(valid[..., None], values + 0.1, 0), valid

    late = range(55, len(optical.records))
    times = [optical.change(number, added, baseline="0400") for number in late]
    full = [record.time for record in optical.records if record.valid_share >= 0.6]
    reasons = optical.judge().reasons
    assert sorted(reasons) == [time for time in times if time in full]
    assert all(reason.startswith("offset: ") for reason in reasons.values())


def test_what_only_looks_like_an_offset_passes_where_the_baseline_has_none(optical, clear):
    def added(values, valid):
        return np.where(valid[..., None], values + 0.1, 0), valid

    optical.change(clear[5], added, baseline="0301")
    assert optical.judge().reasons == {}


@pytest.mark.parametrize(("rows", "columns"), [(0, 2), (-2, 0), (2, -2)])
def test_a_shift_of_twenty_metres_is_found(optical, clear, radar, rows, columns):
    for made, number in ((optical, clear[7]), (radar, 40)):
        time = made.change(number, moved(rows, columns))
        reason = only(made.judge(), time, "shift")
        length = float(reason.split()[1])
        assert length == pytest.approx(10 * np.hypot(rows, columns), abs=5)  # it was off before
        for word, present in (("east", columns > 0), ("north", rows < 0)):
            assert (word in reason) or not present


def test_a_biased_platform_is_found_and_named(radar):
    for number, record in enumerate(radar.records):
        if record.platform == "S1B":
            radar.change(number, lambda values, valid: (values * 10**0.15, valid))
    reasons = radar.judge().reasons
    biased = [record for record in radar.records if record.platform == "S1B"]
    assert sorted(reasons) == [record.time for record in biased]
    found = re.match(r"platform: S1B lies \+(.*) dB off the other", reasons[biased[0].time])
    assert float(found[1]) == pytest.approx(1.5, abs=0.2)


def test_a_bias_within_the_limit_passes(radar):
    for number, record in enumerate(radar.records):
        if record.platform == "S1B":
            radar.change(number, lambda values, valid: (values * 10**0.06, valid))
    assert radar.judge().reasons == {}


def test_a_white_image_that_the_mask_calls_valid_is_found(optical, clear):
    def white(values, valid):
        generator = np.random.default_rng(0)
        cloud = np.full(values.shape, 0.6) + generator.normal(0, 0.02, values.shape)
        cloud[..., 11:] -= 0.2  # as clouds are darker there
        return cloud.astype(np.float32), np.ones_like(valid)

    time = optical.change(clear[3], white)
    assert "the mask calls 100% of the image valid" in only(optical.judge(), time, "cloud")


def test_snow_is_no_cloud(optical, clear):
    def snow(values, valid):
        values[..., :9] = 0.75
        values[..., 11:] *= 0.4
        return values, valid

    optical.change(clear[3], snow)
    assert optical.judge().reasons == {}


def test_a_flood_and_a_new_quarter_pass(optical, clear, radar):
    half = np.s_[: PIXELS // 2]

    def flooded(values, valid):
        values[half] = 0.02 if values.shape[-1] == 2 else 0.03
        return values, valid

    def built(values, valid):
        values[half] = values[half] * 3 if values.shape[-1] == 2 else values[half] * 0.5 + 0.12
        return values, valid

    for made, number in ((optical, clear[8]), (radar, 50)):
        made.change(number, flooded)
        for later in range(len(made.records) - 20, len(made.records)):
            made.change(later, built)
        assert made.judge().reasons == {}


@pytest.mark.parametrize("noise", [0.0, 1e-5])
def test_border_noise_is_found(radar, noise):
    def border(values, valid):
        values[:, :20] = noise
        return values, valid

    time = radar.change(30, border)
    assert "20.8% of the valid pixels hold no signal" in only(radar.judge(), time, "border")


def test_a_lake_on_all_images_is_no_border_noise(radar):
    for number in range(len(radar.records)):
        radar.change(number, lambda values, valid: (values * np.float32(1e-4), valid))
    assert radar.judge().reasons == {}


def second_product(made, number, how=lambda v, m: (v, m), **fields):
    """Another product of the same frame, five seconds later by its own clock."""
    record = made.records[number]
    kept = made.images[record]
    time = made.change(number, how, time=record.time + 5, source="again", **fields)
    made.images[record] = kept
    return record.time, time


def test_a_duplicate_is_found(radar):
    first, second = second_product(radar, 10)
    assert "their pixels are equal" in only(radar.judge(), second, "duplicate")
    assert first not in radar.judge().reasons


def test_a_contradicting_product_is_found(radar):
    def other(values, valid):
        values[: PIXELS // 4] *= 2
        return values, valid

    _, second = second_product(radar, 10, other)
    assert "contradict each other in 25% of their pixels" in only(
        radar.judge(), second, "duplicate"
    )


def test_of_two_baselines_the_older_one_gives_way(optical, clear):
    first, _ = second_product(optical, clear[4], baseline="0500")
    reason = only(optical.judge(), first, "duplicate")
    assert "superseded by again: the same pass, processed again (baseline 0500 after 0" in reason


def test_neighbouring_frames_that_share_their_edge_are_no_duplicates(radar):
    def left(values, valid):
        valid[:, PIXELS * 3 // 4 :] = False
        return values, valid

    def right(values, valid):
        valid[:, : PIXELS // 2] = False
        return values, valid

    record = radar.records[10]
    kept = radar.images[record]
    radar.change(10, right, time=record.time + 5)
    radar.images[record] = kept
    radar.change(10, left)
    assert radar.judge().reasons == {}


def test_a_released_finding_is_noted_and_does_not_count(radar):
    time = radar.change(40, moved(0, 2))
    name = f"s1_088/{stamp(time)}/shift"
    verdict = radar.judge(release=[name])
    assert verdict.reasons == {}
    assert verdict.released[time].startswith("released shift: ")
    assert radar.judge(release=["s1_*/*/*"]).reasons == {}
    assert list(radar.judge(release=["s2/*/shift"]).reasons) == [time]


def test_a_limit_of_none_switches_a_check_off(radar):
    radar.change(40, moved(0, 2))
    verdict = radar.judge(shift=None)
    assert verdict.reasons == {}
    assert {measure.check for measure in verdict.measures} == {"border", "platform"}


def test_a_few_images_are_not_judged(radar):
    radar.images = dict(list(radar.images.items())[:7])
    radar.change(3, moved(0, 2))
    assert radar.judge().measures == ()


def test_the_order_in_which_images_came_does_not_show(radar):
    radar.change(40, moved(0, 2))
    before = radar.judge()
    radar.images = dict(reversed(radar.images.items()))
    assert radar.judge() == before


@pytest.mark.parametrize("columns", [50, 1])
def test_a_cell_that_images_cover_in_part_only_is_judged_by_that_part(city, columns):
    """Cells on the edge of the images, or with much halo around."""

    def cut(values, valid):
        valid[:, columns:] = False
        return np.where(valid[..., None], values, 0), valid

    for made in city.values():
        cell = made.copy()
        for number in range(len(cell.records)):
            cell.change(number, cut)
        assert cell.judge().reasons == {}
