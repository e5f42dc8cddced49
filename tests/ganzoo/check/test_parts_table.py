"""``ganzoo check`` prints the resolved recipe and the table of parts; it trains nothing and writes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor, nn

from ganzoo.build import Experiment
from ganzoo.check.parts_table import check, training_bytes
from ganzoo.data.sample_cache import entry_bytes
from ganzoo.data.sampler import image_counts
from ganzoo.engine.distributed import start_accelerator
from ganzoo.errors import GanzooError
from ganzoo.interfaces import (
    Dataset,
    Direction,
    Loss,
    Masker,
    Method,
    Metric,
    Optim,
    Output,
    Phase,
    Sample,
    Slot,
    Split,
)
from ganzoo.plugins import Plugins, find_entry_points
from ganzoo.randomness import Draws
from ganzoo.recipe.reader import read_recipe
from ganzoo.registry import Registration
from ganzoo.step import Step

TINY = """\
method: cyclegan
networks: {G: {generator: resnet, width: 4, blocks: 1}, D: {discriminator: patch, width: 4, layers: 1}}
data: {dataset: squares, count: 5}
images: {size: 16}
train: {epochs: 3, batch: 2}
"""


class Squares(Dataset):
    """Images with masks and without labels; the number of channels in A is an option."""

    def __init__(self, *, count: int = 5, channels: int = 3, paired: bool = False) -> None:
        self.size = count
        self.paired = paired
        self.channels = {"A": channels, "B": 3}

    def count(self, split: Split, domain: str) -> int:
        return self.size if split == "train" else 2

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        image = np.full((20, 24, self.channels[domain]), index, np.uint8)
        return Sample(image, f"{index}", mask=np.full((20, 24), 255, np.uint8))


class FromFile(Masker):
    """Returns the mask that the data set provides."""

    needs = ("given",)

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        if given is None:
            raise GanzooError("the data set provides no mask")
        return given


class Labelled(Loss):
    """Reads labels."""

    def forward(self, image: Tensor, labels: Tensor) -> Tensor:
        return image.mean()


class Codec(nn.Module):
    """Is called by encode and decode."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.inner = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def encode(self, image: Tensor) -> Tensor:
        return self.inner(image)

    def decode(self, code: Tensor) -> Tensor:
        return code


class Scales(nn.Module):
    """Discriminates at two scales."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(in_channels, 1, 1)

    def forward(self, image: Tensor) -> list[Tensor]:
        return [self.score(image), self.score(image[..., ::2, ::2])]


class Awkward(Method):
    """Needs pairs, calls encode and decode of its generator, runs a fresh forward, builds a network at setup."""

    paired: ClassVar[bool] = True
    directions: ClassVar[tuple[Direction, ...]] = ("AB",)

    def __init__(self) -> None:
        self.slots = {
            "G": Slot("generator", ("A",), "B", calls=("encode", "decode"), default={"generator": "codec"}),
            "D": Slot("discriminator", ("A", "B"), default={"discriminator": "scales"}),
            "F": Slot(""),
        }
        self.optims = {"all": Optim(("G", "D", "F"))}
        self.phases = [Phase("only", ("all",), self.losses, forward="fresh")]
        self.tensors = {"fake_B": Output("A", "B")}
        self.drawn: list[str] = []

    def setup(self, example: Step) -> dict[str, nn.Module]:
        return {"F": nn.Linear(example["real_A"].shape[-1], 2)}

    def forward(self, step: Step) -> None:
        assert "fake_B" not in step
        self.drawn.append(step.phase)
        codec: Any = self.networks["G"]
        step["fake_B"] = codec.decode(codec.encode(step["real_A"]))

    def losses(self, step: Step) -> dict[str, Tensor]:
        assert self.drawn == ["", "only"]
        scores = self.networks["D"](torch.cat([step["real_A"], step["fake_B"]], 1))
        return {"adv": scores[0].mean(), "patch": self.networks["F"](step["fake_B"]).mean()}


class Refuses(Metric):
    """Cannot be built."""

    def __init__(self) -> None:
        raise GanzooError("its weights are not here")

    def rows(self, step: Step, direction: str) -> dict[str, Tensor]:
        return {}


@pytest.fixture(autouse=True)
def _parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    known, mine = Plugins(), Registration("testing")
    known.load(find_entry_points())
    for kind, name, component in [
        ("dataset", "squares", Squares), ("masker", "from_file", FromFile), ("loss", "labelled", Labelled),
        ("generator", "codec", Codec), ("discriminator", "scales", Scales), ("method", "awkward", Awkward),
        ("metric", "refuses", Refuses),
    ]:  # fmt: skip
        mine.add(kind, name, component)
    known.registry.accept(mine)
    monkeypatch.setattr("ganzoo.recipe.reader.plugins", lambda: known)
    monkeypatch.chdir(tmp_path)


def write(text: str) -> Path:
    Path("r.yaml").write_text(text)
    return Path("r.yaml")


def check_output(
    capsys: pytest.CaptureFixture[str], text: str, *overrides: str
) -> tuple[Any, dict[str, list[str]], str]:
    """Return the printed recipe, the table's cells by part, and the last line."""
    check(write(text), overrides, quick=True)
    head, _, tail = capsys.readouterr().out.partition("\n\n")
    *table, last = tail.strip().splitlines()
    starts = [table[0].index(title) for title in ("part", "component", "in → out", "parameters", "phase")]
    rows = [[line[a:b].strip() for a, b in zip(starts, [*starts[1:], None], strict=True)] for line in table[2:]]
    return yaml.safe_load(head), {row[0]: row[1:] for row in rows if row[0]}, last


def test_it_prints_the_resolved_recipe_and_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    resolved, table, last = check_output(capsys, TINY, "train.batch=1")
    assert resolved == read_recipe("r.yaml", ["train.batch=1"]).resolved()
    assert resolved["networks"]["G_BA"]["norm"] == "instance"
    assert table == {
        "G_AB": ["resnet", "3×16×16 → 3×16×16", "8,739", "generator"],
        "G_BA": ["resnet", "3×16×16 → 3×16×16", "8,739", "generator"],
        "D_A": ["patch", "3×16×16 → 1×6×6", "845", "discriminator"],
        "D_B": ["patch", "3×16×16 → 1×6×6", "845", "discriminator"],
        "data: train": ["squares", "5 A, 5 B", "", ""],
        "data: validation": ["squares", "2 A, 2 B", "", ""],
        "data: test": ["squares", "2 A, 2 B", "", ""],
    }
    assert last == "15 steps of 1 images per domain, 5 per epoch"


def test_the_papers_networks_have_the_papers_sizes(capsys: pytest.CaptureFixture[str]) -> None:
    _, table, _ = check_output(capsys, TINY.replace("networks:", "#"), "images.size=32")
    assert table["G_AB"][2] == "11,378,179"
    assert table["D_A"][2] == "2,764,737"


def test_channels_masks_and_losses_are_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    text = TINY + "maskers: {discriminator: from_file}\nlosses: {tv: {loss: total_variation, of: fake_A}}\n"
    _, table, _ = check_output(capsys, text, "data.channels=4", "method.identity=0")
    assert table["G_AB"][1] == "4×16×16 → 3×16×16"
    assert table["G_BA"][1] == "3×16×16 → 4×16×16"
    assert table["D_A"][1] == "4×16×16 → 1×6×6"
    assert table["mask: discriminator"][0] == "from_file"
    assert table["loss: tv"] == ["total_variation", "image = fake_A", "", "generator"]


def test_awkward_methods_are_shown_too(capsys: pytest.CaptureFixture[str]) -> None:
    _, table, _ = check_output(
        capsys, "method: awkward\ndata: {dataset: squares, paired: true}\nimages: {size: 16}\ntrain: {steps: 1}\n"
    )
    assert table["G"] == ["codec", "called by: encode, decode", "9", "only"]
    assert table["D"] == ["scales", "6×16×16 → 1×16×16, 1×8×8", "7", "only"]
    assert table["F"] == ["(the method's own)", "3×16×16 → 3×16×2", "34", "only"]


def test_it_trains_nothing_and_writes_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(torch.optim.Optimizer, "__init__", lambda *_: pytest.fail("an optimizer was created"))
    monkeypatch.setattr(Tensor, "backward", lambda *_: pytest.fail("a gradient was computed"))
    check_output(capsys, TINY)
    assert [path.name for path in tmp_path.iterdir()] == ["r.yaml"]


def test_the_table_is_not_wrapped_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    _, table, _ = check_output(capsys, TINY)
    assert table["G_AB"][1] == "3×16×16 → 3×16×16"


def test_control_characters_of_foreign_texts_are_escaped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Squares, "notes", lambda self: ["a\x1b[2J.gif has 3 frames"])
    check(write(TINY), quick=True)
    assert "\na\\x1b[2J.gif has 3 frames\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["train.batch=6"],
            "data: domain A has 5 training images (without those for validation), fewer than the 6 of one step",
        ),
        (["method=awkward", "networks=null"], "the method 'awkward' learns from pairs, but the data set 'squares' has"),
        (["data.channels=4"], "method.identity: the domains differ in channels"),
        (
            ["losses.x={loss: labelled, of: {image: fake_B, labels: given_labels_A}}"],
            "losses.x: there is no tensor",
        ),
        (["losses.cycle_A={loss: total_variation, of: fake_B}"], "losses.cycle_A: the method has a term of this name"),
        (["evaluate.metrics=[refuses]"], "evaluate.metrics: refuses: its weights are not here"),
    ],
)
def test_mistakes_that_show_only_when_the_parts_are_built(overrides: list[str], message: str) -> None:
    with pytest.raises(GanzooError) as error:
        check(write(TINY), overrides)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("data", "images"),
    [
        ("{dataset: folders, root: ROOT}", "{size: 16, load: 20}"),
        ("{dataset: folders, root: ROOT}", "{size: 16, load: 20, fit: cover}"),
        ("{dataset: folders, root: ROOT}", "{size: 16, fit: crop}"),
        ("{dataset: folders, root: ROOT, range: {A: [0, 4095]}, channels: {A: 1}}", "{size: 16, load: 20}"),
        ("{dataset: paired, layout: folders, root: ROOT}", "{size: 16, load: 20}"),
    ],
)
def test_the_memory_of_training_images_is_what_their_cache_takes(tmp_path: Path, data: str, images: str) -> None:
    for domain in "AB":
        for number in range(12):
            file = tmp_path / f"images/train{domain}/{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.random.default_rng(number).integers(0, 256, (20, 30, 3), np.uint8)
            deep = "range" in data and domain == "A"
            Image.fromarray(pixels[:, :, 0].astype(np.uint16) if deep else pixels).save(file)
    recipe = tmp_path / "recipe.yaml"
    rest = "method: {method: cyclegan, identity: 0}\nnetworks: {G: {width: 4, blocks: 1}}\ntrain: {steps: 1}\n"
    recipe.write_text(f"{rest}data: {data.replace('ROOT', str(tmp_path / 'images'))}\nimages: {images}\n")
    experiment = Experiment(read_recipe(recipe), start_accelerator())
    reader, counts = experiment.reader, image_counts(experiment.dataset, "train")
    kept = [
        reader.read("train", domain, index, reader.images.read_shape, draft=True)
        for domain, count in counts.items()
        for index in range(count)
    ]
    assert training_bytes(reader, counts) == sum(map(entry_bytes, kept)) > 0
