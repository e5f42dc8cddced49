"""Exporting: the file alone gives what the run gives, whatever the method; what cannot be exported is told plainly."""

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
from ganzoo.interfaces import Direction, Method, Phase
from ganzoo.plugins import Plugins, find_entry_points, plugins
from ganzoo.provenance.fingerprint import weights_key
from ganzoo.registry import Registration
from ganzoo.step import Step
from tests.support.command_line import refusal
from tests.support.exported_runs import FIXED, PARTS, PATCH, REFUSED, assert_translates, drawn, make


def test_every_method_is_tried() -> None:
    assert {one.name for one in plugins().registry.find("method") if one.plugin != "example"} == REFUSED | set(PARTS)


Exported = Callable[[str, str], tuple[Path, Path, dict[str, Any]]]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Return the export of a method's run, made once: the run, the file, what it says of itself."""

    @cache
    def export(method: str, suffix: str) -> tuple[Path, Path, dict[str, Any]]:
        folder = tmp_path_factory.mktemp(method)
        run, file = make(folder, method), folder / f"x{suffix}"
        way = "BA" if suffix == ".onnx" and method in ("mask_cyclegan", "munit") else None
        return run, file, ganzoo.export(run, file, direction=way, size=FIXED.get(method))

    return export


@pytest.mark.parametrize("method", PARTS)
def test_a_method_exports(exported: Exported, method: str) -> None:
    run, file, about = exported(method, ".pt2")
    besides = {"mask_cyclegan": {"mask"}, "munit": {"style"}, "drit": {"style"}}.get(method, set())
    assert set(about["inputs"]) == {"images"} | besides
    assert_translates(run, file, about)


@pytest.mark.parametrize("method", ["mask_cyclegan", pytest.param("munit", marks=pytest.mark.slow)])
def test_the_other_direction_as_onnx(exported: Exported, method: str) -> None:
    run, file, about = exported(method, ".onnx")
    assert about["direction"] == "BA"
    assert_translates(run, file, about)


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
    ids=lambda one: one["masker"] if isinstance(one, dict) else None,
)
def test_masks_of_the_image_are_made_within_and_others_are_given(
    tmp_path: Path, masker: dict[str, Any], inputs: set[str]
) -> None:
    run, file = make(tmp_path, maskers={"composite": masker}), tmp_path / "x.pt2"
    about = ganzoo.export(run, file, size=(18, 22))
    assert set(about["inputs"]) == inputs
    assert_translates(run, file, about)


def test_a_file_says_what_it_is(exported: Exported) -> None:
    import onnxruntime

    run, file, about = exported("munit", ".pt2")
    written = {"ganzoo.json": ""}
    torch.export.load(file, extra_files=written)
    assert json.loads(written["ganzoo.json"]) == about
    told = {"recipe": "tiny", "run": "default", "method": "munit", "direction": "AB", "checkpoint": "last", "step": 0}
    assert about | told | {"ganzoo": ganzoo.__version__, "weights": weights_key(run / "checkpoints/last")} == about
    run, file, about = exported("mask_cyclegan", ".onnx")
    session = onnxruntime.InferenceSession(file)
    assert json.loads(session.get_modelmeta().custom_metadata_map["ganzoo"]) == about
    assert 0 < about["difference"] < 1e-4 and about["compared"] == {"random": 2, "given": 0}
    images = {"shape": ["batch", 3, "height", "width"], "range": "-1 to 1"}
    assert about["outputs"] == {"translated": images}
    assert about["inputs"] == {"images": images, "mask": {"shape": ["batch", 1, "height", "width"], "range": "0 to 1"}}
    for side, named in (("inputs", session.get_inputs()), ("outputs", session.get_outputs())):
        assert {one.name: one.shape for one in named} == {name: one["shape"] for name, one in about[side].items()}


def test_a_file_does_not_say_where_this_machine_has_things(
    exported: Exported,
) -> None:
    (run, file, _), (other, onnx, _) = exported("cyclegan", ".pt2"), exported("mask_cyclegan", ".onnx")
    with zipfile.ZipFile(file) as archive:
        parts = [archive.read(name) for name in archive.namelist()]
        assert all(archive.getinfo(name).file_size == 0 for name in archive.namelist() if "sample_inputs" in name)
    assert any(b"aten" in part for part in parts) and b"Conv" in onnx.read_bytes()
    for part in [*parts, onnx.read_bytes()]:
        for place in (Path(ganzoo.__file__).parent, Path(torch.__file__).parent, run, other):
            assert str(place).encode() not in part


def test_a_file_holds_what_its_direction_uses_and_no_more(exported: Exported) -> None:
    run, file, _ = exported("munit", ".pt2")
    held = sum(one.numel() for one in torch.export.load(file).state_dict.values())
    used = {"G_A": ("content.",), "G_B": ("blocks.", "up.", "perceptron.")}
    networks = ganzoo.load(run).method.networks
    assert held == sum(
        one.numel()
        for slot, starts in used.items()
        for name, one in networks[slot].named_parameters()
        if name.startswith(starts)
    )


class Restless(nn.Conv2d):
    """A generator that drops values even when it translates."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, 1)

    def forward(self, images: Tensor) -> Tensor:
        return F.dropout(super().forward(images), 0.5, training=True)


class Choosy(Restless):
    """One whose way depends on the images' numbers."""

    def forward(self, images: Tensor) -> Tensor:
        return self._conv_forward(images, -self.weight if images.mean() > 0 else self.weight, self.bias)


class Halving(Restless):
    """One that takes sides that are multiples of two, and goes another way for others."""

    def forward(self, images: Tensor) -> Tensor:
        made = self._conv_forward(images, self.weight, self.bias)
        return made.flip(2) if images.shape[2] % 2 else made


class Fickle(Method):
    """Draws the same number for all images, whenever it translates."""

    def __init__(self) -> None:
        self.slots, self.optims, self.phases, self.tensors = {}, {}, [Phase("idle", (), lambda step: {})], {}

    def forward(self, step: Step) -> None:
        pass

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        return images * float(step.common_rng("brightness").random())


def test_a_style_that_is_not_given_is_not_drawn(exported: Exported) -> None:
    translator = ganzoo.load(exported("munit", ".pt2")[0], device="cpu")
    told = refusal(TranslationFunction(translator, "AB"), drawn(1, 3, 16, 16))
    assert told == "it draws at random (style_B/) while it translates, and a file gives one answer"


@pytest.fixture
def with_awkward_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    found, mine = Plugins(), Registration("testing")
    found.load(find_entry_points())
    for one in (Restless, Choosy, Halving):
        mine.add("generator", one.__name__.lower(), one)
    mine.add("method", "fickle", Fickle)
    found.registry.accept(mine)
    monkeypatch.setattr("ganzoo.recipe.reader.plugins", lambda: found)


AS_TRAINED = {"method": {"as_trained": True}}


@pytest.mark.parametrize(
    ("method", "changes", "size", "said"),
    [
        ("cyclegan", {"networks": {"G": {"generator": "restless"}, "D": PATCH}}, None, "it draws at random while it"),
        (
            "cyclegan",
            {"networks": {"G": {"generator": "choosy"}, "D": PATCH}},
            (16, 16),
            "it cannot be traced with batch",
        ),
        (
            "cyclegan",
            {"networks": {"G": {"generator": "halving"}, "D": PATCH}},
            None,
            "it cannot be traced with batch, he",
        ),
        (
            "segmenter",
            {},
            None,
            "it cannot be traced with batch, height, width left open: fix them with --size and --ba",
        ),
        (
            "pix2pix",
            AS_TRAINED,
            (16, 16),
            "it draws at random (dropout) while it translates, and a file gives one answer",
        ),
        ("untranslated", {"train": {}}, None, "it trains nothing that a file could hold"),
        ("fickle", {}, (16, 16), "it draws at random (brightness) while it translates, and a file gives one answer"),
    ],
    ids=lambda one: one if isinstance(one, str) else None,
)
@pytest.mark.usefixtures("with_awkward_parts")
def test_what_cannot_be_exported(
    tmp_path: Path, method: str, changes: dict[str, Any], size: tuple[int, int] | None, said: str
) -> None:
    run = make(tmp_path, method, **changes)
    told = refusal(ganzoo.export, run, tmp_path / "x.pt2", size=size)
    way = "AA" if method == "segmenter" else "AB"
    assert told.startswith(f"{run}: {method}, {way}: {said}") and len(told) < 500
    assert [one.name for one in tmp_path.iterdir()] == ["tiny"]


@pytest.mark.usefixtures("with_awkward_parts")
def test_what_can_be_exported_for_one_size(tmp_path: Path) -> None:
    run = make(tmp_path, networks={"G": {"generator": "halving"}, "D": PATCH})
    for size in ((16, 16), (17, 16)):
        about = ganzoo.export(run, tmp_path / "x.pt2", size=size)
        assert_translates(run, tmp_path / "x.pt2", about)
