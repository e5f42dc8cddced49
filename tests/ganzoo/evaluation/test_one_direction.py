"""A checkpoint without discriminators, or one direction's networks: translate, export and evaluate what works."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo as package
from ganzoo.build import build_method
from ganzoo.engine.available import AvailableNetworks, MissingNetworkError, missing_for
from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.provenance.record import read_records
from ganzoo.recipe.reader import read_recipe
from tests.support.command_line import Run, refusal
from tests.support.small_networks import MUNIT_SMALL
from tests.support.tiny_run import write_recipe
from tests.support.untrained_runs import write_untrained_run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    changes: dict[str, Any] = {
        "images": {"size": 16},
        "data": {"validation": 0.25},
        "evaluate": {"metrics": ["swd", "cycle_l1"]},
    }
    package.run(write_recipe(folder, train={"steps": 2}, **changes), root=folder)
    return folder / "tiny/default"


@pytest.fixture
def folder(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "tiny/default"))


def remove(folder: Path, *slots: str) -> None:
    for slot in slots:
        for file in folder.glob(f"checkpoints/*/*/{slot}.safetensors"):
            file.unlink()


def values(folder: Path) -> dict[str, float]:
    return whole_sizes(read_records(folder / "results.jsonl")[-1].values)


def whole_sizes(found: dict[str, float]) -> dict[str, float]:
    """Return metric values without those of single sizes, such as swd_16_AB."""
    return {name: value for name, value in found.items() if "16" not in name}


def test_discriminators_are_not_needed(folder: Path, tmp_path: Path, run: Run) -> None:
    before = values(folder)
    remove(folder, "D_A", "D_B")
    code, out, err = run("evaluate", folder)
    assert code == 0 and "lacks" not in out, err
    assert len(read_records(folder / "results.jsonl")) == 4 and values(folder) == before
    package.export(folder, tmp_path / "x.onnx")


def test_one_direction_translates_exports_and_is_measured(folder: Path, tmp_path: Path, run: Run) -> None:
    whole, before = package.load(folder), values(folder)
    remove(folder, "G_BA")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 20, 3), np.uint8))
    assert package.load(folder).translate(image).tobytes() == whole.translate(image).tobytes()
    image.save(tmp_path / "x.png")
    words = ("translate", folder, tmp_path / "x.png", "-o", tmp_path / "out")
    assert run(*words)[0] == 0 and run(*words, "--direction", "AB")[0] == 0
    lacking = "checkpoints/best: it lacks the network G_BA for the direction BA; it can translate AB: --direction AB\n"
    for code, out, err in (
        run(*words, "--direction", "BA"),
        run("export", folder, "-o", tmp_path / "x.onnx", "--direction", "BA"),
    ):
        assert (code, out) == (5, "") and err == f"ganzoo: {folder}/{lacking}"
    assert run("export", folder, "-o", tmp_path / "x.onnx", "--direction", "AB")[0] == 0
    code, out, err = run("evaluate", folder, "--metric", "swd", "--checkpoint", "last")
    assert code == 0, err
    assert f"{folder}, last: the checkpoint lacks G_BA; measured: AB\n" in out
    measured = values(folder)
    assert set(measured) == {"swd_AB"}
    assert read_records(folder / "results.jsonl")[-1].about["swd_AB"]["n_fake"] == 3
    code, _, err = run("evaluate", folder, "--checkpoint", "last")
    why = "(the checkpoint lacks G_BA, so there are only translations)"
    assert code == 2 and f"ganzoo: {folder}: cycle_l1: " in err and why in err and len(err.splitlines()) == 1
    assert values(folder) == measured  # the others are recorded
    last = read_records(folder / "results.jsonl")[0]
    assert last.checkpoint == "last" and measured["swd_AB"] == pytest.approx(last.values["swd_AB"])
    assert set(before) > set(measured)


def test_the_other_direction_is_named(folder: Path, tmp_path: Path, run: Run) -> None:
    """A default that changed by itself would translate in the wrong direction."""
    remove(folder, "G_AB")
    translator = package.load(folder)
    assert "for the direction AB; it can translate BA: --direction BA" in refusal(translator.resolve_direction, None)
    assert translator.resolve_direction("BA") == "BA"
    remove(folder, "G_BA")
    assert "G_AB for the direction AB; nor for another one" in refusal(package.load(folder).resolve_direction, None)
    code, _, err = run("evaluate", folder)
    assert code == 5 and "it lacks G_AB, G_BA, so nothing can be translated" in err


def test_a_resumed_run_needs_all(folder: Path, trained: Path) -> None:
    remove(folder, "D_A")
    recipe = trained.parents[1] / "tiny.yaml"
    with pytest.raises(GanzooError, match=r"D_A\.safetensors"):
        package.run(recipe, "train.steps=3", root=folder.parents[1])


def test_a_second_checkpoint_may_have_what_the_first_lacks(folder: Path, run: Run) -> None:
    for part in ("networks", "average"):
        (folder / f"checkpoints/last/{part}/G_BA.safetensors").unlink()
    code, out, _ = run("evaluate", folder, "--metric", "cycle_l1", "--metric", "swd")
    assert code == 2 and "lacks G_BA" in out
    last, best = read_records(folder / "results.jsonl")[-2:]
    assert set(whole_sizes(last.values)) == {"swd_AB"}
    assert set(whole_sizes(best.values)) == {"swd_AB", "swd_BA", "cycle_l1_AB", "cycle_l1_BA"}
    assert last.failed and not best.failed


def test_munit_needs_the_networks_of_both_domains(tmp_path: Path) -> None:
    run = write_untrained_run(tmp_path / "run", {"method": "munit", "networks": MUNIT_SMALL})
    (run / "checkpoints/last/networks/G_B.safetensors").unlink()
    assert "G_B for the direction AB; nor for another one" in refusal(package.load(run).resolve_direction, "AB")


def test_a_missing_network_is_never_used(tmp_path: Path) -> None:
    """Its layers refuse, and its weights are not numbers; layers that a loaded network shares stay as they are."""
    text = {"method": {"method": "unit", "share": 1}, "networks": {"G": {"generator": "unit", "width": 2, "blocks": 1},
            "D": MUNIT_SMALL["D"]}}  # fmt: skip
    run = write_untrained_run(tmp_path / "run", text)
    method = build_method(read_recipe(run / "resolved.yaml"), {"A": 3, "B": 3})
    files, networks = run / "checkpoints/last/networks", {slot: method.networks[slot] for slot in ("G_A", "G_B")}
    (files / "G_B.safetensors").rename(files / "kept")
    available = AvailableNetworks()
    available.load(files.parent, networks)
    assert list(available.missing) == ["G_B"]
    images = torch.zeros(1, 3, 32, 32)
    assert bool(networks["G_A"](images).isfinite().all())
    with pytest.raises(MissingNetworkError, match=r"G_B\.safetensors: missing, so the network G_B cannot be used"):
        networks["G_B"].decode(networks["G_A"].encode(images))  # type: ignore[operator]
    assert any(bool(one.isnan().any()) for one in networks["G_B"].parameters())
    assert missing_for(method, {"A": 3, "B": 3}, torch.device("cpu")) == {"AB": "G_B", "BA": "G_B"}
    (files / "kept").rename(files / "G_B.safetensors")
    available.load(files.parent, networks)
    assert not available.missing and bool(networks["G_B"](images).isfinite().all())
    assert issubclass(MissingNetworkError, MissingResourceError)
