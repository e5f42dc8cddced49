"""Mistakes in the declaration of a component: each is one line, with the component and the author's file and line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from ganzoo.contracts.declaration import declaration_errors
from ganzoo.errors import ComponentError
from ganzoo.interfaces import Callback, Dataset, Loss, Masker, Method, Metric
from ganzoo.plugins import plugins
from tests.support.command_line import Run
from tests.support.planted_plugins import Site, planted_site

HEAD = """\
from __future__ import annotations
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal
import numpy as np
import torch
from torch import nn, Tensor
from ganzoo.interfaces import *
from ganzoo.interfaces import Dataset, Loss, Masker, Method, Metric, Optim, Output, Phase, Sample, Slot
"""
RIGHT = {
    "loss": """
        class Planted(Loss):
            def __init__(self, *, size: int = 3) -> None:
                super().__init__()
            def forward(self, image, target=None):
                return image.mean()
        """,
    "masker": """
        class Planted(Masker):
            def __init__(self, *, share: float = 0.5) -> None:
                super().__init__()
            def forward(self, image, rng, given=None):
                return torch.zeros_like(image[:, :1])
        """,
    "generator": """
        class Planted(nn.Module):
            def __init__(self, in_channels, out_channels, *, width: int = 4):
                super().__init__()
                self.body = nn.Conv2d(in_channels, out_channels, 1)
            def forward(self, image):
                return self.body(image)
        """,
    "discriminator": """
        class Planted(nn.Module):
            def __init__(self, in_channels, *, width: int = 4):
                super().__init__()
                self.body = nn.Conv2d(in_channels, 1, 1)
            def forward(self, image):
                return self.body(image)
        """,
    "dataset": """
        class Planted(Dataset):
            def __init__(self, *, number: int = 4) -> None:
                self.number = number
            def count(self, split, domain):
                return self.number
            def sample(self, split, domain, index):
                return Sample(np.zeros((8, 8, 3), np.uint8), str(index))
        """,
    "metric": """
        class Planted(Metric):
            def rows(self, step, direction):
                return {"x": step["real_A"].mean((1, 2, 3))}
        """,
    "method": """
        class Planted(Method):
            directions = ("AB",)
            def __init__(self, *, weight: float = 1.0) -> None:
                self.slots = {"G_AB": Slot("generator", ("A",), "B", default={"generator": "resnet"})}
                self.optims = {"G": Optim(("G_AB",))}
                self.phases = [Phase("generator", ("G",), self.losses)]
                self.tensors = {"fake_B": Output("A", "B")}
            def forward(self, step):
                step["fake_B"] = self.networks["G_AB"](step["real_A"])
            def losses(self, step):
                return {"l1": step["fake_B"].abs().mean()}
        """,
}
"""Kind → a correct class."""
INIT = {
    "loss": "*, size: int = 3",
    "masker": "*, share: float = 0.5",
    "generator": "in_channels, out_channels, *, width: int = 4",
    "discriminator": "in_channels, *, width: int = 4",
    "dataset": "*, number: int = 4",
    "method": "*, weight: float = 1.0",
}
"""Kind → the parameters of the class's constructor."""
CONSTRUCTORS = [
    ("loss", "*, size: int = 'big'", "the default of its option 'size' is 'big': input should be a valid integer"),
    ("loss", "*, size: int = '3'", "the default of its option 'size' is '3': input should be a valid integer"),
    ("loss", "*, size: int = None", "the default of its option 'size' is None: input should be a valid integer"),
    ("loss", "*, norm: Literal['l1', 'l2'] = 'l3'", "the default of its option 'norm' is 'l3': input should be 'l1'"),
    (
        "dataset",
        "*, number: Path = 'images'",
        "the default of its option 'number' is 'images': input should be an instance of Path",
    ),
    (
        "loss",
        "*, layers: list[int] | None = [1]",
        "its option 'layers' has a default that can be changed, [1]: use a tuple, with the type tuple[int, ...]",
    ),
    (
        "loss",
        "*, layers: list = []",
        "its option 'layers' has a default that can be changed, []: use a tuple, with the type tuple[TYPE, ...]",
    ),
    (
        "loss",
        "*, layers: set[int] = set()",
        "its option 'layers' is a set, whose order differs in each process: use a tuple, with the type tuple[int, ...]",
    ),
    (
        "loss",
        "*, layers: frozenset[str]",
        "its option 'layers' is a set, whose order differs in each process: use a tup",
    ),
    (
        "loss",
        "*, layers: dict[str, set[Literal['a']] | None]",
        "its option 'layers' is a set, whose order differs in each process: use a tuple, with the type tuple['a', ...]",
    ),
    ("loss", "*, size: int = 3, **options", "its constructor takes **options, so no option of a recipe can be"),
    ("loss", "*sizes", "its constructor takes *sizes, so no option of a recipe can be checked: name each option"),
    ("loss", "size: int = 3", "its constructor takes 'size' by position, which ganzoo does not give to a loss"),
    ("dataset", "number", "its constructor takes 'number' by position, which ganzoo does not give to a dataset"),
    ("generator", "in_channels, *, width: int = 4", "its constructor takes (in_channels) by position, but ganzoo"),
    ("generator", "out_channels, in_channels", "its constructor takes (out_channels, in_channels) by position"),
    ("generator", "in_channels, out_channels, width", "its constructor takes 'width' by position, which ganzoo does"),
    ("discriminator", "*, in_channels: int", "its constructor takes () by position, but ganzoo gives a discriminator"),
    (
        "masker",
        "in_channels",
        "its constructor takes 'in_channels' by position, which ganzoo does not give to a masker",
    ),
    ("loss", "*, size=3", "its option 'size' has no type, so recipes cannot be checked: write size: TYPE"),
    ("loss", "*, size: Integer = 3", "the types of its options cannot be resolved: NameError: name 'Integer'"),
    ("loss", "*, net: nn.Module = None", "the type of its option 'net' cannot be checked: no value in YAML is of"),
    ("loss", "*, net: Callable[[int], int]", "the type of its option 'net' cannot be checked: no value in YAML"),
    (
        "loss",
        "*, net: 3 = 3",
        "the type of its option 'net' cannot be checked: ArbitraryTypeWarning: 3 is not a Python",
    ),
    (
        "masker",
        "*, of: tuple[Annotated[Inner, InnerKind('maskr')], ...] = ()",
        "the type of its option 'of' cannot be checked: there is no kind 'maskr' (did you mean 'masker'?)",
    ),
    (
        "loss",
        "*, net: Annotated[Inner, InnerKind('callback')]",
        "the type of its option 'net' cannot be checked: there is no kind 'callback' (there are: ",
    ),
    ("masker", "*, threshold: float = 0.5", "its option 'threshold' is one that every masker has: rename it"),
    ("masker", "*, foreground: int = 1", "its option 'foreground' is one that every masker has: rename it"),
    ("discriminator", "in_channels, *, noise: float = 0", "its option 'noise' is one that every discriminator has"),
    ("loss", "*, weight: float = 1.0", "its option 'weight' is one that every loss has: rename it"),
    ("loss", "*, loss: str = 'l1'", "its option 'loss' cannot be set, as this key of a recipe names the component"),
    ("method", "*, method: str = 'x'", "its option 'method' cannot be set, as this key of a recipe names"),
]
"""Kind, parameters of the constructor, and the mistake in them."""
CLASSES = [
    ("loss", "class Planted:\n    pass\n", "it is not derived from ganzoo.interfaces.Loss, as each loss must be"),
    ("generator", "class Planted:\n    pass\n", "it is not derived from torch.nn.Module, as each generator must be"),
    ("masker", "class Planted(nn.Module):\n    pass\n", "it is not derived from ganzoo.interfaces.Masker"),
    ("metric", "class Planted(Metric):\n    pass\n", "it lacks rows(): define it"),
    ("dataset", "class Planted(Dataset):\n    pass\n", "it lacks count(), sample(): define it"),
    ("method", "class Planted(Method):\n    pass\n", "it lacks forward(): define it"),
    ("loss", "class Planted(Loss):\n    pass\n", "it lacks forward(): define it"),
    ("discriminator", RIGHT["discriminator"].replace("forward", "judge"), "it lacks forward(): define it"),
    (
        "loss",
        RIGHT["loss"].replace("(Loss):", '(Loss):\n            alternatives = (("size",), ("width",))'),
        "its alternatives have no effect: options exclude each other in data sets alone; remove it",
    ),
    (
        "loss",
        RIGHT["loss"].replace("(self, image, target=None)", "(self, *images)"),
        "its forward takes *images, which",
    ),
    ("loss", RIGHT["loss"].replace("image, target=None", "image, /"), "its forward takes image, which the 'of' of a"),
    ("loss", RIGHT["loss"].replace("image, target=None", ""), "its forward takes no input"),
    (
        "masker",
        RIGHT["masker"].replace("image, rng, given=None", "image"),
        "its forward takes (image), but ganzoo calls",
    ),
    ("masker", RIGHT["masker"].replace("given=None", "mask=None"), "its forward takes (image, rng, mask), but ganzoo"),
    ("metric", RIGHT["metric"].replace("step, direction", "step"), "its rows takes (step), but ganzoo calls rows(step"),
    ("metric", RIGHT["metric"].replace("step, direction", "direction, step"), "its rows takes (direction, step), but"),
    (
        "dataset",
        RIGHT["dataset"].replace("split, domain, index", "split, index"),
        "its sample takes (split, index), but",
    ),
    ("dataset", RIGHT["dataset"].replace("split, domain)", "split, domain, more)"), "its count takes (split, domain, "),
    (
        "method",
        RIGHT["method"] + "    translate = None\n",
        "its translate is no function; ganzoo calls translate(images",
    ),
    (
        "method",
        RIGHT["method"].replace("def losses", "def translate(self, images, direction): pass\n            def losses"),
        "its translate takes (images, direction), but ganzoo calls translate(images, direction, step): write def",
    ),
    (
        "method",
        RIGHT["method"].replace(
            "def losses", "@property\n            def style_size(self): return 8\n            def losses"
        ),
        "its style_size is no function; ganzoo calls style_size(domain)",
    ),
    ("method", RIGHT["method"].replace('("AB",)', '"AB"'), "its directions is 'AB': input should be a valid tuple"),
    ("method", RIGHT["method"].replace('("AB",)', '("AC",)'), "its directions is ('AC',): input should be 'AB', 'BA'"),
    (
        "method",
        RIGHT["method"].replace("directions =", 'accepts = ("inputs",)\n            directions ='),
        "its accepts has 'inputs' (did you mean 'input'?)",
    ),
    (
        "method",
        RIGHT["method"].replace("directions =", 'requires = ("input",)\n            directions ='),
        "it requires a mask in the role 'input', but its accepts lacks it: add it",
    ),
    (
        "method",
        RIGHT["method"].replace("directions =", 'reads = ("masks_A",)\n            directions ='),
        "its reads has 'masks_A' (did you mean 'given_mask_A'?)",
    ),
    (
        "metric",
        RIGHT["metric"].replace("(Metric):", '(Metric):\n            reads_masks = ("input",)'),
        "its reads_masks has 'input'",
    ),
    (
        "metric",
        RIGHT["metric"].replace("(Metric):", '(Metric):\n            reads_masks = "labels"'),
        "its reads_masks is 'labels': input should be a valid tuple",
    ),
    (
        "masker",
        RIGHT["masker"].replace("(Masker):", '(Masker):\n            needs = ("images",)'),
        "its needs has 'images'",
    ),
    (
        "masker",
        RIGHT["masker"].replace("(Masker):", "(Masker):\n            planes = '3'"),
        "its planes is '3': input ",
    ),
    (
        "masker",
        RIGHT["masker"].replace("(Masker):", "(Masker):\n            trains = True"),
        "its trains is True: input",
    ),
    ("dataset", RIGHT["dataset"].replace("(Dataset):", "(Dataset):\n            channels = 3"), "its channels is 3: "),
    (
        "metric",
        RIGHT["metric"].replace("(Metric):", "(Metric):\n            reference = 'test'"),
        "its reference is 'test'",
    ),
    (
        "metric",
        RIGHT["metric"].replace("(Metric):", "(Metric):\n            reference = 'measured'"),
        "it has a reference, but lacks reference_rows(): define it",
    ),
]
"""Kind, class, and the mistake in it."""
MISTAKES = [
    *((kind, RIGHT[kind].replace(INIT[kind], parameters), message) for kind, parameters, message in CONSTRUCTORS),
    *CLASSES,
]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("GANZOO_PLUGINS", "theirs")
    with planted_site(tmp_path, monkeypatch) as site:
        yield site


def code(text: str) -> str:
    return HEAD + dedent(text)


@pytest.mark.parametrize("kind", RIGHT)
def test_a_correct_component_has_no_mistake(kind: str, site: Site) -> None:
    site.plant(kind, code(RIGHT[kind]))
    assert declaration_errors(plugins().registry.get(kind, "planted").origin) == []


@pytest.mark.parametrize(("kind", "text", "message"), MISTAKES, ids=[message[:60] for _, _, message in MISTAKES])
def test_a_mistake_is_one_line_with_component_file_and_line(
    kind: str, text: str, message: str, site: Site, run: Run
) -> None:
    file = site.plant(kind, code(text))
    (error,) = declaration_errors(plugins().registry.get(kind, "planted").origin)
    assert type(error) is ComponentError
    assert str(error).startswith(f"{kind} 'planted' of plugin 'theirs': {message}")
    place, _, line = str(error).removesuffix(")").rpartition("(")[2].rpartition(":")
    assert Path(place) == file
    assert file.read_text().splitlines()[int(line) - 1].strip().startswith(("class ", "def ", "@"))
    exit_code, out, err = run("plugins", "--check")
    assert (exit_code, err) == (2, "ganzoo: 1 mistake in plugins\n")
    assert [one for one in out.splitlines() if one.startswith("broken")] == [f"broken: {error}"]


def test_every_planted_class_differs_from_the_correct_one() -> None:
    assert len(MISTAKES) > 50
    assert all(text != RIGHT[kind] for kind, text, _ in MISTAKES)


def test_a_recipe_with_a_wrong_component_names_the_authors_line(
    site: Site, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GANZOO_PLUGINS")
    file = site.plant("loss", code(RIGHT["loss"].replace("size: int = 3", "weight: int = 3")))
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "method: cyclegan\ndata: striped_digits\ntrain: {steps: 1}\nlosses: {tint: {loss: planted, of: fake_B}}\n"
    )
    line = file.read_text().splitlines().index("    def __init__(self, *, weight: int = 3) -> None:") + 1
    problem = f"its option 'weight' is one that every loss has: rename it ({file}:{line})"
    message = f"{recipe}:4: losses.tint.loss: loss 'planted' of plugin 'theirs': {problem}"
    assert run("check", recipe) == (2, "", f"ganzoo: {message}\n")


def test_no_default_of_an_interface_can_be_changed_in_place() -> None:
    """A component that changes one would change all others of its kind."""
    for base in (Callback, Dataset, Loss, Masker, Method, Metric):
        changeable = [
            name for name in vars(base).get("__annotations__", {}) if isinstance(vars(base).get(name), dict | list)
        ]
        assert changeable == [], base


def test_a_default_for_callers_in_python_is_allowed(site: Site) -> None:
    """Such as an object with functions, which a derived component passes; no recipe could write it."""
    site.plant("loss", code(RIGHT["loss"].replace("self, *, size", "self, net=nn.Identity(), *, size")))
    assert declaration_errors(plugins().registry.get("loss", "planted").origin) == []
