"""The progress of a run's training, which each checkpoint saves in its progress.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter

from ganzoo.evaluation.trial import require_value
from ganzoo.training.lr_policy import Plateau


@dataclass
class Interval:
    """The steps since the last line of the log.

    Args:
        steps: their number.
        seconds: the time that they took.
        wait_seconds: the part of it that was spent waiting for images.
    """

    steps: int = 0
    seconds: float = 0.0
    wait_seconds: float = 0.0


@dataclass
class Progress:
    """The progress of a run.

    Args:
        step: number of finished steps.
        bad: number of latest steps in a row that were not finite.
        best: the best value so far of the metric value that ``best_of`` names; None if there is none yet.
        best_of: the rule that ``best`` follows: the recipe's ``evaluate.best`` at that time.
        measured: what the values so far were measured on, by name (see ``measured_on``); empty if that is unknown.
        stale: number of evaluations since ``best`` improved.
        ended: the run's length in steps if it ended early, else 0; with another length the run continues.
        waited: the recipe's ``evaluate.patience`` if the run ended because of it, else 0.
        plateau: the state of the learning rate's policy ``plateau``.
        interval: the steps since the last line of the log.
    """

    step: int = 0
    bad: int = 0
    best: float | None = None
    best_of: str = ""
    measured: dict[str, Any] = field(default_factory=dict)
    stale: int = 0
    ended: int = 0
    waited: int = 0
    plateau: Plateau = field(default_factory=Plateau)
    interval: Interval = field(default_factory=Interval)

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Progress:
        """Return the progress with the fields of a progress.json; missing fields get their defaults.

        Raises ValueError for fields of other types.
        """
        return TypeAdapter(cls).validate_python({name: saved[name] for name in asdict(cls()) if name in saved})

    def improve(self, criterion: str | None, values: Mapping[str, float], *, metric_failed: bool = False) -> bool:
        """Update ``best`` and ``stale`` after an evaluation; return whether the value improved.

        A value that is not finite is no improvement. If the rule has changed, the comparison starts anew. Without a
        rule nothing is updated, and False is returned.

        Args:
            criterion: the recipe's rule ``evaluate.best``: ``min NAME``, ``max NAME`` or None.
            values: metric values by name.
            metric_failed: whether a metric failed; a missing value is then no error, but counts as no improvement.

        Raises GanzooError if ``values`` lacks the rule's name and no metric failed.
        """
        if not criterion:
            return False
        direction, name = criterion.split()
        if not metric_failed:
            require_value(criterion, values)
        if self.best_of != criterion:
            self.best, self.best_of, self.stale = None, criterion, 0
        value, best = values.get(name, math.nan), self.best
        better = math.isfinite(value) and (best is None or (value < best if direction == "min" else value > best))
        self.stale = 0 if better else self.stale + 1
        if better:
            self.best = value
        return better

    def measure_on(self, criterion: str, measured: Mapping[str, Any]) -> bool:
        """Set what evaluations measure from here on; return whether earlier values of the rule cannot be compared.

        The comparison then starts anew, that of the learning rate's policy too. What only one of the two has, such as a
        metric that was added, does not count.

        Args:
            criterion: the recipe's ``evaluate.best``.
            measured: what the values depend on, by name.
        """
        before, self.measured = self.measured, dict(measured)
        if all(before[name] == measured[name] for name in before.keys() & measured.keys()):
            return False
        self.best, self.stale = None, 0
        self.plateau.best, self.plateau.waited = None, 0
        return self.best_of == criterion

    def begin(self, total: int, criterion: str | None, patience: int) -> bool:
        """Start a session; return whether the run ended early in an earlier session and must not continue.

        It continues if its length has changed, or if it ended by patience that the present settings extend. If it ended
        by patience and its length has changed, ``stale`` starts at 0 again.

        Args:
            total: the run's length in steps.
            criterion: the recipe's ``evaluate.best``.
            patience: the recipe's ``evaluate.patience``.
        """
        if self.ended == total:
            return not self.waited or self.out_of_patience(criterion, patience)
        if self.waited:
            self.stale = 0
        return False

    def out_of_patience(self, criterion: str | None, patience: int) -> bool:
        """Return whether the best value of this rule has not improved for ``patience`` evaluations (0: no limit)."""
        return bool(patience) and self.best_of == criterion and self.stale >= patience
