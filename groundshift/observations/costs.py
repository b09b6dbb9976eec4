"""What images cost that a service is asked for, by sensor and month."""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass, field, fields
from pathlib import Path
from threading import Lock

FILE_NAME = "costs.csv"


@dataclass
class Used:
    """What asking for images really took; counted by several threads at once."""

    requests: int = 0
    units: float = 0.0
    bytes: int = 0
    _lock: Lock = field(default_factory=Lock, repr=False)

    def add(self, *, requests: int = 0, units: float = 0.0, bytes: int = 0) -> None:
        """Count some more."""
        with self._lock:
            self.requests += requests
            self.units += units
            self.bytes += bytes


@dataclass(frozen=True)
class Cost:
    """The price of one sensor's images of one month.

    Attributes:
        sensor: Name of the stream.
        month: YYYY-MM.
        images: Overpasses times cells that they reach.
        requests: How many it takes.
        units: Processing units of the provider.
        bytes: That travel; of what costs units, a source tells them before compression.
    """

    sensor: str
    month: str
    images: int
    requests: int
    units: float
    bytes: int


def processing_units(pixels: int, bands: int, *, floating: bool, radar: bool) -> float:
    """Processing units of one request, by the formula that Sentinel Hub publishes.

    One unit buys 512 x 512 pixels of three bands of 16 bits; floating point doubles it, and so does
    orthorectifying.

    Args:
        pixels: Of the image.
        bands: That are asked for, masks among them; dataMask is free.
        floating: Whether numbers come as 32 bits.
        radar: Whether images are orthorectified.
    """
    factor = (2 if floating else 1) * (2 if radar else 1)
    return max(pixels / 512**2 * bands / 3 * factor, 0.005)


def total(costs: Iterable[Cost]) -> list[Cost]:
    """Costs by sensor and month, each once, in order."""
    sums: dict[tuple[str, str], Cost] = {}
    for cost in costs:
        key = (cost.sensor, cost.month)
        so_far = sums.get(key)
        sums[key] = cost if so_far is None else _sum(so_far, cost)
    return [sums[key] for key in sorted(sums)]


def write_costs(folder: Path, costs: Sequence[Cost]) -> None:
    """Write the table of costs beside a plan."""
    with (folder / FILE_NAME).open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(field.name for field in fields(Cost))
        table.writerows(astuple(cost) for cost in costs)


def in_words(costs: Sequence[Cost]) -> tuple[str, ...]:
    """A sentence per sensor."""
    sentences = []
    for name in dict.fromkeys(cost.sensor for cost in costs):
        (cost,) = total(Cost(**asdict(c) | {"month": ""}) for c in costs if c.sensor == name)
        price = (
            f"cost {cost.units:.1f} processing units, {cost.bytes / 1e6:.0f} MB"
            if cost.units
            else f"are {cost.bytes / 1e6:.0f} MB, free of units"
        )
        sentences.append(f"{name}: {cost.images} images in {cost.requests} requests {price}")
    return tuple(sentences)


def _sum(one: Cost, other: Cost) -> Cost:
    numbers = ("images", "requests", "units", "bytes")
    return Cost(
        one.sensor, one.month, *(getattr(one, name) + getattr(other, name) for name in numbers)
    )
