"""What a served model takes at most, and what it may read; from the environment.

GROUNDSHIFT_SERVE_PREFIXES     folders, stores in S3, that cubes are read from, by commas; none by
default, so that nothing is read by reference
GROUNDSHIFT_SERVE_UNPACKED_MB  most megabytes of the arrays of a sample, unpacked; 256
GROUNDSHIFT_SERVE_JSON_MB      most megabytes of a sample of nested lists; 4
GROUNDSHIFT_SERVE_PIXELS       most pixels of an image that is asked for by reference; 262144
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from groundshift.errors import SettingsError

S3 = "s3://"
_PREFIX = "GROUNDSHIFT_SERVE_"


@dataclass(frozen=True)
class Limits:
    """What one request may ask for."""

    prefixes: tuple[Path, ...] = ()
    """Folders."""
    stores: tuple[str, ...] = ()
    """Addresses of artifact stores in S3."""
    unpacked: int = 256 << 20
    """Bytes of arrays."""
    json: int = 4 << 20
    """Characters of a sample of nested lists."""
    pixels: int = 1 << 18
    """Pixels of an image asked for by reference."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Limits":
        """The limits that are set, defaults elsewhere.

        Raises:
            SettingsError: a number that is none, or a folder that is not there.
        """
        listed = environment.get(f"{_PREFIX}PREFIXES", "").split(",")
        given = [text.strip() for text in listed if text.strip()]
        stores = tuple(text.rstrip("/") for text in given if text.startswith(S3))
        prefixes = tuple(Path(text).resolve() for text in given if not text.startswith(S3))
        for folder in prefixes:
            if not folder.is_dir():
                raise SettingsError(
                    f"{_PREFIX}PREFIXES: expected folders, found {folder}, which is not there"
                )
        return cls(
            prefixes,
            stores,
            _number(environment, "UNPACKED_MB", 256) << 20,
            _number(environment, "JSON_MB", 4) << 20,
            _number(environment, "PIXELS", 1 << 18),
        )


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(_PREFIX + name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"{_PREFIX}{name}: expected a whole number above 0, found {text!r}")
    return int(text)
