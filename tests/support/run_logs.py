"""Write folders of runs without training, with any log; parse the HTML of reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import yaml

from ganzoo.utils.sealed import seal_object, seal_text

VOID = {"meta", "link", "img", "br", "hr", "input", "wbr", "col"}
TIME = "2026-01-02T03:04:05+00:00"
RECIPE: dict[str, Any] = {
    "method": {"method": "cyclegan", "gan": "lsgan"},
    "networks": {
        "G_AB": {"generator": "resnet"},
        "D_A": {"discriminator": "patch"},
        "D_B": {"discriminator": "patch"},
    },
    "maskers": {},
    "losses": {},
    "data": {"dataset": "folders"},
    "train": {"steps": 400, "epochs": 0, "batch": 2, "seed": 0, "precision": "fp32"},
    "evaluate": {"metrics": [], "best": "min cycle_l1_AB"},
}


def write_lines(file: Path, lines: Iterable[Mapping[str, Any]]) -> None:
    file.write_text("".join(json.dumps({"time": TIME, **one}, ensure_ascii=False) + "\n" for one in lines))


def write_run(
    folder: Path,
    lines: Iterable[Mapping[str, Any]] = (),
    *,
    events: Iterable[Mapping[str, Any]] = ({"event": "started", "step": 0},),
    results: Iterable[Mapping[str, Any]] = (),
    recipe: Mapping[str, Any] = RECIPE,
    best: Mapping[str, Any] | None = None,
) -> Path:
    """Write the folder of a run, without weights; return it."""
    (folder / "samples").mkdir(parents=True)
    (folder / "resolved.yaml").write_text(seal_text(yaml.safe_dump(dict(recipe), allow_unicode=True)))
    (folder / "recipe.yaml").write_text("# as provided\n")
    (folder / "env.json").write_text(seal_object({"ganzoo": "0", "device": "cpu", "images": {"A": 3, "B": 4}}))
    for name, entries in (("metrics", lines), ("events", events), ("results", results)):
        write_lines(folder / f"{name}.jsonl", entries)
    if best:
        checkpoint = folder / "checkpoints" / "best"
        checkpoint.mkdir(parents=True)
        (checkpoint / "progress.json").write_text(seal_object(best))
    return folder


Course = Callable[[float], float]
"""The completed share of a run → a value."""


def logged(
    count: int, terms: Mapping[str, Course] | None = None, *, every: int = 10, wait: float = 0.0
) -> list[dict[str, Any]]:
    """Return lines of metrics.jsonl with losses, each named ``phase/term``."""
    return [
        {
            "step": i * every,
            "lr": 2e-4,
            "losses": {name: term(i / count) for name, term in (terms or {}).items()},
            "images_per_s": 8.0,
            "data_wait": wait,
            "memory": 5 * 2**30,
            "seconds": 2.5,
        }
        for i in range(1, count + 1)
    ]


@dataclass
class Element:
    """An HTML element: its parents' tags in ``within``, all text inside it in ``text``."""

    tag: str
    attributes: dict[str, str]
    within: tuple[str, ...]
    text: str = ""


@dataclass
class Page(HTMLParser):
    """The elements of an HTML page; a tag that is not closed, or closed wrongly, fails at once."""

    source: str
    elements: list[Element] = field(default_factory=list)
    open: list[Element] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.feed(self.source)
        self.close()
        assert self.open == [], "elements that are not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"<{tag}> has an attribute twice"
        element = Element(tag, {name: value or "" for name, value in attrs}, tuple(parent.tag for parent in self.open))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1].tag == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element.text += data

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Return the elements with a tag and these attributes; ``class_`` must be one of the classes."""
        wanted = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        classes = wanted.pop("class", None)
        return [
            element
            for element in self.elements
            if element.tag == tag
            and all(element.attributes.get(name) == value for name, value in wanted.items())
            and (classes is None or classes in element.attributes.get("class", "").split())
        ]

    def section(self, name: str) -> str:
        """Return the text of a section."""
        (section,) = self.all("section", id=name)
        return section.text
