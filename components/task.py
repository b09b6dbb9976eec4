"""What a stage's command line knows of the task at hand, beside its own folders and flags."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from groundshift.artifacts import ArtifactStore, Reference
from groundshift.errors import ContractError, SettingsError
from groundshift.settings import StageSettings

Settings = TypeVar("Settings", bound=StageSettings)


@dataclass(frozen=True)
class Task(Generic[Settings]):
    """One run of a stage: its settings, and its place in a fan-out and in a store."""

    settings: Settings
    store: ArtifactStore | None = None
    cell: str = ""
    """Which cell; empty for all of the area."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """Key by cell: of the one cell, or of all cells of the plan that an input came from."""
    _afterwards: list[Callable[[Reference], None]] = field(default_factory=list)

    @property
    def area(self) -> str:
        """Name of the area."""
        return self.settings.name

    def current(self, contract: str) -> Path | None:
        """The artifact of this cell that was published last; None if there is none."""
        if self.store is None or not self.cell:
            return None
        reference = self.store.current(self.area, self.cell, contract)
        return None if reference is None else self.store.folder(reference)

    def champion(self, content_hash: str) -> tuple[Path, Path]:
        """Folders of a champion's model and of its evaluation.

        Args:
            content_hash: of the model, as the plan named it.

        Raises:
            ContractError: there is no such champion.
            SettingsError: there is no store to look into.
        """
        store = self.need_store("--champion")
        champion = store.champion(self.area, content_hash)
        if champion is None:
            raise ContractError(
                f"{store.address}: expected a champion {content_hash[:12]} of the area "
                f"{self.area}, found none. Run the training pipeline first, with evaluate --promote"
            )
        return store.folder(champion.model), store.folder(champion.evaluation)

    def afterwards(self, action: Callable[[Reference], None]) -> None:
        """Do something with this task's own artifact, once that is in the store."""
        self._afterwards.append(action)

    def publish(self, *contracts: str) -> None:
        """Make the results of all of the plan's cells the current ones.

        It happens once this task's own artifact is in the store; without a store nothing does.
        """
        if self.store is not None:
            store = self.store
            self._afterwards.append(
                lambda maps: store.publish(self.area, self.keys, contracts, maps)
            )

    def keep(self, folder: Path, contract: str) -> Reference:
        """Bring the task's artifact into the store, and do what was to be done afterwards."""
        store = self.need_store("--store")
        reference = store.adopt(folder, contract)
        if self.cell:
            store.put_ref(self.area, self.cell, self.keys[self.cell], reference)
        for action in self._afterwards:
            action(reference)
        return reference

    def need_store(self, option: str) -> ArtifactStore:
        """The artifact store.

        Raises:
            SettingsError: there is none, and the option needs one.
        """
        if self.store is None:
            raise SettingsError(f"{option} needs the artifact store: give --store")
        return self.store
