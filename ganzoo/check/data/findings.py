"""The kinds of findings of a data check: what each means and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ganzoo.errors import GanzooError, suggest


@dataclass(frozen=True)
class Kind:
    """A kind of finding.

    Args:
        heading: what was found, as the heading of a list.
        advice: what to do about it.
        fault: whether it sets the exit code; others are remarks.
    """

    heading: str
    advice: str
    fault: bool = True


KINDS: Mapping[str, Kind] = {
    "unreadable": Kind("files that cannot be read", ""),
    "leak": Kind(
        "near-duplicates in several splits",
        "metric values of images that were trained on do not show how a run does on new ones: keep one of each",
    ),
    "both-domains": Kind("near-duplicates in both domains", "nothing is to be translated there: keep one of each"),
    "repeated": Kind("near-duplicates within a split", "they count several times in training: keep one of each"),
    "no-mask": Kind("images without a mask", "add the mask, or remove the image"),
    "no-labels": Kind("images without a label map", "add the label map, or remove the image"),
    "no-image": Kind("masks and label maps without an image", "add the image, or remove the file"),
    "no-partner": Kind("images without a partner", "pairs have the same name but for the ending: add it or rename"),
    "same-name": Kind("names that differ only in their ending", "it is not clear which file is meant: remove one"),
    "size": Kind("sizes that do not fit together", "make them the same size"),
    "empty-mask": Kind("masks without a foreground", "the foreground is white, 255, or any class but 0 of a palette"),
    "unexpected-class": Kind("unexpected classes in label maps", "renumber them, or give the number with --classes"),
    "unused-class": Kind(
        "classes that no label map of training has", "a network never learns them: compare the list of classes"
    ),
    "one-colour": Kind("images of one colour", "remove them, unless they are meant"),
    "range": Kind("values that use a part of their range", "set the range, or convert the images"),
    "unbalanced": Kind(
        "domains of very different size",
        "the smaller one is repeated more often in training, and measured less exactly",
    ),
    "small": Kind("small images", "they are enlarged: remove them, or lower the size", fault=False),
    "mode": Kind("modes that few images have", "colours and grey are converted as the recipe says", fault=False),
    "pages": Kind("several pages or frames", "the first is used", fault=False),
    "transparency": Kind("transparency", "it is laid over white", fault=False),
    "deep-colours": Kind("colours of 16 bits", "the upper 8 bits are used", fault=False),
    "not-read": Kind("files and folders that are not read", "", fault=False),
    "note": Kind("notes of the data set", "", fault=False),
}
"""Kind of a finding → its texts, in the order in which they are shown."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Args:
        kind: a key of ``KINDS``.
        where: the group or groups of images that have it: ``trainA``, ``trainA and testA``.
        files: the files, or other names of images, that have it; near-duplicates are listed together.
        detail: what is particular about it.
    """

    kind: str
    where: str
    files: tuple[str, ...] = ()
    detail: str = ""

    @property
    def line(self) -> str:
        """The finding as one line of text; of many files the first."""
        shown = self.files[:MOST_NAMES]
        more = f" and {len(self.files) - len(shown)} more" if len(shown) < len(self.files) else ""
        names = (" = " if self.kind in DUPLICATES else ", ").join(shown) + more or self.where
        if not self.detail or self.detail.startswith(names):
            return self.detail or names
        return f"{names}: {self.detail}"


DUPLICATES = ("leak", "both-domains", "repeated")
"""The kinds of near-duplicates."""
MOST_NAMES = 4
"""The number of files that a line names."""


def faults_of(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings that are faults."""
    return [one for one in findings if KINDS[one.kind].fault]


def check_kinds(names: Sequence[str]) -> None:
    """Raise GanzooError for a name that is no kind of finding."""
    for name in names:
        if name not in KINDS:
            raise GanzooError(f"data check: --ignore {name}: no such kind of finding{suggest(name, KINDS)}")
