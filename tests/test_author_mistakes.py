"""Mistakes of a plugin's author, end to end: ``ganzoo run`` and ``ganzoo check`` name the component or its file.

Each is one line on stderr with exit code 2, and no folder of a run is created.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ganzoo.contracts.test_declaration import RIGHT, code
from tests.support.command_line import Run
from tests.support.planted_plugins import Site, planted_site
from tests.support.tiny_run import write_recipe

USES: dict[str, dict[str, dict[str, Any]]] = {
    "loss": {"losses": {"mine": {"loss": "planted", "of": {"image": "fake_B"}}}},
    "masker": {"maskers": {"discriminator": "planted"}},
    "generator": {"networks": {"G": {"generator": "planted"}}},
    "discriminator": {"networks": {"D": {"discriminator": "planted"}}},
    "method": {"method": {"method": "planted"}, "evaluate": {"metrics": [], "best": None, "every": 0}},
    "dataset": {"data": {"dataset": "planted"}, "images": {"size": 8, "load": 8}},
    "metric": {"evaluate": {"metrics": ["planted"], "best": None}},
}
"""Kind → sections of the tiny recipe that use the planted component."""
SCALAR = "return image.mean()"
MASK = "return torch.zeros_like(image[:, :1])"
BODY = "return self.body(image)"
FORWARD = 'step["fake_B"] = self.networks["G_AB"](step["real_A"])'
TERMS = 'return {"l1": step["fake_B"].abs().mean()}'
PHASES = 'self.phases = [Phase("generator", ("G",), self.losses)]'
OPTIMS = 'self.optims = {"G": Optim(("G_AB",))}'
SAMPLE = "return Sample(np.zeros((8, 8, 3), np.uint8), str(index))"
ROWS = 'return {"x": step["real_A"].mean((1, 2, 3))}'
TRANSLATE = f"{TERMS}\n    def translate(self, images, direction, step):\n        "


def method_with(function: str) -> str:
    """Return the right method's last line with one more function after it."""
    return f"{TERMS}\n    {function}"


MISTAKES = [
    # loss
    ("loss", SCALAR, "return image.mean((1, 2, 3))", "expected a scalar tensor of floats, of shape ()"),
    ("loss", SCALAR, "return float(image.mean())", "forward returned the float 0."),
    ("loss", SCALAR, "return None", "forward returned None"),
    ("loss", SCALAR, "return {'l1': image.mean()}", "forward returned a dict"),
    ("loss", SCALAR, "return (image > 0).sum()", "expected a scalar"),
    ("loss", SCALAR, "return image.mean() / 0", "forward returned"),
    ("loss", SCALAR, "return image.mean() * float('nan')", "forward returned"),
    ("loss", SCALAR, "return image.detach().abs().mean()", "a scalar without gradient"),
    ("loss", SCALAR, "return image.meen()", "AttributeError: 'Tensor' object has no attribute 'meen'"),
    ("loss", SCALAR, "return image[5].mean()", "IndexError"),
    ("loss", SCALAR, "return {}['x']", "KeyError: 'x'"),
    ("loss", "super().__init__()", "self.size = size", "super().__init__()"),
    ("loss", "super().__init__()", "super().__init__(); raise ValueError('no')", "__init__ failed: ValueError: no"),
    ("loss", SCALAR, f"{SCALAR}\n    def bind(self, method, reader):\n        return method.nothing", "bind failed"),
    # masker
    ("masker", MASK, "return torch.zeros_like(image[:, 0])", ", 12, 12), float32; expected a mask (B, K, H, W) = "),
    ("masker", MASK, "return torch.zeros_like(image)", ", 3, 12, 12), float32; expected a mask (B, K, H, W) = "),
    (
        "masker",
        MASK,
        "return torch.zeros_like(image[:, :1, 1:])",
        ", 1, 11, 12), float32; expected a mask",
    ),
    ("masker", MASK, "return torch.zeros_like(image[:1, :1])", "a tensor of shape (1, 1, 12, 12)"),
    ("masker", MASK, "return image[:, :1] * 5", "expected values in [0, 1]"),
    ("masker", MASK, "return image[:, :1] * float('nan')", "forward returned"),
    ("masker", MASK, "return image[:, :1] > 0", "bool"),
    ("masker", MASK, "return (image[:, :1] > 0).long()", "int64"),
    ("masker", MASK, "return None", "forward returned None"),
    ("masker", "rng, given=None", "rng", "its forward takes (image, rng)"),
    ("masker", "class Planted(Masker):", "class Planted(Masker):\n    planes = 0\n", "planes is 0; expected"),
    ("masker", "class Planted(Masker):", "class Planted(Masker):\n    classes = ('a', 'b')\n", "classes"),
    ("masker", "class Planted(Masker):", "class Planted(Masker):\n    needs = ('picture',)\n", "needs"),
    ("masker", "class Planted(Masker):", "class Planted(Masker):\n    trains = 'alone'\n", "trains"),
    ("masker", MASK, "return self.unet(image)", "AttributeError"),
    # generator
    ("generator", BODY, "return self.body(image)[:, :2]", ", 2, 12, 12), float32; expected"),
    ("generator", BODY, "return self.body(image)[..., 1:]", ", 3, 12, 11), float32; expected"),
    ("generator", BODY, "return self.body(image)[..., :12, :12]", "(1, 3, 12, 12), float32; expected"),
    ("generator", BODY, "return [self.body(image)]", "forward returned a list"),
    ("generator", BODY, "return self.body(image).mean(0, keepdim=True)", "a tensor of shape (1, 3, 12, 12)"),
    ("generator", BODY, "return 50 * self.body(image) + 300", "expected values in [-1, 1], as tanh makes them"),
    ("generator", BODY, "return self.body(image) / 0", "forward returned"),
    ("generator", BODY, "return self.boddy(image)", "AttributeError"),
    ("generator", "super().__init__()", "pass", "__init__ failed: AttributeError"),
    ("generator", "nn.Conv2d(in_channels, out_channels, 1)", "nn.Conv2d(1, out_channels, 1)", "RuntimeError"),
    ("generator", "class Planted(nn.Module)", "class Planted", "it is not derived from"),
    # discriminator
    ("discriminator", BODY, "return {'logits': self.body(image)}", "forward returned a dict"),
    ("discriminator", BODY, "return self.body(image).mean()", "forward returned"),
    ("discriminator", BODY, "return []", "an empty list"),
    ("discriminator", BODY, "return self.body(image) * float('nan')", "forward returned"),
    ("discriminator", BODY, "return self.body(image)[:1]", "forward returned"),
    ("discriminator", BODY, "return self.body(image, 3)", "TypeError"),
    # method
    ("method", FORWARD, "pass", "forward returned without a tensor 'fake_B'"),
    ("method", FORWARD, f"{FORWARD}[:, :1]", "expected images of B"),
    ("method", FORWARD, f"{FORWARD}\n        return step", "expected None"),
    ("method", FORWARD, 'step["fake_B"] = self.networks["G_BA"](step["real_A"])', "KeyError: 'G_BA'"),
    ("method", TERMS, 'return [step["fake_B"].abs().mean()]', "returned a list"),
    ("method", TERMS, 'return {"l1": step["fake_B"].abs()}', "expected a scalar"),
    ("method", TERMS, 'return {"l1": step["fake_B"].detach().abs().mean()}', "a scalar without gradient"),
    ("method", TERMS, "return {}", "no loss terms"),
    ("method", TERMS, "pass", "returned None"),
    ("method", OPTIMS, 'self.optims = {"G": Optim(("G_BA",))}', "'G_BA'"),
    ("method", OPTIMS, 'self.optims = {"G": Optim(())}', "optim"),
    ("method", OPTIMS, "", "optims"),
    ("method", PHASES, 'self.phases = [Phase("generator", ("D",), self.losses)]', "no such optim"),
    ("method", PHASES, 'self.phases = [Phase("generator", ("G",), self.losses, every=0)]', "every"),
    ("method", PHASES, f"{PHASES} * 2", "generator"),
    ("method", "resnet", "resnett", "resnett"),
    ("method", '"resnet"', '"resnet", "widht": 3', "widht"),
    ("method", 'Output("A", "B")', 'Output("A", "C")', "'C'"),
    ("method", 'directions = ("AB",)', 'directions = ("AC",)', "directions"),
    ("method", 'directions = ("AB",)', 'directions = ("AB", "BA")', "BA"),
    ("method", 'directions = ("AB",)', 'directions = ("AB",); accepts = ("composit",)', "composit"),
    ("method", TERMS, f"{TRANSLATE}return None", "translate (AB) returned None"),
    ("method", TERMS, f"{TRANSLATE}return images[:, :1]", "translate (AB) returned a tensor of shape (2, 1, 12, 12)"),
    ("method", TERMS, f"{TRANSLATE}return (images,)", "translate (AB) returned a tuple"),
    ("method", TERMS, f"{TRANSLATE}return images - images.mean()", "translate (AB)"),
    ("method", TERMS, f"{TRANSLATE}return self.translator(images)", "translate failed: AttributeError"),
    ("method", TERMS, method_with("def state_dict(self):\n        return {'pool': [1]}"), "state_dict returned"),
    (
        "method",
        TERMS,
        method_with("def load_state_dict(self, state):\n        state['p']"),
        "load_state_dict failed",
    ),
    ("method", TERMS, method_with("def lr_factor(self, done, total, decay, step):\n        pass"), "lr_factor"),
    ("method", TERMS, method_with("def prepare(self, reader):\n        reader.nothing"), "prepare failed"),
    ("method", TERMS, method_with("def setup(self, example):\n        return [1]"), "setup returned a list"),
    ("method", TERMS, method_with("def style_size(self, domain):\n        return '3'"), "style_size"),
    # data set
    ("dataset", SAMPLE, "return None", "sample"),
    ("dataset", SAMPLE, "return Sample(np.zeros((8, 8, 3)), str(index))", "float64"),
    ("dataset", SAMPLE, "return Sample(np.zeros((8, 8), np.uint8), str(index))", "(8, 8)"),
    ("dataset", SAMPLE, "return Sample(np.zeros((8, 8, 4), np.uint8), str(index))", "(8, 8, 4)"),
    ("dataset", SAMPLE, "return Sample(np.zeros((8, 8, 3), np.uint8), 'same')", "same"),
    ("dataset", SAMPLE, f"{SAMPLE[:-1]}, labels=np.full((8, 8), -1))", "labels"),
    ("dataset", SAMPLE, f"{SAMPLE[:-1]}, mask=np.zeros((4, 4), np.uint8))", "mask"),
    ("dataset", SAMPLE, f"assert index < self.number - 1\n        {SAMPLE}", "AssertionError"),
    ("dataset", "return self.number", "return 'four'", "count"),
    ("dataset", "return self.number", "return -1", "count"),
    ("dataset", "self.number = number", "self.number = open('nowhere')", "FileNotFoundError"),
    # metric
    ("metric", ROWS, "return None", "rows returned None"),
    ("metric", ROWS, 'return step["real_A"].mean((1, 2, 3))', "rows returned"),
    ("metric", ROWS, 'return {"x": 1.0}', "rows returned"),
    ("metric", ROWS, 'return {"x": step["real_A"].mean()}', "rows returned"),
    ("metric", ROWS, 'return {"x": step["real_A"].mean((1, 2, 3))[:1]}', "rows returned"),
    ("metric", ROWS, 'return {"x": step["real_A"].mean((1, 2, 3)) * float("nan")}', "rows returned"),
    ("metric", ROWS, 'return {"x": step["real_C"].mean((1, 2, 3))}', "KeyError"),
    ("metric", ROWS, f"{ROWS}\n    def compute(self, rows, real):\n        return 'good'", "compute returned"),
    ("metric", ROWS, f"{ROWS}\n    def compute(self, rows, real):\n        return {{'x': None}}", "compute returned"),
    ("metric", ROWS, f"{ROWS}\n    def compute(self, rows, real):\n        return {{'x': float('inf')}}", "compute"),
    ("metric", ROWS, f"{ROWS}\n    def compute(self, rows, real):\n        return {{}}", "compute returned"),
    ("metric", ROWS, f"{ROWS}\n    def bind(self, method, reader):\n        method.nothing", "bind failed"),
    ("metric", ROWS, f"{ROWS}\n    def prepare(self, seed):\n        seed.nothing", "prepare failed"),
    ("metric", ROWS, f"{ROWS}\n    def caution(self, rows, real):\n        return None", "caution returned None"),
]
"""Kind; a text of the right component; the mistake in its place; a part of the message."""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.chdir(tmp_path)
    with planted_site(tmp_path, monkeypatch) as site:
        yield site


def recipe_for(kind: str, folder: Path) -> Path:
    changes = {section: dict(value) for section, value in USES[kind].items()}
    recipe = write_recipe(folder, "tiny", **{"train": {"steps": 2, "sample": 0}, **changes})
    if kind in ("method", "dataset"):  # the tiny recipe's own options belong to another component
        whole = yaml.safe_load(recipe.read_text())
        for section in {"method": ("method", "networks"), "dataset": ("data",)}[kind]:
            whole[section] = changes.get(section, {"G": {"width": 2, "blocks": 1}})
        recipe.write_text(yaml.safe_dump(whole))
    return recipe


@pytest.mark.parametrize("kind", RIGHT)
def test_the_right_component_trains(kind: str, site: Site, run: Run, tmp_path: Path) -> None:
    site.plant(kind, code(RIGHT[kind]))
    recipe = recipe_for(kind, tmp_path)
    exit_code, _, err = run("run", recipe)
    assert (exit_code, err) == (0, "")


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(("kind", "right", "wrong", "message"), MISTAKES)
def test_a_mistake_is_one_line_that_names_the_author(
    command: str, kind: str, right: str, wrong: str, message: str, site: Site, run: Run, tmp_path: Path
) -> None:
    source = code(RIGHT[kind])
    assert right in source
    file = site.plant(kind, source.replace(right, wrong, 1))
    exit_code, out, err = run(command, recipe_for(kind, tmp_path))
    assert exit_code == 2, out + err
    lines = err.splitlines()
    assert lines and all(line.startswith("ganzoo: ") for line in lines) and "Traceback" not in err
    line = next((one for one in lines if message in one), err)
    assert message in line and (f"{kind} 'planted' of plugin 'theirs'" in line or str(file) in line)
    assert not (tmp_path / "runs").exists()
