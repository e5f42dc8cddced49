"""The lines that an evaluation prints: values with their intervals, numbers of images, failures and cautions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganzoo.evaluation.evaluator import Evaluation


def failure_lines(failed: Mapping[str, str]) -> list[str]:
    """Return the failures of metrics as lines; metrics that failed for the same reason share one.

    >>> failure_lines({"fid": "no images", "kid": "no images", "lpips": "no weights"})
    ['fid, kid: no images', 'lpips: no weights']
    """
    reasons = dict.fromkeys(failed.values())
    return [f"{', '.join(name for name, one in failed.items() if one == why)}: {why}" for why in reasons]


def format_evaluation(title: str, result: Evaluation) -> str:
    """Return an evaluation as text: a line with the title, then a line for each value, with the numbers of images."""
    lines = [f"{title} ({', '.join(f'{count} {domain}' for domain, count in result.images.items())}):"]
    for name, value in result.values.items():
        about = result.about[name]
        real = f", {about['n_real']} real" if "n_real" in about else ""
        lines.append(f"  {name:<28} {value:<10.5g} {format_interval(about)}{about['n_fake']} translated{real}")
    return "\n".join([*lines, *(f"  {one}" for one in remarks(result.about))])


def format_interval(about: Mapping[str, Any]) -> str:
    """Return a value's 95 % interval as text that another text follows; empty if it has none.

    >>> format_interval({"interval": [0.5, 0.75]})
    '[0.5, 0.75]  '
    """
    return "[{:.4g}, {:.4g}]  ".format(*about["interval"]) if "interval" in about else ""


def remarks(about: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the lines below the values of an evaluation: what the brackets are, values without, and cautions."""
    lines = []
    for draws in {one["bootstrap"] for one in about.values() if "interval" in one}:
        lines.append(f"in brackets: 95 % bootstrap intervals of {draws:,} draws of the images")
    without = {name: str(one["no_interval"]) for name, one in about.items() if "no_interval" in one}
    lines += [f"no interval: {line}" for line in failure_lines(without)]
    return [*lines, *(f"caution: {one}" for one in cautions(about))]


def cautions(about: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what must be known about the values of an evaluation, each line once."""
    return list(dict.fromkeys(one["caution"] for one in about.values() if "caution" in one))
