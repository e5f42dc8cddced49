"""``--precision``: networks run in it, weights are cast once for all files, and fp32 is the default."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils._python_dispatch import TorchDispatchMode

import ganzoo as package
from ganzoo.inference.files import translate_files
from tests.support.command_line import refusal
from tests.support.random_images import save


class CountCasts(TorchDispatchMode):
    """Counts casts to bf16 of the generator's first weights."""

    casts = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        half = func is torch.ops.aten._to_copy.default and (kwargs or {}).get("dtype") is torch.bfloat16
        self.casts += half and args[0].shape == (2, 3, 7, 7)
        return func(*args, **(kwargs or {}))


def test_a_tensor_is_translated_in_half_precision_and_returned_in_float32(whole: Path) -> None:
    image = torch.rand(3, 12, 12) * 2 - 1
    exact, half = (package.load(whole, device="cpu", precision=one).translate(image) for one in ("fp32", "bf16"))
    assert exact.dtype == half.dtype == torch.float32
    assert 0 < float((exact - half).abs().max()) < 0.1
    assert torch.equal(package.load(whole, device="cpu").translate(image), exact)


def test_weights_are_cast_once_for_all_files(whole: Path, tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / f"images/{number}.png", np.random.default_rng(number).integers(0, 256, (12, 12, 3), np.uint8))
    for precision, casts in (("bf16", 1), ("fp32", 0)):
        with CountCasts() as counter:
            out = tmp_path / precision
            translate_files(whole, [tmp_path / "images"], out, device="cpu", precision=precision, batch=1, workers=0)
        assert counter.casts == casts
    for number in range(3):
        exact, half = (np.asarray(Image.open(tmp_path / one / f"{number}.png"), float) for one in ("fp32", "bf16"))
        assert 0 < np.abs(exact - half).max() < 13


def test_fp16_without_a_gpu_is_refused(whole: Path, tmp_path: Path) -> None:
    save(tmp_path / "one.png", np.zeros((12, 12, 3), np.uint8))
    files = (whole, [tmp_path / "one.png"], tmp_path / "out")
    expected = "--precision: fp16 needs a GPU; on a CPU use bf16 or fp32"
    assert refusal(translate_files, *files, device="cpu", precision="fp16") == expected
    assert refusal(package.load, whole, device="cpu", precision="fp16") == expected
