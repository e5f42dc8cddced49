"""The studio's page: the choice of the run, what is known of it, and the tabs."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path
from typing import Any

import gradio as gr

from ganzoo.errors import GanzooError
from ganzoo.studio.pages.compare import add_compare_tab
from ganzoo.studio.pages.recipe import add_recipe_tab
from ganzoo.studio.pages.translate import add_translate_tab
from ganzoo.studio.pages.watch import add_watch_tab
from ganzoo.studio.service import Studio
from ganzoo.studio.work import message

FONTS = ["system-ui", "sans-serif"]
LOOK: dict[str, Any] = {
    "theme": gr.themes.Soft(font=FONTS, font_mono=["ui-monospace", "monospace"]),
    "css": (
        ".gradio-container {max-width: 1500px !important} #status textarea, #command textarea {font-size: 0.95em} "
        ".report iframe {width: 100%; height: 80vh; border: 1px solid var(--border-color-primary); border-radius: 8px}"
    ),
}
"""Theme and styles of the page; its fonts are the system's, so that nothing is loaded from elsewhere."""


def build_page(studio: Studio) -> gr.Blocks:
    """Return the page."""

    def choices() -> list[tuple[str, str]]:
        return [(one.line, one.name) for one in studio.catalog.runs()]

    def load_list(chosen: str | None) -> Any:
        found = choices()
        names = [name for _, name in found]
        value = chosen if chosen in names else names[0] if names else None
        return gr.Dropdown(choices=found, value=value)

    def show(name: str | None) -> tuple[str, Any]:
        if not name:
            return "No runs yet: train one with `ganzoo run recipe.yaml`, then reload the list.", None
        try:
            run = studio.catalog.find(name)
            grid = run.last_grid
            return run.facts(), str(_copied(studio, grid)) if grid else None
        except (GanzooError, OSError) as error:
            return message(error), None

    with gr.Blocks(title="ganzoo studio", analytics_enabled=False, delete_cache=(600, 86400)) as page:
        gr.Markdown("# ganzoo studio")
        with gr.Row(equal_height=True):
            run = gr.Dropdown(label="Run", choices=[], elem_id="run", scale=8, min_width=340)
            reload = gr.Button("Reload the list", elem_id="reload", scale=1, min_width=140)
        reloaded = reload.click(load_list, run, run, queue=False, api_visibility="private")
        with gr.Accordion("About this run", open=False), gr.Row():
            with gr.Column(min_width=300):
                facts = gr.Markdown(elem_id="facts")
            grid = gr.Image(
                label="Last sample grid", elem_id="grid", interactive=False, buttons=["fullscreen"], min_width=300
            )
        with gr.Tabs():
            with gr.Tab("Translate", id="translate"):
                add_translate_tab(studio, run, reloaded)
            with gr.Tab("Compare", id="compare"):
                add_compare_tab(studio, reload, page)
            with gr.Tab("Watch", id="watch"):
                add_watch_tab(studio, run)
            if studio.recipes is not None:
                with gr.Tab("Recipe", id="recipe"):
                    add_recipe_tab(studio.recipes)
        page.load(load_list, run, run, queue=False, api_visibility="private")
        run.change(show, run, [facts, grid], queue=False, api_visibility="private")
        reloaded.then(show, run, [facts, grid], queue=False, api_visibility="private")  # the same run is no change

        def closed(request: gr.Request) -> None:
            studio.close_tab(str(request.session_hash))
            studio.close_tab(f"compare {request.session_hash}")

        page.unload(closed)
    return page


def _copied(studio: Studio, file: Path) -> Path:
    """Return a copy of a file of a run, in the folder of which the page may show files."""
    folder = studio.served / "grids"
    folder.mkdir(parents=True, exist_ok=True)
    of_run = sha256(str(file.parent.absolute()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    target = folder / f"{of_run}-{file.stat().st_mtime_ns}-{file.name}"  # browsers keep what an address once gave
    shutil.copyfile(file, target)
    return target
