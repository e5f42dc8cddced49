"""No picture of ``ganzoo data check --sheet`` and ``ganzoo masks`` replaces a file of a recipe's data or joins it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.support.command_line import Run
from tests.support.tiny_run import make_images, write_recipe


@pytest.mark.parametrize("command", ["data check", "masks"])
@pytest.mark.parametrize("place", ["trainA/00.png", "trainA/new.png", "deep/new.png", "trainA_masks/00.png"])
@pytest.mark.parametrize("root", ["images", "."])
def test_no_picture_of_a_recipe_lands_among_its_images(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, command: str, place: str, root: str
) -> None:
    images = make_images(tmp_path / "images", train=2, masks=True)
    recipe = write_recipe(tmp_path, data={"root": root}, maskers={"discriminator": "file"}, train={"batch": 1})
    monkeypatch.chdir(images if root == "." else tmp_path)
    before = {file: file.read_bytes() for file in images.rglob("*.png")}
    words = (*command.split(), recipe, "--sheet" if command == "data check" else "-o")
    if (root, place) != (".", "deep/new.png"):  # a folder without images, below one in which anything may be written
        code, _, err = run(*words, Path(root, place))
        assert code == 2 and "choose another" in err and err.count("\n") == 1
        assert {file: file.read_bytes() for file in images.rglob("*.png")} == before
    code, _, err = run(*words, "new.png")
    assert code in (0, 7), err


@pytest.mark.parametrize("command", ["data check", "masks"])
def test_no_picture_replaces_a_file_outside_of_the_folders_of_a_recipe(tmp_path: Path, run: Run, command: str) -> None:
    images = make_images(tmp_path / "images", train=2)
    for domain in "AB":
        lines = [f"{(images / f'train{domain}').absolute()}/{index:02}.png" for index in range(2)]
        (tmp_path / f"{domain}.txt").write_text("\n".join(lines))
    data = {"dataset": "lists", "train_A": str(tmp_path / "A.txt"), "train_B": str(tmp_path / "B.txt")}
    write_recipe(tmp_path, maskers={"discriminator": "round"}, train={"batch": 1})
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(yaml.safe_dump({**yaml.safe_load(recipe.read_text()), "data": data}))
    image = images / "trainB/01.png"
    before = image.read_bytes()
    code, _, err = run(*command.split(), recipe, "--sheet" if command == "data check" else "-o", image)
    assert code == 2 and f"{image}: this is a file of the data set; choose another name" in err
    assert image.read_bytes() == before
