"""What the log says of usual failures: each monitor has one line to say, or nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping

import numpy as np

from ganzoo.report.charts import format_number
from ganzoo.report.image_checks import image_hints
from ganzoo.report.run_log import Log, Points, is_number

ENOUGH = 12
"""Lines of the log, or 4 evaluations, from which on anything is said of their course."""
BEATEN, CERTAIN, TIMES = 0.03, 0.2, 20.0
"""Where a discriminator has won, its loss is at most, the generator's at least this, and so many times as large."""
WAITING = 0.3
LOST = 0.1
"""Share of all that a figure has moved, by which it has to be worse again."""


def hints(log: Log) -> list[str]:
    """Return what the monitors say of a run."""
    found = [line for monitor in MONITORS for line in monitor(log)]
    return found + [line for step, path in log.samples[-1:] for line in image_hints(path, step)]


def skipped_steps(log: Log) -> list[str]:
    """Tell of steps that were skipped because something was not finite."""
    bad = [one for one in log.events if one.get("event") == "not-finite" and is_number(one.get("step"))]
    steps = sorted({one["step"] for one in bad})
    if not steps:
        return []
    terms = ", ".join(dict.fromkeys(str(one.get("term")) for one in bad))
    many = f"{len(steps)} steps were" if len(steps) > 1 else "1 step was"
    where = f"from step {steps[0]} to {steps[-1]}" if len(steps) > 1 else f"step {steps[0]}"
    return [
        f"{many} skipped, as a value was not finite: {where}, by {terms}. A few do no harm; if they go on, lower "
        "train.lr, or train in fp32 if it is not."
    ]


def waiting_for_data(log: Log) -> list[str]:
    """Tell of a run that waits for its images; the first interval does not count, as it fills the cache."""
    told = [one for one in log.lines if is_number(one.get("data_wait")) and is_number(one.get("seconds"))][1:]
    total = sum(one["seconds"] for one in told)
    if len(told) < 3 or not total > 0:
        return []
    share = sum(one["data_wait"] * one["seconds"] for one in told) / total
    if not share > WAITING:
        return []
    return [
        f"{share:.0%} of the time was spent waiting for images. More train.workers, a larger images.cache (MiB), or "
        "images stored at the size that is trained on would make the run faster."
    ]


def discriminator_won(log: Log) -> list[str]:
    """Tell of discriminators that are always right, so that their generators learn little from them."""
    found = []
    for name, low in discriminators(log).items():
        for rival, high in rivals(log, name).items():
            last = min(len(low), len(high)) // 4
            if len(low) < ENOUGH or len(high) < ENOUGH:
                continue
            lows, highs = ([value for _, value in points[-last:]] for points in (low, high))
            top, bottom = max(lows), min(highs)
            beaten = all(0 <= value <= BEATEN for value in lows)  # below 0 it is no distance, as a Wasserstein critic's
            if beaten and all(value >= max(CERTAIN, TIMES * top) for value in highs):
                found.append(
                    f"The discriminator has won: in the last quarter of the log {name} stayed at "
                    f"{format_number(top)} or less, {rival} at {format_number(bottom)} or more, so that the generator "
                    "learns little from it. A weaker "
                    "discriminator (fewer layers, less width) or a lower train.lr may hold the balance."
                )
    return found


def discriminators(log: Log) -> dict[str, Points]:
    """Return the losses of discriminators: terms that are called like a slot that holds one, or like its beginning."""
    networks = log.section("networks")
    slots = [slot for slot, part in networks.items() if isinstance(part, Mapping) and "discriminator" in part]
    terms = {name: name.rpartition("/")[2] for name in log.losses}
    return {
        name: log.losses[name]
        for name, term in terms.items()
        if any(slot == term or str(slot).startswith(f"{term}_") for slot in slots)
    }


def rivals(log: Log, critic: str) -> dict[str, Points]:
    """Return the adversarial terms (``gan…``) against a discriminator's loss.

    ``D_masked_B`` and ``gan_masked_AB`` belong together, as what lies between is the same and B is judged; a name
    without a domain belongs to all.
    """
    mine = re.fullmatch(r"D(?P<which>(_.*?)??)(_[AB]?(?P<domain>[AB]))?", critic.rpartition("/")[2])
    found: dict[str, Points] = {}
    for name, points in log.losses.items():
        its = re.fullmatch(r"gan(?P<which>(_.*?)??)(_[AB]?(?P<domain>[AB]))?", name.rpartition("/")[2])
        if mine and its and mine["which"] == its["which"]:
            same = None in (mine["domain"], its["domain"]) or mine["domain"] == its["domain"]
            found |= {name: points} if same else {}
    return found


def best_long_ago(log: Log) -> list[str]:
    """Tell of a run whose figure of ``evaluate.best`` has got worse again since the first half of the run."""
    if not log.best:
        return []
    way, _, name = str(log.best["best_of"]).partition(" ")
    course = [(step, value) for step, value in log.values.get(name, []) if math.isfinite(value)]
    trained = [(step, value) for step, value in course if step > 0]
    there = [value for step, value in trained if step == log.best["step"]]
    if len(trained) < 4 or not there or log.best["step"] > trained[-1][0] / 2:
        return []
    values = [value for _, value in course]
    now = float(np.median([value for _, value in trained[-max(1, len(trained) // 4) :]]))
    worse = (now - there[0]) * (1 if way == "min" else -1)
    if worse <= LOST * (max(values) - min(values)):
        return []
    return [
        f"{name} was best long ago: {format_number(there[0])} at step {log.best['step']}, "
        f"{format_number(now)} of late (median of "
        "the last quarter of the evaluations). The run may have been long enough by then; the checkpoint best is of "
        "that step."
    ]


MONITORS: tuple[Callable[[Log], list[str]], ...] = (
    skipped_steps,
    discriminator_won,
    best_long_ago,
    waiting_for_data,
)
