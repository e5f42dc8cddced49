"""Percentages of the answers to a study, with bootstrap intervals over participants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ganzoo.evaluation.study.files import Answers, Key
from ganzoo.randomness import keyed

DRAWS = 2000
"""Number of draws of participants."""
SHARE = 0.95
"""The share of the draws inside an interval."""


@dataclass(frozen=True)
class Result:
    """How often the images of a run were chosen.

    Args:
        label: the run's name.
        percent: the percentage of answers that chose its image.
        low: the lower end of the 95 % interval, in percent.
        high: the upper end.
        answers: the number of answers about it.
        participants: the number of participants who gave them.
    """

    label: str
    percent: float
    low: float
    high: float
    answers: int
    participants: int


def results(key: Key, answers: Sequence[Answers]) -> list[Result]:
    """Return for each run the percentage of its trials in which its image was chosen; practice does not count.

    In ``real-or-fake`` this is how often translations were taken for real (Isola et al. 2017, section 4.1); 50 % would
    be chance, if they cannot be told apart. Intervals: 2,000 draws of as many participants, with replacement, and of as
    many answers of each; the 2.5 and 97.5 % quantiles of the percentage.
    """
    found = []
    for label in key.labels:
        chosen = [votes for one in answers if (votes := _votes(key, one, label))]
        if not chosen:
            found.append(Result(label, float("nan"), float("nan"), float("nan"), 0, 0))
            continue
        every = [vote for votes in chosen for vote in votes]
        rng = keyed(0, "study", label)
        draws = []
        for _ in range(DRAWS):
            people = [np.array(chosen[i]) for i in rng.integers(len(chosen), size=len(chosen))]
            drawn = np.concatenate([votes[rng.integers(len(votes), size=len(votes))] for votes in people])
            draws.append(drawn.mean())
        low, high = np.quantile(draws, [(1 - SHARE) / 2, (1 + SHARE) / 2])
        mean = 100 * sum(every) / len(every)
        found.append(Result(label, mean, 100 * float(low), 100 * float(high), len(every), len(chosen)))
    return found


def _votes(key: Key, answers: Answers, label: str) -> list[bool]:
    """Return of each counted answer about a run's image whether it chose this image."""
    votes = []
    for one in answers.answers:
        trial = key.trials[one.trial]
        if not trial.practice and label in trial.shown.values():
            votes.append(trial.shown[one.choice] == label)
    return votes
