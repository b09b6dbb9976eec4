"""What providers allow and charge, and what the same images would take by other ways.

Quotas are those of general users of the Copernicus Data Space (its documentation's "Quotas and
Limitations"); Sentinel Hub's own depend on the contract and are not known here. Earth Search and
the Planetary Computer publish no limit for reading files: the speed of the line counts there. Batch
processing costs a third, asynchronous requests two thirds of a request's price (Sentinel Hub,
"Processing Unit"). Sizes of products are typical ones.
"""

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from groundshift.observations.costs import Cost

FILE_NAME = "alternatives.csv"


@dataclass(frozen=True)
class Quota:
    """What a provider allows a general user.

    Attributes:
        units_month: Processing units a month.
        requests_month: Requests a month.
        units_minute: Processing units a minute.
        requests_minute: Requests a minute.
    """

    units_month: float
    requests_month: float
    units_minute: float
    requests_minute: float

    def minutes(self, units: float, requests: float) -> float:
        """Shortest time in which so much may be asked for."""
        return max(units / self.units_minute, requests / self.requests_minute)

    def months(self, units: float, requests: float) -> float:
        """Months whose free quota it takes."""
        return max(units / self.units_month, requests / self.requests_month)


QUOTAS = {"cdse": Quota(10_000, 10_000, 300, 300)}


@dataclass(frozen=True)
class FileLimits:
    """What a provider of files allows.

    Attributes:
        bytes_second: That arrive.
        bytes_month: That may be loaded; infinite where no limit is known.
        requests_minute: Likewise.
        note: What a person should know.
    """

    bytes_second: float
    bytes_month: float = math.inf
    requests_minute: float = math.inf
    note: str = "no limit is published; 20 MB/s is what one well-connected machine gets"

    def minutes(self, size: float, requests: float = 0) -> float:
        """Shortest time in which so much may be loaded."""
        return max(size / self.bytes_second / 60, requests / self.requests_minute)


_OPEN = FileLimits(20e6)
FILES = {
    "cdse": FileLimits(
        4 * 20e6, 12e12, 2000, "four connections of 20 MB/s, 12 TB a month; keys expire"
    )
}
"""By provider; what is not named has no limit that is known."""

_PRODUCT_BYTES = {"sentinel1": 1.0e9, "sentinel2": 0.7e9}
_BATCH, _ASYNC = 1 / 3, 2 / 3
_BATCH_MINIMUM = 1000


@dataclass(frozen=True)
class Way:
    """One way to the images of a plan.

    Attributes:
        way: Its name.
        requests: How many; -1 where nobody counts them.
        units: Processing units.
        bytes: That travel.
        minutes: At least, at the provider's limits; -1 where they depend on a contract.
        months: Of free quota; 0 where there is none to use up, -1 where unknown.
        note: What a person should know.
    """

    way: str
    requests: int
    units: float
    bytes: int
    minutes: float
    months: float
    note: str


def ways(
    deployment: str,
    costs: Sequence[Cost],
    products: Mapping[str, int],
    missions: Mapping[str, str],
) -> list[Way]:
    """The ways to the images of a plan, that of the plan first.

    Args:
        deployment: Of Sentinel Hub.
        costs: Of the plan.
        products: How many whole products it takes, by sensor.
        missions: By sensor.
    """
    found = [*_by_requests(deployment, costs), *_whole_products(products, missions)]
    optical = [c for c in costs if missions[c.sensor] == "sentinel2"]
    return [*found, _ranges(sum(c.bytes for c in optical))] if optical else found


def file_ways(
    provider: str,
    name: str,
    costs: Sequence[Cost],
    asked: Sequence[Cost],
    products: Mapping[str, int],
    missions: Mapping[str, str],
) -> list[Way]:
    """The ways to the images of a plan that reads parts of files, its own first.

    Args:
        provider: Key of `FILES`.
        name: Of the provider, for people.
        costs: Of the plan.
        asked: What the same images take of Sentinel Hub, those that it has.
        products: How many whole products it takes, by sensor.
        missions: By sensor.
    """
    limits = FILES.get(provider, _OPEN)
    size, requests = sum(c.bytes for c in costs), sum(c.requests for c in costs)
    own = Way(
        f"STAC: parts of files from {name}",
        requests,
        0.0,
        size,
        round(limits.minutes(size, requests), 2),
        round(size / limits.bytes_month, 3),
        f"what this source does; {limits.note}",
    )
    others = _by_requests("cdse", asked) if asked else []
    return [own, *others, *_whole_products(products, missions)]


def _by_requests(deployment: str, costs: Sequence[Cost]) -> list[Way]:
    """What Sentinel Hub's own ways to images take, that of single requests first."""
    units, requests = sum(c.units for c in costs), sum(c.requests for c in costs)
    size = sum(c.bytes for c in costs)
    quota = QUOTAS.get(deployment)
    return [
        _by_units("Process API", quota, requests, units, size, "source sentinelhub"),
        _by_units(
            "asynchronous Process API",
            quota,
            requests,
            units * _ASYNC,
            size,
            "two thirds of the price; results go to a bucket of yours",
        ),
        _by_units(
            "Batch Processing",
            quota,
            0,
            units * _BATCH,
            size,
            f"a third of the price; enterprise plans with {_BATCH_MINIMUM} units in hand",
        ),
    ]


def _whole_products(products: Mapping[str, int], missions: Mapping[str, str]) -> list[Way]:
    """Products of the missions that CDSE's S3 is known to have, in whole; none without any."""
    counts = {name: count for name, count in products.items() if missions[name] in _PRODUCT_BYTES}
    if not counts:
        return []
    whole = sum(_PRODUCT_BYTES[missions[name]] * count for name, count in counts.items())
    limits = FILES["cdse"]
    return [
        Way(
            "whole products from CDSE's S3 (files)",
            sum(counts.values()),
            0.0,
            round(whole),
            limits.minutes(whole),
            whole / limits.bytes_month,
            "no units; keys expire, Sentinel-2 is JPEG 2000; read them with the source files",
        )
    ]


def _ranges(size: int) -> Way:
    return Way(
        "STAC with cloud-optimised files (Sentinel-2 L2A)",
        -1,
        0.0,
        size,
        _OPEN.minutes(size),
        0.0,
        "no key and no quota for Sentinel-2 L2A (Earth Search); source stac",
    )


def write_ways(folder: Path, found: Iterable[Way]) -> None:
    """Write the table of ways beside a plan."""
    with (folder / FILE_NAME).open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(field.name for field in fields(Way))
        table.writerows(astuple(way) for way in found)


def ways_in_words(found: Sequence[Way]) -> tuple[str, ...]:
    """A sentence on the plan's own way, and one on each other if it takes months.

    Args:
        found: The plan's own way first; empty where a source knows no others.
    """
    if not found:
        return ()
    own, *others = found
    sentences = [_sentence(own)]
    if own.months > 1:
        sentences += [f"instead: {_sentence(way)} ({way.note})" for way in others]
    return tuple(sentences)


def _by_units(
    name: str, quota: Quota | None, requests: int, units: float, size: int, note: str
) -> Way:
    minutes = quota.minutes(units, requests) if quota else -1.0
    months = quota.months(units, requests) if quota else -1.0
    return Way(name, requests, round(units, 3), size, round(minutes, 2), round(months, 3), note)


def _sentence(way: Way) -> str:
    if way.minutes < 0:
        return f"{way.way}: {way.units:.0f} units; limits depend on your contract"
    hours = way.minutes / 60
    time = f"{hours:.1f} hours" if hours >= 1 else f"{max(math.ceil(way.minutes), 1)} minutes"
    years = way.months / 12
    share = f"{years:.1f} years" if years >= 1 else f"{way.months:.1f} months"
    price = f"{way.units:.0f} units, " if way.units else ""
    return f"{way.way}: {price}{way.bytes / 1e9:.1f} GB, at least {time}" + (
        f", {share} of the free quota" if way.months else ""
    )
