"""Percentages of a study's answers: their intervals hold what they say."""

from __future__ import annotations

import numpy as np

from ganzoo.evaluation.study.files import Answer, Answers, Key, KeyTrial
from ganzoo.evaluation.study.results import results


def answered(votes: np.ndarray) -> list[Answers]:
    """Return answers to a study of ``one``, of which (participants, trials) are for its images."""
    return [
        Answers(study="s", participant=str(number), answers=[
            Answer(trial=f"t{i}", choice="left" if vote else "right", seconds=1) for i, vote in enumerate(own)
        ])
        for number, own in enumerate(votes)
    ]  # fmt: skip


def key_for(trials: int) -> Key:
    shown = {
        f"t{i}": KeyTrial(shown={"left": "one", "right": "real"}, image=f"{i}", practice=False) for i in range(trials)
    }
    return Key(study="s", task="real-or-fake", labels=["one"], trials=shown)


def test_the_interval_covers_the_share_of_other_people_and_images_as_often_as_it_says() -> None:
    """Images that fool many people or few, and people who are fooled often or seldom: 30 % on the whole."""
    covered, rng = 0, np.random.default_rng(0)
    for _ in range(100):
        images, people = rng.beta(0.6, 1.4, 40), rng.normal(0, 0.05, (20, 1))
        (found,) = results(key_for(40), answered(rng.random((20, 40)) < images + people))
        covered += found.low <= 30 <= found.high
    assert 88 <= covered <= 99


def test_the_interval_is_at_most_the_root_of_three_times_too_wide_where_nothing_differs() -> None:
    rng = np.random.default_rng(0)
    widths = []
    for _ in range(30):
        (found,) = results(key_for(40), answered(rng.random((20, 40)) < 0.3))
        widths.append(found.high - found.low)
    exact = 2 * 1.96 * 100 * np.sqrt(0.3 * 0.7 / 800)
    assert 1.5 < np.mean(widths) / exact < 1.8


def test_an_image_in_several_trials_is_drawn_with_all_of_them() -> None:
    """Each image in two trials with the same answers says as much about other images as in one trial."""
    votes = np.random.default_rng(0).random((10, 20)) < 0.4
    once, twice = key_for(20), key_for(40)
    for i in range(20):
        twice.trials[f"t{20 + i}"] = twice.trials[f"t{i}"].model_copy()
    (one,), (two,) = results(once, answered(votes)), results(twice, answered(np.hstack([votes, votes])))
    assert (one.percent, one.low, one.high, 2 * one.answers) == (two.percent, two.low, two.high, two.answers)


def test_a_share_is_that_of_all_answers_also_if_some_are_missing() -> None:
    people = answered(np.array([[1, 0, 1, 1], [0, 0, 0, 0]]))
    people[1].answers[:] = people[1].answers[:1]
    (found,) = results(key_for(4), people)
    assert (found.percent, found.answers, found.participants) == (60, 5, 2)
    assert 0 <= found.low < 60 < found.high <= 100
