"""The tab that shows the report of a run while it trains, and the command that stops or resumes it; it only reads."""

from __future__ import annotations

import shlex
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import gradio as gr

from ganzoo.errors import GanzooError
from ganzoo.report.page import render_page
from ganzoo.report.run_log import RunLog
from ganzoo.studio.catalog import Listed
from ganzoo.studio.service import Studio
from ganzoo.studio.work import message

if TYPE_CHECKING:
    from fastapi import FastAPI

EVERY = 5.0
"""Seconds between two looks at the run's log."""
REPORT = "/report"


def add_reports(app: FastAPI, studio: Studio) -> None:
    """Add the address of the reports to the application: ``/report?run=NAME``."""
    from fastapi.responses import HTMLResponse, PlainTextResponse, Response

    def report(run: str = "") -> Response:
        try:
            return HTMLResponse(render_page(RunLog(studio.catalog.find(run).folder)))
        except (GanzooError, OSError) as error:
            return PlainTextResponse(f"{message(error)}\n", status_code=404)

    app.add_api_route(REPORT, report, methods=["GET"], response_model=None)


def add_watch_tab(studio: Studio, run: gr.Dropdown) -> None:
    """Add the tab's controls."""
    state = gr.Markdown(elem_id="watch-state")
    command = gr.Textbox(label="Command", interactive=False, lines=1, elem_id="watch-command", buttons=["copy"])
    live = gr.Checkbox(True, label="Follow the run while it trains", elem_id="live")
    report = gr.HTML(elem_id="report", elem_classes=["report"])
    seen = gr.State("")

    def look(name: str | None, before: str, follow: bool = True) -> tuple[Any, Any, Any, Any]:
        """Show a run's report again if its log has changed."""
        if not name:
            return "choose a run", "", "", ""
        if not follow and before.startswith(f"{name}\n"):
            return gr.skip(), gr.skip(), gr.skip(), gr.skip()
        try:
            listed = studio.catalog.find(name)
            version = f"{name}\n{listed.summary.changed}\n{listed.summary.state}"
            if version == before:
                return gr.skip(), gr.skip(), gr.skip(), gr.skip()
            frame = (
                f'<iframe src="{REPORT}?run={quote(name, safe="")}&amp;at={listed.summary.changed}" '
                f'title="Report of {escape(name)}" sandbox="allow-scripts"></iframe>'
            )
            return f"**{listed.line}**".replace("_", r"\_"), next_command(listed), frame, version
        except (GanzooError, OSError) as error:
            return message(error), "", "", ""

    shown = [state, command, report, seen]
    run.change(look, [run, seen], shown, queue=False, api_visibility="private")
    timer = gr.Timer(EVERY)
    timer.tick(look, [run, seen, live], shown, show_progress="hidden", queue=False, api_visibility="private")


def next_command(run: Listed) -> str:
    """Return the command that stops a run that trains here, or that resumes it; empty if there is none."""
    one = run.summary
    if one.state == "running":
        found = training_process(run.folder)
        return f"kill -TERM {found}" if found else "press Ctrl+C where it was started: it saves, and can be resumed"
    if one.state == "stopped":
        place = run.folder.resolve()
        recipe, root = f"{place.parent.name}.yaml", str(run.folder.parent.parent)
        return shlex.join(["ganzoo", "run", recipe, "--name", place.name, "--root", root])
    return ""


def training_process(folder: Path) -> int | None:
    """Return the number of the process on this machine that trains a run, by its lock; None if it is not found."""
    import psutil

    lock = folder.resolve() / ".lock"
    for process in psutil.process_iter():
        try:
            if any(Path(one.path) == lock for one in process.open_files()):
                return int(process.pid)
        except (psutil.Error, OSError):  # another user's process, or one that has ended
            continue
    return None
