"""Mask rules: which numbers of a mask image mean a valid pixel."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift.errors import SettingsError, SourceError
from groundshift.settings import MaskSettings


def check_rule(mask: MaskSettings, where: str) -> None:
    """Refuse a rule that lacks its list of classes or bits.

    Raises:
        SettingsError: naming the setting and an example.
    """
    examples = {"values": ("valid", "[4, 5, 6, 7]", "SCL"), "bits": ("reject", "[0, 3, 4]", "QA")}
    for rule, (setting, example, product) in examples.items():
        listed = getattr(mask, setting)
        if (mask.rule == rule) != bool(listed):
            found = list(listed) or "an empty list"
            raise SettingsError(
                f"{where}: rule {mask.rule!r} with {setting} = {found}: the list {setting!r} "
                f"belongs to the rule {rule!r} and only to it. For {product} write for example "
                f"rule: {rule}, {setting}: {example}"
            )
    if any(not 0 <= bit < 64 for bit in mask.reject):
        raise SettingsError(f"{where}.reject: expected bits 0 to 63, found {list(mask.reject)}")


def valid_pixels(
    numbers: NDArray[Any], mask: MaskSettings, *, nodata: Sequence[float], where: str
) -> NDArray[np.bool_]:
    """Apply a mask rule.

    Args:
        numbers: The mask image, [y, x].
        mask: The rule.
        nodata: The image's own invalid numbers. They count under `nonzero` only: the other rules
            say by themselves what any number means (0, often the tag, is clear in many bit
            masks).
        where: Name of the image, for errors.

    Returns:
        [y, x], true where valid. NaN never is.

    Raises:
        SourceError: bits are asked of an image that doesn't hold whole numbers.
    """
    known = ~np.isnan(numbers) if numbers.dtype.kind == "f" else np.ones(numbers.shape, bool)
    if mask.rule == "values":
        return np.asarray(known & np.isin(numbers, mask.valid))
    if mask.rule == "zero":
        return np.asarray(known & (numbers == 0))
    if mask.rule == "nonzero":
        return np.asarray(known & (numbers != 0) & ~np.isin(numbers, nodata))
    if numbers.dtype.kind not in "iub":
        raise SourceError(
            f"{where}: rule 'bits' needs whole numbers, found {numbers.dtype}. "
            "Use the rule 'values', or a quality band of whole numbers"
        )
    rejected = sum(1 << bit for bit in mask.reject)
    return np.asarray((numbers.astype(np.uint64) & np.uint64(rejected)) == 0)
