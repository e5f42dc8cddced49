"""The page: what a run's folder tells, in the order in which one asks."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.resources import files
from xml.etree.ElementTree import Element

from ganzoo.report.charts import DRAWN, SMOOTHED, Chart, by_stem, draw
from ganzoo.report.gallery import gallery
from ganzoo.report.log_checks import hints
from ganzoo.report.markup import document, node
from ganzoo.report.results import results
from ganzoo.report.run_log import Log, name_of
from ganzoo.report.tables import environment, events, shown, when
from ganzoo.utils.formatting import format_clock

COURSE = {
    "lr": "learning rate",
    "images_per_s": "images a second",
    "data_wait": "share of the time spent waiting for images",
    "memory": "memory at the most, bytes",
}
"""Fields of metrics.jsonl that are drawn besides losses and figures."""


def page(log: Log) -> str:
    """Return a run's report as one HTML document."""
    style = (files("ganzoo.report") / "page.css").read_text(encoding="utf-8")
    script = (files("ganzoo.report") / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    sections = {
        "results": ("Results", results(log)),
        "samples": ("Samples", gallery(log)),
        "evaluation": ("Evaluation while training", evaluation(log)),
        "losses": ("Losses", losses(log)),
        "speed": ("Learning rate, speed, memory", _charts(course(log))),
        "recipe": ("Recipe", recipe(log)),
        "environment": ("Environment", [environment(log)]),
        "events": ("Events", events(log)),
    }
    links = [node("a", {"href": f"#{key}"}, title) for key, (title, _) in sections.items()]
    body = node(
        "body",
        {},
        node("header", {}, node("h1", {}, log.name), node("p", {"class": "status"}, log.status()), facts(log)),
        _hints(log),
        node("nav", {}, *links),
        *(node("section", {"id": key}, node("h2", {}, title), *made) for key, (title, made) in sections.items()),
        node("footer", {}, f"Written by ganzoo, {when(datetime.now(UTC).isoformat(timespec='seconds'))}, "
             f"when step {log.last_step:g} was logged last."),
        node("script", {}),
    )  # fmt: skip
    head = node(
        "head",
        {},
        node("meta", {"charset": "utf-8"}),
        node("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        node("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        node("title", {}, f"{log.name} · ganzoo"),
        node("style", {}),
    )
    head[-1].text, body[-1].text = style, script  # ours, and written as they are
    return document(node("html", {"lang": "en"}, head, body))


def facts(log: Log) -> Element:
    """Return the run in a few words."""
    train = log.section("train")
    maskers = ", ".join(f"{role} {name_of(one, 'masker')}" for role, one in log.section("maskers").items())
    losses = ", ".join(f"{name} {name_of(one, 'loss')}" for name, one in log.section("losses").items())
    lengths = (f"{train[unit]} {unit}" for unit in ("epochs", "steps") if train.get(unit))
    images = log.environment.get("images")
    data = name_of(log.recipe.get("data"), "dataset")
    said = {
        "method": name_of(log.recipe.get("method"), "method"),
        "maskers": maskers,
        "losses": losses,
        "data": data + (f", {shown(images)} to train on" if isinstance(images, Mapping) else ""),
        "length": f"{next(lengths, 'no steps')}, batch {train.get('batch', '?')}, seed {train.get('seed', '?')}",
        "on": f"{shown(log.environment.get('device'))}, {train.get('precision', '?')}",
        "begun": when(next((one.get("time") for one in log.events if one.get("event") == "started"), None)),
        "time": format_clock(log.seconds()),
    }
    pairs = [node("div", {}, node("dt", {}, name), node("dd", {}, value)) for name, value in said.items() if value]
    return node("dl", {"class": "facts"}, *pairs)


def evaluation(log: Log) -> list[Element]:
    """Return a chart for each figure, or for both directions of one; that of the best checkpoint is marked."""
    best: Mapping[str, object] = log.best
    step = best.get("step")
    named = str(best.get("best_of", "")).partition(" ")[2]
    marks = {float(step): "best"} if isinstance(step, int | float) else {}
    made = [
        Chart(
            title,
            {name: log.values[name] for name in names},
            log.last_step,
            marks=marks,
            best=(named, next(iter(marks))) if marks and named in names else None,
        )
        for title, names in by_stem(list(log.values)).items()
    ]
    splits = {str(one.get("split")): shown(one.get("images")) for one in log.lines if "values" in one}
    said = " ".join(f"Measured on the {split} split ({images})." for split, images in splits.items())
    if marks:
        said += f" The ring and the line mark the checkpoint best: {best['best_of']}, of step {step}."
    return [*([node("p", {"class": "note"}, said)] if made else []), *_charts(made)]


def losses(log: Log) -> list[Element]:
    """Return the losses, a heading a phase, a chart for each term, or for both directions of one."""
    phases: dict[str, list[str]] = {}
    for name in log.losses:
        phases.setdefault(name.partition("/")[0], []).append(name)
    made: list[Element] = []
    for phase, names in phases.items():
        terms = {name.partition("/")[2] or name: log.losses[name] for name in names}
        charts = [
            Chart(title, {name: terms[name] for name in group}, log.last_step, smoothed=True, marks=_sessions(log))
            for title, group in by_stem(list(terms)).items()
        ]
        made += [node("h3", {}, phase), *_charts(charts)]
    longest = max((len(points) for points in log.losses.values()), default=0)
    said = "Means over the steps of each logging interval, weights included."
    if longest >= SMOOTHED:
        said += " Thin: as logged; thick: the running median over a twentieth of the log."
    if longest > DRAWN:
        said += f" Of {longest} points the least and the greatest of each stretch are drawn."
    return [node("p", {"class": "note"}, said), *made] if made else _charts([])


def recipe(log: Log) -> list[Element]:
    """Return the recipe in full, and as it was given."""
    given = node("details", {}, node("summary", {}, "As given (recipe.yaml)"), node("pre", {}, log.given))
    return [node("pre", {}, log.resolved), *([given] if log.given else [])]


def course(log: Log) -> list[Chart]:
    """Return the charts of the learning rate, and of what the run took."""
    columns = {name: log.column(name) for name in COURSE}
    columns["memory"] = [point for point in columns["memory"] if point[1]]  # 0: not known
    return [
        Chart(COURSE[name], {name: points}, log.last_step, marks=_sessions(log), from_0=True)
        for name, points in columns.items()
        if points
    ]


def _sessions(log: Log) -> dict[float, str]:
    return {one["step"]: "resumed" for one in log.events if one.get("event") == "resumed" and "step" in one}


def _charts(charts: list[Chart]) -> list[Element]:
    if not charts:
        return [node("p", {"class": "note"}, "Nothing logged yet.")]
    return [node("div", {"class": "charts"}, *(draw(chart) for chart in charts))]


def _hints(log: Log) -> Element | None:
    found = hints(log)
    return node("ul", {"class": "hints", "id": "hints"}, *(node("li", {}, one) for one in found)) if found else None
