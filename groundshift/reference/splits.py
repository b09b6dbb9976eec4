"""The published split of an area's tiles into training and validation (method section 6.6)."""

from dataclasses import dataclass

from groundshift.domain.eras import era as find_era

TileIndex = tuple[int, int]
"""Row j and column i of a tile."""


@dataclass(frozen=True)
class Corner:
    """A triangle at the bottom right that holds no land: rows, columns and their sum from on."""

    row: int
    column: int
    total: int

    def __contains__(self, tile: TileIndex) -> bool:
        row, column = tile
        return row >= self.row and column >= self.column and row + column >= self.total


@dataclass(frozen=True)
class TileSplit:
    """Tiles (j, i) to train on and to validate on; the others are in neither."""

    training: tuple[TileIndex, ...]
    validation: tuple[TileIndex, ...]


_LIMASSOL_SEA = {"s12": Corner(48, 35, 110), "ers12ls5": Corner(15, 45, 93)}


def limassol_sea(era: str) -> Corner:
    """The triangle of sea that is left out of Limassol's tiles.

    Raises:
        SettingsError: there is no such era.
    """
    return _LIMASSOL_SEA[find_era(era).name]


def split_tiles(rows: int, columns: int, *, without: Corner | None = None) -> TileSplit:
    """A quarter of the tiles to train on and an eighth to validate on, in a fixed pattern.

    Args:
        rows: number of tiles down.
        columns: number of tiles across.
        without: tiles to leave out, e.g. `limassol_sea`.
    """
    tiles = [(j, i) for j in range(rows) for i in range(columns)]
    kept = [tile for tile in tiles if without is None or tile not in without]
    return TileSplit(
        training=tuple((j, i) for j, i in kept if i % 2 == 0 and (j + i // 2) % 2 == 0),
        validation=tuple((j, i) for j, i in kept if i % 2 == 1 and (j + (i + 1) // 2 + 1) % 4 == 0),
    )
