import pytest

from groundshift.reference import limassol_sea, split_tiles


@pytest.mark.parametrize(
    ("site", "rows", "columns", "training", "validation"),
    [
        ("rotterdam", 68, 74, 1258, 629),
        ("limassol", 76, 73, 1231, 601),
        ("liege", 67, 74, 1240, 620),
    ],
)
def test_counts_are_the_published_ones(
    site: str, rows: int, columns: int, training: int, validation: int
) -> None:
    sea = limassol_sea("s12") if site == "limassol" else None
    split = split_tiles(rows, columns, without=sea)
    assert (len(split.training), len(split.validation)) == (training, validation)
    assert not set(split.training) & set(split.validation)


def test_pattern_is_the_published_one() -> None:
    split = split_tiles(4, 4)
    assert split.training == ((0, 0), (1, 2), (2, 0), (3, 2))
    assert split.validation == ((1, 3), (2, 1))
