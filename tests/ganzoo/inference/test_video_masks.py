"""Masks of videos: averaged over frames before the recipe's steps, written beside, or given for all frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo as package
from ganzoo.randomness import Draws, keyed
from tests.support.command_line import Run
from tests.support.random_images import save
from tests.support.untrained_runs import write_untrained_run
from tests.support.videos import frames_of, read_video, write_video

GENERATOR = {"generator": "resnet", "width": 2, "blocks": 0}


@pytest.mark.parametrize(
    ("method", "role", "steps"),
    [
        ("cyclegan", "composite", {"threshold": 0.5}),
        ("mask_cyclegan", "input", {"threshold": 0.4, "invert": True}),
    ],
)
def test_masks_are_averaged_before_the_steps_of_the_recipe(
    run: Run, tmp_path: Path, method: str, role: str, steps: dict[str, Any]
) -> None:
    """Averages of soft masks, then hard ones; translations are those with the averages as given masks."""
    maskers = {role: {"masker": "saliency", "size": 32, **steps}}
    recipe = {"method": method, "networks": {"G": GENERATOR}, "images": {"size": 32}, "maskers": maskers}
    trained, frames = write_untrained_run(tmp_path / "run", recipe), frames_of(6)
    source = write_video(tmp_path / "in.mkv", frames, sound="")
    words = ("--codec", "ffv1", "--batch", 4, "--smooth", 4, "--save-masks", tmp_path / "masks")
    code, _, err = run("translate", trained, source, "-o", tmp_path / "out.mkv", *words)
    assert code == 0, err
    images = torch.from_numpy(frames).movedim(-1, 1).float() / 127.5 - 1
    raw = package.create("masker", "saliency", size=32)(images, Draws([keyed(0)] * 6))
    averages = [raw[0]]
    for mask in raw[1:]:
        averages.append(0.6 * averages[-1] + 0.4 * mask)  # a = 2 / (4 + 1)
    averaged = torch.stack(averages)
    hard, hard_of_each = ((one >= steps["threshold"]) != steps.get("invert", False) for one in (averaged, raw))
    assert hard.any() and not hard.all() and not torch.equal(hard, hard_of_each)
    saved = np.stack([np.asarray(Image.open(one)) for one in sorted((tmp_path / "masks" / role).iterdir())])
    np.testing.assert_array_equal(saved, hard[:, 0].numpy() * np.uint8(255))
    translated = read_video(tmp_path / "out.mkv").frames
    expected = ((package.load(trained).translate(images, mask=averaged) + 1) * 127.5).movedim(1, -1).numpy()
    assert np.abs(translated - expected).max() <= 1
    assert np.abs(translated - frames.astype(int)).max() > 5


def test_masks_of_frames_are_averaged_by_the_formula(run: Run, tmp_path: Path) -> None:
    masker = {"masker": "learned", "width": 2}
    recipe = {"method": "cyclegan", "networks": {"G": GENERATOR}, "images": {"size": 32}}
    trained = write_untrained_run(tmp_path / "run", {**recipe, "maskers": {"composite": masker}})
    source = write_video(tmp_path / "in.mkv", frames_of(5), sound="")
    words = ("translate", trained, source, "--codec", "ffv1", "--batch", 2)
    for name, more in (("plain", ()), ("smooth", ("--smooth", 3))):
        done = run(*words, "-o", tmp_path / f"{name}.mkv", "--save-masks", tmp_path / name, *more)
        assert done[0] == 0, done[2]
        assert (tmp_path / name / "composite/in-000000.png").is_file()
    plain, smooth = (
        np.stack([np.asarray(Image.open(one), np.float64) for one in sorted((tmp_path / name / "composite").iterdir())])
        for name in ("plain", "smooth")
    )
    assert plain.shape == (5, 32, 32) and np.abs(plain[1:] - plain[:-1]).mean() > 1
    expected = [plain[0]]
    for mask in plain[1:]:
        expected.append((expected[-1] + mask) / 2)  # a = 2 / (3 + 1)
    assert np.abs(np.stack(expected) - smooth).max() <= 1
    assert np.abs(np.stack(expected) - plain).max() > 5
    frames = [read_video(tmp_path / f"{name}.mkv").frames.astype(int) for name in ("plain", "smooth")]
    np.testing.assert_array_equal(frames[0][0], frames[1][0])
    assert np.abs(frames[0] - frames[1]).max() > 1


def test_averages_of_masks_begin_anew_with_each_video(run: Run, tmp_path: Path) -> None:
    masker = {"masker": "union", "of": ["otsu", {"masker": "saliency", "size": 16}]}
    recipe = {"method": "cyclegan", "networks": {"G": GENERATOR}, "images": {"size": 32}}
    trained = write_untrained_run(tmp_path / "run", {**recipe, "maskers": {"composite": masker}})
    for number in range(2):
        write_video(tmp_path / f"both/{number}.mkv", frames_of(5)[3 * number :][:2], sound="")
    words = ("--codec", "ffv1", "--batch", 2, "--smooth", 9)
    assert run("translate", trained, tmp_path / "both", "-o", tmp_path / "out", *words)[0] == 0
    for number in range(2):
        alone = tmp_path / f"alone-{number}.mkv"
        assert run("translate", trained, tmp_path / f"both/{number}.mkv", "-o", alone, *words)[0] == 0
        together = read_video(tmp_path / f"out/{number}.mkv").frames
        np.testing.assert_array_equal(together, read_video(alone).frames)


def test_masks_of_two_videos_do_not_replace_one_another(run: Run, tmp_path: Path) -> None:
    recipe = {"method": "cyclegan", "networks": {"G": GENERATOR}, "maskers": {"composite": {"masker": "round"}}}
    trained = write_untrained_run(tmp_path / "run", recipe)
    for name in ("a.mp4", "a.mkv"):
        write_video(tmp_path / "in" / name, frames_of(2), codec="libx264", pixels="yuv420p")
    words = ("translate", trained, tmp_path / "in", "-o", tmp_path / "out")
    code, _, err = run(*words, "--save-masks", tmp_path / "masks")
    assert code == 2 and "a.mp4 would replace those of" in err and not (tmp_path / "out").exists()
    assert run(*words)[0] == 0


def test_one_mask_serves_all_frames(run: Run, tmp_path: Path) -> None:
    recipe = {"method": "cyclegan", "networks": {"G": GENERATOR}, "images": {"size": 32}}
    trained = write_untrained_run(tmp_path / "run", {**recipe, "maskers": {"composite": {"masker": "round"}}})
    frames = frames_of(4)
    source = write_video(tmp_path / "in/clip.mkv", frames, sound="")
    half = np.zeros((32, 32), np.uint8)
    half[:, 16:] = 255
    save(tmp_path / "masks/clip.png", half)
    words = ("translate", trained, source, "--codec", "ffv1", "--mask", tmp_path / "masks", "-o", tmp_path / "out.mkv")
    assert run(*words)[0] == 0
    result = read_video(tmp_path / "out.mkv").frames
    np.testing.assert_array_equal(result[:, :, :16], frames[:, :, :16])
    assert np.abs(result[:, :, 16:].astype(int) - frames[:, :, 16:]).mean() > 5
    code, _, err = run(*words, "--smooth", 5)
    assert code == 2 and err.startswith("ganzoo: --smooth: no mask is computed for each frame")
