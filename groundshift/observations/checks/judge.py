"""All checks of a series, and what becomes of the images that fail one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from groundshift.domain.time import stamp
from groundshift.observations.checks import border, cloud, duplicate, offset, platform, shift
from groundshift.observations.checks.series import Measure, Series
from groundshift.settings import ChecksSettings

Check = Callable[[Series, ChecksSettings], Iterator[Measure]]
"""What every check is: it yields a measure per image that it can judge."""

_ALWAYS: tuple[Check, ...] = (duplicate.check,)
_WITH_ENOUGH: tuple[Check, ...] = (
    offset.check,
    cloud.check,
    border.check,
    platform.check,
    shift.check,
)


@dataclass(frozen=True)
class Verdict:
    """What the checks say of a series.

    Attributes:
        measures: Of every image that a check could judge, by time and check.
        reasons: Why images go to quarantine, by time.
        released: What was found but doesn't count by the settings, by time.
    """

    measures: tuple[Measure, ...]
    reasons: dict[int, str]
    released: dict[int, str]


def judge(series: Series, limits: ChecksSettings) -> Verdict:
    """Hold every image of a series against the others."""
    checks = list(_ALWAYS)
    if len(series.records) >= limits.minimum:
        checks += _WITH_ENOUGH
    measures = [measure for check in checks for measure in check(series, limits)]
    reasons: dict[int, list[str]] = {}
    released: dict[int, list[str]] = {}
    for measure in measures:
        if measure.problem:
            name = series.sensor.name, stamp(measure.time), measure.check
            kept = released if limits.releases(*name) else reasons
            kept.setdefault(measure.time, []).append(f"{measure.check}: {measure.problem}")
    return Verdict(
        tuple(sorted(measures, key=lambda measure: (measure.time, measure.check))),
        {time: "; ".join(found) for time, found in reasons.items()},
        {time: "released " + "; ".join(found) for time, found in released.items()},
    )
