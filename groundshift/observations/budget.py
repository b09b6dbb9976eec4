"""Refusing a run before it takes more of a service than the user allows."""

from collections.abc import Callable, Iterable, Sequence

from groundshift.domain.cells import Cell
from groundshift.domain.time import isoformat
from groundshift.errors import BudgetError
from groundshift.observations.costs import Cost
from groundshift.observations.intake import costs_of
from groundshift.observations.sources.base import Acquisition, Source
from groundshift.settings import BudgetSettings


def require_budget(
    source: Source,
    acquisitions: Sequence[Acquisition],
    cells: Sequence[Cell],
    budget: BudgetSettings,
    travelling: Callable[[Iterable[Cost]], list[Cost]],
) -> None:
    """Refuse a run that would take more than the user allows.

    Args:
        source: Where acquisitions come from.
        acquisitions: What is still to be read.
        cells: Where it goes.
        budget: Limits; those that are None allow anything.
        travelling: Costs with the bytes that really travel.

    Raises:
        BudgetError: with what would fit.
    """
    ordered = sorted(acquisitions, key=lambda item: item.time)
    prices = [travelling(costs_of(source, [item], cells)) for item in ordered]
    for limit, of, unit in (
        (budget.units, _units, "processing units"),
        (budget.gigabytes, _gigabytes, "GB"),
    ):
        spent, fits = 0.0, 0
        for price in prices:
            spent += sum(of(cost) for cost in price)
            fits += limit is None or spent <= limit
        if limit is not None and spent > limit:
            raise BudgetError(
                f"fetch.budget: expected at most {limit:g} {unit}, found that the {len(ordered)} "
                f"images that are missing take {spent:.3g}. The first {fits} would fit: end the "
                f"period at {isoformat(ordered[fits].time)[:10]}, ask for fewer bands, or raise "
                "the budget"
            )


def _units(cost: Cost) -> float:
    return cost.units


def _gigabytes(cost: Cost) -> float:
    return cost.bytes / 1e9
