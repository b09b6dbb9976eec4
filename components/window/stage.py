"""The window stage: index a cube by windows and patches, and label them."""

from pathlib import Path

from groundshift.artifacts import Summary, writing
from groundshift.cube.store import Cube
from groundshift.errors import ContractError
from groundshift.observations.store import Observations
from groundshift.samples import store
from groundshift.samples.build import build
from groundshift.samples.labels.card import LabelCard
from groundshift.samples.labels.truth import Truth, dated_polygons, read_truth, truth_digest
from groundshift.settings import WindowStage


def run(settings: WindowStage, *, observations: Path, cube: Path, samples: Path) -> Summary:
    """Cut the time line into windows and the area into patches, and label every complete window.

    Args:
        settings: of the stage.
        observations: artifact that holds the planted truth, if any.
        cube: artifact that is indexed.
        samples: where the artifact goes.

    Raises:
        SettingsError: windows, splits or labels that can't be had from this cube.
        ContractError: a cube that was not made from these observations.
    """
    seen, indexed = Observations.open(observations), Cube.open(cube)
    _require_lineage(seen, indexed)
    inputs = {
        "observations": seen.manifest.content_hash,
        "cube": indexed.manifest.content_hash,
    }
    if settings.window.truth is not None:
        inputs["truth"] = truth_digest(settings.window.truth)
    truth = _known_truth(settings, seen)
    affecting = settings.affecting()
    with writing(
        samples, store.CONTRACT, area=settings.name, settings=affecting, inputs=inputs
    ) as draft:
        draft.licences.update(seen.manifest.licences, indexed.manifest.licences)
        card = build(indexed, truth, settings, draft)
    manifest = draft.finished
    return Summary(
        stage="window",
        artifact=samples,
        content_hash=manifest.content_hash,
        value_hash=manifest.value_hash,
        metrics=_metrics(manifest.summary, card),
        figures=(samples / f"{store.CARD}.png", samples / f"{store.CARD}.md"),
        notes=_notes(manifest.summary, card),
    )


def _require_lineage(observations: Observations, cube: Cube) -> None:
    expected, found = observations.manifest.content_hash, cube.manifest.inputs.get("observations")
    if found != expected:
        raise ContractError(
            f"{cube.folder} was made from observations {str(found)[:12]}, expected those in "
            f"{observations.folder} ({expected[:12]}). Rerun: python -m components.stack"
        )


def _known_truth(settings: WindowStage, observations: Observations) -> Truth | None:
    """The truth that the settings name, else what was planted."""
    if settings.window.truth is not None:
        return read_truth(settings.window.truth)
    if observations.truth is None:
        return None
    return dated_polygons(observations.truth, where=f"{observations.folder}/truth.parquet")


def _metrics(summary: dict[str, object], card: LabelCard) -> dict[str, float]:
    """Numbers worth tracking; undefined ones are left out."""
    values = {
        "windows": summary["complete_windows"],
        "synthetic_average_precision": card.average_precision,
        "synthetic_prevalence": card.prevalence,
        "truth_mean": card.truth.summary()["mean"],
        "synthetic_mean": card.synthetic.summary()["mean"],
    }
    patches = summary["patches"]
    assert isinstance(patches, dict)
    values |= {f"patches_{split}": count for split, count in patches.items()}
    return {name: float(value) for name, value in values.items() if isinstance(value, int | float)}


def _notes(summary: dict[str, object], card: LabelCard) -> tuple[str, ...]:
    """Sentences for the person who ran it."""
    patches = summary["patches"]
    assert isinstance(patches, dict)
    counts = ", ".join(f"{count} {split}" for split, count in patches.items())
    first = (
        f"{summary['complete_windows']} complete of {summary['windows']} windows; {counts} patches"
    )
    return (first, *card.warnings)
