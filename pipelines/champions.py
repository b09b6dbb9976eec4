"""The models of an area as its store knows them: which is the champion, why, and which were before.

Changes are made in the artifact store by comparing and swapping, and the alias in MLflow's registry
follows.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from groundshift.artifacts import ArtifactStore, Champion, Reference
from groundshift.artifacts.decisions import Decision
from groundshift.errors import SettingsError
from groundshift.services import mlflow_store, tracking
from groundshift.services.registry import Registry

BY_HAND = "by hand"
_SHORT = 12


@dataclass(frozen=True)
class Line:
    """A model in the list.

    Attributes:
        decision: the last one about it.
        champion: whether it is the champion.
        version: in MLflow, with its aliases; empty where MLflow has none.
    """

    decision: Decision
    champion: bool
    version: str


@dataclass(frozen=True)
class Champions:
    """The models of one area."""

    store: ArtifactStore
    area: str
    registry: Registry | None = None

    @classmethod
    def open(cls, store: str, area: str) -> "Champions":
        """Open a store that is there, and MLflow's registry where one is in use.

        Raises:
            SettingsError: there is no such store.
            SourceError: MLflow can't be reached.
        """
        if not Path(store.removeprefix("file://")).is_dir() and "://" not in store:
            raise SettingsError(
                f"--store {store}: expected an artifact store, found no such folder. Run a "
                "pipeline first: groundshift run training --engine process"
            )
        registry = None
        if tracking.in_use():
            registry = Registry(mlflow_store.open_store(), area)
        return cls(ArtifactStore.open(store), area, registry)

    def lines(self) -> Iterator[Line]:
        """Every model that was decided about, the newest decision first."""
        latest = {decision.model: decision for decision in self.store.decisions(self.area)}
        versions = self.registry.versions() if self.registry else {}
        present = self.store.champion_hash(self.area)
        for decision in sorted(latest.values(), key=lambda each: each.time, reverse=True):
            version, aliases = versions.get(decision.model, ("", ()))
            shown = " ".join((f"v{version}", *(f"@{alias}" for alias in aliases)))
            yield Line(decision, decision.model == present, shown if version else "")

    def find(self, name: str) -> Decision:
        """The last decision about a model.

        Args:
            name: `champion`, or how its content hash begins.

        Raises:
            SettingsError: no model of that name, or several.
        """
        wanted = self.store.champion_hash(self.area) if name == "champion" else name
        latest = {decision.model: decision for decision in self.store.decisions(self.area)}
        found = [each for model, each in latest.items() if wanted and model.startswith(wanted)]
        if len(found) != 1:
            known = ", ".join(model[:_SHORT] for model in latest) or "none"
            raise SettingsError(
                f"expected one model of {self.area} that is called {name}, found {len(found)} "
                f"among {known}. Give more of its content hash, or train it with this --store"
            )
        return found[0]

    def promote(self, name: str) -> Decision:
        """Make a model the champion that was judged before, whatever the verdict was.

        Raises:
            SettingsError: no such model, or it is the champion.
            SourceError: another model became the champion meanwhile, or MLflow is lost.
        """
        judged, present = self.find(name), self.store.champion(self.area)
        if present is not None and present.model.content_hash == judged.model:
            raise SettingsError(f"{judged.model[:_SHORT]} is the champion of {self.area} already")
        before = present.model.content_hash if present else ""
        chosen = Champion(
            self._reference("model", judged.model),
            self._reference("evaluation", judged.evaluation),
            before,
        )
        self.store.promote(self.area, chosen)
        return self._decided(replace(judged, action="promoted"), before)

    def roll_back(self) -> Decision:
        """Make the model the champion again that the present one took over from.

        Raises:
            SettingsError: there is none.
            SourceError: another model became the champion meanwhile, or MLflow is lost.
        """
        present = self.store.champion(self.area)
        earlier = present and self.store.champion(self.area, present.replaced or "none")
        if present is None or earlier is None:
            raise SettingsError(f"{self.area} has no earlier champion to go back to")
        self.store.promote(self.area, earlier, replacing=present.model.content_hash)
        judged = self.find(earlier.model.content_hash)
        return self._decided(replace(judged, action="rolled back to"), present.model.content_hash)

    def _decided(self, decision: Decision, before: str) -> Decision:
        """Write a person's decision down, now and by this user, and let MLflow follow."""
        made = Decision(
            decision.action,
            decision.model,
            decision.evaluation,
            before,
            BY_HAND,
            figures=decision.figures,
        )
        self.store.decide(self.area, made)
        if self.registry is not None:
            version = self.registry.follow(lambda: self.store.champion_hash(self.area))
            if version is not None:
                self.registry.tag(version, {"groundshift.decision": f"{made.action}, {BY_HAND}"})
        return made

    def folder(self, contract: str, content_hash: str) -> Path:
        """Where an artifact of the store lies.

        Raises:
            ContractError: it is not there any more.
        """
        location = f"objects/{contract}/{content_hash}"
        return self.store.folder(Reference(contract, content_hash, "", location))

    def _reference(self, contract: str, content_hash: str) -> Reference:
        return self.store.reference(self.folder(contract, content_hash), contract)
