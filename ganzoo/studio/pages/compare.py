"""The tab that translates one image with several runs or checkpoints, beside their closing metric values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from ganzoo.data.image_files import is_video
from ganzoo.errors import GanzooError
from ganzoo.studio.catalog import Listed
from ganzoo.studio.request import TranslationRequest
from ganzoo.studio.service import Studio
from ganzoo.studio.work import has_pictures, message, preview, translate_request

MOST = 12
"""The most runs in one comparison."""


def add_compare_tab(studio: Studio, reload: gr.Button, page: gr.Blocks) -> None:
    """Add the tab's controls."""

    def choices() -> Any:
        found = [
            (f"{one.name} · {point}", f"{one.name}\n{point}")
            for one in studio.catalog.runs()
            for point in one.checkpoints
        ]
        return gr.Dropdown(choices=found)

    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            image = gr.File(label="Image", type="filepath", elem_id="compare-image", height=120)
            chosen = gr.Dropdown(
                label="Runs and checkpoints", choices=[], multiselect=True, max_choices=MOST, elem_id="compare-runs"
            )
            direction = gr.Dropdown(
                ["the first", "AB", "BA", "AA"], value="the first", label="Direction", elem_id="compare-direction"
            )
            with gr.Row():
                start = gr.Button("Compare", variant="primary", elem_id="compare")
                cancel = gr.Button("Cancel", elem_id="compare-cancel")
        with gr.Column(scale=7, min_width=320):
            status = gr.Textbox(label="Status", lines=1, max_lines=8, interactive=False, elem_id="compare-status")
            gallery = gr.Gallery(
                label="Side by side",
                elem_id="compare-gallery",
                format="png",
                columns=3,
                object_fit="contain",
                buttons=["fullscreen"],
            )
            table = gr.Dataframe(
                label="Closing metric values", headers=["run", "checkpoint"], value=[], interactive=False, wrap=True,
                elem_id="compare-table",
            )  # fmt: skip

    page.load(choices, None, chosen, queue=False, api_visibility="private")
    reload.click(choices, None, chosen, queue=False, api_visibility="private")

    def compare(uploads: Any, names: Sequence[str], way: str, request: gr.Request) -> Iterator[tuple[Any, Any, Any]]:
        """Translate the image with each run, and yield what is there after each."""
        try:
            work = studio.begin(f"compare {request.session_hash}")
            images = studio.uploaded(uploads)
            if video := next((one.name for one in images if is_video(one.name)), ""):
                raise GanzooError(f"{video}: compare takes an image; translate videos in Translate")
            if not names:
                raise GanzooError("choose runs to compare")
            pairs = [(studio.catalog.find(run), point) for run, _, point in (name.partition("\n") for name in names)]
            rows = metric_table(pairs)
        except GanzooError as error:
            yield message(error), gr.skip(), gr.skip()
            return
        made: list[tuple[Any, str]] = []
        problems: list[str] = []
        for number, (run, point) in enumerate(pairs[:MOST]):
            if work.stop.is_set():
                problems.append("cancelled")
                break
            yield "\n".join([f"translating: {number} of {len(pairs)}", *problems]), made, rows
            wanted = TranslationRequest(run.folder, images, point, way if way in ("AB", "BA", "AA") else "")
            try:
                *_, outcome = translate_request(studio.models, wanted, work.folder / str(number), work.stop)
                problems += outcome.failures
                with studio.translator(run.name, point) as translator:
                    target = translator.resolve_direction(wanted.direction or None)[1]
                    target_io = translator.domain_io[target]
                    shown = [preview(file, target_io) for file in outcome.files[: has_pictures(target_io)]]
                made += [(one, f"{run.name} · {point}") for one in shown]
            except (GanzooError, OSError) as error:
                problems.append(message(error))
        yield "\n".join([f"{len(made)} of {len(pairs)} translated", *problems]), made, rows

    start.click(
        compare,
        [image, chosen, direction],
        [status, gallery, table],
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )

    def stop(request: gr.Request) -> None:
        studio.stop(f"compare {request.session_hash}")

    cancel.click(stop, queue=False, api_visibility="private")


def metric_table(pairs: Sequence[tuple[Listed, str]]) -> Any:
    """Return a table: a row for each run and checkpoint, a column for each metric value of their last evaluation."""
    found = [(run, point, run.closing_values(point)) for run, point in pairs]
    names = sorted({name for *_, values in found for name in values})
    rows = [
        [run.name, point, *(f"{values[name]:.4g}" if name in values else "–" for name in names)]
        for run, point, values in found
    ]
    return gr.Dataframe(headers=["run", "checkpoint", *names], value=rows, column_count=2 + len(names))
