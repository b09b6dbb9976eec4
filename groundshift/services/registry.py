"""The model registry of MLflow: versions of an area's models, and the aliases they are known by.

`champion` is what monitoring maps with and what is served, `challenger` the newest that was judged
and did not replace it. Who the champion is, the artifact store decides, where two that race can't
both win; the alias follows it.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from groundshift.services import logged_model
from groundshift.services.logged_model import CONTENT_HASH
from groundshift.services.mlflow_store import Store, reaching

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

log = logging.getLogger(__name__)

CHAMPION, CHALLENGER = "champion", "challenger"


@dataclass(frozen=True)
class Registry:
    """The registered model of one area."""

    store: Store
    area: str

    @property
    def name(self) -> str:
        """Name of the registered model."""
        return f"groundshift-{self.area}"

    def uri(self, alias: str = CHAMPION) -> str:
        """What a model is served by."""
        return f"models:/{self.name}@{alias}"

    def register(
        self,
        folder: Path,
        content_hash: str,
        *,
        run_id: str,
        opener: str,
        example: Mapping[str, NDArray[Any]],
        card: str,
        tags: Mapping[str, str],
    ) -> str:
        """Make a model artifact a version and the challenger; one that is there is taken again.

        A model that is not in MLflow yet, whole (it was lost on the way when the model was
        trained), is logged now.

        Args:
            folder: the model artifact.
            content_hash: of the artifact.
            run_id: the run that a model belongs to that must be logged now.
            opener: see `logged_model.log_model`.
            example: likewise.
            card: what a person should know of it, Markdown.
            tags: of the version.

        Returns:
            The version.

        Raises:
            SourceError: MLflow can't be reached or refuses; nothing is registered by halves, and
                the same call goes on.
        """
        with reaching(self.store.uri):
            found = self._version(content_hash)
            if found is None:
                model_id = logged_model.find_logged(self.store, content_hash) or self._log(
                    folder, content_hash, run_id, opener, example
                )
                found = self._create(model_id, {CONTENT_HASH: content_hash, **tags}, card)
            else:
                self.tag(found.version, tags)
                self.store.client.update_model_version(self.name, found.version, card)
            if not self._is(CHAMPION, found.version):
                self.store.client.set_registered_model_alias(self.name, CHALLENGER, found.version)
        return str(found.version)

    def follow(self, champion: Callable[[], str]) -> str | None:
        """Let the alias `champion` name what the artifact store says.

        Of several that follow at once the last one to write has looked again afterwards, so that
        the alias ends where the store does.

        Args:
            champion: gives the content hash of the champion's model; empty for none.

        Returns:
            The champion's version; None if MLflow has no version of it.

        Raises:
            SourceError: MLflow can't be reached or refuses.
        """
        with reaching(self.store.uri):
            while True:
                wanted = champion()
                found = self._version(wanted) if wanted else None
                if found is None:
                    return None
                if not self._is(CHAMPION, found.version):
                    client = self.store.client
                    client.set_registered_model_alias(self.name, CHAMPION, found.version)
                if self._is(CHALLENGER, found.version):
                    self.store.client.delete_registered_model_alias(self.name, CHALLENGER)
                if champion() == wanted:
                    return str(found.version)

    def tag(self, version: str, tags: Mapping[str, str]) -> None:
        """Set tags of a version."""
        with reaching(self.store.uri):
            for key, value in tags.items():
                self.store.client.set_model_version_tag(self.name, version, key, value)

    def versions(self) -> dict[str, tuple[str, tuple[str, ...]]]:
        """Version and aliases by the model's content hash.

        Raises:
            SourceError: MLflow can't be reached or refuses.
        """
        with reaching(self.store.uri):
            found = self.store.client.search_model_versions(f"name = '{self.name}'")
            aliases = self._aliases() if found else {}
        return {
            each.tags[CONTENT_HASH]: (
                str(each.version),
                tuple(sorted(a for a, v in aliases.items() if v == str(each.version))),
            )
            for each in found
            if CONTENT_HASH in each.tags
        }

    def _version(self, content_hash: str) -> "ModelVersion | None":
        """The version of an artifact, the first where two were made at once."""
        found = self.store.client.search_model_versions(
            f"name = '{self.name}' and tags.`{CONTENT_HASH}` = '{content_hash}'"
        )
        return min(found, key=lambda each: int(each.version), default=None)

    def _aliases(self) -> dict[str, str]:
        aliases = self.store.client.get_registered_model(self.name).aliases
        return {name: str(version) for name, version in aliases.items()}

    def _is(self, alias: str, version: str) -> bool:
        return self._aliases().get(alias) == str(version)

    def _log(
        self,
        folder: Path,
        content_hash: str,
        run_id: str,
        opener: str,
        example: Mapping[str, NDArray[Any]],
    ) -> str:
        log.info("the model %s was not in MLflow, logging it", content_hash[:12])
        uri = logged_model.log_model(
            self.store, run_id, folder, opener=opener, example=example, content_hash=content_hash
        )
        return uri.rpartition("/")[2]

    def _create(self, model_id: str, tags: Mapping[str, str], card: str) -> "ModelVersion":
        import mlflow
        from mlflow.exceptions import MlflowException

        client = self.store.client
        try:
            client.create_registered_model(self.name, {"groundshift.area": self.area})
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        mlflow.set_tracking_uri(self.store.uri)  # a local store looks the model up by it
        return client.create_model_version(
            self.name, f"models:/{model_id}", tags=dict(tags), description=card, model_id=model_id
        )
