"""Training progress, saved in a checkpoint's progress.json."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from ganzoo.errors import GanzooError


@dataclass
class Progress:
    """The progress of a run.

    Args:
        step: steps finished.
        bad: number of latest steps in a row that were not finite.
        best: the best metric value so far.
        best_of: the recipe's ``evaluate.best`` that ``best`` belongs to.
        stale: evaluations since ``best`` improved.
        ended: length of the run, in steps, when it ended early, else 0; a longer run continues.
        waited: the recipe's patience if the run ended because of it, else 0.
    """

    step: int = 0
    bad: int = 0
    best: float | None = None
    best_of: str = ""
    stale: int = 0
    ended: int = 0
    waited: int = 0

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Progress:
        """Return the progress from the fields of a progress.json. Raises ValueError for fields of other types."""
        return TypeAdapter(cls).validate_python({name: saved[name] for name in asdict(cls()) if name in saved})

    def improve(self, criterion: str | None, values: Mapping[str, float], *, metric_failed: bool = False) -> bool:
        """Update the best value after an evaluation; return whether it improved.

        Args:
            criterion: the recipe's ``evaluate.best``: ``min NAME`` or ``max NAME``, or None.
            values: metric values by name.
            metric_failed: a metric failed, so a missing value is not an error; it counts as no improvement.

        Raises GanzooError when no metric has a value of this name.
        """
        if not criterion:
            return False
        direction, name = criterion.split()
        if name not in values and not metric_failed:
            raise GanzooError(f"evaluate.best: there is no value {name!r}; there are: {', '.join(values)}")
        if self.best_of != criterion:
            self.best, self.best_of, self.stale = None, criterion, 0
        value, best = values.get(name, math.nan), self.best
        better = math.isfinite(value) and (best is None or (value < best if direction == "min" else value > best))
        self.stale = 0 if better else self.stale + 1
        if better:
            self.best = value
        return better

    def begin(self, total: int, criterion: str | None, patience: int) -> bool:
        """Start a session; return whether the run ended early before and must not continue.

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
        """Return whether the best value has not improved for ``patience`` evaluations (0: no limit)."""
        return bool(patience) and self.best_of == criterion and self.stale >= patience
