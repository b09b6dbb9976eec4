"""Stack and window files of the published system (method sections 5.5, 5.6 and 6.5).

A stack is a folder of one TFRecord file per tile, `{j}_{i}.tfrecords`, and `metadata.json`. Its
georeference was never recorded (quirk Q4).
"""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift.errors import ContractError, SettingsError
from groundshift.reference.examples import decode_example, encode_example
from groundshift.reference.records import read_records, write_records
from groundshift.reference.splits import TileIndex

Values = NDArray[np.float32]

_METADATA = "metadata.json"
_TILE = re.compile(r"(\d+)_(\d+)\.tfrecords")


@dataclass(frozen=True)
class Layout:
    """What `metadata.json` says: sizes in pixels, numbers of bands."""

    tile_size_y: int
    tile_size_x: int
    bands_sar: int
    bands_opt: int
    deadzone_y: int = 0
    deadzone_x: int = 0

    def __post_init__(self) -> None:
        for size, dead in (
            (self.tile_size_y, self.deadzone_y),
            (self.tile_size_x, self.deadzone_x),
        ):
            if dead < 0 or size <= 2 * dead:
                raise SettingsError(
                    f"tile size: expected more than two dead zones of {dead} pixels, found {size}"
                )

    def count(self, height: int, width: int) -> TileIndex:
        """Number of tiles down and across an image; what is left at the edges is dropped."""
        return (
            max(0, (height - 2 * self.deadzone_y) // (self.tile_size_y - 2 * self.deadzone_y)),
            max(0, (width - 2 * self.deadzone_x) // (self.tile_size_x - 2 * self.deadzone_x)),
        )

    def slices(self, tile: TileIndex) -> tuple[slice, slice]:
        """Rows and columns of a tile in the image; neighbours overlap by two dead zones."""
        top = tile[0] * (self.tile_size_y - 2 * self.deadzone_y)
        left = tile[1] * (self.tile_size_x - 2 * self.deadzone_x)
        return slice(top, top + self.tile_size_y), slice(left, left + self.tile_size_x)


@dataclass(frozen=True)
class Tile:
    """The steps of one tile: radar and optical frames after carrying pixels forward."""

    times: NDArray[np.float64]
    """[t] seconds since 1970 UTC."""
    ascending: Values
    """[t, y, x, band]."""
    descending: Values
    optical: Values

    @property
    def frames(self) -> Values:
        """[t, y, x, channel] in the network's order: ascending, descending, optical."""
        return np.concatenate([self.ascending, self.descending, self.optical], axis=-1)


@dataclass(frozen=True)
class Window:
    """One window of a window file: [t, y, x, channel], and its label [y, x] if it has one."""

    values: Values
    label: Values | None = None


def list_tiles(folder: Path) -> dict[TileIndex, Path]:
    """The tile files of a folder by row and column."""
    found = {}
    for path in folder.glob("*.tfrecords"):
        match = _TILE.fullmatch(path.name)
        if match:
            found[int(match[1]), int(match[2])] = path
    return dict(sorted(found.items()))


def read_layout(folder: Path) -> Layout:
    """The layout of a stack.

    Raises:
        ContractError: `metadata.json` is missing or not what it should be.
    """
    path = folder / _METADATA
    try:
        document: dict[str, Any] = json.loads(path.read_text())
        return Layout(**document)
    except (OSError, ValueError, TypeError) as error:
        raise ContractError(
            f"{path}: expected the layout of a stack, found {error}. Write the stack again"
        ) from error


def write_layout(folder: Path, layout: Layout) -> None:
    """Write `metadata.json` of a stack."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _METADATA).write_text(json.dumps(asdict(layout), indent=2))


def tile_name(tile: TileIndex, *, site: str = "") -> str:
    """Name of a tile's file; the training program expects window files to begin with the site."""
    return f"{site}_{tile[0]}_{tile[1]}.tfrecords".lstrip("_")


def read_tile(path: Path) -> Tile:
    """Read the steps of one tile of a stack.

    Raises:
        ContractError: the file is damaged or lacks a feature.
    """
    steps = [_features(path, record, _STEP) for record in read_records(path)]
    if not steps:
        raise ContractError(f"{path}: expected steps, found none. Write the stack again")
    times, ascending, descending, optical = (
        np.stack(arrays) for arrays in zip(*steps, strict=True)
    )
    return Tile(times, ascending, descending, optical)


def write_tile(path: Path, tile: Tile) -> None:
    """Write the steps of one tile."""
    write_records(path, (encode_example(step) for step in _steps(tile)))


def read_windows(path: Path) -> Iterator[Window]:
    """The windows of a window file, in order, labels where they are stored.

    Raises:
        ContractError: the file is damaged or lacks a feature.
    """
    for record in read_records(path):
        arrays = decode_example(record)
        if "Feature" not in arrays:
            raise _missing(path, "Feature", arrays)
        yield Window(arrays["Feature"], arrays.get("Label"))


def write_windows(path: Path, windows: Iterable[Window]) -> None:
    """Write windows whole: quirk Q8, the first step alone where there is no label, is not ours."""
    write_records(
        path,
        (
            encode_example(
                {"Feature": np.asarray(window.values, np.float32)}
                | ({} if window.label is None else {"Label": np.asarray(window.label, np.float32)})
            )
            for window in windows
        ),
    )


_STEP = ("Timestamp", "SAR_ascending", "SAR_descending", "OPT")


def _steps(tile: Tile) -> Iterator[dict[str, NDArray[np.generic]]]:
    """Features of each step; always float32, also from float64 (quirk Q25)."""
    for step, seconds in enumerate(tile.times):
        arrays = (tile.ascending[step], tile.descending[step], tile.optical[step])
        frames = (np.asarray(values, np.float32) for values in arrays)
        yield dict(zip(_STEP, (np.asarray(seconds, np.float64), *frames), strict=True))


def _features(path: Path, record: bytes, names: tuple[str, ...]) -> list[NDArray[Any]]:
    arrays = decode_example(record)
    for name in names:
        if name not in arrays:
            raise _missing(path, name, arrays)
    return [arrays[name] for name in names]


def _missing(path: Path, name: str, arrays: dict[str, NDArray[Any]]) -> ContractError:
    return ContractError(
        f"{path}: expected the feature {name!r}, found {', '.join(arrays) or 'none'}. "
        "The file is of another kind, or was not written by the published system"
    )
