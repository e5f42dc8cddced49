"""Render the page of the report: collect what each section shows, and fill in the template ``page.html``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

from ganzoo.report.charts import MAX_POINTS, MIN_SMOOTHED, Chart, draw_chart, group_by_stem
from ganzoo.report.gallery import collect_gallery
from ganzoo.report.log_checks import collect_hints
from ganzoo.report.results import collect_results
from ganzoo.report.run_log import RunLog, component_name
from ganzoo.report.tables import environment_table, events_table, format_time, format_value
from ganzoo.report.templates import read_asset, render
from ganzoo.utils.formatting import format_clock
from ganzoo.utils.reading import is_number
from ganzoo.utils.templates import page_policy

PROGRESS_FIELDS = {
    "lr": "learning rate",
    "images_per_s": "images per second",
    "data_wait": "share of the time spent waiting for images",
    "memory": "peak memory, bytes",
}
"""Fields of metrics.jsonl that are drawn besides losses and metric values, and the titles of their charts."""


@dataclass(frozen=True)
class ChartGroup:
    """Charts under one heading.

    Args:
        title: the heading; empty if there is none.
        charts: the charts, drawn as HTML.
    """

    title: str
    charts: list[Markup]


@dataclass(frozen=True)
class ChartSection:
    """A section of charts.

    Args:
        note: a remark above the charts; empty if there is none.
        parts: groups of charts; empty if nothing is logged yet.
    """

    note: str
    parts: list[ChartGroup]


def render_page(log: RunLog) -> str:
    """Return the report of a run as one HTML document. Raises GanzooError if its resolved.yaml is not YAML."""
    script = read_asset("page.js")
    events, omitted = events_table(log)
    return render(
        "page.html",
        policy=page_policy(script),
        style=read_asset("page.css"),
        script=script,
        name=log.name,
        status=log.status(),
        facts=run_facts(log),
        hints=collect_hints(log),
        results=collect_results(log),
        gallery=collect_gallery(log),
        evaluation=evaluation_section(log),
        losses=losses_section(log),
        speed=speed_section(log),
        resolved_recipe=log.resolved_text,
        original_recipe=log.recipe_text,
        environment=environment_table(log),
        events=events,
        omitted_events=omitted,
        written=format_time(datetime.now(UTC).isoformat(timespec="seconds")),
        last_step=f"{log.last_step:g}",
    )


def run_facts(log: RunLog) -> dict[str, str]:
    """Return short texts about the run for the top of the page: label → text. The page leaves out empty texts."""
    train = log.section("train")
    maskers = ", ".join(f"{role} {component_name(part, 'masker')}" for role, part in log.section("maskers").items())
    losses = ", ".join(f"{name} {component_name(part, 'loss')}" for name, part in log.section("losses").items())
    lengths = (f"{train[unit]} {unit}" for unit in ("epochs", "steps") if train.get(unit))
    images = log.environment.get("images")
    precision = log.environment.get("precision", train.get("precision", "?"))
    data = component_name(log.recipe.get("data"), "dataset")
    return {
        "method": component_name(log.recipe.get("method"), "method"),
        "maskers": maskers,
        "losses": losses,
        "data": data + (f", {format_value(images)} to train on" if isinstance(images, Mapping) else ""),
        "length": f"{next(lengths, 'no steps')}, batch {train.get('batch', '?')}, seed {train.get('seed', '?')}",
        "device": f"{format_value(log.environment.get('device'))}, {precision}",
        "started": format_time(
            next((event.get("time") for event in log.events if event.get("event") == "started"), "")
        ),
        "training time": format_clock(log.seconds()),
    }


def evaluation_section(log: RunLog) -> ChartSection:
    """Return the section of metric values: a chart for each, both directions in one, best checkpoint marked."""
    best = log.best
    step = best.get("step")
    metric = str(best.get("best_of", "")).partition(" ")[2]
    marks = {float(step): "best"} if isinstance(step, int | float) else {}
    charts = [
        Chart(
            title,
            {name: log.values[name] for name in names},
            log.last_step,
            marks=marks,
            best=(metric, next(iter(marks))) if marks and metric in names else None,
        )
        for title, names in group_by_stem(list(log.values)).items()
    ]
    splits = {str(line.get("split")): format_value(line.get("images")) for line in log.metrics.evaluations}
    note = " ".join(f"Measured on the {split} split ({images})." for split, images in splits.items())
    if marks:
        note += f" The ring and the line mark the checkpoint best: {best['best_of']}, of step {step}."
    return ChartSection(note if charts else "", _groups({"": charts}))


def losses_section(log: RunLog) -> ChartSection:
    """Return the section of losses: a heading for each phase, a chart for each term, both directions in one."""
    phases: dict[str, list[str]] = {}
    for name in log.losses:
        phases.setdefault(name.partition("/")[0], []).append(name)
    charts: dict[str, list[Chart]] = {}
    for phase, names in phases.items():
        terms = {name.partition("/")[2] or name: log.losses[name] for name in names}
        charts[phase] = [
            Chart(title, {name: terms[name] for name in group}, log.last_step, smoothed=True, marks=_resumed_at(log))
            for title, group in group_by_stem(list(terms)).items()
        ]
    longest = max((len(points) for points in log.losses.values()), default=0)
    note = "Means over the steps of each logging interval, weights included."
    if longest >= MIN_SMOOTHED:
        note += " Thin line: logged values; thick line: running median over a twentieth of the log."
    if longest > MAX_POINTS:
        note += f" Of {longest} points, the smallest and the largest of each interval are drawn."
    return ChartSection(note if charts else "", _groups(charts))


def speed_section(log: RunLog) -> ChartSection:
    """Return the section with charts of the learning rate, the speed, the wait for images and the memory."""
    columns = {name: log.column(name) for name in PROGRESS_FIELDS}
    columns["memory"] = [point for point in columns["memory"] if point[1]]  # 0: not known
    charts = [
        Chart(PROGRESS_FIELDS[name], {name: points}, log.last_step, marks=_resumed_at(log), from_zero=True)
        for name, points in columns.items()
        if points
    ]
    return ChartSection("", _groups({"": charts}))


def _resumed_at(log: RunLog) -> dict[float, str]:
    steps = [event.get("step") for event in log.events if event.get("event") == "resumed"]
    return {step: "resumed" for step in steps if is_number(step)}


def _groups(charts: Mapping[str, list[Chart]]) -> list[ChartGroup]:
    return [ChartGroup(title, [draw_chart(chart) for chart in group]) for title, group in charts.items() if group]
