"""The controls for styles: random ones, those of images, numbers with sliders, and lines between two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import gradio as gr

from ganzoo.errors import GanzooError
from ganzoo.inference.pages import read_page
from ganzoo.studio.service import Abilities, Studio
from ganzoo.studio.styles import StyleAxes, principal_axes
from ganzoo.studio.work import message

RANDOM, IMAGE, NUMBERS, LINE = "random", "of an image", "sliders and numbers", "a line between two"
SLIDERS = 4
MOST = 64
"""The most styles of one image."""


class StyleControls:
    """The controls for styles.

    Args:
        studio: the runs and uploads.
        run, checkpoint, direction: the page's controls for these.
        files: the control with the uploaded images; sliders are made for the first one.
    """

    def __init__(
        self, studio: Studio, run: gr.Dropdown, checkpoint: gr.Dropdown, direction: gr.Dropdown, files: gr.File
    ) -> None:
        self.studio = studio
        with gr.Accordion("Styles", open=True, visible=False, elem_id="styles") as self.box:
            self.kind = gr.Radio([RANDOM, IMAGE, NUMBERS, LINE], value=RANDOM, label="Style", elem_id="style-kind")
            self.samples = gr.Number(
                1, label="Number of random styles", minimum=1, maximum=MOST, precision=0, elem_id="samples"
            )
            self.image = gr.File(
                label="Image of the target domain whose style to take",
                type="filepath",
                visible=False,
                elem_id="style-image",
                height=110,
            )
            self.second = gr.File(
                label="Image at the other end; none: a random style",
                type="filepath",
                visible=False,
                elem_id="style-second",
                height=110,
            )
            self.steps = gr.Number(
                5, label="Styles on the line, both ends included", minimum=2, maximum=MOST, precision=0,
                visible=False, elem_id="style-steps",
            )  # fmt: skip
            with gr.Group(visible=False) as numbers:
                find = gr.Button("Find the directions in which the first image changes most", elem_id="find-axes")
                found = gr.Markdown(elem_id="axes-note")
                self.sliders = [
                    gr.Slider(-3, 3, 0, step=0.05, label=f"Direction {i + 1}", visible=False, elem_id=f"axis-{i + 1}")
                    for i in range(SLIDERS)
                ]
                self.numbers = gr.Textbox(
                    label="The style's numbers", lines=2, max_lines=4, elem_id="style-numbers", placeholder="0.3,-1,…"
                )
        self.inputs = [self.kind, self.samples, self.image, self.second, self.steps, self.numbers]
        axes = gr.State(None)
        self.kind.change(
            lambda kind: [
                gr.Number(visible=kind == RANDOM),
                gr.File(visible=kind in (IMAGE, LINE)),
                gr.File(visible=kind == LINE),
                gr.Number(visible=kind == LINE),
                gr.Group(visible=kind == NUMBERS),
            ],
            self.kind,
            [self.samples, self.image, self.second, self.steps, numbers],
            queue=False,
            api_visibility="private",
        )
        find.click(
            self.find,
            [run, checkpoint, direction, files],
            [found, axes, self.numbers, *self.sliders],
            concurrency_limit=None,
            api_visibility="private",
        )
        for slider in self.sliders:
            slider.input(
                lambda found, *places: found.text(places[: len(found.axes)]) if found else gr.skip(),
                [axes, *self.sliders],
                self.numbers,
                trigger_mode="always_last",
                queue=False,
                api_visibility="private",
            )

    def shown(self, able: Abilities, way: str | None) -> Any:
        """Return the update that shows the controls if translations in a direction have styles."""
        size = able.styles.get(way or "", 0)
        return gr.Accordion(label=f"Styles (of {size} numbers)", visible=bool(size))

    def find(self, name: str | None, point: str | None, way: str | None, uploads: Any) -> Iterator[tuple[Any, ...]]:
        """Find the principal directions of the styles for the first image, and set the sliders to the middle."""
        kept = (gr.skip(),) * (2 + SLIDERS)
        yield ("looking …", *kept)
        try:
            images = self.studio.uploaded(uploads)
            if not images:
                raise GanzooError("choose an image first")
            with self.studio.translator(name, point) as translator:
                direction = translator.resolve_direction(way or None)
                pixels = read_page(images[0], translator.domain_io[direction[0]]).pixels
                image, _ = translator.scaled(pixels, direction[0])
                axes: StyleAxes = principal_axes(translator, image, direction, SLIDERS)
        except (GanzooError, OSError) as error:
            yield (message(error), *kept)
            return
        count = len(axes.axes)
        yield (
            f"{count} directions, strongest first; one unit is a standard deviation",
            axes,
            axes.text([0.0] * count),
            *(gr.Slider(value=0, visible=i < count) for i in range(SLIDERS)),
        )

    def read(self, values: Sequence[Any]) -> dict[str, Any]:
        """Return the chosen styles, as ``TranslationRequest`` takes them: ``styles``, ``samples``, ``between``.

        Args:
            values: the values of ``inputs``.

        Raises GanzooError if an image or the numbers are missing, and for other words than numbers.
        """
        kind, samples, image, second, steps, numbers = values
        if kind == RANDOM:
            count = min(max(int(samples or 1), 1), MOST)
            return {"styles": ["random"] if count > 1 else [], "samples": count, "between": 0}
        if kind == NUMBERS:
            if not (numbers or "").strip():
                raise GanzooError("style: find the directions first, or write the style's numbers")
            try:
                [float(number) for number in numbers.split(",")]
            except ValueError:  # a path, too, which would be read
                raise GanzooError(f"style: {numbers!r} is not numbers with commas between them: 0.3,-1,…") from None
            return {"styles": [numbers.strip()], "samples": 1, "between": 0}
        first = self.studio.uploaded(image)
        if kind == IMAGE:
            if not first:
                raise GanzooError("style: choose an image whose style to take")
            return {"styles": [str(first[0])], "samples": 1, "between": 0}
        ends = [str(found[0]) if (found := self.studio.uploaded(one)) else "random" for one in (image, second)]
        return {"styles": ends, "samples": 1, "between": min(max(int(steps or 2), 2), MOST)}
