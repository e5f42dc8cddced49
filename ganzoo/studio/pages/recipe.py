"""The tab with a form that writes a recipe and shows what ``ganzoo check`` says of it; it starts no training."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from ganzoo.errors import GanzooError
from ganzoo.studio.recipe_form import (
    Field,
    check_text,
    component_entry,
    component_names,
    fields_of,
    method_places,
    name_problem,
    recipe_text,
    write_recipe,
)
from ganzoo.studio.work import message

FEW, MANY = 3, 6
"""Of a component with more than ``MANY`` options the required ones and the first ``FEW`` are shown at once."""
FIRST = {"train": ("steps", "epochs", "batch", "lr"), "images": ("size", "load", "fit", "flip")}
"""The settings that are shown at once; the others are in a fold."""


def add_recipe_tab(target: Path) -> None:
    """Add the tab's controls; ``target`` is the folder for recipes."""
    with gr.Row():
        with gr.Column(scale=6, min_width=320):
            with gr.Row():
                method = gr.Dropdown(component_names("method"), value="cyclegan", label="Method", elem_id="r-method")
                data = gr.Dropdown(component_names("dataset"), value="folders", label="Data set", elem_id="r-data")
            with gr.Row():
                losses = gr.Dropdown(
                    component_names("loss"), multiselect=True, label="Further losses", elem_id="r-losses"
                )
                metrics = gr.Dropdown(component_names("metric"), multiselect=True, label="Metrics", elem_id="r-metrics")
            parts = gr.State({})  # place → name of the chosen component
            form = gr.Column()
        with gr.Column(scale=5, min_width=320):
            text = gr.Code(label="Recipe (you can edit it)", language="yaml", lines=18, elem_id="r-text")
            with gr.Row():
                quick = gr.Button("Check", elem_id="r-check")
                whole = gr.Button("Check with the data", elem_id="r-check-whole")
            answer = gr.Textbox(label="What check says", lines=4, max_lines=30, interactive=False, elem_id="r-answer")
            with gr.Row(equal_height=True):
                name = gr.Textbox("mine", label="Name", elem_id="r-name")
                write = gr.Button("Write the file", elem_id="r-write", min_width=140)
            command = gr.Textbox(label="Command", interactive=False, elem_id="r-command", buttons=["copy"])

    with form:

        @gr.render(inputs=[method, data, losses, metrics, parts], queue=False)
        def draw(
            chosen: str,
            dataset: str,
            added: Sequence[str] | None,
            measured: Sequence[str] | None,
            named: Mapping[str, str],
        ) -> None:
            """Draw the fields of all chosen components, and the button that makes the recipe of them."""
            controls: list[Any] = []
            keys: list[tuple[str, str, str, str, str]] = []  # section, key, kind, component, option

            def fields(section: str, key: str, kind: str, component: str, only: Sequence[str] = ()) -> None:
                found = fields_of(kind, component)
                shown = [one for one in found if one.name in only] if only else [*found]
                if len(shown) > MANY and not only:
                    shown = [one for number, one in enumerate(found) if one.required or number < FEW]
                folded = [one for one in found if one not in shown]
                with gr.Row():
                    for one in shown:
                        add(section, key, kind, component, one)
                if folded:
                    with gr.Accordion("More", open=False), gr.Row():
                        for one in folded:
                            add(section, key, kind, component, one)

            def add(section: str, key: str, kind: str, component: str, field: Field) -> None:
                place = f"{section}.{key}.{component}.{field.name}"
                label = f"{field.name} *" if field.required else field.name
                shared: dict[str, Any] = {"label": label, "info": field.about, "key": place, "min_width": 200}
                shared["elem_id"] = f"r-{place.replace('.', '-')}"
                controls.append(
                    gr.Dropdown(["", *field.choices], value="", **shared)
                    if field.choices
                    else gr.Textbox(max_lines=3, **shared)
                )
                keys.append((section, key, kind, component, field.name))

            def part(section: str, key: str, kind: str, default: str, *, optional: bool = False) -> None:
                place = f"{section}.{key}"
                current = named.get(place, default)
                names = component_names(kind)
                drop = gr.Dropdown(
                    ["", *names] if optional else names,
                    value=current,
                    label=place,
                    key=f"part {place}",
                    preserved_by_key=None,
                )
                drop.input(
                    lambda value, before: {**before, place: value},
                    [drop, parts],
                    parts,
                    queue=False,
                    api_visibility="private",
                )
                if current:
                    with gr.Accordion(f"Options of {current}", open=False):
                        fields(section, key, kind, current)

            try:
                places = method_places(chosen)
                with gr.Accordion(f"Data: {dataset}", open=True):
                    fields("data", "", "dataset", dataset)
                with gr.Accordion("Images and training", open=True):
                    for section in ("images", "train"):
                        fields(section, "", "settings", section, FIRST[section])
                with gr.Accordion(f"Method: {chosen}", open=False):
                    fields("method", "", "method", chosen)
                with gr.Accordion("Networks", open=False):
                    for key, (kind, default) in places.networks.items():
                        part("networks", key, kind, default)
                if places.roles:
                    with gr.Accordion("Maskers", open=bool(places.required)):
                        for role in places.roles:
                            part("maskers", role, "masker", "", optional=role not in places.required)
                for one in added or ():
                    with gr.Accordion(f"Loss: {one}", open=True):
                        fields("losses", one, "loss", one)
                with gr.Accordion("Evaluation", open=False):
                    fields("evaluate", "", "settings", "evaluate", ("every", "best"))
            except GanzooError as error:
                gr.Markdown(message(error))
                return
            make = gr.Button("Make the recipe", variant="primary", elem_id="r-make")

            def collect(*values: str) -> tuple[Any, str]:
                filled: dict[tuple[str, str, str, str], dict[str, str]] = {}
                for (section, key, kind, component, option), value in zip(keys, values, strict=True):
                    filled.setdefault((section, key, kind, component), {})[option] = value
                sections: dict[str, Any] = {
                    name: {}
                    for name in ("method", "networks", "maskers", "losses", "data", "images", "train", "evaluate")
                }
                try:
                    for (section, key, kind, component), options in filled.items():
                        named_so = "" if kind == "settings" else component
                        entry = component_entry(kind, named_so, options)
                        default = places.networks.get(key, ("", ""))[1] if section == "networks" else ""
                        if section == "networks" and component == default and len(entry) == 1:
                            continue
                        if key:
                            sections[section][key] = entry
                        else:
                            sections[section] = entry
                    if measured:
                        sections["evaluate"]["metrics"] = list(measured)
                    return recipe_text(sections), ""
                except GanzooError as error:
                    return gr.skip(), message(error)

            make.click(collect, controls, [text, answer], queue=False, api_visibility="private")

    def check(content: str, called: str, *, fast: bool) -> str:
        try:
            if problem := name_problem(called or ""):
                return problem
            good, printed = check_text(content or "", called, target, quick=fast)
            return printed if not good else f"the recipe is right\n\n{printed}"
        except (GanzooError, OSError) as error:
            return message(error)

    for button, fast in ((quick, True), (whole, False)):
        button.click(
            partial(check, fast=fast),
            [text, name],
            answer,
            concurrency_id="checks",
            concurrency_limit=1,
            api_visibility="private",
        )

    def save(content: str, called: str) -> tuple[str, str]:
        try:
            file = write_recipe(content or "", called or "", target)
        except GanzooError as error:
            return message(error), ""
        return f"written: {file}", shlex.join(["ganzoo", "run", str(file)])

    write.click(save, [text, name], [answer, command], queue=False, api_visibility="private")
