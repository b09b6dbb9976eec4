"""References: what stands for an artifact in a store, small enough to be handed around."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from groundshift.artifacts.manifest import FILE_NAME, VERSIONS, WRITERS, Manifest
from groundshift.artifacts.writing import write_text
from groundshift.errors import ContractError

REFERENCE = "reference.json"
"""File that stands in an output folder for an artifact in the store."""

_LOCATION = re.compile(r"objects/[a-z]+/[0-9a-z]+")


@dataclass(frozen=True)
class Reference:
    """An artifact in a store."""

    contract: str
    content_hash: str
    value_hash: str
    location: str
    """Its place below the store's: of a folder, or in S3 of the pointer to it."""

    @classmethod
    def to(cls, manifest: Manifest) -> "Reference":
        """The reference of an artifact, which follows from its content."""
        return cls.named(manifest.contract, manifest.content_hash, manifest.value_hash)

    @classmethod
    def named(cls, contract: str, content_hash: str, value_hash: str = "") -> "Reference":
        """The reference of an artifact whose hash is known."""
        return cls(contract, content_hash, value_hash, f"objects/{contract}/{content_hash}")

    def write(self, folder: Path) -> None:
        """Put `reference.json` into a folder, as the only thing in it that tells of an artifact."""
        (folder / FILE_NAME).unlink(missing_ok=True)
        write_text(folder / REFERENCE, to_json(asdict(self)))

    @classmethod
    def read(cls, path: Path) -> "Reference":
        """Read what `write` wrote.

        Raises:
            ContractError: the file is missing or damaged.
        """
        try:
            text = path.read_text()
        except OSError as error:
            raise ContractError(
                f"{path} can't be read ({error}). Rerun the task that wrote it"
            ) from error
        return cls.from_dict(from_json(text, path), path)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: object) -> "Reference":
        """The reference in a JSON document that may hold more.

        Raises:
            ContractError: naming the file, if there is none in it.
        """
        try:
            return cls(**{name: str(values[name]) for name in cls.__dataclass_fields__})
        except KeyError as error:
            raise ContractError(
                f"{where}: expected a reference to an artifact, found no {error}. "
                "Rerun the task that wrote it"
            ) from None


@dataclass(frozen=True)
class Champion:
    """The model that monitoring maps with, and the evaluation that says how well it does."""

    model: Reference
    evaluation: Reference
    replaced: str = ""
    """Content hash of the model that it took over from; empty for an area's first."""


def require_sound(reference: Reference, store: object) -> None:
    """Refuse a reference that names something else than a place among a store's artifacts.

    Raises:
        ContractError: naming the place.
    """
    if reference.contract not in VERSIONS or not _LOCATION.fullmatch(reference.location):
        raise ContractError(
            f"expected an artifact in the store {store}, found {reference.location}. "
            "Check --store: a reference counts in the store that it was made for"
        )


def gone(place: str, contract: str) -> ContractError:
    """An artifact that is not there any more."""
    return ContractError(
        f"{place}: expected a whole {contract} artifact, found none. Check --store, or rerun with "
        f"caching off the stage that writes it: python -m components.{WRITERS[contract]}"
    )


def found_in(document: Any) -> Iterator[Reference]:
    """All references in a JSON document, however deep."""
    if isinstance(document, dict):
        if document.keys() >= Reference.__dataclass_fields__.keys():
            yield Reference.from_dict(document, "")
        for value in document.values():
            yield from found_in(value)
    elif isinstance(document, list):
        for value in document:
            yield from found_in(value)


def to_json(document: Mapping[str, Any]) -> str:
    """A document of the store as text."""
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n"


def from_json(text: str | bytes, where: object) -> dict[str, Any]:
    """Read a document of the store.

    Raises:
        ContractError: it is damaged.
    """
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ContractError(
            f"{where} can't be read ({error}). Rerun the task that wrote it"
        ) from error
    if not isinstance(document, dict):
        raise ContractError(f"{where}: expected a JSON object. Rerun the task that wrote it")
    return document
