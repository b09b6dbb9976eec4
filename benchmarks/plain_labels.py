"""The published betas and labels, plainly: tile by tile, window by window, from copies.

Each window is cut out of its tile's TFRecords (`benchmarks.plain_windows`), its index or label is
computed from the copy, and both are written as GZIP TFRecords (method sections 6 and 7): betas in a
pass of their own before, as they belong to the whole area. The label follows the formula that
`groundshift.samples.labels` documents, so that both ways give the same.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from scipy.stats import chi2

from benchmarks.plain_stack import example
from benchmarks.plain_windows import Cut, triples
from groundshift.samples.labels.index import IndexParts
from groundshift.samples.labels.omnibus import FLOOR, MIN_LOOKS
from groundshift.samples.labels.synthetic import Formula

OPTICAL = 4
"""First optical channel, behind those of the two radar streams."""

Betas = NDArray[np.float64]
"""[window, 2] of the previous and the next window."""


def plain_betas(tile: str, cut: Cut, bands: tuple[int, ...]) -> Callable[[], NDArray[np.float64]]:
    """What betas are made from: the sums of each window's neighbours, [window, 2, 4]."""

    def run() -> NDArray[np.float64]:
        return np.array(
            [
                [IndexParts.of(_mean(parts[name], bands)).sums() for name in ("previous", "next")]
                for parts in triples(Path(tile), cut)
            ]
        )

    return run


def plain_labels(
    tile: str, cut: Cut, bands: tuple[int, ...], betas: Betas, formula: Formula
) -> Callable[[], tuple[NDArray[np.float32], float]]:
    """Labels [window, y, x] of a tile, and how many MB of TFRecords its windows take."""

    def run() -> tuple[NDArray[np.float32], float]:
        labels = []
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "0_0.tfrecords"
            with tf.io.TFRecordWriter(str(path), "GZIP") as file:
                for parts, beta in zip(triples(Path(tile), cut), betas, strict=True):
                    labels.append(_label(parts, beta, bands, formula))
                    values = parts["window"]["values"]
                    file.write(example({"Feature": values, "Label": labels[-1]}))
            return np.array(labels), path.stat().st_size / 1e6

    return run


def _mean(part: dict[str, NDArray[Any]], bands: tuple[int, ...]) -> NDArray[np.float32]:
    """Mean of the clear optical looks, [y, x, band]; NaN without."""
    looks = part["fresh"][..., 2:]
    values = part["values"][..., [OPTICAL + band for band in bands]].astype(np.float64)
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float32] = (values * looks).sum(axis=0) / looks.sum(axis=0)
    return mean.astype(np.float32)


def _label(
    parts: dict[str, dict[str, NDArray[Any]]],
    beta: NDArray[np.float64],
    bands: tuple[int, ...],
    formula: Formula,
) -> NDArray[np.float32]:
    window = parts["window"]
    evidences = [
        _evidence(window["values"][..., 2 * orbit : 2 * orbit + 2], looks, formula)
        for orbit, looks in enumerate(np.moveaxis(window["fresh"], -1, 0)[:2])
    ]
    radar = np.nanmean(evidences, axis=0)
    before, after = (
        IndexParts.of(_mean(parts[name], bands)).endisi(own, formula.shift)
        for name, own in zip(("previous", "next"), beta, strict=True)
    )
    return np.clip(formula.gain * radar * np.abs(after - before), 0, 1).astype(np.float32)


def _evidence(
    power: NDArray[np.float32], fresh: NDArray[np.bool_], formula: Formula
) -> NDArray[np.float64]:
    """Evidence of a step, [y, x]; NaN with too few looks. Sums of each window from the start."""
    enl = formula.test.looks
    seen = fresh & (power > FLOOR).all(axis=-1)
    sums = np.where(seen[..., None], power, 0).astype(np.float64).cumsum(axis=0)
    logs = np.where(seen, np.log(np.where(seen[..., None], power, 1)).sum(axis=-1), 0).cumsum(0)
    counts = seen.cumsum(axis=0)
    total = counts[-1]
    least = np.maximum(np.minimum(MIN_LOOKS, total // 2), 1)

    def fit(sums: NDArray[np.float64], count: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(count * np.log(sums / count[..., None]).sum(axis=-1))

    def unrest(spread: NDArray[np.float64], count: NDArray[Any]) -> NDArray[np.float64]:
        rho = 1 - (count + 1) / (6 * enl * count)
        return np.asarray(2 * enl * rho * spread - power.shape[-1] * (count - 1))

    best = np.full(total.shape, np.inf)
    step, rest = np.zeros(total.shape), np.zeros(total.shape)
    with np.errstate(all="ignore"):
        whole = fit(sums[-1], total)
        for cut in range(len(power) - 1):
            before, after = counts[cut], total - counts[cut]
            left, right = fit(sums[cut], before), fit(sums[-1] - sums[cut], after)
            better = (left + right < best) & (before >= least) & (after >= least)
            rho = 1 - (1 / before + 1 / after - 1 / total) / (6 * enl)
            sides = unrest(left - logs[cut], before)
            sides += unrest(right - logs[-1] + logs[cut], after)
            best = np.where(better, left + right, best)
            step = np.where(better, 2 * enl * rho * (whole - left - right), step)
            rest = np.where(better, np.maximum(sides, 0), rest)
        cuts = np.maximum(total - 2 * least + 1, 1)
        bound = chi2.isf(1 - (1 - formula.test.significance) ** (1 / cuts), power.shape[-1])
        found = np.clip((step - bound) / bound, 0, 1) * step / (step + rest)
    return np.where(total >= MIN_LOOKS, np.where(step > bound, found, 0), np.nan)
