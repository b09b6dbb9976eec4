"""Overlap and borders against naive loops over pixels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from groundshift.assessment.regions import region_counts

SHAPE = (2, 5, 6)
MAPS = arrays(np.int8, SHAPE, elements=st.integers(0, 2))
MASKS = arrays(np.bool_, SHAPE[1:], elements=st.booleans())


def naive_border(classes, known, label):
    rows, columns = classes.shape
    border = set()
    for y in range(rows):
        for x in range(columns):
            if classes[y, x] != label or not known[y, x]:
                continue
            for ny, nx in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                inside = 0 <= ny < rows and 0 <= nx < columns
                if inside and known[ny, nx] and classes[ny, nx] != label:
                    border.add((y, x))
    return border


def naive_matched(border, other, tolerance):
    return sum(
        any((y - v) ** 2 + (x - u) ** 2 <= tolerance**2 for v, u in other) for y, x in border
    )


def naive_boundary_f1(truth, found, known, tolerance):
    values = []
    for label in (0, 1, 2):
        n_true = n_found = hit_true = hit_found = 0
        for t, f in zip(truth, found, strict=True):
            mine, theirs = naive_border(t, known, label), naive_border(f, known, label)
            n_true, n_found = n_true + len(mine), n_found + len(theirs)
            hit_true += naive_matched(mine, theirs, tolerance)
            hit_found += naive_matched(theirs, mine, tolerance)
        if n_true:
            p, r = hit_found / n_found if n_found else 0, hit_true / n_true
            values.append(2 * p * r / (p + r) if p + r else 0)
    return sum(values) / len(values) if values else None


def naive_mean_iou(truth, found, known):
    values = []
    for label in (0, 1, 2):
        mine, theirs = (truth == label) & known, (found == label) & known
        if (mine | theirs).sum():
            values.append((mine & theirs).sum() / (mine | theirs).sum())
    return sum(values) / len(values) if values else None


@given(MAPS, MAPS, MASKS, st.integers(0, 2))
def test_counts_give_the_naive_scores(truth, found, known, tolerance):
    counts = region_counts(truth, found, classes=(0, 1, 2), tolerance=tolerance, scored=known)
    expected = naive_boundary_f1(truth, found, known, tolerance)
    assert counts.boundary_f1().value == (expected if expected is None else pytest.approx(expected))
    expected = naive_mean_iou(truth, found, known)
    assert counts.mean_iou().value == (expected if expected is None else pytest.approx(expected))


@given(MAPS, MAPS)
def test_counts_of_parts_add_up(truth, found):
    settings = {"classes": (0, 1, 2), "tolerance": 1, "scored": np.ones(SHAPE[1:], bool)}
    parts = [region_counts(truth[i], found[i], **settings) for i in range(len(truth))]
    whole = region_counts(truth, found, **settings)
    assert (parts[0] + parts[1]).mean_iou() == whole.mean_iou()
    assert (parts[0] + parts[1]).boundary_f1() == whole.boundary_f1()


def test_a_border_one_pixel_off_is_found_with_a_tolerance_of_one():
    truth = np.zeros((8, 8), np.int8)
    truth[:, 4:] = 1
    found = np.roll(truth, 1, axis=1)
    found[:, 0] = 0
    settings = {"classes": (0, 1), "scored": np.ones((8, 8), bool)}
    assert region_counts(truth, found, tolerance=0, **settings).boundary_f1().value == 0
    assert region_counts(truth, found, tolerance=1, **settings).boundary_f1().value == 1


def test_the_edge_of_the_map_is_no_border():
    same = np.ones((4, 4), np.int8)
    counts = region_counts(same, same, classes=(0, 1), tolerance=1, scored=np.ones((4, 4), bool))
    assert counts.boundary_f1().value is None
    assert counts.boundary_f1().reason
    assert counts.mean_iou().value == 1
