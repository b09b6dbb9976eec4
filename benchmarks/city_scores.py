"""Scores against the synthetic city's truth: `python -m benchmarks.city_scores FOLDER [NAME...]`.

Runs the experiments below with the settings of params.yaml, three cities and three networks each,
by the stages' own command lines, and writes the tables and curves of docs/evaluation.md. What an
earlier, interrupted call has finished in FOLDER is kept; of an experiment that has not been run
(give names to run only some, or `--page` to run none) the page says so.

Test blocks share no pixel with training blocks, and training ends before the first test window's
look-back begins. Seed 1 is left out: the presets of the city and the network were tuned on it. So
are 2 to 4, which earlier trials have seen.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from benchmarks.city_area import area_check
from benchmarks.city_page import write_page
from pipelines.comparison import Axis, Chain, Run, replicates

ROOT = Path(__file__).parents[1]

SETTINGS = (
    "area.bounds=[500000, 5600000, 504000, 5604000]",
    "period.end=2021-01-01",
    "stack.step=4d",
    "window.labels=truth",
    "window.split.until=2019-01-01",
    "train.neighbours=true",
    "train.batch=4",
    "train.span=30",
    "train.stride=5",
    "train.epochs=12",
    "train.validation_stride=15",
    "evaluate.stride=10",
)
"""Of every experiment: 400 x 400 pixels and 48 months, the first half to learn from. How the
network learns was chosen on seed 1, and fixed before the other seeds were trained with it."""

REPEAT = ("fetch.synthetic.seed=5,6,7", "train.seed=0,100,200")


@dataclass(frozen=True)
class Experiment:
    """One row of the page's tables of experiments.

    Attributes:
        title: as the page has it.
        overrides: beside `SETTINGS`.
    """

    title: str
    overrides: tuple[str, ...] = ()


_SAME_RIVALS = "evaluate.baselines=false"
"""They see the same cities, and learn from the same labels, as those of the first experiment."""

EXPERIMENTS = {
    "city": Experiment("city"),
    "hard": Experiment("hard", ("fetch.synthetic.preset=hard",)),
    "synthetic": Experiment("city, learnt from synthetic labels", ("window.labels=synthetic",)),
    "radar": Experiment("city, radar only", ("train.variant=radar", _SAME_RIVALS)),
    "optical": Experiment("city, optical only", ("train.variant=optical", _SAME_RIVALS)),
    "shuffled": Experiment("city, labels shuffled", ("train.control=labels", _SAME_RIVALS)),
    "times": Experiment("city, times shuffled", ("train.control=time", _SAME_RIVALS)),
    "ensemble": Experiment("city, three networks together", ("train.members=3", _SAME_RIVALS)),
}


def main() -> None:
    """Run what is asked for, then write the page from all that there is."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(EXPERIMENTS)}")
    parser.add_argument("--page", action="store_true", help="run nothing, write the page only")
    given = parser.parse_args()
    chain = Chain(ROOT / "params.yaml", "city", given.folder.resolve())
    chosen = [] if given.page else given.names or list(EXPERIMENTS)
    told_in_full = next(iter(EXPERIMENTS))
    for name in chosen:
        for overrides in settings_of(EXPERIMENTS[name]):
            run = chain.run(overrides)
            if name == told_in_full:
                area_check(run)
    done = {experiment.title: finished(chain, experiment) for experiment in EXPERIMENTS.values()}
    write_page(ROOT / "docs", done)


def settings_of(experiment: Experiment) -> list[tuple[str, ...]]:
    """Overrides of every repetition."""
    return [
        (*SETTINGS, *experiment.overrides, *one.overrides)
        for one in replicates([Axis.parse(text, "--repeat") for text in REPEAT])
    ]


def finished(chain: Chain, experiment: Experiment) -> list[Run]:
    """The repetitions that have been run to their end."""
    found = (chain.finished(overrides) for overrides in settings_of(experiment))
    return [run for run in found if run is not None]


if __name__ == "__main__":
    main()
