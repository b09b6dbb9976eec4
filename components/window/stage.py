"""The window stage: index a cube by windows and patches, and label them.

Labels need the betas of the region: `regional` makes them where cells are worked on apart.
"""

from pathlib import Path

from groundshift.artifacts import Manifest, Summary, link_tree, read_manifest, writing
from groundshift.cube.store import Cube
from groundshift.errors import ContractError
from groundshift.observations.store import Observations
from groundshift.samples import store
from groundshift.samples.betas import BETAS, Sums
from groundshift.samples.build import build, build_index
from groundshift.samples.labels.card import LabelCard
from groundshift.samples.labels.truth import Truth, dated_polygons, read_truth, truth_digest
from groundshift.settings import WindowStage


def run(
    settings: WindowStage,
    *,
    observations: Path,
    cube: Path,
    samples: Path,
    betas: Path | None = None,
) -> Summary:
    """Cut the time line into windows and the area into patches, and label every complete window.

    Args:
        settings: of the stage.
        observations: artifact that holds the planted truth, if any.
        cube: artifact that is indexed: a whole area, or one cell of it.
        samples: where the artifact goes.
        betas: artifact with the betas of the region, where the cube holds one cell of it.

    Raises:
        SettingsError: windows, splits or labels that can't be had from this cube.
        ContractError: a cube that was not made from these observations, or betas of another cube.
    """
    seen, indexed = Observations.open(observations), Cube.open(cube)
    _require_lineage(seen, indexed)
    inputs = {
        "observations": seen.manifest.content_hash,
        "cube": indexed.manifest.content_hash,
    }
    if settings.window.truth is not None:
        inputs["truth"] = truth_digest(settings.window.truth)
    regional = None
    if betas is not None:
        inputs["betas"] = read_manifest(betas, BETAS).content_hash
        regional = Sums.read(betas, BETAS, settings)
    truth = _known_truth(settings, seen)
    with writing(
        samples, store.CONTRACT, area=settings.name, settings=settings.affecting(), inputs=inputs
    ) as draft:
        draft.licences.update(seen.manifest.licences, indexed.manifest.licences)
        card = build(indexed, truth, settings, draft, regional)
    return _summary(samples, draft.finished, card)


def run_index(
    settings: WindowStage, *, cube: Path, samples: Path, known: Path | None = None
) -> Summary:
    """Cut windows and patches without labels, for a model that is trained already.

    Args:
        settings: of the stage.
        cube: artifact that is indexed: a whole area, or one cell of it.
        samples: where the artifact goes.
        known: samples that may be of this cube already; they are taken as they are, so that labels
            are not lost to whoever trains.

    Raises:
        SettingsError: windows or splits that can't be had from this cube.
    """
    indexed = Cube.open(cube)
    affecting, inputs = settings.affecting(), {"cube": indexed.manifest.content_hash}
    if known is not None:
        manifest = read_manifest(known, store.CONTRACT)
        if (manifest.settings, manifest.inputs["cube"]) == (affecting, inputs["cube"]):
            link_tree(known, samples)
            return _summary(samples, manifest)
    with writing(
        samples, store.CONTRACT, area=settings.name, settings=affecting, inputs=inputs
    ) as draft:
        draft.licences.update(indexed.manifest.licences)
        build_index(indexed, settings, draft)
    return _summary(samples, draft.finished)


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


def _summary(samples: Path, manifest: Manifest, card: LabelCard | None = None) -> Summary:
    """The artifact's numbers, and those of its labels if it has any."""
    counts: dict[str, int] = manifest.summary["patches"]
    complete, windows = (manifest.summary[name] for name in ("complete_windows", "windows"))
    patches = ", ".join(f"{count} {split}" for split, count in counts.items())
    metrics = {"windows": complete, **{f"patches_{split}": n for split, n in counts.items()}}
    notes = [f"{complete} complete of {windows} windows; {patches} patches"]
    page, picture = (samples / f"{store.CARD}{suffix}" for suffix in (".md", ".png"))
    if card is not None:
        metrics |= _label_metrics(card)
        notes += card.warnings
    return Summary(
        stage="window",
        artifact=samples,
        content_hash=manifest.content_hash,
        value_hash=manifest.value_hash,
        metrics={name: float(value) for name, value in metrics.items() if value is not None},
        figures=(picture, page) if card is not None else (),
        pages={"card": page} if card is not None else {},
        notes=tuple(notes),
    )


def _label_metrics(card: LabelCard) -> dict[str, float | None]:
    """Numbers worth tracking; None where undefined."""
    return {
        "synthetic_average_precision": card.average_precision,
        "synthetic_prevalence": card.prevalence,
        "truth_mean": card.truth.summary()["mean"],
        "synthetic_mean": card.synthetic.summary()["mean"],
    }
