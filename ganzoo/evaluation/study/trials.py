"""The trials of a study: which images are shown beside each other, and what was where."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

from PIL import Image

from ganzoo.errors import GanzooError
from ganzoo.evaluation.study.sources import Load, Source
from ganzoo.randomness import keyed

Task = Literal["real-or-fake", "better"]
SIDES = ("left", "right")


@dataclass(frozen=True)
class Trial:
    """One question.

    Args:
        name: what the page and the answers call it.
        left: the image on the left, as a data URI.
        right: the image on the right.
        source: the source of both, above them; empty for none.
        shown: side → what it shows: the label of a run, or ``real``.
        image: name of the translated image.
        practice: whether the answer does not count.
    """

    name: str
    left: str
    right: str
    source: str
    shown: dict[str, str]
    image: str
    practice: bool

    def question(self) -> dict[str, str]:
        """Return what the page gets; only in practice it knows which image is real."""
        fields = {"name": self.name, "left": self.left, "right": self.right, "source": self.source}
        real = [side for side, what in self.shown.items() if what == REAL]
        return fields | ({"practice": real[0] if real else "none"} if self.practice else {})

    def key(self) -> dict[str, Any]:
        """Return what the key of the study has about it."""
        return {"shown": self.shown, "image": self.image, "practice": self.practice}


REAL = "real"


def make_trials(
    task: Task, sources: Sequence[Source], real: dict[str, Load], *, trials: int, practice: int, side: int, seed: int
) -> list[Trial]:
    """Return the trials of a study, practice first; all that is drawn depends on the seed.

    Args:
        task: ``real-or-fake``: a translation beside a random real image; ``better``: two runs' translations of the same
            image, for each two runs.
        sources: the runs.
        real: the real images; not read for ``better``.
        trials: the number of trials for each run, or for each two runs.
        practice: the number of practice trials.
        side: the shorter side to which images are scaled, in pixels; 0: as they are. In ``real-or-fake`` the larger
            image of a trial is first made as small as the other one, so that sharpness does not tell them apart.
        seed: the seed.

    Raises GanzooError if there are too few images, and for ``better`` if runs have no images in common.
    """
    plans = _real_or_fake(sources, real, trials, practice, seed) if task == "real-or-fake" else []
    if task == "better":
        plans = _better(sources, trials, practice, seed)
    made = []
    for number, (plan, places) in enumerate(zip(plans, _sides(plans, practice, seed), strict=True)):
        shown = dict(zip(places, plan.labels, strict=True))
        images = [load() for load in plan.loads]
        if task == "real-or-fake":  # with its own size the real image would be the sharper one
            smaller = min(min(image.size) for image in images)
            images = [_scaled(image, smaller) for image in images]
        pictures = {place: _uri(image, side) for place, image in zip(places, images, strict=True)}
        source = _uri(plan.source(), side) if plan.source else ""
        name = f"{keyed(seed, 'name', number).integers(16**8):08x}-{number}"
        made.append(
            Trial(name, pictures["left"], pictures["right"], source, shown, plan.image, practice=number < practice)
        )
    return made


@dataclass(frozen=True)
class _Plan:
    labels: tuple[str, str]
    loads: tuple[Load, Load]
    image: str
    source: Load | None = None


def _sides(plans: Sequence[_Plan], practice: int, seed: int) -> list[tuple[str, ...]]:
    """Return for each trial the sides of its two images; in half of the counted ones of each two they are exchanged."""
    sides: list[tuple[str, ...]] = [SIDES] * len(plans)
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, plan in enumerate(plans):
        groups.setdefault(("practice",) if number < practice else plan.labels, []).append(number)
    for labels, numbers in groups.items():
        for i in keyed(seed, "sides", *labels).permutation(len(numbers))[::2]:
            sides[numbers[i]] = SIDES[::-1]
    return sides


def _real_or_fake(
    sources: Sequence[Source], real: dict[str, Load], trials: int, practice: int, seed: int
) -> list[_Plan]:
    """Return the plans. Practice tells which image was real, so neither image of its trials comes back.

    No real image is shown twice beside one run, and only beside several if there are too few for all.
    """
    extra = -(-practice // len(sources))
    orders = {one.label: _shuffled(list(one.translations), seed, one.label) for one in sources}
    told = {name for order in orders.values() for name in order[:extra]}
    others, first = _shuffled(list(real), seed, REAL), extra * len(sources)
    _require(first + trials, others, "real images")
    of_source = []
    for number, source in enumerate(sources):
        order = orders[source.label]
        rest = [name for name in order[extra:] if name not in told]
        _require(trials + len(order) - len(rest), order, f"{source.label}: translations")
        beside = others[number * extra :][:extra]
        beside += [others[first:][(number * trials + i) % (len(others) - first)] for i in range(trials)]
        of_source.append(
            [
                _Plan((source.label, REAL), (source.translations[name], real[other]), name)
                for name, other in zip(order[:extra] + rest[:trials], beside, strict=True)
            ]
        )
    return _practice_first(of_source, extra, practice)


def _better(sources: Sequence[Source], trials: int, practice: int, seed: int) -> list[_Plan]:
    pairs = list(combinations(sources, 2))
    if not pairs:
        raise GanzooError("better compares runs: give two or more")
    extra = -(-practice // len(pairs))
    of_pair = []
    for one, other in pairs:
        labels = one.label, other.label
        common = [name for name in one.translations if name in other.translations]
        found = one.sources or other.sources
        _require(trials + extra, common, f"images of both {' and '.join(labels)}")
        names = _shuffled(common, seed, "/".join(labels))[: trials + extra]
        of_pair.append(
            [_Plan(labels, (one.translations[name], other.translations[name]), name, found.get(name)) for name in names]
        )
    return _practice_first(of_pair, extra, practice)


def _practice_first(groups: Sequence[Sequence[_Plan]], extra: int, practice: int) -> list[_Plan]:
    """Return the first of each group, ``practice`` in all, then the others."""
    first = [group[i] for i in range(extra) for group in groups][:practice]
    return first + [plan for group in groups for plan in group[extra:]]


def _shuffled(names: list[str], seed: int, key: str) -> list[str]:
    return [names[i] for i in keyed(seed, "images", key).permutation(len(names))]


def _require(count: int, names: Sequence[str], what: str) -> None:
    """Raise GanzooError if there are fewer names."""
    if len(names) < count:
        raise GanzooError(
            f"{what}: {count} are needed, with those for practice, and there are {len(names)}: lower --trials or "
            "--practice"
        )


def _scaled(picture: Image.Image, side: int) -> Image.Image:
    """Return an image scaled so that its shorter side has so many pixels; label maps keep their colours."""
    if min(picture.size) == side:
        return picture
    factor = side / min(picture.size)
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    return picture.resize(size, Image.Resampling.NEAREST if picture.mode == "P" else Image.Resampling.BICUBIC)


def _uri(picture: Image.Image, side: int) -> str:
    """Return an image as the data URI of a PNG."""
    picture = _scaled(picture, side) if side else picture
    written = io.BytesIO()
    picture.save(written, "png")
    return f"data:image/png;base64,{base64.b64encode(written.getvalue()).decode()}"
