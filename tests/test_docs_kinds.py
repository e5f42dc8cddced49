"""docs/kinds: each kind of component has a page, whose example runs and whose quoted messages are the program's."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from ganzoo.interfaces import Dataset, Draws, Masker, Metric, Roles, Step, keyed
from ganzoo.registry import KINDS, Registration, Registry
from tests.support.pages import ROOT, blocks
from tests.test_docs_troubleshooting import is_said

FOLDER = ROOT / "docs/kinds"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.stem != "index")
CLASSES = {
    "method": "Auto",
    "generator": "Small",
    "discriminator": "Tiny",
    "masker": "Left",
    "loss": "Brightness",
    "dataset": "Noise",
    "metric": "Brightness",
}


def names_of(kind: str) -> dict[str, Any]:
    """Run the example of a page; return what it defines."""
    (code,) = blocks(FOLDER / f"{kind}.md", "python")
    names: dict[str, Any] = {"__name__": f"example_{kind}"}
    exec(compile(code, f"{kind}.md", "exec", dont_inherit=True), names)
    return names


def registered(kind: str) -> Any:
    """Register the example in a registry of its own; return its class as a recipe would get it."""
    registration, registry = Registration("example"), Registry()
    registration.add(kind, "example", names_of(kind)[CLASSES[kind]])
    registry.accept(registration)
    return registry.get(kind, "example").load()


def test_every_kind_has_a_page_that_the_index_links() -> None:
    assert sorted(page.stem for page in PAGES) == sorted([*KINDS, "callback", "command"])
    assert sorted(re.findall(r"\]\((\w+)\.md\) \|", (FOLDER / "index.md").read_text())) == [one.stem for one in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_messages_of_a_page_are_the_programs(page: Path) -> None:
    mistakes = page.read_text().split("## Common mistakes")[1]
    quoted = re.findall(r": `([^`]+ [^`]+)`", mistakes)
    assert quoted and all(is_said(one) for one in quoted), [one for one in quoted if not is_said(one)]


def test_the_loss_is_a_scalar_with_a_gradient() -> None:
    image = torch.zeros(2, 3, 4, 4, requires_grad=True)
    value = registered("loss")(target=0.5)(image)
    value.backward()
    assert value.item() == 0.5 and image.grad is not None and image.grad.abs().sum() > 0


def test_the_masker_marks_the_left() -> None:
    mask = registered("masker")(share=0.25)(torch.zeros(2, 3, 4, 8), Draws([keyed(0), keyed(1)]))
    assert mask.shape == (2, 1, 4, 8) and mask[0, 0, 0].tolist() == [1.0] * 2 + [0.0] * 6


def test_the_networks_give_images_and_logits() -> None:
    images = torch.rand(2, 3, 9, 13) * 2 - 1
    translated = registered("generator")(3, 1, width=2)(images)
    assert translated.shape == (2, 1, 9, 13) and translated.abs().max().item() <= 1
    assert registered("discriminator")(3, width=2)(images).shape[:2] == (2, 1)


def test_the_data_set_gives_the_same_images_again() -> None:
    data = registered("dataset")(images=3)
    first, again, other = (data.sample("train", domain, 1) for domain in "AAB")
    assert (data.count("train", "A"), data.count("test", "B")) == (3, 0)
    assert first.image.shape == (8, 8, 3) and first.image.dtype == np.uint8
    assert np.array_equal(first.image, again.image) and not np.array_equal(first.image, other.image)


def test_the_metric_gives_a_row_for_each_image_and_their_mean() -> None:
    metric = registered("metric")()
    fakes = torch.stack([torch.full((3, 2, 2), value) for value in (0.0, 1.0)])
    rows = metric.rows(Step({"fake_B": fakes}), "AB")
    assert rows["brightness"].tolist() == [0.0, 1.0] and metric.compute(rows, {}) == {"brightness": 0.5}


@pytest.mark.parametrize("kind", [Metric, Dataset, Masker])
def test_a_page_has_each_function_and_attribute_with_its_default(kind: type) -> None:
    page = (FOLDER / f"{kind.__name__.lower()}.md").read_text()
    rows = re.findall(r"^\| `(\w+)[^|]*\|[^|]*\| ([^|]*) \|$", page, re.MULTILINE)
    functions = {name for name, one in vars(kind).items() if callable(one) and not name.startswith("_")}
    assert {name for name, _ in rows} == functions | set(kind.__annotations__)
    said = {name: default for name, default in rows if name in kind.__annotations__}
    for name, default in said.items():
        value = getattr(kind, name)
        value = dict(value) if isinstance(value, Mapping) else value
        expected = "none" if isinstance(value, Mapping) and not value else f"`{value!r}`".replace("'", '"')
        assert default.startswith(expected), name


def test_the_method_trains_and_translates() -> None:
    method = registered("method")(weight=2.0)
    network = torch.nn.Conv2d(3, 3, 1)
    method.bind({"G_AA": network}, Roles({}))
    step = Step({"real_A": torch.rand(2, 3, 4, 4)})
    method.forward(step)
    (phase,) = method.phases
    sum(phase.losses(step).values()).backward()
    assert network.weight.grad is not None and network.weight.grad.abs().sum() > 0
    assert torch.equal(method.translate(step["real_A"], "AA", step), step["rec_A"])


def test_the_callback_writes_its_event() -> None:
    events: list[Mapping[str, Any]] = []

    class Run:
        def write_event(self, event: str, **fields: Any) -> None:
            events.append({"event": event, **fields})

    callback = names_of("callback")["ganzoo_callbacks"](Run())
    callback.on_step(Run(), 7, {})
    callback.on_end(Run())
    assert events == [{"event": "counted", "steps": 7}]


def test_the_command_counts(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    (command,) = names_of("command")["ganzoo_commands"]()
    assert CliRunner().invoke(command, [str(tmp_path)]).output == "1\n"
    assert "no such folder" in str(CliRunner().invoke(command, [str(tmp_path / "no")]).exception)
