"""The artifact store: a folder that every task of a run sees, here or on a shared volume.

    objects/<contract>/<content hash>/          artifacts; nothing in them ever changes
    refs/<area>/<cell>/<key>/<contract>.json    what the tasks of a cell made for a key
    current/<area>/<cell>/<contract>.json       what was published last, with its key
    published/<area>.json                       the maps that were published last
    champion/<area>.json                        model and evaluation that monitoring maps with
    champion/<area>/<content hash>.json         earlier ones too, by the model
    decisions/<area>/<time>-<model>.json        why a model became the champion, or did not
    runs/<run>/<task>.json                      how the tasks of a run ended
    runs/<run>/.ended                           when the run itself did
    catalogue/<area>.json                       digests of source files that were seen before
    incoming/                                   artifacts in the making

A key is a digest of all that a cell's results depend on, so that whoever knows a plan finds every
result of it. Files other than artifacts are replaced whole, so that readers need no lock.
"""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from groundshift.artifacts.decisions import Decision
from groundshift.artifacts.file_digests import FileDigests
from groundshift.artifacts.manifest import FILE_NAME, VERSIONS, WRITERS, Manifest, read_single
from groundshift.artifacts.outcomes import Outcome
from groundshift.artifacts.writing import one_at_a_time, write_text
from groundshift.errors import ContractError, SettingsError, SourceError

REFERENCE = "reference.json"
"""File that stands in an output folder for an artifact in the store."""

_ENDED = ".ended"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class Reference:
    """An artifact in a store."""

    contract: str
    content_hash: str
    value_hash: str
    location: str
    """Folder below the store's."""

    def write(self, folder: Path) -> None:
        """Put `reference.json` into a folder, as the only thing in it that tells of an artifact."""
        (folder / FILE_NAME).unlink(missing_ok=True)
        _write(folder / REFERENCE, asdict(self))

    @classmethod
    def read(cls, path: Path) -> "Reference":
        """Read what `write` wrote, or any file of the store that holds a reference.

        Raises:
            ContractError: the file is missing or damaged.
        """
        return cls.from_dict(_read(path), path)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any], where: Path) -> "Reference":
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


class ArtifactStore:
    """Artifacts and what is known of them, safe with many tasks at a time."""

    def __init__(self, root: Path) -> None:
        """Use `open`, which takes an address."""
        self.root = root

    @classmethod
    def open(cls, address: str) -> "ArtifactStore":
        """Open a store, made if it is not there.

        Raises:
            SettingsError: the address is of a kind that is not supported.
        """
        if "://" in address and not address.startswith("file://"):
            raise SettingsError(
                f"--store {address}: not supported yet: use a folder or a shared volume"
            )
        root = Path(address.removeprefix("file://")).absolute()
        try:
            root.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise SettingsError(f"--store {address}: expected a folder, found a file") from error
        return cls(root)

    @contextmanager
    def incoming(self) -> Iterator[Path]:
        """An empty folder on the store's own file system; it is gone at the end."""
        (self.root / "incoming").mkdir(exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.root / "incoming"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def adopt(self, folder: Path, contract: str) -> Reference:
        """Move an artifact into the store; of two equal ones the first stays.

        Args:
            folder: of the artifact, in `incoming`; it is gone afterwards.
            contract: what it is.

        Raises:
            ContractError: not a whole artifact.
        """
        reference = _reference_to(read_single(folder, contract))
        target = self.root / reference.location
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.rename(target)
        except OSError:
            if not (target / FILE_NAME).is_file():
                raise
            shutil.rmtree(folder)
        return reference

    def folder(self, reference: Reference) -> Path:
        """Where an artifact lies.

        Raises:
            ContractError: it is not in the store any more, or the reference leads out of it.
        """
        folder = self.root / reference.location
        if not folder.resolve().is_relative_to(self.root.resolve() / "objects"):
            raise ContractError(
                f"expected an artifact in the store {self.root}, found {reference.location}. "
                "Check --store: a reference counts in the store that it was made for"
            )
        if not (folder / FILE_NAME).is_file():
            raise ContractError(
                f"{folder}: expected a whole {reference.contract} artifact, found none. Check "
                "--store, or rerun with caching off the stage that writes it: "
                f"python -m components.{WRITERS[reference.contract]}"
            )
        return folder

    def reference(self, folder: Path, contract: str) -> Reference:
        """The reference of an artifact that lies in the store.

        Raises:
            ContractError: it doesn't lie in the store.
        """
        reference = _reference_to(read_single(folder, contract))
        if folder.resolve() != (self.root / reference.location).resolve():
            raise ContractError(
                f"{folder}: expected the artifact in the store {self.root}, found it elsewhere. "
                f"Write it with --store: python -m components.{WRITERS[contract]}"
            )
        return reference

    def put_ref(self, area: str, cell: str, key: str, reference: Reference) -> None:
        """Remember what a task made for a cell and a key."""
        _write(self._ref(area, cell, key, reference.contract), asdict(reference))

    def ref(self, area: str, cell: str, key: str, contract: str) -> Reference | None:
        """What was made for a cell and a key; None if nothing was yet."""
        return _reference(self._ref(area, cell, key, contract))

    def publish(
        self,
        area: str,
        keys: Mapping[str, str],
        contracts: Sequence[str],
        maps: Reference | None = None,
    ) -> None:
        """Make the results for some keys the current ones, once the whole run has succeeded.

        A failed run is never what monitoring compares with or revises.

        Args:
            area: name.
            keys: of each cell.
            contracts: which results; all of them must be there.
            maps: of the area, made from these results.

        Raises:
            ContractError: naming the first that is missing; nothing was published.
        """
        found = [
            (cell, key, self.require_ref(area, cell, key, contract))
            for cell, key in keys.items()
            for contract in contracts
        ]
        for cell, key, reference in found:
            _write(self._current(area, cell, reference.contract), {**asdict(reference), "key": key})
        if maps is not None:
            _write(self._path("published", area), asdict(maps))

    def published(self, area: str) -> Reference | None:
        """The maps of an area that were published last; None if none were yet."""
        return _reference(self._path("published", area))

    def input_of(self, reference: Reference, contract: str) -> Path:
        """Where the artifact lies that another one was made from.

        Raises:
            ContractError: it is not in the store any more.
        """
        manifest = read_single(self.folder(reference), reference.contract)
        content_hash = manifest.inputs[contract]
        location = f"objects/{contract}/{content_hash}"
        return self.folder(Reference(contract, content_hash, "", location))

    def require_ref(self, area: str, cell: str, key: str, contract: str) -> Reference:
        """What was made for a cell and a key.

        Raises:
            ContractError: nothing was.
        """
        reference = self.ref(area, cell, key, contract)
        if reference is None:
            raise ContractError(
                f"{self.root}: expected the {contract} of cell {cell} for key {key}, found none. "
                f"Rerun with caching off, so that {WRITERS[contract]} writes it"
            )
        return reference

    def current(self, area: str, cell: str, contract: str) -> Reference | None:
        """What was published last of a cell; None if nothing was yet."""
        return _reference(self._current(area, cell, contract))

    def current_key(self, area: str, cell: str, contract: str) -> str:
        """The key for which a cell was published last; empty if it never was."""
        path = self._current(area, cell, contract)
        return str(_read(path).get("key", "")) if path.is_file() else ""

    def promote(self, area: str, champion: Champion, *, replacing: str | None = None) -> None:
        """Make a model the one that monitoring maps with; earlier ones can still be asked for.

        Compare and swap: of several that want to replace the same champion one wins.

        Args:
            area: name.
            champion: the model.
            replacing: content hash of the present champion; by default the one it `replaced`,
                another one where an earlier champion comes back.

        Raises:
            SourceError: another model is the champion by now (transient: judge by that one).
        """
        expected = champion.replaced if replacing is None else replacing
        path = self._champion(area, champion.model.content_hash)
        with one_at_a_time(path.parent):
            found = self.champion_hash(area)
            if found != expected:
                raise SourceError(
                    f"champion of {area}: expected {expected[:12] or 'none'}, found "
                    f"{found[:12] or 'none'}: another run was faster, nothing was changed. Run it "
                    "again, to be judged by that one",
                    transient=True,
                )
            _write(path, asdict(champion))
            _write(self._champion(area), asdict(champion))

    def champion(self, area: str, content_hash: str = "") -> Champion | None:
        """The model that monitoring maps with, or an earlier one; None if there is none.

        Args:
            area: name.
            content_hash: of the model; empty for the present champion.
        """
        path = self._champion(area, content_hash)
        if not path.is_file():
            return None
        document = _read(path)
        model, evaluation = (
            Reference.from_dict(document.get(name, {}), path) for name in ("model", "evaluation")
        )
        return Champion(model, evaluation, str(document.get("replaced", "")))

    def champion_hash(self, area: str) -> str:
        """Content hash of the present champion's model; empty if there is none."""
        champion = self.champion(area)
        return champion.model.content_hash if champion else ""

    def decide(self, area: str, decision: Decision) -> None:
        """Write down what was decided about a model."""
        _write(self._path("decisions", area, decision.name), decision.to_dict())

    def decisions(self, area: str) -> tuple[Decision, ...]:
        """What was decided about an area's models, oldest first."""
        paths = sorted((self.root / "decisions" / _name(area)).glob("[!.]*.json"))
        return tuple(Decision.from_dict(_read(path)) for path in paths)

    def file_digests(self, area: str) -> FileDigests:
        """What is known of the files that an area's images come from."""
        return FileDigests(self._path("catalogue", area))

    def record(self, run: str, outcome: Outcome) -> None:
        """Write down how a task of a run ended."""
        _write(self._run(run) / f"{_name(outcome.task)}.json", outcome.to_dict())

    def recorded(self, run: str, task: str) -> Outcome | None:
        """How a task of a run ended; None if it never began."""
        path = self._run(run) / f"{_name(task)}.json"
        return Outcome.from_dict(_read(path)) if path.is_file() else None

    def refusal(self, run: str, task: str) -> Outcome | None:
        """How a task ended for good in the run as it goes on now; None if it may be tried.

        A run that was ended and is taken up again by hand, its cause repaired, tries everything.
        """
        outcome = self.recorded(run, task)
        if outcome is None or not outcome.final:
            return None
        ended = self._run(run) / _ENDED
        written = (self._run(run) / f"{task}.json").stat().st_mtime_ns
        return None if ended.is_file() and ended.stat().st_mtime_ns >= written else outcome

    def end_run(self, run: str) -> None:
        """Write down that a run has ended."""
        write_text(self._run(run) / _ENDED, "")

    def records(self, run: str) -> tuple[Outcome, ...]:
        """How all tasks of a run ended, by name."""
        paths = sorted(self._run(run).glob("[!.]*.json"))
        return tuple(Outcome.from_dict(_read(path)) for path in paths)

    def _ref(self, area: str, cell: str, key: str, contract: str) -> Path:
        return self._path("refs", area, cell, key, _contract(contract))

    def _current(self, area: str, cell: str, contract: str) -> Path:
        return self._path("current", area, cell, _contract(contract))

    def _champion(self, area: str, content_hash: str = "") -> Path:
        return self._path("champion", area, *filter(None, (content_hash,)))

    def _path(self, kind: str, *names: str) -> Path:
        *folders, name = map(_name, names)
        return Path(self.root, kind, *folders, f"{name}.json")

    def _run(self, run: str) -> Path:
        return self.root / "runs" / _name(run)


def _reference_to(manifest: Manifest) -> Reference:
    """The reference of an artifact, which follows from its content."""
    contract, content_hash = manifest.contract, manifest.content_hash
    location = f"objects/{contract}/{content_hash}"
    return Reference(contract, content_hash, manifest.value_hash, location)


def _reference(path: Path) -> Reference | None:
    return Reference.read(path) if path.is_file() else None


def _name(text: str) -> str:
    """A part of a path that can't lead elsewhere."""
    if not _NAME.fullmatch(text):
        raise SettingsError(
            f"expected a name of letters, digits, '_', '.' and '-', found {text!r}. "
            "Check area, cell, key and the run's id"
        )
    return text


def _contract(name: str) -> str:
    if name not in VERSIONS:
        raise ContractError(f"expected one of the contracts {', '.join(VERSIONS)}, found {name!r}")
    return name


def _write(path: Path, document: Mapping[str, Any]) -> None:
    write_text(path, json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise ContractError(
            f"{path} can't be read ({error}). Rerun the task that wrote it"
        ) from error
    if not isinstance(document, dict):
        raise ContractError(f"{path}: expected a JSON object. Rerun the task that wrote it")
    return document
