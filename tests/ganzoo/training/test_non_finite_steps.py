"""Steps whose losses are not finite: they are skipped and undone, and a run ends after too many in a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import ganzoo as package
from ganzoo.engine import engine
from ganzoo.engine.checkpoint_files import read_progress
from ganzoo.errors import GanzooError
from ganzoo.interfaces import ImagePool
from tests.support.small_networks import SIMGAN_OPTIONS, SIMGAN_SMALL
from tests.support.tiny_run import everything, lines, write_recipe


@pytest.mark.parametrize(("setting", "advice"), [("false", "in fp32$"), ("true", "fp32, or with train.compile=false$")])
def test_repeated_non_finite_steps_end_the_run_and_name_the_term(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    setting: str,
    advice: str,
) -> None:
    from ganzoo_cyclegan.method import CycleGAN

    original = CycleGAN.generator_losses

    def broken(self: CycleGAN, step: Any) -> dict[str, torch.Tensor]:
        losses = original(self, step)
        if step.index >= 3:
            losses["cycle_A"] = losses["cycle_A"] * float("nan")
        return losses

    monkeypatch.setattr(CycleGAN, "generator_losses", broken)
    monkeypatch.setattr(engine, "compile_networks", lambda networks, setting: None)
    with pytest.raises(GanzooError, match=rf"generator/cycle_A was not finite in 3 steps in a row.* {advice}"):
        package.run(home / "tiny.yaml", "train.patience=3", f"train.compile={setting}", root=tmp_path)
    folder = tmp_path / "tiny/default"
    events = [one for one in lines(folder / "events.jsonl") if one["event"] == "not-finite"]
    assert [(one["step"], one["term"], one["in_a_row"]) for one in events] == [
        (4, "generator/cycle_A", 1), (5, "generator/cycle_A", 2), (6, "generator/cycle_A", 3)
    ]  # fmt: skip
    saved = everything(folder / "checkpoints/last")
    assert read_progress(folder / "checkpoints/last")["step"] == 6
    assert "not saved" not in capsys.readouterr().out
    import numpy as np

    values = [np.frombuffer(saved[name], np.float32) for name in saved if name.startswith(("networks", "process"))]
    assert all(np.isfinite(value).all() for value in values)


def test_a_step_that_is_not_finite_undoes_no_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SimGAN's history changes in every second step only; a checkpoint has no state of the step before."""
    from ganzoo_simgan.method import SimGAN

    original, undo, steps = SimGAN.generator_losses, SimGAN.undo, [0]
    changed, undone = set(), set()

    def broken(self: SimGAN, step: Any) -> dict[str, torch.Tensor]:
        steps.append(step.index)
        losses = original(self, step)
        return losses if step.index < 3 else {name: term * float("nan") for name, term in losses.items()}

    def query(self: ImagePool, *words: Any, **named: Any) -> torch.Tensor:
        changed.add(steps[-1])
        return original_query(self, *words, **named)

    def recorded(self: SimGAN) -> None:
        undone.add(steps[-1])
        undo(self)

    original_query = ImagePool.query
    monkeypatch.setattr(SimGAN, "generator_losses", broken)
    monkeypatch.setattr(SimGAN, "undo", recorded)
    monkeypatch.setattr(ImagePool, "query", query)
    recipe = write_recipe(tmp_path, train={"steps": 7}, networks=SIMGAN_SMALL)
    settings = yaml.safe_load(recipe.read_text())
    settings |= {"method": {"method": "simgan", **SIMGAN_OPTIONS}, "evaluate": {"metrics": []}}
    recipe.write_text(yaml.safe_dump(settings))
    package.run(recipe, root=tmp_path)
    assert {index for index in undone if index >= 3} == {index for index in changed if index >= 3} != {3, 4, 5, 6}


def test_a_phase_that_is_not_finite_is_skipped_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The generators keep their weights of before; the discriminators are trained on."""
    from ganzoo_cyclegan.method import CycleGAN

    original = CycleGAN.generator_losses

    def broken(self: CycleGAN, step: Any) -> dict[str, torch.Tensor]:
        losses = original(self, step)
        return losses if step.index < 2 else losses | {"identity_A": losses["identity_A"] * float("nan")}

    monkeypatch.setattr(CycleGAN, "generator_losses", broken)
    recipe = write_recipe(tmp_path, train={"sample": 0, "keep": 2}, evaluate={"metrics": [], "every": 0, "best": None})
    with pytest.raises(GanzooError, match="The checkpoint last has the last finite weights"):
        package.run(recipe, "train.patience=2", root=tmp_path)
    assert "step 3: generator/identity_A is not finite; skipped: generator (1 in a row)" in capsys.readouterr().out
    before, after = (tmp_path / "tiny/default/checkpoints" / name / "networks" for name in ("step-2", "last"))
    same = {file.stem: file.read_bytes() == (after / file.name).read_bytes() for file in before.iterdir()}
    assert same == {"G_AB": True, "G_BA": True, "D_A": False, "D_B": False}
