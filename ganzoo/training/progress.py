"""How far a run has come: what a checkpoint's progress.json holds besides the weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ganzoo.errors import GanzooError


@dataclass
class Progress:
    """The step reached, steps in a row that were not finite, the best figure so far, and whether it ended early.

    ``best_of`` is the recipe's ``evaluate.best`` to which ``best`` belongs, ``stale`` the number of evaluations since;
    ``ended`` the length that the run had when it ended early, so that a longer run goes on; ``waited`` the patience
    that it then had, 0 where an observer ended it.
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
        """Take the fields out of a progress.json."""
        return cls(**{name: saved[name] for name in asdict(cls()) if name in saved})

    def improve(self, wanted: str | None, values: Mapping[str, float], *, lacking: bool = False) -> bool:
        """Take a better value of the figure that ``wanted`` (``min NAME`` or ``max NAME``) names; return whether.

        Where ``lacking``, as a metric has failed, a figure that is not there is not better. Raises GanzooError for one
        that there never is.
        """
        if not wanted:
            return False
        way, name = wanted.split()
        if name not in values and not lacking:
            raise GanzooError(f"evaluate.best: there is no figure {name!r}; there are: {', '.join(values)}")
        if self.best_of != wanted:
            self.best, self.best_of, self.stale = None, wanted, 0
        value, best = values.get(name, math.nan), self.best
        better = math.isfinite(value) and (best is None or (value < best if way == "min" else value > best))
        self.stale = 0 if better else self.stale + 1
        if better:
            self.best = value
        return better

    def begin(self, total: int, wanted: str | None, patience: int) -> bool:
        """Begin a session of a run of a length; return whether it has ended early, and nothing has changed since."""
        if self.ended == total:
            return not self.waited or self.impatient(wanted, patience)
        if self.waited:
            self.stale = 0
        return False

    def impatient(self, wanted: str | None, patience: int) -> bool:
        """Return whether the best figure that is wanted has not got better for so many evaluations; 0: never."""
        return bool(patience) and self.best_of == wanted and self.stale >= patience
