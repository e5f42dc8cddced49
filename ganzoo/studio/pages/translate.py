"""The tab that translates images: uploads, options, masks, styles, progress, results."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import Dependency
from PIL import Image

from ganzoo.errors import GanzooError
from ganzoo.inference.translator import Translator
from ganzoo.studio.pages.masks import MaskControls
from ganzoo.studio.pages.styles import StyleControls
from ganzoo.studio.request import TranslationRequest
from ganzoo.studio.service import Abilities, Studio
from ganzoo.studio.work import Outcome, message, pack, pictures, translate_request

SHOWN = 48
"""The most translations in the gallery; the downloads have all."""


def add_translate_tab(studio: Studio, run: gr.Dropdown, reloaded: Dependency) -> None:
    """Add the tab's controls.

    Args:
        studio: the runs and translators.
        run: the page's choice of the run.
        reloaded: the event after which the run may be another one, or have changed.
    """
    pairs = gr.State([])  # (source, translation) previews, in the gallery's order
    with gr.Row():
        with gr.Column(scale=5, min_width=320):
            files = gr.File(label="Images", file_count="multiple", type="filepath", elem_id="images", height=140)
            with gr.Row():
                direction = gr.Dropdown(label="Direction", choices=[], elem_id="direction", min_width=110)
                checkpoint = gr.Dropdown(label="Checkpoint", choices=[], elem_id="checkpoint", min_width=110)
                seed = gr.Textbox(label="Seed", placeholder="the run's", elem_id="seed", min_width=90)
            masks = MaskControls(studio, files)
            styles = StyleControls(studio, run, checkpoint, direction, files)
            with gr.Accordion("Size and format", open=False, elem_id="more"), gr.Row():
                size = gr.Textbox("trained", label="Size: trained, original or pixels", elem_id="size")
                tile = gr.Textbox("auto", label="Tiles: auto, none or pixels", elem_id="tile")
                form = gr.Dropdown(["", "png", "jpg", "webp", "tif", "npy"], value="", label="Format", elem_id="format")
                back = gr.Checkbox(label="Scale the translations back", elem_id="back")
            with gr.Row():
                start = gr.Button("Translate", variant="primary", elem_id="start")
                cancel = gr.Button("Cancel", elem_id="cancel")
        with gr.Column(scale=7, min_width=320):
            status = gr.Textbox(label="Status", lines=1, max_lines=8, interactive=False, elem_id="status")
            slider = gr.ImageSlider(
                label="Before and after", interactive=False, elem_id="slider", format="png", buttons=["fullscreen"]
            )
            divider = gr.Slider(0, 100, 50, step=1, label="Divider, % (for the keyboard)", elem_id="divider")
            gallery = gr.Gallery(
                label="Translations", elem_id="gallery", format="png", columns=4, height=220, object_fit="contain",
                buttons=["fullscreen"], allow_preview=False,
            )  # fmt: skip
            seen = gr.Gallery(
                label="What is translated: the image within its mask", elem_id="seen", format="png", columns=4,
                object_fit="contain", height=200, visible=False, buttons=["fullscreen"], allow_preview=False,
            )  # fmt: skip
            downloads = gr.File(
                label="Download one", file_count="multiple", interactive=False, elem_id="downloads", visible=False
            )
            archive = gr.DownloadButton("Download all (zip)", interactive=False, elem_id="zip")
            command = gr.Textbox(
                label="The same on the command line", interactive=False, lines=1, max_lines=4, elem_id="command",
                buttons=["copy"],
            )  # fmt: skip

    results = [status, slider, gallery, seen, downloads, archive, command, pairs]

    def describe(name: str | None, way: str | None = None, point: str | None = None) -> Iterator[tuple[Any, ...]]:
        """Load a run, and show the controls for what it can do; a direction and a checkpoint stay if it has them."""
        nothing = (gr.skip(), gr.skip(), gr.skip(), gr.skip(), gr.skip())
        if not name:
            yield ("", *nothing)
            return
        yield ("loading the run …", *nothing)
        try:
            listed = studio.catalog.find(name)
            with studio.translator(name, point if point in listed.checkpoints else "") as translator:
                able, chosen = Abilities.of(translator), translator.checkpoint.name
        except (GanzooError, OSError) as error:
            yield (message(error), *nothing)
            return
        way = way if way in able.directions else able.directions[0]
        yield (
            f"ready: {chosen} of step {able.step}",
            gr.Dropdown(choices=able.directions, value=way),
            gr.Dropdown(choices=listed.checkpoints, value=chosen),
            *(masks.shown(able), styles.shown(able, way)),
            able,
        )

    able_state = gr.State(None)
    described = [status, direction, checkpoint, masks.box, styles.box, able_state]
    run.change(describe, run, described, concurrency_limit=None, api_visibility="private")
    reloaded.then(  # not in the queue, in which it would be beside the change of the run, if that is another one
        lambda *chosen: [*describe(*chosen)][-1],
        [run, direction, checkpoint],
        described,
        queue=False,
        api_visibility="private",
    )
    direction.change(
        lambda able, way: styles.shown(able, way) if able else gr.skip(),
        [able_state, direction],
        styles.box,
        queue=False,
        api_visibility="private",
    )

    inputs = [run, files, direction, checkpoint, seed, size, tile, form, back, *masks.inputs, *styles.inputs]

    def translate(
        request: gr.Request,
        name: str | None,
        uploads: Any,
        way: str,
        point: str,
        number: str,
        size: str,
        tile: str,
        form: str,
        back: bool,
        *rest: Any,
    ) -> Iterator[tuple[Any, ...]]:
        """Translate the uploads, and show progress and results."""
        kept = (gr.skip(),) * 7
        yield ("waiting for another request …" if studio.models.busy else "starting …", *kept)
        try:
            work = studio.begin(str(request.session_hash))
            images = studio.uploaded(uploads)
            mask_values, style_values = rest[: len(masks.inputs)], rest[len(masks.inputs) :]
            run_folder = studio.catalog.find(name).folder
            chosen = masks.read(mask_values, images, work.folder)
            wanted = TranslationRequest(
                run_folder, images, point or "", way or "", size, back, tile, form or "", chosen.files, chosen.maskers,
                **styles.read(style_values), seed=_seed(number),
                precision=studio.models.precision, device=studio.models.device,
            )  # fmt: skip
            for outcome in translate_request(studio.models, wanted, work.folder, work.stop, save_masks=True):
                if not outcome.finished:
                    yield (outcome.line(), *kept)
            with studio.translator(name, point) as translator:  # nothing is yielded in it: other threads may go on
                shown = show(translator, wanted, outcome, work.folder)
            yield shown
        except (GanzooError, OSError) as error:
            yield (message(error), *kept)

    def show(translator: Translator, wanted: TranslationRequest, outcome: Outcome, folder: Path) -> tuple[Any, ...]:
        """Return what the page shows of an outcome."""
        way = translator.resolve_direction(wanted.direction or None)
        made: list[tuple[Image.Image, str]] = []
        shown: list[tuple[Image.Image, Image.Image]] = []
        source_io, target_io = (translator.domain_io[domain] for domain in way)
        for file, after, before in pictures(outcome.files[:SHOWN], wanted.inputs, source_io, target_io):
            made.append((after, str(file.relative_to(outcome.folder))))
            if before:
                shown.append((before, after))
        seen = masks.seen(outcome, wanted, translator, way) if outcome.masks else []
        painted = [file for file in wanted.masks if file.is_relative_to(folder)]  # the command needs them
        packed = pack(outcome.files, outcome.folder, folder / "translated.zip") if outcome.files else None
        return (
            "\n".join([outcome.line(), *outcome.failures]),
            shown[0] if shown else None,
            made,
            gr.Gallery(value=seen, visible=bool(seen)),
            gr.File(value=[str(file) for file in [*outcome.files, *painted]], visible=bool(outcome.files)),
            gr.DownloadButton(value=str(packed) if packed else None, interactive=bool(packed)),
            wanted.command(),
            shown,
        )

    start.click(
        translate,
        inputs,
        results,
        concurrency_limit=None,
        show_progress="hidden",
        api_visibility="private",
    )

    def stop(request: gr.Request) -> None:
        studio.stop(str(request.session_hash))

    cancel.click(stop, queue=False, api_visibility="private")

    def choose(shown: list[Any], event: gr.SelectData) -> Any:
        return shown[event.index] if isinstance(event.index, int) and event.index < len(shown) else gr.skip()

    divider.input(
        lambda place: gr.ImageSlider(slider_position=place),
        divider,
        slider,
        queue=False,
        show_progress="hidden",
        trigger_mode="always_last",
        api_visibility="private",
    )
    gallery.select(choose, pairs, slider, queue=False, api_visibility="private")


def _seed(text: str) -> int | None:
    """Return a seed; None for an empty text. Raises GanzooError if it is no whole number."""
    text = (text or "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise GanzooError(f"seed: {text!r} is not a whole number, 0 or larger")
    return int(text)
