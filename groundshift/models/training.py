"""Training an ensemble: deterministic for a seed, resumed after a kill to the same result.

Every epoch draws from a generator of its own, made of seed, member and epoch, so that an epoch
begins the same whether or not the run was interrupted before it.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from groundshift.errors import SettingsError
from groundshift.models.augmentation import paste, shift_levels
from groundshift.models.checkpoint import Progress, Weights, restore, save
from groundshift.models.inputs import Inputs
from groundshift.models.losses import tanimoto_with_complement
from groundshift.models.networks import NetworkSpec, build, weights
from groundshift.models.tally import Tally
from groundshift.samples.loader import Batch, Loader
from groundshift.settings import TrainSettings

MOMENTUM = 0.8
"""Of the published optimiser (method section 0)."""

_AHEAD = 2  # batches prepared in advance

Prepared = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32], NDArray[np.float32]]
"""Network values [b, t, y, x, channel], real steps [b, t], context [b, y, x, channel], which may
have no channel, labels [b, y, x]."""


@dataclass(frozen=True)
class Epoch:
    """One epoch of one member: a row of `history.csv`."""

    member: int
    epoch: int
    """From 1."""
    loss: float
    validation_loss: float
    validation_pr_auc: float | None
    """None where no validation pixel is changed."""
    learning_rate: float
    """At the epoch's end."""


class Training:
    """An ensemble in training."""

    def __init__(
        self,
        spec: NetworkSpec,
        inputs: Inputs,
        training: Loader,
        validation: Loader,
        settings: TrainSettings,
        scratch: Path,
    ) -> None:
        """Prepare; nothing is read or computed yet.

        From here on this process runs TensorFlow's operations deterministically.

        Args:
            spec: the networks.
            inputs: what they take of a batch.
            training: samples to learn from.
            validation: samples to choose the best epoch by.
            settings: of the stage.
            scratch: where the state goes after every epoch.
        """
        tf.config.experimental.enable_op_determinism()
        self._inputs, self._settings, self._scratch = inputs, settings, scratch
        self._spec, self._training, self._validation = spec, training, validation
        self._network = build(spec)
        self._optimiser = _optimiser(settings)
        self._optimiser.build(self._network.trainable_variables)
        self.seconds: list[float] = []
        """Of every epoch done by this process."""
        self._progress: dict[int, Progress] = {}

    @property
    def epochs(self) -> int:
        """Largest number of epochs of all members together."""
        return self._settings.members * self._settings.epochs

    @property
    def history(self) -> list[Epoch]:
        """Every epoch of every member so far, those before an interruption included."""
        return [Epoch(**row) for p in self._progress.values() for row in p.history]

    @property
    def members(self) -> tuple[Weights, ...]:
        """Each member's weights of its best epoch."""
        return tuple(progress.best for progress in self._progress.values())

    @property
    def best(self) -> tuple[Epoch, ...]:
        """Each member's best epoch."""
        return tuple(Epoch(**p.history[p.best_epoch]) for p in self._progress.values())

    def run(self) -> Iterator[Epoch]:
        """Train every member to its end, going on where an earlier run was interrupted.

        Yields:
            Every epoch, after its state is safe.

        Raises:
            SettingsError: the loss is no number any more, or nothing to select by.
        """
        for member in range(self._settings.members):
            path = self._scratch / f"member_{member}.safetensors"
            self._start(member)
            progress = restore(path, self._network, self._optimiser) or Progress()
            self._progress[member] = progress
            while not progress.finished(self._settings.epochs, self._settings.patience):
                started = time.monotonic()
                epoch = self._epoch(member, progress)
                save(path, progress, self._network, self._optimiser)
                self.seconds.append(time.monotonic() - started)
                yield epoch

    def _start(self, member: int) -> None:
        """Initial weights and a fresh optimiser, in the variables that training is compiled for."""
        fresh = build(self._spec, seed=self._settings.seed + member)
        for variable, initial in zip(self._network.variables, fresh.variables, strict=True):
            variable.assign(initial)
        for variable in self._optimiser.variables:
            variable.assign(keras.ops.zeros_like(variable))

    def _epoch(self, member: int, progress: Progress) -> Epoch:
        """Train one epoch, validate, and note it."""
        settings = self._settings
        generator = np.random.default_rng([settings.seed + member, progress.epoch])
        augmenting = np.random.default_rng([settings.seed + member, progress.epoch, 1])
        batches = (
            batch
            for number, batch in enumerate(self._training.epoch(generator))
            # A smaller last batch has worse statistics, and is compiled for once more.
            if number == 0 or len(batch.steps) == settings.batch
        )
        prepared = _ahead(batches, lambda batch: self._prepare(batch, augmenting))
        losses = []
        for number, given in enumerate(prepared):
            self._set_rate(progress.epoch + number / len(self._training))
            losses.append(float(self._step(*map(tf.constant, given))))
        loss = float(np.mean(losses))
        if not math.isfinite(loss):
            raise SettingsError(
                f"training of member {member} diverged in epoch {progress.epoch + 1}: expected a "
                f"loss between 0 and 1, found {loss}. Lower train.learning_rate (now "
                f"{settings.learning_rate})"
            )
        tally = self._validate()
        epoch = Epoch(
            member,
            progress.epoch + 1,
            loss,
            tally.loss,
            tally.pr_auc,
            float(self._optimiser.learning_rate),
        )
        self._note(progress, epoch)
        return epoch

    def _note(self, progress: Progress, epoch: Epoch) -> None:
        """Add an epoch to the progress, with its weights if they are the best so far."""
        value = epoch.validation_loss
        if self._settings.select == "pr_auc":
            if epoch.validation_pr_auc is None:
                raise SettingsError(
                    "train.select: pr_auc needs changed pixels in validation labels, found none. "
                    "Set train.select=loss, or other blocks in window.split"
                )
            value = -epoch.validation_pr_auc
        if value < progress.best_value:
            progress.best_value, progress.best_epoch = value, progress.epoch
            progress.best = weights(self._network)
        progress.epoch += 1
        progress.history.append(asdict(epoch))

    def _prepare(self, batch: Batch, generator: np.random.Generator | None) -> Prepared:
        """A batch as the network takes it; augmented if a generator is given."""
        given = (batch.streams, batch.steps)
        values, context = self._inputs.values(*given), self._inputs.context(*given)
        labels = batch.labels.copy()
        if generator is not None and self._settings.jitter:
            channels = self._inputs.level_channels
            shift_levels(values, batch.steps, channels, generator, self._settings.jitter)
        if generator is not None and self._settings.paste:
            paste(values, batch.steps, context, labels, generator, self._settings.paste)
        return values, batch.steps, context, labels

    def _validate(self) -> Tally:
        """Scores of all validation samples."""
        tally = Tally(self._settings.border)
        batches = self._validation.epoch()
        for *given, labels in _ahead(batches, lambda batch: self._prepare(batch, None)):
            tally.add(labels, np.asarray(self._score(*map(tf.constant, given))))
        return tally

    def _set_rate(self, epochs_done: float) -> None:
        """Learning rate of the next step: cosine decay to 0 with adam, constant with sgd."""
        rate = self._settings.learning_rate
        if self._settings.optimiser == "adam":
            rate *= (1 + math.cos(math.pi * epochs_done / self._settings.epochs)) / 2
        self._optimiser.learning_rate.assign(rate)

    @tf.function(reduce_retracing=True)
    def _step(
        self, values: tf.Tensor, steps: tf.Tensor, context: tf.Tensor, labels: tf.Tensor
    ) -> tf.Tensor:
        """One step of the optimiser; the loss before it."""
        with tf.GradientTape() as tape:
            scores = self._network(self._spec.given(values, steps, context), training=True)
            loss = tanimoto_with_complement(labels, scores, border=self._settings.border)
        variables = self._network.trainable_variables
        self._optimiser.apply(tape.gradient(loss, variables), variables)
        return loss

    @tf.function(reduce_retracing=True)
    def _score(self, values: tf.Tensor, steps: tf.Tensor, context: tf.Tensor) -> tf.Tensor:
        return self._network(self._spec.given(values, steps, context), training=False)


def _optimiser(settings: TrainSettings) -> keras.optimizers.Optimizer:
    if settings.optimiser == "sgd":
        return keras.optimizers.SGD(settings.learning_rate, momentum=MOMENTUM)
    return keras.optimizers.Adam(settings.learning_rate)


def _ahead(batches: Iterator[Batch], prepare: Callable[[Batch], Prepared]) -> Iterator[Prepared]:
    """Batches as the network takes them, prepared one after another while it is busy."""
    pending: deque[Future[Any]] = deque()
    with ThreadPoolExecutor(1, thread_name_prefix="inputs") as pool:
        for batch in batches:
            pending.append(pool.submit(prepare, batch))
            if len(pending) > _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
