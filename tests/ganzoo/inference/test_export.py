"""An exported file gives the same results as its run, for every method; a run that cannot be exported is refused."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import ganzoo
from ganzoo.inference.export import TranslationFunction
from ganzoo.interfaces import Direction, Method, Optim, Phase, Slot
from ganzoo.plugins import Plugins, find_entry_points, plugins
from ganzoo.provenance.fingerprint import weights_key
from ganzoo.registry import Registration
from ganzoo.step import Step
from tests.support.command_line import refusal
from tests.support.exported_runs import FIXED, PARTS, PATCH, REFUSED, assert_translates, create_run, random_tensor
from tests.support.marks import fast_or_slow


def test_every_method_is_covered() -> None:
    assert {entry.name for entry in plugins().registry.find("method") if entry.plugin != "example"} == REFUSED | set(
        PARTS
    )


FAST = ("cyclegan", "mask_cyclegan", "munit", "drit")
"""Methods whose export is always tested; that of all others takes a minute in all."""
Exported = Callable[[str, str], tuple[Path, Path, dict[str, Any]]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Return a function that exports a method's run once: → (run, file, metadata)."""

    @cache
    def export(method: str, suffix: str) -> tuple[Path, Path, dict[str, Any]]:
        folder = tmp_path_factory.mktemp(method)
        run, file = create_run(folder, method), folder / f"x{suffix}"
        direction = "BA" if suffix == ".onnx" and method in ("mask_cyclegan", "munit") else None
        return run, file, ganzoo.export(run, file, direction=direction, size=FIXED.get(method))

    return export


@pytest.mark.parametrize("method", [fast_or_slow(name, FAST) for name in PARTS])
def test_a_method_exports(exported: Exported, method: str) -> None:
    run, file, metadata = exported(method, ".pt2")
    styled = ("munit", "drit", "bicyclegan", "augmented_cyclegan", "starganv2")
    others = {"mask_cyclegan": {"mask"}, **{key: {"style"} for key in styled}}.get(method, set())
    assert set(metadata["inputs"]) == {"images"} | others
    assert_translates(run, file, metadata)


@pytest.mark.parametrize("method", ["mask_cyclegan", pytest.param("munit", marks=pytest.mark.slow)])
def test_the_other_direction_as_onnx(exported: Exported, method: str) -> None:
    run, file, metadata = exported(method, ".onnx")
    assert metadata["direction"] == "BA"
    assert_translates(run, file, metadata)


@pytest.mark.slow
@pytest.mark.parametrize("method", PARTS)
def test_a_method_exports_as_onnx(exported: Exported, method: str) -> None:
    assert_translates(*exported(method, ".onnx"))


@pytest.mark.parametrize(
    ("masker", "inputs"),
    [
        ({"masker": "learned", "width": 2}, {"images"}),
        ({"masker": "file", "threshold": 0.5, "invert": True}, {"images", "mask"}),
        ({"masker": "round"}, {"images", "mask"}),
    ],
    ids=lambda value: value["masker"] if isinstance(value, dict) else None,
)
def test_a_mask_is_an_input_unless_it_is_computed_from_the_image(
    tmp_path: Path, masker: dict[str, Any], inputs: set[str]
) -> None:
    run, file = create_run(tmp_path, maskers={"composite": masker}), tmp_path / "x.pt2"
    metadata = ganzoo.export(run, file, size=(18, 22))
    assert set(metadata["inputs"]) == inputs
    assert_translates(run, file, metadata)


def test_the_metadata_of_a_file(exported: Exported) -> None:
    import onnxruntime

    run, file, metadata = exported("munit", ".pt2")
    written = {"ganzoo.json": ""}
    torch.export.load(file, extra_files=written)
    assert json.loads(written["ganzoo.json"]) == metadata
    expected = {
        "recipe": "tiny",
        "run": "default",
        "method": "munit",
        "direction": "AB",
        "checkpoint": "last",
        "step": 0,
    }
    expected |= {"ganzoo": ganzoo.__version__, "weights": weights_key(run / "checkpoints/last")}
    assert metadata | expected == metadata
    run, file, metadata = exported("mask_cyclegan", ".onnx")
    session = onnxruntime.InferenceSession(file)
    assert json.loads(session.get_modelmeta().custom_metadata_map["ganzoo"]) == metadata
    assert 0 < metadata["difference"] < 1e-4 and metadata["compared"] == {"random": 2, "given": 0}
    images = {"shape": ["batch", 3, "height", "width"], "range": "-1 to 1", "classes": 0, "values": [0, 255]}
    assert metadata["outputs"] == {"translated": images}
    assert metadata["inputs"] == {
        "images": images,
        "mask": {"shape": ["batch", 1, "height", "width"], "range": "0 to 1"},
    }
    for side, named in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
        assert {value.name: value.shape for value in named} == {
            name: value["shape"] for name, value in metadata[side].items()
        }


def test_a_file_contains_no_paths_of_this_machine(exported: Exported) -> None:
    (run, file, _), (other, onnx, _) = exported("cyclegan", ".pt2"), exported("mask_cyclegan", ".onnx")
    with zipfile.ZipFile(file) as archive:
        parts = [archive.read(name) for name in archive.namelist()]
        assert all(archive.getinfo(name).file_size == 0 for name in archive.namelist() if "sample_inputs" in name)
    assert any(b"aten" in part for part in parts) and b"Conv" in onnx.read_bytes()
    for part in [*parts, onnx.read_bytes()]:
        for place in (Path(ganzoo.__file__).parent, Path(torch.__file__).parent, run, other):
            assert str(place).encode() not in part


def test_a_file_contains_only_the_weights_of_its_direction(exported: Exported) -> None:
    run, file, _ = exported("munit", ".pt2")
    stored = sum(tensor.numel() for tensor in torch.export.load(file).state_dict.values())
    used = {"G_A": ("content.",), "G_B": ("blocks.", "up.", "perceptron.")}
    networks = ganzoo.load(run).method.networks
    assert stored == sum(
        tensor.numel()
        for slot, starts in used.items()
        for name, tensor in networks[slot].named_parameters()
        if name.startswith(starts)
    )


class Dropping(nn.Conv2d):
    """A generator that uses dropout even in evaluation mode."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        return F.dropout(super().forward(images), 0.5, training=True)


class Branching(Dropping):
    """A generator with a branch that depends on the images' values."""

    def forward(self, images: Tensor) -> Tensor:
        return self._conv_forward(images, -self.weight if images.mean() > 0 else self.weight, self.bias)


class Halving(Dropping):
    """A generator with another branch for images of odd height."""

    def forward(self, images: Tensor) -> Tensor:
        output = self._conv_forward(images, self.weight, self.bias)
        return output.flip(2) if images.shape[2] % 2 else output


class RandomBrightness(Method):
    """Multiplies all images with one random number."""

    def __init__(self) -> None:
        self.slots, self.optims, self.tensors = {"S": Slot("")}, {"S": Optim(("S",))}, {}
        self.phases = [Phase("idle", ("S",), lambda step: {})]

    def setup(self, example: Step) -> dict[str, nn.Module]:
        return {"S": nn.Conv2d(1, 1, 1)}

    def forward(self, step: Step) -> None:
        pass

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        return images * float(step.common_rng("brightness").random())


def test_a_missing_style_is_not_drawn_at_random(exported: Exported) -> None:
    translator = ganzoo.load(exported("munit", ".pt2")[0], device="cpu")
    message = refusal(TranslationFunction(translator, "AB"), random_tensor(1, 3, 16, 16))
    assert message == "the translation draws random numbers (style_B/), and an exported file must be deterministic"


@pytest.fixture
def with_awkward_components(monkeypatch: pytest.MonkeyPatch) -> None:
    known, mine = Plugins(), Registration("testing")
    known.load(find_entry_points())
    for generator in (Dropping, Branching, Halving):
        mine.add("generator", generator.__name__.lower(), generator)
    mine.add("method", "random_brightness", RandomBrightness)
    known.registry.accept(mine)
    monkeypatch.setattr("ganzoo.recipe.reader.plugins", lambda: known)


AS_TRAINED = {"method": {"as_trained": True}}


@pytest.mark.parametrize(
    ("method", "changes", "size", "reason"),
    [
        (
            "cyclegan",
            {"networks": {"G": {"generator": "dropping"}, "D": PATCH}},
            None,
            "the translation draws random numbers",
        ),
        (
            "cyclegan",
            {"networks": {"G": {"generator": "branching"}, "D": PATCH}},
            (16, 16),
            "the translation cannot be traced with batch of any size",
        ),
        (
            "cyclegan",
            {"networks": {"G": {"generator": "halving"}, "D": PATCH}},
            None,
            "the translation cannot be traced with batch, height",
        ),
        (
            "segmenter",
            {},
            None,
            "the translation cannot be traced with batch, height, width of any size: fix them with --size and --batch",
        ),
        (
            "pix2pix",
            AS_TRAINED,
            (16, 16),
            "the translation draws random numbers (dropout), and an exported file must be deterministic",
        ),
        ("untranslated", {"train": {}}, None, "the method has no trained weights to export"),
        ("random_brightness", {}, (16, 16), "the translation draws random numbers (brightness), and an exported"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
@pytest.mark.usefixtures("with_awkward_components")
def test_runs_that_cannot_be_exported(
    tmp_path: Path, method: str, changes: dict[str, Any], size: tuple[int, int] | None, reason: str
) -> None:
    run = create_run(tmp_path, method, **changes)
    message = refusal(ganzoo.export, run, tmp_path / "x.pt2", size=size)
    direction = "AA" if method == "segmenter" else "AB"
    assert message.startswith(f"{run}: {method}, {direction}: {reason}") and len(message) < 500
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


@pytest.mark.usefixtures("with_awkward_components")
def test_a_run_that_can_be_exported_for_a_fixed_size_only(tmp_path: Path) -> None:
    run = create_run(tmp_path, networks={"G": {"generator": "halving"}, "D": PATCH})
    for size in ((16, 16), (17, 16)):
        metadata = ganzoo.export(run, tmp_path / "x.pt2", size=size)
        assert_translates(run, tmp_path / "x.pt2", metadata)
