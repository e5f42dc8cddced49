"""Write a page for each kind: its components with their documentation and options, from the registry."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ganzoo.interfaces import Masker, Method, Metric
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.plugins import plugins
from ganzoo.recipe.discriminator_options import DiscriminatorOptions
from ganzoo.recipe.options import accepts_path, options_of
from ganzoo.recipe.schema import LossAttachment
from ganzoo.registry import Component
from tools.reference.docstrings import parse
from tools.reference.markdown import ROOT, code, join, link, option_list, source_link


@dataclass(frozen=True)
class Page:
    """The page of one kind.

    Args:
        file: its name in docs/reference, without suffix.
        title: its heading.
        about: what the kind is, and where a recipe names it.
        shared: class of the options that every component of the kind has; None if there are none.
        facts: function from a component's class to what it declares besides options, as Markdown.
    """

    file: str
    title: str
    about: str
    shared: type[Any] | None
    facts: Callable[[type[Any]], str]


def _none(target: type[Any]) -> str:
    return ""


def _names(names: Any) -> str:
    return ", ".join(map(code, names))


def _facts(rows: Mapping[str, str]) -> str:
    return "\n".join(f"- {name}: {value}" for name, value in rows.items() if value)


def method_facts(target: type[Method]) -> str:
    """Return a method's directions and mask roles, and by its default options its slots, phases and tensors.

    The latter are left out of a method that needs a file to be created.
    """
    rows = {
        "directions": _names(target.directions),
        "mask roles": _names(target.accepts),
        "roles that a recipe must set": _names(target.requires),
        "data it needs": _names(target.reads) + (" pairs" if target.paired else ""),
    }
    if not any(option.required or accepts_path(option.type) for option in options_of(target).values()):
        method = target()
        rows |= {
            "slots": "; ".join(
                f"{code(name)} ({slot.kind or 'built by the method'}"
                + (f", by default {code(str(slot.default[slot.kind]))}" if slot.kind in slot.default else "")
                + ")"
                for name, slot in method.slots.items()
            ),
            "phases": _names(phase.name for phase in method.phases) or "none: nothing is trained",
            "tensors that losses can read": _names(
                name for name, output in method.tensors.items() if output.for_losses and method.phases
            ),
        }
    return _facts(rows)


def loss_facts(target: type[Any]) -> str:
    """Return the inputs of a loss: the parameters of its forward."""
    return _facts({"inputs (`of`)": _names(list(inspect.signature(target.forward).parameters)[1:])})


def masker_facts(target: type[Masker]) -> str:
    """Return what a masker reads, and how it is trained."""
    needs = {"image": "the image", "given": "the data set's mask"}
    trained = {"separate": "in a run of its own", "joint": "with the generators, in the role `composite`"}
    return _facts(
        {
            "reads": ", ".join(needs[name] for name in target.needs) or "nothing: it draws shapes",
            "trained": trained.get(target.trains, ""),
        }
    )


def metric_facts(target: type[Metric]) -> str:
    """Return which real images a metric compares the translations with."""
    return _facts({"compares with real images": {"measured": "of the measured split", "train": "of training"}.get(
        target.reference if isinstance(target.reference, str) else "", "")})  # fmt: skip


PAGES: dict[str, Page] = {
    "method": Page(
        "methods",
        "Methods",
        "A method is a training scheme: the networks it needs, the tensors it creates, the phases it runs. "
        "In a recipe: `method: {method: NAME, …}`. [Plugins](../plugins.md) add others.",
        None,
        method_facts,
    ),
    "generator": Page(
        "generators",
        "Generators",
        "A generator translates images. In a recipe: `networks: {G: {generator: NAME, …}}`; "
        "`G` sets `G_AB` and `G_BA`, and each can be set by itself.",
        None,
        _none,
    ),
    "discriminator": Page(
        "discriminators",
        "Discriminators",
        "A discriminator tells real images from generated ones. In a recipe: "
        "`networks: {D: {discriminator: NAME, …}}`; `D` sets `D_A` and `D_B`.",
        DiscriminatorOptions,
        _none,
    ),
    "masker": Page(
        "maskers",
        "Maskers",
        "A masker computes the mask of an image. In a recipe: `maskers: {ROLE: {masker: NAME, …}}`; "
        "[masks](../masks.md) explains the roles.",
        MaskTransform,
        masker_facts,
    ),
    "loss": Page(
        "losses",
        "Losses",
        "A loss attaches to any method that makes the tensors it reads. In a recipe: "
        "`losses: {ANY_NAME: {loss: NAME, of: TENSOR, weight: NUMBER, …}}`.",
        LossAttachment,
        loss_facts,
    ),
    "dataset": Page(
        "datasets",
        "Data sets",
        "A data set reads or draws the images of both domains. In a recipe: `data: {dataset: NAME, …}`; "
        "[data sets](../datasets.md) shows each in use.",
        None,
        _none,
    ),
    "metric": Page(
        "metrics",
        "Metrics",
        "A metric measures translations. In a recipe: `evaluate: {metrics: [NAME, {metric: NAME, …}]}`; "
        "[metrics](../metrics.md) compares them.",
        None,
        metric_facts,
    ),
}
"""Kind → its page."""


def bundled(kind: str) -> list[Component]:
    """Return the components of a kind that ship with ganzoo, sorted by name."""
    own = {plugin.name for plugin in plugins().loaded if plugin.bundled}
    return [one for one in plugins().registry.find(kind) if one.plugin in own]


def write_page(kind: str) -> str:
    """Return the page of a kind as Markdown."""
    page = PAGES[kind]
    components = bundled(kind)
    shared = ""
    if page.shared:
        doc = parse(page.shared.__doc__)
        options = option_list(options_of(page.shared).values(), doc.arguments)
        shared = join(f"## Options of every {kind}", doc.text, options)
    index = ", ".join(f"[{code(one.name)}](#{one.name})" for one in components)
    guide = ROOT / f"docs/kinds/{kind}.md"
    own = f"How to write one: {link(guide, f'the kind {kind}')}." if guide.is_file() else ""
    return join(f"# {page.title}", page.about, own, index, shared, *(_section(one, page) for one in components))


def _section(component: Component, page: Page) -> str:
    target = component.load()
    doc = parse(target.__doc__)
    options = options_of(target)
    explained = ROOT / f"docs/methods/{component.name}.md"
    links = [source_link(target)]
    if component.paper:
        links.append(f"[paper]({component.paper})")
    if component.kind == "method" and explained.is_file():
        links.append(link(explained, "explanation"))
    return join(
        f"## {component.name}",
        f"Plugin `{component.plugin}` · {' · '.join(links)}",
        doc.text,
        page.facts(target),
        "Options:" if options else "No options.",
        option_list(options.values(), doc.arguments),
    )
