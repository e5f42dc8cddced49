"""Checksums change with what affects metric values, and with nothing else."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from ganzoo.interfaces import Sample, Split
from ganzoo.provenance import fingerprint
from ganzoo.provenance.fingerprint import code_key, core_key, plugins_of, recipe_key, weights_key
from ganzoo.provenance.images import data_key
from ganzoo.recipe.reader import read_recipe
from ganzoo_digits.dataset import StripedDigits
from tests.support.stand_in_methods import Noise
from tests.support.tiny_run import write_recipe


def key(folder: Path, *overrides: str) -> str:
    return recipe_key(read_recipe(write_recipe(folder), overrides))


def test_a_recipe_key_depends_on_the_settings_that_affect_values(tmp_path: Path) -> None:
    first = key(tmp_path)
    same = ["train.seed=5", "train.log=9", "train.workers=1", "train.save=7"]
    assert {key(tmp_path, one) for one in same} == {first}
    other = ["train.steps=99", "train.lr=0.5", "images.rotate=5", "method.cycle=3", "train.batch=3"]
    other += ["evaluate.every=3", "evaluate.best=max cycle_l1_AB", "evaluate.limit=2", "evaluate.patience=9"]
    assert len({key(tmp_path, one) for one in other} | {first}) == len(other) + 1
    none = [key(tmp_path, "evaluate.best=null", one) for one in ("evaluate.every=3", "evaluate.every=0")]
    assert none[0] == none[1]  # without best, evaluations during training choose nothing


def test_a_recipe_key_is_the_same_on_another_machine(tmp_path: Path) -> None:
    recipe = read_recipe(write_recipe(tmp_path))
    moved = replace(recipe, data=replace(recipe.data, options={**recipe.data.options, "root": Path("/elsewhere/data")}))
    again = replace(recipe, data=replace(recipe.data, options={**recipe.data.options, "root": Path("/here/data")}))
    named = replace(recipe, data=replace(recipe.data, options={**recipe.data.options, "root": Path("/here/other")}))
    assert recipe_key(moved) == recipe_key(again) != recipe_key(named)


def test_the_plugins_of_a_recipe_are_those_of_its_parts(tmp_path: Path) -> None:
    plugins = plugins_of(read_recipe(write_recipe(tmp_path)))
    assert {"cyclegan", "metrics"} <= set(plugins)
    assert "munit" not in plugins
    assert all(one["version"] and len(one["code"]) == 16 for one in plugins.values())


def test_the_plugins_of_a_recipe_are_also_those_of_components_inside_others(tmp_path: Path) -> None:
    inner = {"discriminator": "pyramid", "of": {"discriminator": "batch_head"}}
    assert {"discriminators", "uvcgan"} <= set(plugins_of(read_recipe(write_recipe(tmp_path, networks={"D": inner}))))


CODE = '"""A module."""\n\n\ndef double(one: int) -> int:\n    """Double."""\n    return 2 * one\n'


FILES = {
    "__init__": "",
    "method": "from planted_package.inner import double\nfrom . import beside\nfrom .below import z\n",
    "inner": CODE,
    "beside": "y = 1\n",
    "below": "z = 1\n",
    "other": "x = 1\n",
}


@pytest.mark.parametrize(
    ("changed", "same"),
    [
        ({"inner": CODE.replace("A module", "Another text")}, True),
        ({"inner": CODE.replace('    """Double."""\n', "    # a comment\n")}, True),
        ({"beside": 'y = 1\n"""The attribute y."""\n'}, True),
        ({"inner": CODE.replace("2 * one", "(2*one)")}, True),
        ({"inner": CODE.replace("2 * one", "3 * one")}, False),
        ({"inner": CODE.replace("double(", "twice(")}, False),
        ({"beside": "y = 2\n"}, False),
        ({"below": "z = 2\n"}, False),
        ({"other": "x = 2\n"}, True),  # which the method does not import
        ({"__init__": "y = 1\n"}, False),  # from . import … reads it
        ({"method": "from planted_package import inner\n"}, False),
    ],
)
def test_a_code_key_depends_on_the_code_that_a_part_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], same: bool
) -> None:
    loaded = [SimpleNamespace(target="planted_package")]
    monkeypatch.setattr(fingerprint, "plugins", lambda: SimpleNamespace(loaded=loaded))
    keys = []
    for i, files in enumerate((FILES, {**FILES, **changed})):
        package = tmp_path / str(i) / "planted_package"
        package.mkdir(parents=True)
        for name, text in files.items():
            (package / f"{name}.py").write_text(text)
        with monkeypatch.context() as patch:
            patch.syspath_prepend(package.parent)
            importlib.invalidate_caches()
            code_key.cache_clear()
            keys.append(code_key("planted_package.method"))
        for name in [name for name in sys.modules if name.startswith("planted_package")]:
            del sys.modules[name]
    code_key.cache_clear()
    assert (keys[0] == keys[1]) == same


@pytest.mark.parametrize("module", ["build.py", "engine/engine.py", "provenance/fingerprint.py"])
def test_the_core_key_depends_on_the_code_of_all_packages(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    before, read = core_key(), fingerprint._read

    def read_changed(file: Path) -> str:
        return read(file) + ("changed = True\n" if file.as_posix().endswith(f"ganzoo/{module}") else "")

    monkeypatch.setattr(fingerprint, "_read", read_changed)
    assert core_key.__wrapped__() != before


class Changed(Noise):
    """Noise in reversed order, or with one pixel changed."""

    reversed, pixel = False, False

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        count = self.count(split, domain)
        sample = super().sample(split, domain, count - 1 - index if self.reversed else index)
        if self.pixel and index == 0 and domain == "B":
            image = np.array(sample.image)
            image[0, 0, 0] ^= 1
            sample = replace(sample, image=image)
        return sample


def test_a_data_key_depends_on_pixels_but_not_on_order() -> None:
    plain, reordered, pixel = Changed(size=6), Changed(size=6), Changed(size=6)
    reordered.reversed, pixel.pixel = True, True
    assert data_key(plain, "train") == data_key(reordered, "train") != data_key(pixel, "train")
    assert data_key(plain, "train") != data_key(plain, "test")


def test_the_key_of_generated_data_depends_on_its_version() -> None:
    """The pixels of procedurally generated images differ between processors."""
    drawn, pixel = Changed(size=8), Changed(size=8)
    drawn.version = pixel.version = "8 pixels"
    pixel.pixel = True
    assert data_key(drawn, "train") == data_key(pixel, "train") != data_key(drawn, "test")
    pixel.version = "16 pixels"
    assert data_key(drawn, "train") != data_key(pixel, "train")
    options = [{}, {"size": 16}, {"seed": 1}, {"held_out": 9}, {"backgrounds": "different"}, {"pairs": True}]
    assert len({data_key(StripedDigits(**one), "test") for one in options}) == len(options)  # type: ignore[arg-type]


def test_a_weights_key_depends_on_networks_and_averages(tmp_path: Path) -> None:
    for part in ("networks", "average"):
        (tmp_path / part).mkdir()
        (tmp_path / part / "G.safetensors").write_bytes(b"one")
    first = weights_key(tmp_path)
    (tmp_path / "optimizers.safetensors").write_bytes(b"moments")
    assert weights_key(tmp_path) == first
    (tmp_path / "average/G.safetensors").write_bytes(b"two")
    assert weights_key(tmp_path) != first
