"""Where the two published networks' weight files lie, and that they are the published ones.

The files are data under GPL-3 and no part of this package: they travel in a folder of their own,
which an installation may leave out.
"""

import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from groundshift.domain.eras import era as find_era
from groundshift.errors import SourceError

VARIABLE = "GROUNDSHIFT_REFERENCE_WEIGHTS"
"""Environment variable that names another folder with the weight files."""


@dataclass(frozen=True)
class WeightFile:
    """A published weight file: its name and SHA-256."""

    name: str
    sha256: str


FILES: dict[str, WeightFile] = {
    "s12": WeightFile(
        "s12_best_weights_ercnn_drs.hdf5",
        "7772062472da8f7fd55183647acd36fa50a0102769a7199edd2367066315a072",
    ),
    "ers12ls5": WeightFile(
        "ers12ls5_best_weights_ercnn_drs.hdf5",
        "894f8effbc3bb53bfccce3f78ff571c4f2134a03e40e678763f345a6d29e386b",
    ),
}
"""The weight file of each era."""


def weights_folder() -> Path:
    """The folder of the weight files: `GROUNDSHIFT_REFERENCE_WEIGHTS`, or `weights` of a checkout.

    Raises:
        SourceError: there is no such folder.
    """
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "weights"
    if not folder.is_dir():
        raise SourceError(
            f"published weights: expected the folder {folder}, found none. They are optional at "
            f"install: take the folder `weights` of a checkout and set {VARIABLE} to it"
        )
    return folder


def path(era: str) -> Path:
    """The weight file of an era, checked against its published SHA-256.

    Raises:
        SettingsError: there is no such era.
        SourceError: the file is missing or not the published one.
    """
    expected = FILES[find_era(era).name]
    file = weights_folder() / expected.name
    if not file.is_file():
        raise SourceError(
            f"published weights of {era}: expected {file}, found no such file. "
            f"Copy it from the folder `weights` of a checkout, or set {VARIABLE}"
        )
    stat = file.stat()
    found = _sha256(file, stat.st_size, stat.st_mtime_ns)
    if found != expected.sha256:
        raise SourceError(
            f"{file}: expected SHA-256 {expected.sha256}, found {found}. "
            "The file is damaged or another one; copy it again from the folder `weights`"
        )
    return file


@lru_cache
def _sha256(file: Path, size: int, modified: int) -> str:  # keyed so that a changed file is reread
    return hashlib.sha256(file.read_bytes()).hexdigest()
