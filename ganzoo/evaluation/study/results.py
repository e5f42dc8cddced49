"""Percentages of the answers to a study, with bootstrap intervals over participants and images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ganzoo.evaluation.study.files import Answers, Key
from ganzoo.randomness import keyed

DRAWS = 2000
"""Number of draws of participants and images."""
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
    be chance, if they cannot be told apart. Intervals: 2,000 draws of as many participants and of as many images, both
    with replacement, so for other people and other images (Owen 2007, The pigeonhole bootstrap, section 3); the 2.5 and
    97.5 % quantiles of the percentage. An image that is in several trials, as with three runs in ``better``, is drawn
    with all of them.
    """
    found = []
    for label in key.labels:
        votes = [own for one in answers if (own := _votes(key, one, label))]
        if not votes:
            found.append(Result(label, float("nan"), float("nan"), float("nan"), 0, 0))
            continue
        images = sorted({image for own in votes for image in own})
        given = np.array([[len(own.get(image, ())) for image in images] for own in votes], float)
        chosen = np.array([[sum(own.get(image, ())) for image in images] for own in votes], float)
        rng = keyed(0, "study", label)
        draws = []
        for _ in range(DRAWS):
            people, drawn = (np.bincount(rng.integers(n, size=n), minlength=n) for n in given.shape)
            if count := people @ given @ drawn:  # with few answers a draw may have none
                draws.append(people @ chosen @ drawn / count)
        low, high = np.quantile(draws, [(1 - SHARE) / 2, (1 + SHARE) / 2])
        mean = 100 * chosen.sum() / given.sum()
        found.append(Result(label, float(mean), 100 * float(low), 100 * float(high), int(given.sum()), len(votes)))
    return found


def _votes(key: Key, answers: Answers, label: str) -> Mapping[str, list[bool]]:
    """Return of each of a run's images whether the participant chose it, in each counted trial with it."""
    votes: dict[str, list[bool]] = {}
    for one in answers.answers:
        trial = key.trials[one.trial]
        if not trial.practice and label in trial.shown.values():
            votes.setdefault(trial.image, []).append(trial.shown[one.choice] == label)
    return votes
