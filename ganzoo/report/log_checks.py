"""Detect common problems in the log of a run; the report shows them as hints. Each check returns a list of hints."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

import numpy as np

from ganzoo.report.charts import format_number
from ganzoo.report.image_checks import image_hints
from ganzoo.report.metrics_log import Points
from ganzoo.report.run_log import RunLog
from ganzoo.utils.reading import is_number

MIN_LINES = 12
"""Smallest number of logged values for a hint about losses; a hint about a metric value needs 4 evaluations."""
WON_MAX, LOST_MIN, LOST_FACTOR = 0.03, 0.2, 20.0
"""A discriminator has won if its loss is at most WON_MAX and the generator's loss is large.

That is, the generator's loss is at least LOST_MIN, and at least LOST_FACTOR times the discriminator's.
"""
MAX_WAIT = 0.3
"""Largest share of the time spent waiting for images that gives no hint."""
MAX_DECLINE = 0.1
"""Largest decline of a metric value after its best that gives no hint, as a share of the value's whole range."""


def collect_hints(log: RunLog) -> list[str]:
    """Return the hints of all checks of the log, then those of the last sample grid."""
    hints = [hint for check in CHECKS for hint in check(log)]
    return hints + [hint for step, path in log.samples[-1:] for hint in image_hints(path, step)]


def skipped_steps(log: RunLog) -> list[str]:
    """Return a hint if steps were skipped because a value was not finite, else an empty list."""
    skipped = [event for event in log.events if event.get("event") == "not-finite" and is_number(event.get("step"))]
    steps = sorted({event["step"] for event in skipped})
    if not steps:
        return []
    terms = ", ".join(dict.fromkeys(str(event.get("term")) for event in skipped))
    count = f"{len(steps)} steps were" if len(steps) > 1 else "1 step was"
    where = f"from step {steps[0]} to {steps[-1]}" if len(steps) > 1 else f"step {steps[0]}"
    return [
        f"{count} skipped, as a value was not finite: {where}, by {terms}. A few do no harm; if there are more and "
        "more, lower train.lr, or train in fp32 if you do not yet."
    ]


def waiting_for_data(log: RunLog) -> list[str]:
    """Return a hint if much of the time was spent waiting for images, else an empty list.

    The first logging interval does not count, as it fills the cache; at least 3 more are needed.
    """
    durations = dict(log.column("seconds"))
    shares = [(share, durations[step]) for step, share in log.column("data_wait") if step in durations][1:]
    total = sum(seconds for _, seconds in shares)
    if len(shares) < 3 or not total > 0:
        return []
    share = sum(share * seconds for share, seconds in shares) / total
    if not share > MAX_WAIT:
        return []
    return [
        f"{share:.0%} of the time was spent waiting for images. More train.workers, a larger images.cache (MiB), or "
        "images stored at the training size would make the run faster."
    ]


def discriminator_won(log: RunLog) -> list[str]:
    """Return a hint for each discriminator that is almost always right, so that its generator learns little from it.

    The last quarter of the logged losses is checked, for each pair of a discriminator's and a generator's loss.
    """
    hints = []
    for name, discriminator in discriminator_losses(log).items():
        for opponent, generator in opposing_losses(log, name).items():
            if len(discriminator) < MIN_LINES or len(generator) < MIN_LINES:
                continue
            last = min(len(discriminator), len(generator)) // 4
            lows, highs = ([value for _, value in points[-last:]] for points in (discriminator, generator))
            top, bottom = max(lows), min(highs)
            won = all(0 <= value <= WON_MAX for value in lows)  # below 0 it is another loss, such as Wasserstein's
            if won and all(value >= max(LOST_MIN, LOST_FACTOR * top) for value in highs):
                hints.append(
                    f"The discriminator has won: in the last quarter of the log {name} stayed at "
                    f"{format_number(top)} or less, {opponent} at {format_number(bottom)} or more, so that the "
                    "generator learns little from it. A weaker discriminator (fewer layers, less width) or a lower "
                    "train.lr may restore the balance."
                )
    return hints


def discriminator_losses(log: RunLog) -> dict[str, Points]:
    """Return the losses of discriminators by ``phase/term``.

    They are the terms whose name is a discriminator's slot, or its beginning before a ``_``: ``D`` for ``D_A``.
    """
    networks = log.section("networks")
    slots = [slot for slot, part in networks.items() if isinstance(part, Mapping) and "discriminator" in part]
    terms = {name: name.rpartition("/")[2] for name in log.losses}
    return {
        name: log.losses[name]
        for name, term in terms.items()
        if any(slot == term or str(slot).startswith(f"{term}_") for slot in slots)
    }


def opposing_losses(log: RunLog, discriminator: str) -> dict[str, Points]:
    """Return the adversarial losses of generators (``gan…``) that a discriminator's loss is compared with, by name.

    ``D_masked_B`` and ``gan_masked_AB`` belong together: the words between are the same, and the generator's images are
    of domain B. A name without a domain belongs to all domains. ``discriminator`` is the name of the loss,
    ``phase/term``.
    """
    own = re.fullmatch(r"D(?P<which>(_.*?)??)(_[AB]?(?P<domain>[AB]))?", discriminator.rpartition("/")[2])
    losses: dict[str, Points] = {}
    for name, points in log.losses.items():
        other = re.fullmatch(r"gan(?P<which>(_.*?)??)(_[AB]?(?P<domain>[AB]))?", name.rpartition("/")[2])
        if own and other and own["which"] == other["which"]:
            same = None in (own["domain"], other["domain"]) or own["domain"] == other["domain"]
            losses |= {name: points} if same else {}
    return losses


def best_long_ago(log: RunLog) -> list[str]:
    """Return a hint if the metric value of ``evaluate.best`` was best in the run's first half and is clearly worse now.

    Else, or with fewer than 4 evaluations after step 0, the list is empty.
    """
    if not log.best:
        return []
    direction, _, name = str(log.best["best_of"]).partition(" ")
    course = [(step, value) for step, value in log.values.get(name, []) if math.isfinite(value)]
    trained = [(step, value) for step, value in course if step > 0]
    at_best = [value for step, value in trained if step == log.best["step"]]
    if len(trained) < 4 or not at_best or log.best["step"] > trained[-1][0] / 2:
        return []
    values = [value for _, value in course]
    recent = float(np.median([value for _, value in trained[-max(1, len(trained) // 4) :]]))
    decline = (recent - at_best[0]) * (1 if direction == "min" else -1)
    if decline <= MAX_DECLINE * (max(values) - min(values)):
        return []
    return [
        f"{name} was best long ago: {format_number(at_best[0])} at step {log.best['step']}, {format_number(recent)} "
        "recently (median of the last quarter of the evaluations). More training may not help; the checkpoint best is "
        "of that step."
    ]


CHECKS: tuple[Callable[[RunLog], list[str]], ...] = (
    skipped_steps,
    discriminator_won,
    best_long_ago,
    waiting_for_data,
)
