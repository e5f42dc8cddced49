"""The method gatys: its runs, the paintings that they save, and random or provided styles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

import ganzoo
from ganzoo.data.image_io import read_image, to_float
from ganzoo.data.loader import Reader
from ganzoo.inference.options import style_options
from ganzoo.inference.translator import TRANSLATED
from ganzoo.interfaces import Sample, Split
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws, keyed
from ganzoo.recipe.reader import read_recipe
from ganzoo.settings import ImageSettings
from ganzoo.step import Step, zeros_step
from ganzoo_baselines.gatys import Gatys
from tests.support.command_line import Run, refusal
from tests.support.random_images import noise, save
from tests.support.stand_in_methods import Constant, Noise, batch_step
from tests.support.tiny_run import float64_run, lines, make_images
from tests.support.vgg_networks import random_vgg, reference_vgg, write_vgg

SIZE = 16
CAFFE: dict[str, Any] = {"mean": (103.939, 116.779, 123.680), "scale": 1.0, "blue_first": True}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images, narrow weights, a recipe and its run."""
    folder = tmp_path_factory.mktemp("gatys")
    method = {"method": "gatys", "weights": str(write_vgg(folder / "vgg19.safetensors", 19)), "input": "caffe"}
    recipe = {
        "method": {**method, "steps": 6, "paintings": 4},
        "data": {"dataset": "folders", "root": str(make_images(folder / "images", train=6, test=3))},
        "images": {"size": SIZE},
        "evaluate": {"metrics": [{"metric": "style_recovery", "styles": 2}], "batch": 2},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    ganzoo.run(folder / "tiny.yaml", root=folder / "runs")
    return folder


@pytest.fixture(scope="module")
def trained(home: Path) -> Path:
    return home / "runs/tiny/default"


def method(home: Path, *, maskers: dict[str, Any] | None = None, **options: Any) -> Gatys:
    """Return the method, made ready by images of noise."""
    given = {"weights": home / "vgg19.safetensors", "input": "caffe", "steps": 3, "paintings": 5, **options}
    made: Gatys = ganzoo.create("method", "gatys", **given)
    made.bind({}, Roles(maskers or {}))
    made.bind(made.setup(zeros_step({"A": 3, "B": 3}, SIZE)), Roles(maskers or {}))
    made.prepare(Reader(Noise(), ImageSettings(size=SIZE)))
    return made


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def seen(file: Path) -> Tensor:
    """Return an image as a run of this size sees it, (C, H, W) of whole numbers."""
    with Image.open(file) as opened:
        pixels = np.asarray(opened.resize((SIZE, SIZE), Image.Resampling.BICUBIC))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


def test_a_run_saves_paintings_of_both_domains_and_the_divisors_of_features(home: Path, trained: Path) -> None:
    kept = {one.stem: load_file(one) for one in files(trained / "checkpoints/last/networks")}
    assert kept.keys() == {"paintings_A", "paintings_B", "means"}
    images = []
    for domain in "AB":
        paintings = kept[f"paintings_{domain}"]["images"]
        there = files(home / f"images/train{domain}")
        assert paintings.dtype == torch.uint8 and paintings.shape == (4, 3, SIZE, SIZE)
        validation = (len(there) - 1) // 10 + 1  # held out of the training images
        candidates = torch.stack([seen(file) for file in there]).int()
        distances = (paintings[:, None].int() - candidates[None]).abs().flatten(2).amax(2)
        assert (distances.amin(1) <= 1).all() and len(set(distances.argmin(1).tolist())) == 4 <= 6 - validation
        images.append(paintings.float() / 127.5 - 1)
    maps = reference_vgg(random_vgg(19), torch.cat([images[1], images[0]]), average=True, **CAFFE)
    for layer in ("relu4_2", "relu1_1", "relu5_1"):
        mean = maps[layer].mean((0, 2, 3))
        expected = mean.clamp(min=0.01 * float(mean.mean()))
        torch.testing.assert_close(kept["means"][layer].double(), expected, rtol=1e-4, atol=0)
    assert len(kept["means"]) == 6


@pytest.mark.parametrize("paintings", [2, 35])
def test_paintings_and_those_averaged_are_evenly_spaced(home: Path, paintings: int) -> None:
    """Of 12 and 10 images; features are averaged over at most 16 paintings of each domain."""
    made, noise = method(home, paintings=paintings), Noise()
    averaged = []
    for domain in "BA":
        total = noise.count("train", domain)
        expected = [noise.sample("train", domain, number * total // paintings).image for number in range(paintings)]
        kept: Any = made.networks[f"paintings_{domain}"]
        assert torch.equal(kept.images, torch.from_numpy(np.stack(expected)).permute(0, 3, 1, 2))
        few = min(paintings, 16)
        averaged.append(kept(torch.tensor([number * paintings // few for number in range(few)])))
    maps = reference_vgg(random_vgg(19), torch.cat(averaged), average=True, **CAFFE)
    for layer, mean in made.networks["means"].named_buffers():
        found = maps[layer].mean((0, 2, 3))
        torch.testing.assert_close(mean.double(), found.clamp(min=0.01 * float(found.mean())), rtol=1e-4, atol=0)


def test_a_run_evaluates_and_writes_samples(trained: Path) -> None:
    (result,) = lines(trained / "results.jsonl")
    assert set(result["values"]) == {"style_r2_AB", "style_r2_BA"} and result["images"] == {"A": 3, "B": 3}
    assert [one.name for one in files(trained / "samples")] == ["step-0000000.png"]


def test_a_run_translates_without_its_data(home: Path, trained: Path, tmp_path: Path) -> None:
    batch = batch_step(2, 20)["real_A"]
    here = ganzoo.load(trained).translate(batch, "AB")
    hidden = (home / "images").rename(tmp_path / "hidden")
    try:
        assert torch.equal(ganzoo.load(trained).translate(batch, "AB"), here)
    finally:
        hidden.rename(home / "images")
    assert (here - batch).abs().mean() > 1e-3 and here.shape == batch.shape


def test_the_same_seed_gives_the_same_run_and_another_another(home: Path, trained: Path, tmp_path: Path) -> None:
    grids, values = [], []
    for name, seed in (("again", 0), ("other", 4)):
        ganzoo.run(home / "tiny.yaml", f"train.seed={seed}", name=name, root=tmp_path)
        grids.append((tmp_path / "tiny" / name / "samples/step-0000000.png").read_bytes())
        values.append(lines(tmp_path / "tiny" / name / "results.jsonl")[0]["values"])
    assert grids[0] == (trained / "samples/step-0000000.png").read_bytes() != grids[1]
    assert values[0] == lines(trained / "results.jsonl")[0]["values"] != values[1]


@pytest.mark.parametrize("start", ["content", "noise"])
def test_each_image_is_translated_by_itself(home: Path, start: str) -> None:
    made = method(home, start=start)
    step = batch_step(3, SIZE, samples=[4, 9, 2], index=-1, training=False)
    with torch.no_grad():
        made.forward(step)
    for i, sample in enumerate(step.samples):
        for source, target in ("AB", "BA"):
            alone = Step({}, samples=[sample], index=-1, training=False)
            one = made.translate(step[f"real_{source}"][i : i + 1], "AB" if source == "A" else "BA", alone)
            assert torch.equal(one[0], step[f"fake_{target}"][i])
    assert list(made.tensors) == ["fake_B", "fake_A"]


def test_the_style_is_that_of_a_random_painting(home: Path) -> None:
    """Drawn by seed, step and sample, of the target's paintings; all of them in time."""
    made, images = method(home), batch_step(1, SIZE)["real_A"]
    kept = made.networks["paintings_B"]
    styles = [made.style_of(kept(torch.tensor([number])), "B") for number in range(5)]
    drawn = set()
    for sample in range(30):
        step = Step({}, samples=[sample], index=-1, training=False)
        (number,) = [i for i, one in enumerate(styles) if torch.equal(one, made.draw_style("B", step.rng("style_B")))]
        drawn.add(number)
        if sample < 3:
            given = Step({"style": styles[number]}, samples=[99], index=-1, training=False)
            assert torch.equal(made.translate(images, "AB", step), made.translate(images, "AB", given))
    assert drawn == set(range(5))
    one, other = (Draws([keyed(0, i, "style")]) for i in range(2))
    assert made.draw_style("A", one).shape == (1, made.style_size("A")) == made.draw_style("A", other).shape


def test_noise_is_keyed_by_the_sample(home: Path) -> None:
    made, images = method(home, start="noise", style=0.0, steps=1), batch_step(1, SIZE)["real_A"]
    results = [made.translate(images, "AB", Step({}, samples=[one], index=-1)) for one in (0, 0, 1)]
    assert torch.equal(results[0], results[1]) and not torch.equal(results[0], results[2])


def test_one_direction_alone(home: Path) -> None:
    made = method(home, direction="BA", normalize=False)
    assert made.directions == ("BA",) and list(made.tensors) == ["fake_A"] and set(made.slots) == {"paintings_A"}
    step = batch_step(1, SIZE, training=False)
    made.forward(step)
    assert "fake_A" in step and "fake_B" not in step
    assert Gatys.directions == ("AB", "BA")


def test_outside_of_a_mask_an_image_is_unchanged(home: Path) -> None:
    class Half(Constant):
        def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
            mask = super().forward(image, rng, given)
            mask[..., : SIZE // 2] = 0
            return mask

    step = batch_step(1, SIZE, training=False)
    method(home, maskers={"composite": Half(1.0)}).forward(step)
    assert torch.equal(step["fake_B"][..., : SIZE // 2], step["real_A"][..., : SIZE // 2])
    assert (step["fake_B"] != step["real_A"])[..., SIZE // 2 :].float().mean() > 0.9


def test_grey_images(home: Path) -> None:
    made = Gatys(weights=home / "vgg19.safetensors", steps=2, paintings=2, normalize=False)
    made.bind(made.setup(zeros_step({"A": 1, "B": 1}, SIZE)), Roles())
    step = Step({"real_A": torch.rand(1, 1, SIZE, SIZE), "real_B": torch.rand(1, 1, SIZE, SIZE)}, training=False)
    made.forward(step)
    assert step["fake_B"].shape == (1, 1, SIZE, SIZE)


class Labels(Noise):
    classes = {"A": 3}  # noqa: RUF012


def test_what_it_refuses(home: Path) -> None:
    weights = home / "vgg19.safetensors"
    assert refusal(Gatys, weights=weights, content=0.0, style=0.0).startswith("gatys: content and style are both 0")
    message = refusal(Gatys, weights=weights, style_layers={"relu6_1": 1.0})
    assert message == "VGG-19 has no layer 'relu6_1' (did you mean 'relu5_1'?)"
    made = Gatys(weights=weights)
    for channels in ({"A": 3, "B": 1}, {"A": 4, "B": 4}):
        assert refusal(made.setup, zeros_step(channels, SIZE)).startswith("gatys: images of both domains must have 1")
    assert refusal(made.prepare, Reader(Labels(), ImageSettings(size=SIZE))).startswith("gatys: label maps have no")


def test_mistakes_in_a_recipe_are_reported_with_their_line(home: Path, run: Run) -> None:
    code, _, err = run("check", home / "tiny.yaml", "method.style_layers={relu1_9: 1}")
    assert code == 2 and "method: VGG-19 has no layer 'relu1_9'" in err
    code, _, err = run("check", home / "tiny.yaml", "method.weights=no.pth")
    assert code == 5 and "method.weights: no.pth: no such weights file" in err and err.count("\n") == 1


def test_check_reports_the_time_for_an_image(home: Path, run: Run) -> None:
    code, message, err = run("check", home / "tiny.yaml", "method.steps=1")
    assert (code, err) == (0, "")
    assert "\nnothing to train\n" in message and "s for an image of each domain\n" in message
    assert f"method.weights: {(home / 'vgg19.safetensors').stat().st_size / 1024:.1f} KiB on disk" in message


def test_a_run_is_resumed_only_with_the_same_weights(home: Path, tmp_path: Path) -> None:
    mine = tmp_path / "vgg.safetensors"
    mine.write_bytes((home / "vgg19.safetensors").read_bytes())
    ganzoo.run(home / "tiny.yaml", f"method.weights={mine}", "evaluate.metrics=[]", root=tmp_path)
    write_vgg(mine, 19, seed=1)
    message = refusal(ganzoo.run, home / "tiny.yaml", f"method.weights={mine}", "evaluate.metrics=[]", root=tmp_path)
    assert "sources.method.weights: " in message


def translated(run: Run, *words: object, out: Path) -> dict[str, np.ndarray]:
    """Run translate; return the images that it wrote, by their place."""
    code, message, err = run("translate", *words, "-o", out)
    assert (code, err) == (0, ""), message
    return {str(one.relative_to(out)): np.asarray(Image.open(one)) for one in sorted(out.rglob("*.png"))}


def test_a_style_can_be_passed(home: Path, trained: Path, run: Run, tmp_path: Path) -> None:
    source, look = files(home / "images/testB")[0], files(home / "images/testA")[1]
    words = (trained, source, "--direction", "BA")
    (given,) = translated(run, *words, "--style", look, out=tmp_path / "given").values()
    translator = ganzoo.load(trained)
    style = translator.method.style_of(to_float(read_image(look, 3))[None], "A")
    made = translator.translate_step(to_float(read_image(source, 3))[None], "BA", style=style)[TRANSLATED]
    assert np.abs(((made[0] + 1) * 127.5).permute(1, 2, 0).numpy() - given).max() <= 1
    several = translated(run, *words, "--style", look, "--style", "random", "--samples", 2, out=tmp_path / "several")
    assert list(several) == [f"1-{look.stem}/00.png", "2-random/00.png", "3-random/00.png"]
    assert np.array_equal(several[f"1-{look.stem}/00.png"], given)
    between = translated(run, *words, "--style", look, "--style", "random", "--interpolate", 3, out=tmp_path / "line")
    assert list(between) == ["1/00.png", "2/00.png", "3/00.png"] and np.array_equal(between["1/00.png"], given)
    code, _, err = run("translate", *words, "--style=1,2", "-o", tmp_path / "no")
    assert code == 2 and f"a style of domain A has {translator.method.style_size('A')}" in err


def test_an_image_with_a_style_is_scaled_as_the_training_images(trained: Path, tmp_path: Path) -> None:
    look = save(tmp_path / "look.png", noise(48, 60, 3))
    translator = ganzoo.load(trained)
    (style,) = style_options(translator, "BA", [str(look)])
    assert style.vector is not None
    with Image.open(look) as opened:
        small = np.asarray(opened.resize((20, SIZE), Image.Resampling.BICUBIC))
    torch.testing.assert_close(style.vector, translator.method.style_of(to_float(small)[None], "A"))


class Shades(Noise):
    """Images of noise, each of another brightness."""

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        drawn = super().sample(split, domain, index)
        return Sample((drawn.image // 4 + 15 * index).astype(np.uint8), drawn.name)


def test_the_style_of_a_translation_is_the_requested_one(home: Path) -> None:
    """The metric's R²: near 1 after many steps for style alone, far below after one."""
    made = method(home, content=0.0, start="noise", steps=100)
    made.prepare(Reader(Shades(), ImageSettings(size=SIZE)))
    measure = ganzoo.create("metric", "style_recovery", styles=3)
    measure.bind(made, Reader(Shades(), ImageSettings(size=SIZE)))
    measure.prepare(0)
    found = []
    for made.steps in (100, 1):
        step = batch_step(2, SIZE, index=-1, training=False)
        found.append(measure.compute(measure.rows(step, "AB"), {})["style_r2"])
    assert found[0] > 0.9 and found[1] < 0.5


@pytest.mark.slow
def test_two_processes_measure_what_one_does(home: Path, trained: Path, tmp_path: Path) -> None:
    folder = float64_run(home / "tiny.yaml", tmp_path, "evaluate.batch=1", processes=2)
    (here,), (there,) = (lines(one / "results.jsonl") for one in (trained, folder))
    assert there["values"] == pytest.approx(here["values"], rel=1e-6)
    assert [one.name for one in files(folder / "samples")] == ["step-0000000.png"]
    assert (folder / "checkpoints/last/process-1.safetensors").is_file()


def test_missing_weights_are_one_mistake_alone(tmp_path: Path) -> None:
    """Without the method it is not known that it has nothing to train: no length is asked for."""
    recipe = tmp_path / "gatys.yaml"
    method = {"method": "gatys", "weights": str(tmp_path / "nowhere.pth")}
    recipe.write_text(yaml.safe_dump({"method": method, "data": {"dataset": "striped_digits"}}))
    assert "nowhere.pth: no such weights file" in refusal(read_recipe, recipe)
