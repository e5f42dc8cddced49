"""Classes from a masker: its planes at ½, its names, the checksum of its weights; unsuitable maskers are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import ganzoo
from ganzoo.data.transforms import scale
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Masker, Sample
from ganzoo.plugins import plugins
from ganzoo.randomness import Draws
from ganzoo.registry import Registration
from ganzoo_art2real.bank_builder import build_bank
from ganzoo_art2real.pixel_classes import MaskerClasses
from ganzoo_datasets.files import entries_in, read_sample
from tests.support.photographs import SMALL


class Shades(Masker):
    """Two soft planes by brightness, which overlap between."""

    planes = 2

    def __init__(self, *, classes: tuple[str, ...] = ("dark", "light"), slope: float = 1.0) -> None:
        super().__init__()
        self.classes = classes
        self.slope = slope

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        grey = image.mean(1, keepdim=True)
        return torch.cat([0.6 - self.slope * grey, 0.6 + self.slope * grey], dim=1).clamp(0, 1)


class Drawn(Masker):
    """A mask that is drawn."""

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return rng.uniform(1, *image.shape[-2:])


@pytest.fixture(autouse=True)
def _maskers(monkeypatch: pytest.MonkeyPatch) -> None:
    registration = Registration("here")
    registration.add("masker", "shades", Shades)
    registration.add("masker", "drawn", Drawn)
    known = plugins().registry._components["masker"]
    monkeypatch.setitem(plugins().registry._components, "masker", dict(known))
    plugins().registry.accept(registration)


def sample(photographs: Path, index: int = 0) -> Sample:
    return scale(read_sample(entries_in(photographs)[index], 3), 24, "stretch")


def write_unet(file: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    unet = ganzoo.create("masker", "unet", width=2, depth=1)
    unet.logits(torch.rand(2, 3, 8, 8) * 2 - 1)
    file.parent.mkdir(exist_ok=True)
    save_file(unet.state_dict(), file)
    return file


def test_planes_at_a_half_are_classes_that_may_overlap(photographs: Path) -> None:
    one = sample(photographs)
    found = MaskerClasses("shades").classes(one, 0)
    grey = (one.image.astype(np.float64) / 127.5 - 1).mean(2)
    assert np.array_equal(found[1], grey <= 0.1)
    assert np.array_equal(found[2], grey >= -0.1)
    assert 0 < (found[1] & found[2]).sum() < found[1].sum()


def test_a_bank_by_a_masker(tmp_path: Path, photographs: Path) -> None:
    bank = build_bank([photographs], tmp_path / "bank", SMALL, pixel_classes=MaskerClasses("shades"))
    assert bank.names == {0: "background", 1: "dark", 2: "light"}
    assert bank.count(0, (4, 4)) == 0
    assert bank.count(1, (4, 4)) + bank.count(2, (4, 4)) > 5 * 36
    assert bank.settings["classes"] == {
        "masker": "shades", "classes": ["dark", "light"], "slope": 1.0, "foreground": [], "threshold": None,
        "invert": False, "grow": 0, "soften": 0.0,
    }  # fmt: skip


def test_classes_in_no_photograph_are_in_the_bank_too(tmp_path: Path, photographs: Path) -> None:
    bank = build_bank(
        [photographs], tmp_path / "bank", SMALL, pixel_classes=MaskerClasses("{masker: shades, slope: 0, threshold: 1}")
    )
    assert bank.classes == (0, 1, 2)
    assert bank.count(1, (6, 5)) == 0
    assert bank.resolve(1, bank.scales[0]) == 0


def test_post_processing_and_one_plane_of_several(photographs: Path) -> None:
    one = sample(photographs)
    both = MaskerClasses("shades").classes(one, 0)
    union = MaskerClasses("{masker: shades, foreground: [1], invert: true}")
    assert union.names() == {1: "foreground"}
    assert list(union.classes(one, 0)) == [1]
    assert np.array_equal(union.classes(one, 0)[1], (1 - (0.6 + (one.image / 127.5 - 1).mean(2))) >= 0.5 - 1e-7)
    assert both[1].shape == (24, 24)


def test_random_masks_are_reproducible_and_differ_between_photographs(photographs: Path) -> None:
    first, second = (MaskerClasses("drawn").classes(sample(photographs), 4) for _ in range(2))
    assert np.array_equal(first[1], second[1])
    assert not np.array_equal(first[1], MaskerClasses("drawn").classes(sample(photographs), 5)[1])


def test_colours_name_their_classes() -> None:
    text = "{masker: colours, classes: {sky: [120, 170, 220], earth: [140, 110, 80]}}"
    assert MaskerClasses(text).names() == {1: "sky", 2: "earth"}


def test_weights_are_described_by_their_checksum(tmp_path: Path) -> None:
    def description(file: Path) -> str:
        return json.dumps(MaskerClasses(f"{{masker: unet, weights: {file}}}").description, sort_keys=True)

    here, there, other = (
        write_unet(tmp_path / name / "unet.safetensors", seed) for name, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert description(here) == description(there) != description(other)
    assert str(tmp_path) not in description(here)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("unett", r"unknown masker 'unett' \(did you mean 'unet'\?\)"),
        ("[unet]", r"--masker: it is \['unet'\]; a masker must be a mapping: \{masker: NAME, option: value, …\}"),
        ("{maskr: unet}", r"--masker: the key 'masker', .* is missing \(is 'maskr' a typo\?\)"),
        ("{masker: [unet]}", r"--masker: masker: masker is \['unet'\]; it must be a name"),
        ("{masker: unet", "^--masker '{masker: unet': not YAML: expected ',' or '}'"),
        ("{masker: !!python/name:os.system }", "not YAML: could not determine a constructor for the tag"),
        ("{masker: shades, slop: 2}", r"--masker: slop: unknown option 'slop' \(did you mean 'slope'\?\)"),
        ("{masker: shades, threshold: 2, slope: steep}", "(?s)--masker: threshold.*\n--masker: slope"),
        ("{masker: shades, foreground: [2]}", "foreground: there is no class 2; the masker makes 2 planes"),
        ("file", "'file' reads masks of the data set; use --labels for label maps"),
        ("unet", "'unet' is untrained: give it weights"),
        ("learned", "'learned' is trained with the generators, which works only in the role 'composite'"),
        ("{masker: shared, role: input}", "'shared' reuses another role's mask; name the masker that makes it"),
    ],
)
def test_maskers_that_cannot_define_classes(text: str, message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        MaskerClasses(text)
