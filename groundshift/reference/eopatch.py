"""EOPatch folders as the published system wrote and read them (method sections 2 to 4).

One folder per observation, named `YYYYmmddTHHMMSS`, with plain arrays of [t, y, x, band]. They are
those of eo-learn 1.2; its current version reads them too.
"""

import gzip
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundshift.domain.time import find_stamp, stamp
from groundshift.errors import SourceError

Array = NDArray[np.generic]

_TIMES = ("timestamp.json", "timestamps.json")
"""Name of the file of times: the published system's, and that of newer versions of eo-learn."""


@dataclass(frozen=True)
class Bounds:
    """A box in a reference system, x before y."""

    left: float
    bottom: float
    right: float
    top: float
    epsg: int

    def to_geojson(self) -> dict[str, Any]:
        """The box as eo-learn writes it."""
        x0, y0, x1, y1 = self.left, self.bottom, self.right, self.top
        return {
            "crs": {"type": "name", "properties": {"name": f"urn:ogc:def:crs:EPSG::{self.epsg}"}},
            "type": "Polygon",
            "coordinates": [[[x0, y0], [x0, y1], [x1, y1], [x1, y0], [x0, y0]]],
        }

    @classmethod
    def from_geojson(cls, document: dict[str, Any]) -> "Bounds":
        """The box around a polygon that names its reference system."""
        ring = np.asarray(document["coordinates"][0], float)
        code = document["crs"]["properties"]["name"].rsplit(":", 1)[-1]
        x, y = ring[:, 0], ring[:, 1]
        return cls(float(x.min()), float(y.min()), float(x.max()), float(y.max()), int(code))


@dataclass(frozen=True)
class Patch:
    """One observation: arrays [t, y, x, band] by name, of which slice 0 counts."""

    time: int
    """Seconds since 1970 UTC."""
    data: dict[str, Array]
    mask: dict[str, Array]
    bounds: Bounds
    meta: dict[str, Any] = field(default_factory=dict)


def list_patches(folder: Path) -> list[tuple[int, Path]]:
    """The observations of a source's folder by time: seconds since 1970 UTC, and folder.

    A folder that is named by a date in another way is passed over, as it was.

    Raises:
        SourceError: a folder whose name is no date.
    """
    found = []
    for path in sorted(entry for entry in folder.iterdir() if entry.is_dir()):
        seconds = find_stamp(path.name)
        if seconds is None:
            raise SourceError(
                f"{path}: expected a folder named YYYYmmddTHHMMSS, found {path.name!r}. "
                "Move it out of the source's folder"
            )
        if path.name == stamp(seconds):
            found.append((seconds, path))
    return sorted(found)


def read_patch(folder: Path) -> Patch:
    """Read one observation.

    Raises:
        SourceError: a part is missing or can't be read.
    """
    times = next((folder / name for name in _TIMES if (folder / name).is_file()), None)
    if times is None:
        raise SourceError(
            f"{folder}: expected an EOPatch with {_TIMES[0]}, found none. Fetch or convert it again"
        )
    try:
        moment = datetime.fromisoformat(json.loads(times.read_text())[0])
        meta = folder / "meta_info.json"
        return Patch(
            time=int(moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()),
            data=_read_arrays(folder / "data"),
            mask=_read_arrays(folder / "mask"),
            bounds=Bounds.from_geojson(json.loads((folder / "bbox.geojson").read_text())),
            meta=json.loads(meta.read_text()) if meta.is_file() else {},
        )
    except (OSError, EOFError, ValueError, KeyError, IndexError, TypeError) as error:
        raise SourceError(
            f"{folder}: expected a whole EOPatch, found {error}. Fetch or convert it again"
        ) from error


def write_patch(patch: Patch, source: Path) -> Path:
    """Write one observation below a source's folder.

    Returns:
        The observation's folder `YYYYmmddTHHMMSS`.
    """
    folder = source / stamp(patch.time)
    for kind, arrays in (("data", patch.data), ("mask", patch.mask)):
        (folder / kind).mkdir(parents=True, exist_ok=True)
        for name, values in arrays.items():
            np.save(folder / kind / f"{name}.npy", values)
    moment = datetime.fromtimestamp(patch.time, UTC).replace(tzinfo=None)
    _write_json(folder / "bbox.geojson", patch.bounds.to_geojson())
    _write_json(folder / _TIMES[0], [moment.isoformat()])
    if patch.meta:
        _write_json(folder / "meta_info.json", patch.meta)
    return folder


def _read_arrays(folder: Path) -> dict[str, Array]:
    """Arrays of a feature folder by name; eo-learn may have compressed them."""
    arrays = {}
    for path in sorted(folder.glob("*.npy*")):
        if path.suffix == ".gz":
            with gzip.open(path) as file:
                values = np.load(file)
        else:
            values = np.load(path)
        arrays[path.name.split(".npy")[0]] = values
    return arrays


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=2))
