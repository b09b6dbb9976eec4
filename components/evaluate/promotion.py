"""What follows from a verdict: a model becomes challenger, and champion where it is better.

The artifact store decides, by comparing and swapping; MLflow's registry follows it. A step that
fails is made up for by the next run of the same command: what is registered is found again, and
the alias ends where the store is.
"""

import logging
from dataclasses import replace
from pathlib import Path

from components.task import Task
from groundshift.artifacts import ArtifactStore, Champion, Manifest, Reference, read_manifest
from groundshift.artifacts.decisions import Decision
from groundshift.assessment.files import CONTRACT
from groundshift.assessment.gate import promotes
from groundshift.assessment.model_card import CARD
from groundshift.services import tracking
from groundshift.services.registry import Registry
from groundshift.settings import StageSettings
from groundshift.tasks import task_of

log = logging.getLogger(__name__)

_COMPARED = ("champion_pr_auc", "lower_limit", "blocks", "events")


def decide(
    task: Task[StageSettings], model: Path, evaluation: Path, reigning: Champion | None
) -> bool:
    """Register a model that was just judged; it is promoted once its evaluation is in the store.

    Args:
        task: the task at work.
        model: folder of the model, in the store.
        evaluation: folder that the evaluation was written to.
        reigning: the champion it was compared with, if there was one.

    Returns:
        Whether the model is the champion once that is done.

    Raises:
        ContractError: the model is not in the store.
        SettingsError: there is no store.
        SourceError: MLflow is lost, or another model became the champion meanwhile (transient).
    """
    store = task.need_store("--promote")
    candidate = store.reference(model, "model")
    judged = read_manifest(evaluation, CONTRACT)
    registry = _registered(task.settings, model, candidate, evaluation, judged)

    def afterwards(kept: Reference) -> None:
        chosen = Champion(candidate, kept, reigning.model.content_hash if reigning else "")
        _settle(store, task.area, chosen, reigning, judged)
        if registry is not None:
            registry.follow(lambda: store.champion_hash(task.area))

    task.afterwards(afterwards)
    return _reigns(candidate, reigning, judged.record["gate"]["verdict"])


def _reigns(candidate: Reference, reigning: Champion | None, verdict: str) -> bool:
    """Whether a model is the champion by a verdict."""
    if reigning is not None and reigning.model == candidate:
        return verdict != "failed"  # judged anew: by the same rules it stays what it is
    return promotes(verdict, champion=reigning is not None)


def _registered(
    settings: StageSettings,
    model: Path,
    candidate: Reference,
    evaluation: Path,
    judged: Manifest,
) -> Registry | None:
    """The registry with the model as challenger; None where nothing is tracked."""
    run = tracking.active()
    if run.store is None:
        return None
    registry, purpose = Registry(run.store, settings.name), task_of(settings)
    gate = judged.record["gate"]
    figures = {name: f"{value:.6g}" for name, value in _figures(judged).items()}
    version = registry.register(
        model,
        candidate.content_hash,
        run_id=run.id,
        opener=purpose.opener,
        example=purpose.example(model),
        card=(evaluation / CARD).read_text(),
        tags={
            "groundshift.verdict": gate["verdict"],
            "groundshift.reasons": "; ".join(gate["reasons"])[:5000] or "none",
            "groundshift.evaluation": judged.content_hash,
            **{f"groundshift.{name}": value for name, value in figures.items()},
        },
    )
    log.info("%s version %s: %s", registry.name, version, gate["verdict"])
    return registry


def _settle(
    store: ArtifactStore,
    area: str,
    chosen: Champion,
    reigning: Champion | None,
    judged: Manifest,
) -> None:
    """Let the model take over if it may, and write down what was decided."""
    gate = judged.record["gate"]
    verdict = gate["verdict"]
    taken = _reigns(chosen.model, reigning, verdict)
    if reigning is not None and reigning.model == chosen.model:
        if taken:
            again = replace(reigning, evaluation=chosen.evaluation)
            store.promote(area, again, replacing=chosen.replaced)
        return
    if taken:
        store.promote(area, chosen)
    decision = Decision(
        "promoted" if taken else "kept out",
        chosen.model.content_hash,
        chosen.evaluation.content_hash,
        chosen.replaced,
        verdict,
        tuple(gate["reasons"]),
        _figures(judged),
    )
    store.decide(area, decision)
    log.info("model %s of %s: %s", decision.model[:12], area, decision.action)


def _figures(judged: Manifest) -> dict[str, float]:
    """The numbers that a verdict rests on, flat."""
    gate = judged.record["gate"]
    found = {name: judged.summary["headline"].get(name) for name in ("pr_auc", "prevalence")}
    found |= {"lift": gate["lift"]} | {n: (gate["comparison"] or {}).get(n) for n in _COMPARED}
    return {name: value for name, value in found.items() if value is not None}
