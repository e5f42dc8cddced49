"""The learning rate of each step: the recipe's policy or the method's own schedule, times the warm-up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ganzoo.contracts.method_results import check_lr_factor
from ganzoo.contracts.origin import Origin
from ganzoo.interfaces import Method, linear_decay
from ganzoo.settings import TrainSettings

STEP_GAMMA, PLATEAU_GAMMA, PATIENCE, THRESHOLD = 0.1, 0.2, 5, 0.01
"""Defaults of the policies' options, those of CycleGAN's released code (Zhu et al. 2017)."""

Length = tuple[int, int]
"""The length of a run: in epochs, 0 if it was set in steps, and in steps."""


@dataclass
class Plateau:
    """What the policy ``plateau`` remembers between evaluations; checkpoints save it.

    Args:
        best: the best value so far; None if there is none yet.
        best_of: the rule ``evaluate.best`` that ``best`` follows.
        waited: number of evaluations in a row without an improvement.
        factor: the present factor of the learning rate.
    """

    best: float | None = None
    best_of: str = ""
    waited: int = 0
    factor: float = 1.0

    def update(self, train: TrainSettings, criterion: str, values: Mapping[str, float]) -> bool:
        """Add an evaluation; return whether it reduces the learning rate. With another policy nothing changes.

        It follows torch's ``ReduceLROnPlateau`` with a relative threshold. A missing value and one that is not finite
        are no improvement. With another rule than before the comparison starts anew.

        Args:
            train: the settings.
            criterion: the rule ``evaluate.best``: ``min NAME`` or ``max NAME``.
            values: the metric values by name.
        """
        if train.lr_policy != "plateau":
            return False
        direction, name = criterion.split()
        if self.best_of != criterion:
            self.best, self.best_of, self.waited = None, criterion, 0
        threshold = THRESHOLD if train.lr_threshold is None else train.lr_threshold
        value = values.get(name, math.nan)
        if self.best is None:
            better = math.isfinite(value)
        elif direction == "min":
            better = math.isfinite(value) and value < self.best * (1 - threshold)
        else:
            better = math.isfinite(value) and value > self.best * (1 + threshold)
        self.waited = 0 if better else self.waited + 1
        if better:
            self.best = value
        if self.waited <= (PATIENCE if train.lr_patience is None else train.lr_patience):
            return False
        self.waited = 0
        before, gamma = self.factor, PLATEAU_GAMMA if train.lr_gamma is None else train.lr_gamma
        self.factor = max(self.factor * gamma, train.lr_floor or 0.0)
        return self.factor < before


def lr_factor(
    train: TrainSettings,
    method: Method,
    plateau: Plateau,
    index: int,
    steps_per_epoch: int,
    origin: Origin | None = None,
) -> float:
    """Return the factor of the learning rate at a step: that of the policy, or of the method, times the warm-up.

    Policies follow epochs if the run's length is in epochs, else steps.

    Args:
        train: the settings.
        method: the method, whose own schedule counts if the recipe has no policy.
        plateau: the state of the policy ``plateau``.
        index: the step's index, from 0.
        steps_per_epoch: the number of steps of an epoch.
        origin: where the method comes from; by default its class is named.

    Raises ComponentError if the method's own schedule fails, or returns anything but a finite number, 0 or more.
    """
    done, total = (index // steps_per_epoch, train.epochs) if train.epochs else (index, train.steps)
    policy = _policy_factor(train, plateau, done, total)
    if policy is None:
        assert train.decay is not None, "TrainSettings sets it"
        origin = origin or Origin(type(method))
        with origin.catch("lr_factor"):
            policy = check_lr_factor(method.lr_factor(done, total, train.decay, index), origin)
    return warmup_factor(index, train.warmup or 0) * policy


def check_schedule(train: TrainSettings, method: Method, total: int, steps_per_epoch: int, origin: Origin) -> None:
    """Compute the factors of the first and the last of ``total`` steps, so that a wrong one fails before a run starts.

    Raises as ``lr_factor`` does; it has the arguments.
    """
    for index in (0, total - 1):
        lr_factor(train, method, Plateau(), index, steps_per_epoch, origin)


def is_stretched(
    train: TrainSettings, method: Method, step: int, before: Length, now: Length, origin: Origin | None = None
) -> bool:
    """Return whether another length of the run changes the learning rate, from a step on.

    Compared are the factors of that step, of the last step that both lengths have, and of one in the middle.

    Args:
        train: the settings; their length does not count.
        method: the method.
        step: number of finished steps.
        before: the earlier length.
        now: the present length.
        origin: where the method comes from; by default its class is named.
    """
    last = min(before[1], now[1]) - 1
    first = min(step, last)
    if last < 0 or before[1] == now[1]:
        return False

    def factor(length: Length, index: int) -> float:
        epochs, steps = length
        settings = replace(train, epochs=epochs, steps=0 if epochs else steps)
        return lr_factor(settings, method, Plateau(), index, max(1, steps // max(1, epochs)), origin)

    return any(factor(before, index) != factor(now, index) for index in (first, (first + last) // 2, last))


def _policy_factor(train: TrainSettings, plateau: Plateau, done: int, total: int) -> float | None:
    """Return the factor of the recipe's policy; None if it has none, so that the method's own schedule counts."""
    assert train.decay is not None, "TrainSettings sets it"
    if train.lr_policy == "linear":
        return linear_decay(done, total, train.decay)
    if train.lr_policy == "cosine":
        return cosine_decay(done, total, train.decay, train.lr_floor or 0.0)
    if train.lr_policy == "step":
        gamma = STEP_GAMMA if train.lr_gamma is None else train.lr_gamma
        return float(gamma ** (done // (train.lr_every or 1)))
    if train.lr_policy == "plateau":
        return plateau.factor
    return None


def cosine_decay(done: int, total: int, decay: float, floor: float = 0.0) -> float:
    """Return the factor 1, and in the last share ``decay`` of the run floor + (1 − floor)·(1 + cos(π·t/T))/2.

    t of the T epochs or steps of that share are finished (Loshchilov and Hutter 2017, eq. 5, without restarts).

    >>> [round(cosine_decay(done, 4, 1.0), 3) for done in range(4)]
    [1.0, 0.854, 0.5, 0.146]
    """
    falling = round(total * decay)
    finished = max(0, done - (total - falling))
    return floor + (1 - floor) * (1 + math.cos(math.pi * finished / max(1, falling))) / 2


def warmup_factor(index: int, warmup: int) -> float:
    """Return the factor of the warm-up at a step, counted from 0: 1/warmup, 2/warmup, …, then 1.

    >>> [warmup_factor(index, 4) for index in range(5)]
    [0.25, 0.5, 0.75, 1.0, 1.0]
    """
    return min(1.0, (index + 1) / warmup) if warmup else 1.0
