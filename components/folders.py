"""The folders of a task: which of them it reads and which it writes, and where they really lie."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from groundshift.artifacts import (
    REFERENCE,
    ArtifactStore,
    Reference,
    is_artifact,
    write_collection,
)
from groundshift.artifacts.fan_out import CELLS, read_cells
from groundshift.errors import ContractError, SettingsError


@dataclass(frozen=True)
class Folder:
    """What a stage says of one of its folder options."""

    contract: str = ""
    """Of the artifact in it; empty if the option has the contract's name."""
    read: bool = False
    written: bool = False
    """With `read` too: the stage's other folders decide, see `output_of`."""
    by_parts: Callable[[str], bool] | None = None
    """Of which of its files only parts are read, where they lie in S3; by default of none."""


def output_of(declared: Mapping[str, Folder], given: Mapping[str, Path]) -> str:
    """Name of the folder that a task writes: the last one given.

    A stage declares its folders in the order in which they are made, so that what is made last is
    the output and everything before it is an input.

    Args:
        declared: by the name of the option.
        given: those that the command line names.

    Raises:
        SettingsError: no output, or more than one.
    """
    names = [name for name in declared if name in given]
    last = names[-1] if names else ""
    wrong = [name for name in names[:-1] if not declared[name].read]
    if not last or not declared[last].written or wrong:
        outputs = ", ".join(f"--{name}" for name, folder in declared.items() if folder.written)
        found = ", ".join(f"--{name}" for name in names) or "no folder"
        raise SettingsError(
            f"expected one of {outputs} and the folders it is made from, found {found}. See --help"
        )
    return last


@dataclass
class Inputs:
    """Finds the artifacts behind the folders that a command line names."""

    store: ArtifactStore | None
    area: str
    cell: str = ""
    key: str = ""
    stack: ExitStack = field(default_factory=ExitStack)
    """Keeps collections until the task is over."""
    keys: dict[str, str] = field(default_factory=dict)
    """Key by cell, as far as plans were read."""

    def find(
        self, folder: Path, contract: str, by_parts: Callable[[str], bool] | None = None
    ) -> Path:
        """The artifact, or collection, that a folder stands for.

        Args:
            folder: an artifact, a reference to one in the store, or a plan (or a reference to
                one), which stands for what its cells' tasks made.
            contract: what is wanted.
            by_parts: see `Folder`.

        Raises:
            ContractError: nothing that could be meant, or a cell's artifact is not there.
            SettingsError: the folder needs a store, and none was given.
        """
        if (folder / REFERENCE).is_file() and not is_artifact(folder):
            reference = Reference.read(folder / REFERENCE)
            if reference.contract not in (contract, "plan"):
                raise ContractError(
                    f"{folder}: expected the artifact {contract}, found {reference.contract}. "
                    f"Check which folder is passed as --{contract}"
                )
            parts = by_parts if reference.contract == contract else None
            folder = self._open(self._need_store(folder), reference, parts)
        if contract == "plan" or not (folder / CELLS).is_file():
            return folder
        return self._planned(folder, contract, by_parts)

    def _open(
        self, store: ArtifactStore, reference: Reference, by_parts: Callable[[str], bool] | None
    ) -> Path:
        if by_parts is None:
            return store.folder(reference)
        return self.stack.enter_context(store.lent(reference, by_parts))

    def _planned(self, plan: Path, contract: str, by_parts: Callable[[str], bool] | None) -> Path:
        store = self._need_store(plan)
        planned = {item.cell: item.key for item in read_cells(plan)}
        if self.cell:
            if self.cell not in planned:
                raise SettingsError(f"--cell {self.cell}: {plan} has no such cell")
            planned = {self.cell: self.key or planned[self.cell]}
        self.keys.update(planned)
        parts = {
            cell: self._open(store, store.require_ref(self.area, cell, key, contract), by_parts)
            for cell, key in planned.items()
        }
        if len(parts) == 1:
            return next(iter(parts.values()))
        folder = Path(self.stack.enter_context(TemporaryDirectory(prefix="groundshift-cells-")))
        write_collection(folder, contract, parts)
        return folder

    def _need_store(self, folder: Path) -> ArtifactStore:
        if self.store is None:
            raise SettingsError(
                f"{folder} refers to artifacts in a store: give the same --store that it was "
                "written with"
            )
        return self.store
