"""Strata of published maps, and what a sample of them says of itself."""

from pathlib import Path

import numpy as np

from groundshift.assessment.strata import BESIDE, DOUBTFUL, ELSEWHERE
from groundshift.cube.store import Cube
from groundshift.products.maps import MAXIMUM, aggregate_path, write_cog
from groundshift.products.review_package import read_about
from groundshift.products.sampling import Strata, strata_of, write_sample
from tests.products.test_survey import make_survey


def strata_with_scores(cube: Cube, folder: Path) -> tuple[Strata, dict[str, np.ndarray]]:
    """Strata of maps whose greatest scores are random, half as high in the east."""
    survey = make_survey(cube, folder, folder)
    cells = {found.cell.id: found.cell for found in survey.findings}
    generator, scores = np.random.default_rng(0), {}
    for name, highest in (("west", 0.4), ("east", 0.2)):
        grid = cells[name].core
        scores[name] = generator.uniform(0, highest, grid.shape).astype(np.float32)
        scores[name][0, :5] = np.nan
        path = aggregate_path(folder, cells[name], MAXIMUM)
        write_cog(path, {"score": scores[name]}, grid, nodata=np.nan, tags={})
    return strata_of(folder, list(cells.values()), survey.table), scores


def test_the_highest_scores_outside_events_are_doubtful_over_all_cells(
    cube: Cube, tmp_path: Path
) -> None:
    strata, scores = strata_with_scores(cube, tmp_path)
    sizes = strata.pixels()
    assert list(sizes) == [ELSEWHERE, DOUBTFUL, BESIDE, "2017"]
    assert sizes["2017"] == 150
    assert sizes[DOUBTFUL] == round(0.2 * (sizes[DOUBTFUL] + sizes[ELSEWHERE]))
    assert sum(sizes.values()) == 2 * (40 * 50 - 5)
    numbers = {cell.id: own for cell, own in strata.numbers.items()}
    lowest = min(
        scores[name][own == strata.names.index(DOUBTFUL)].min(initial=1)
        for name, own in numbers.items()
    )
    for name, own in numbers.items():
        assert (scores[name][own == strata.names.index(ELSEWHERE)] < lowest).all()
        assert (own[np.isnan(scores[name])] == -1).all()
    assert not (numbers["east"] == strata.names.index(DOUBTFUL)).any()


def test_a_package_names_the_strata_of_its_units(cube: Cube, tmp_path: Path) -> None:
    strata, _ = strata_with_scores(cube, tmp_path)
    path = tmp_path / "sample.gpkg"
    counts = write_sample(path, strata, total=100, least=10, seed=0, about={})
    assert 98 <= sum(counts.values()) <= 102  # shares are rounded
    assert counts[ELSEWHERE] > counts[DOUBTFUL] >= counts[BESIDE] >= 10
    about = read_about(path)
    areas = {key: float(v) for key, v in about.items() if key.startswith("stratum:")}
    assert areas == {f"stratum:{name}": 100.0 * n for name, n in strata.pixels().items()}
    drawn = [value for key, value in about.items() if key.startswith("unit:")]
    assert {name: drawn.count(name) for name in counts} == counts
