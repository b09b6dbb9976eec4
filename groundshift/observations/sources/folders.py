"""What the file layouts share: folders below the root, and what is found in them."""

import difflib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from groundshift.errors import SettingsError
from groundshift.observations.sources.base import Acquisition
from groundshift.observations.sources.scene import RasterScene, Resampling


@dataclass(frozen=True)
class Found:
    """An acquisition and the files that hold it."""

    acquisition: Acquisition
    files: tuple[Path, ...]
    index: int = 0
    """Time slice inside the files."""


class Layout(Protocol):
    """A way in which files hold acquisitions."""

    def find(self) -> list[Found]:
        """List all acquisitions by time."""

    def open(self, found: Found, resampling: Resampling) -> AbstractContextManager[RasterScene]:
        """Open the files of an acquisition without a problem."""


def resolve(root: Path, folder: str, where: str) -> Path:
    """A folder below the root.

    Raises:
        SettingsError: there is none of that name (with the nearest name, or what is there), or it
            doesn't lie below the root.
    """
    _require_below(folder, where)
    path = root / folder
    if path.is_dir():
        return path
    names = sorted(child.name for child in _children(root))
    near = difflib.get_close_matches(Path(folder).name, names, 1)
    advice = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(names) or 'none'}"
    raise SettingsError(f"{where}: expected a folder {path}, found none. {advice}")


def list_files(folder: Path, pattern: str, where: str) -> list[Path]:
    """Files of a folder that fit a pattern, sorted by path.

    Raises:
        SettingsError: none does (with some of what is there), or the pattern leads elsewhere.
    """
    _require_below(pattern, where)
    files = sorted(path for path in folder.glob(pattern) if path.is_file())
    if not files:
        names = sorted(child.name for child in folder.iterdir())
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise SettingsError(
            f"{where}: expected files {pattern!r} in {folder}, found {shown or 'an empty folder'}. "
            "Correct the pattern or the folder"
        )
    return files


def _require_below(name: str, where: str) -> None:
    """Refuse a name that leads out of the folder it counts from."""
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise SettingsError(
            f"{where}: expected a name below fetch.files.root, found {name!r}, which leads out of "
            "it. Move the root up, or link the folder into it"
        )


def _children(root: Path) -> Iterator[Path]:
    return (path for path in root.iterdir() if path.is_dir()) if root.is_dir() else iter(())
