"""The controls for masks: brush, rectangles, mask images, and maskers in place of the run's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr
from PIL import Image

from ganzoo.data.domain_io import DomainIO
from ganzoo.errors import GanzooError
from ganzoo.inference.translator import Translator
from ganzoo.interfaces import Direction
from ganzoo.plugins import plugins
from ganzoo.recipe.named_parts import named_file
from ganzoo.studio.painting import (
    LARGE,
    box_between,
    clicked_pixel,
    overlay,
    painted_mask,
    read_boxes,
    shown_size,
    write_mask_image,
)
from ganzoo.studio.request import TranslationRequest
from ganzoo.studio.service import Abilities, Studio
from ganzoo.studio.work import Outcome, has_pictures, image_size, preview, source_of

BRUSH, BOXES, FILES, MASKERS = "brush", "rectangles", "mask images", "other maskers"
COLOURS = DomainIO(3)


class Chosen(NamedTuple):
    """The masks that a user chose: mask images and maskers, as ``ganzoo translate`` takes them."""

    files: list[Path]
    maskers: list[str]


class MaskControls:
    """The controls for masks.

    Args:
        studio: the runs and uploads.
        files: the control with the uploaded images.
    """

    def __init__(self, studio: Studio, files: gr.File) -> None:
        self.studio = studio
        names = [component.name for component in plugins().registry.find("masker")]
        with gr.Accordion("Masks", open=True, visible=False, elem_id="masks") as self.box:
            self.kinds = gr.CheckboxGroup(
                [BRUSH, BOXES, FILES, MASKERS],
                label="Masks to use, side by side",
                info="none: the run's own masker",
                elem_id="mask-kinds",
            )
            with gr.Group(visible=False) as paint:
                self.editor = gr.ImageEditor(
                    label="Paint (first image)",
                    type="pil",
                    sources=(),
                    transforms=(),
                    layers=False,
                    brush=gr.Brush(colors=["#ff2d6f"], color_mode="fixed"),
                    image_mode="RGBA",
                    format="png",
                    canvas_size=(512, 512),
                    elem_id="editor",
                    buttons=["fullscreen"],
                )
            with gr.Group(visible=False) as rectangles:
                self.boxes = gr.Textbox(
                    label="Rectangles: left top width height, in pixels of the image, one in each line",
                    lines=2,
                    elem_id="boxes",
                )
                picture = gr.Image(
                    label="Or click two opposite corners",
                    type="pil",
                    interactive=False,
                    format="png",
                    elem_id="corners",
                    height=280,
                    buttons=[],
                )
            with gr.Group(visible=False) as given:
                self.given = gr.File(
                    label="Mask images: grey, white is translated; as large as the image",
                    file_count="multiple",
                    type="filepath",
                    elem_id="mask-files",
                    height=120,
                )
            with gr.Group(visible=False) as others:
                self.maskers = gr.Textbox(
                    label="Maskers, one in each line, as in a recipe",
                    placeholder="{masker: round, scale: 0.5}",
                    info=f"known: {', '.join(names)}",
                    lines=2,
                    elem_id="maskers",
                )
        self.inputs = [self.kinds, self.editor, self.boxes, self.given, self.maskers]
        corner, loaded = gr.State(None), gr.State({})
        self.kinds.change(
            lambda kinds: [gr.Group(visible=kind in kinds) for kind in (BRUSH, BOXES, FILES, MASKERS)],
            self.kinds,
            [paint, rectangles, given, others],
            queue=False,
            api_visibility="private",
        )
        for trigger in (files.change, self.kinds.change):
            trigger(
                self.load,
                [files, self.kinds, loaded],
                [self.editor, picture, loaded],
                queue=False,
                api_visibility="private",
            )
        picture.select(
            self.click, [files, self.boxes, corner], [self.boxes, corner], queue=False, api_visibility="private"
        )

    def shown(self, able: Abilities) -> Any:
        """Return the update that shows the controls if a run takes masks."""
        label = f"Masks (own: {able.masker})" if able.masker else "Masks: this run needs yours"
        return gr.Accordion(label=label, visible=bool(able.role))

    def load(self, uploads: Any, kinds: Sequence[str], loaded: dict[str, Path]) -> tuple[Any, Any, dict[str, Path]]:
        """Show the first image in the editor and the picture for corners, if they are in use and do not show it yet.

        A new value would delete what is painted. ``loaded``: kind of mask in use → the image shown for it.
        """
        loaded = {kind: file for kind, file in loaded.items() if kind in kinds}
        try:
            first = next(iter(self.studio.uploaded(uploads)), None)
            new = [kind for kind in (BRUSH, BOXES) if kind in kinds and loaded.get(kind) != first]
            if first is None or not new:
                return gr.skip(), gr.skip(), loaded
            image = preview(first, COLOURS, LARGE)
        except GanzooError:  # the translation tells it
            return gr.skip(), gr.skip(), loaded
        shown = image.resize(shown_size(image_size(first)), Image.Resampling.NEAREST)
        editor = {"background": image, "layers": [], "composite": None} if BRUSH in new else gr.skip()
        return editor, shown if BOXES in new else gr.skip(), loaded | dict.fromkeys(new, first)

    def click(self, uploads: Any, text: str, first: Any, event: gr.SelectData) -> tuple[str, Any]:
        """Add a rectangle after the second of two clicks."""
        images = self.studio.uploaded(uploads)
        if not images or not isinstance(event.index, list | tuple):
            return text, None
        size = image_size(images[0])
        pixel = clicked_pixel(event.index, size)
        if first is None:
            return text, pixel
        box = " ".join(map(str, box_between((first[0], first[1]), pixel)))
        return f"{text.rstrip()}\n{box}".strip(), None

    def read(self, values: Sequence[Any], images: Sequence[Path], folder: Path) -> Chosen:
        """Return the chosen masks; painted ones are written as files.

        Args:
            values: the values of ``inputs``.
            images: the uploaded images.
            folder: a folder for painted masks.

        Raises GanzooError if a chosen kind of mask is empty or wrong, and if other machines can reach the page and a
        masker names a file.
        """
        kinds, editor, boxes, given, maskers = values
        chosen = Chosen([], [])
        if images and (BRUSH in kinds or BOXES in kinds):
            size = image_size(images[0])
            if BRUSH in kinds:
                layers = [layer for layer in (editor or {}).get("layers", []) if isinstance(layer, Image.Image)]
                mask = painted_mask(size, layers, [])
                chosen.files.append(write_mask_image(mask, folder / "masks-painted", "brush"))
            if BOXES in kinds:
                mask = painted_mask(size, [], read_boxes(boxes or "", size))
                chosen.files.append(write_mask_image(mask, folder / "masks-painted", "rectangles"))
        if FILES in kinds:
            found = self.studio.uploaded(given)
            if not found:
                raise GanzooError("masks: choose mask images, or take 'mask images' off")
            chosen.files.extend(found)
        if MASKERS in kinds:
            lines = [line.strip() for line in (maskers or "").splitlines() if line.strip()]
            if not lines:
                raise GanzooError("masks: write a masker, such as round, or take 'other maskers' off")
            for line in () if self.studio.local else lines:
                if named := named_file(line, "masks"):
                    raise GanzooError(f"masks: {named} is a file of the server: leave it out, or use the studio there")
            chosen.maskers.extend(lines)
        return chosen

    def seen(
        self, outcome: Outcome, wanted: TranslationRequest, translator: Translator, way: Direction
    ) -> list[tuple[Image.Image, str]]:
        """Return the images within their masks, each with the path of its mask, for the gallery."""
        shown = []
        for file in outcome.masks:
            source = source_of(file, wanted.inputs)
            if source is not None and has_pictures(translator.domain_io[way[0]]):
                with Image.open(file) as mask:
                    image = preview(source, translator.domain_io[way[0]], result=file)
                    shown.append((overlay(image, mask), str(file.relative_to(outcome.folder.parent / "masks"))))
        return shown
