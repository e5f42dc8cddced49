"""``train.precision: auto``: what it means on which device, that it is recorded, and that a resumed run keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import ganzoo as package
from ganzoo.engine.precision import resolve_precision
from ganzoo.errors import SettingsChangedError
from tests.support.tiny_run import lines, write_recipe

CPU = torch.device("cpu")


def pretend(monkeypatch: pytest.MonkeyPatch, **capabilities: bool) -> None:
    """Let torch report these abilities of the processor and no others."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True, **capabilities}, raising=False)


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [({}, "fp32"), ({"amx_bf16": True}, "bf16"), ({"avx512_bf16": True}, "bf16"), ({"amx_bf16": False}, "fp32")],
)
def test_a_cpu_computes_in_bf16_if_it_can(
    monkeypatch: pytest.MonkeyPatch, capabilities: dict[str, bool], expected: str
) -> None:
    pretend(monkeypatch, **capabilities)
    assert resolve_precision("auto", CPU, "train.precision") == expected
    assert [resolve_precision(one, CPU, "train.precision") for one in ("fp32", "bf16")] == ["fp32", "bf16"]


@pytest.mark.parametrize(("amx", "avx", "expected"), [(0, 0, "fp32"), (1, 0, "bf16"), (0, 1, "bf16")])
def test_older_versions_of_torch_are_asked_in_their_way(
    monkeypatch: pytest.MonkeyPatch, amx: bool, avx: bool, expected: str
) -> None:
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx)
    assert resolve_precision("auto", CPU, "train.precision") == expected


@pytest.mark.parametrize(("itself", "expected"), [(True, "bf16"), (False, "fp32")])
def test_a_gpu_computes_in_bf16_if_it_does_so_itself(
    monkeypatch: pytest.MonkeyPatch, itself: bool, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: itself or including_emulation)
    assert resolve_precision("auto", torch.device("cuda"), "train.precision") == expected
    assert resolve_precision("fp16", torch.device("cuda"), "train.precision") == "fp16"


def test_it_is_printed_recorded_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 2, "precision": "auto"}, evaluate={"every": 0, "best": None})
    pretend(monkeypatch, amx_bf16=True)
    package.run(recipe, root=tmp_path)
    assert "cyclegan on cpu, bf16: " in capsys.readouterr().out
    folder = tmp_path / "tiny/default"
    assert json.loads((folder / "env.json").read_text())["precision"] == "bf16"
    assert lines(folder / "results.jsonl")[-1]["environment"]["precision"] == "bf16"
    pretend(monkeypatch)
    with pytest.raises(SettingsChangedError, match=r"train\.precision: bf16 → fp32"):
        package.run(recipe, "train.steps=3", root=tmp_path)
    package.run(recipe, "train.steps=3", "train.precision=bf16", root=tmp_path)
