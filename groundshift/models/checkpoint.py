"""Training's state on disk, so that a killed run goes on where it was and ends the same."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

Weights = dict[str, NDArray[np.float32]]


@dataclass
class Progress:
    """How far a network's training has come, and its best weights so far."""

    epoch: int = 0
    """Epochs that are done."""
    best_epoch: int = -1
    best_value: float = float("inf")
    """Smallest value of what is minimised, of `best_epoch`."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """One row per epoch."""
    best: Weights = field(default_factory=dict)

    def finished(self, epochs: int, patience: int) -> bool:
        """Whether all epochs are done, or the last `patience` ones brought nothing better."""
        stale = self.epoch - 1 - self.best_epoch
        return self.epoch >= epochs or bool(patience and self.epoch and stale >= patience)


def save(
    path: Path, progress: Progress, network: keras.Model, optimiser: keras.optimizers.Optimizer
) -> None:
    """Write everything that training goes on from; the old state stays until it is whole."""
    arrays = {
        f"{owner}/{number:04d}": np.asarray(variable.numpy(), order="C")
        for owner, variables in _variables(network, optimiser).items()
        for number, variable in enumerate(variables)
    }
    arrays |= {f"best/{name}": np.ascontiguousarray(array) for name, array in progress.best.items()}
    told = {
        "epoch": progress.epoch,
        "best_epoch": progress.best_epoch,
        "best_value": progress.best_value,
        "history": progress.history,
    }
    partial = path.with_suffix(".partial")
    save_file(arrays, partial, metadata={"progress": json.dumps(told)})
    os.replace(partial, path)


def restore(
    path: Path, network: keras.Model, optimiser: keras.optimizers.Optimizer
) -> Progress | None:
    """Put network and optimiser into the saved state; None if there is none."""
    if not path.is_file():
        return None
    with safe_open(path, framework="numpy") as file:
        progress = Progress(**json.loads(file.metadata()["progress"]))
        for owner, variables in _variables(network, optimiser).items():
            for number, variable in enumerate(variables):
                variable.assign(file.get_tensor(f"{owner}/{number:04d}"))
        progress.best = {
            name.removeprefix("best/"): file.get_tensor(name)
            for name in sorted(file.keys())
            if name.startswith("best/")
        }
    return progress


def _variables(
    network: keras.Model, optimiser: keras.optimizers.Optimizer
) -> dict[str, list[keras.Variable]]:
    """Weights, moving averages and dropout states; momentum slots, step count, learning rate."""
    return {"network": network.variables, "optimiser": optimiser.variables}
