"""Test that the README and docs are true: commands, recipes, lists of names, tables."""

from __future__ import annotations

import importlib
import inspect
import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo
from ganzoo.bench.page import update_page
from ganzoo.bench.spec import read_spec, resolve_places
from ganzoo.data.video_writer import CODECS
from ganzoo.engine.discriminators.adaptive import AdaptiveAugmentation
from ganzoo.errors import GanzooError
from ganzoo.inference.output import FORMATS
from ganzoo.interfaces import AdversarialLoss, Method
from ganzoo.masks.roles import ROLES
from ganzoo.plugins import INTERFACE, Plugins, plugins
from ganzoo.provenance.fingerprint import portable
from ganzoo.randomness import Draws, keyed
from ganzoo.recipe.reader import read_recipe
from ganzoo.registry import KINDS
from ganzoo.weights.manifest import read_manifest
from ganzoo_digits.dataset import StripedDigits
from tests.support.command_line import Run
from tests.support.pages import PAGES, ROOT, blocks, commands
from tests.support.small_networks import MUNIT_SMALL
from tests.support.tiny_run import make_images
from tests.support.untrained_runs import write_untrained_run
from tests.support.vgg_networks import write_vgg
from tests.support.videos import frames_of, read_video, write_video


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as GitHub builds them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)  # code indexes like links
    for file, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", text):
        target = page.parent / file if file else page
        assert target.is_file(), f"{page.name} links to {file}"
        assert not anchor or anchor in anchors(target), f"{page.name} links to {file}#{anchor}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_tests_that_a_page_names_exist(page: Path) -> None:
    # the tutorial shows in full the test files of the package that it writes
    written = dict(re.findall(r"`([\w/.]+)`:\n\n```python\n(.*?)```", page.read_text(), re.DOTALL))
    for file, name in re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text()):
        test = f"\ndef {name}(" if name else "\ndef test_"
        if file in written:
            assert "component_tests(" in written[file]
            continue
        assert test in (ROOT / file).read_text(), f"{page.name} names {file}::{name}"


def test_the_readme_links_every_page() -> None:
    linked = set(re.findall(r"\(docs/(\w+\.md)", (ROOT / "README.md").read_text()))
    assert linked == {page.name for page in (ROOT / "docs").glob("*.md")}


def test_the_make_targets_of_the_readme_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        match
        for page in [*PAGES, ROOT / "CONTRIBUTING.md"]
        for match in re.findall(r"make ([a-z-]+)`", page.read_text())
    }
    assert {"quickstart", "test", "test-slow", "test-gpu"} <= named | targets
    assert named <= targets


def test_the_recipe_of_the_readme_is_valid(tmp_path: Path) -> None:
    *parts, masks = sorted(blocks(ROOT / "README.md", "yaml"), key=lambda text: text.startswith("maskers"))
    (tmp_path / "readme.yaml").write_text("".join(parts) + masks)
    recipe = read_recipe(tmp_path / "readme.yaml")
    assert recipe.networks["G_BA"].options["blocks"] == 6
    assert recipe.maskers["composite"].component.name == "learned"


def test_the_masks_of_the_docs_are_valid(tmp_path: Path) -> None:
    for text, name in zip(blocks(ROOT / "docs/masks.md", "yaml"), ("file", "difference", "learned"), strict=True):
        (tmp_path / "masks.yaml").write_text(text + f"base: {ROOT}/recipes/quickstart.yaml\n")
        assert read_recipe(tmp_path / "masks.yaml").maskers["composite"].component.name == name
    assert text in (ROOT / "recipes/learned_digits.yaml").read_text()


def test_the_page_of_masks_names_every_masker_and_role() -> None:
    page = (ROOT / "docs/masks.md").read_text()
    assert all(f"`{one.name}`" in page for one in plugins().registry.find("masker") if one.plugin == "maskers")
    assert all(f"| `{role}` |" in page for role in ROLES)


@pytest.mark.parametrize("role", ["input", "discriminator", "composite"])
def test_the_page_of_masks_names_the_methods_of_a_role(role: str) -> None:
    page = (ROOT / "docs/masks.md").read_text()
    (row,) = re.findall(rf"^\| `{role}` \|.*\| (.*) \|$", page, re.MULTILINE)
    found = [one for one in plugins().registry.find("method") if one.plugin != "example"]
    methods: dict[str, Any] = {one.name: one.load() for one in found}
    assert re.findall(r"`(\w+)`", row) == sorted(name for name, one in methods.items() if role in one.accepts)


def test_the_page_of_metrics_names_every_metric() -> None:
    page = (ROOT / "docs/metrics.md").read_text()
    named = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert sorted(named) == sorted(one.name for one in plugins().registry.find("metric") if one.plugin != "example")


def test_the_metrics_of_the_docs_are_valid(tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "docs/metrics.md", "yaml")
    (tmp_path / "metrics.yaml").write_text(text + f"base: {ROOT}/recipes/quickstart.yaml\n")
    assert len(read_recipe(tmp_path / "metrics.yaml").metrics) == 2


@pytest.mark.parametrize(
    ("page", "expected"),
    [
        ("sizes", [((256, 512), (286, 572)), ((256, 256), (320, 320)), ((256, 256), None), ((256, 256), (286, 286))]),
        ("recipes", [((32, 32), (32, 32))]),
    ],
)
def test_the_sizes_and_learning_rates_of_the_docs_are_valid(
    tmp_path: Path, page: str, expected: list[tuple[object, object]]
) -> None:
    texts = [text for text in blocks(ROOT / f"docs/{page}.md", "yaml") if page == "sizes" or "lr_policy" in text]
    recipes = []
    for text in texts:
        (tmp_path / "sizes.yaml").write_text(f"{text}base: {ROOT}/recipes/quickstart.yaml\n")
        recipes.append(read_recipe(tmp_path / "sizes.yaml"))
    assert [(recipe.images.shape, recipe.images.load_shape) for recipe in recipes] == expected
    if page == "recipes":
        assert (recipes[0].train.lr_policy, recipes[0].train.warmup, recipes[0].train.decay) == ("cosine", 500, 1.0)


def test_the_inheriting_recipe_of_the_docs_is_valid(tmp_path: Path) -> None:
    (text,) = [one for one in blocks(ROOT / "docs/recipes.md", "yaml") if "base: " in one]
    (tmp_path / "over.yaml").write_text(text.replace("base: ", f"base: {ROOT}/recipes/"))
    recipe = read_recipe(tmp_path / "over.yaml")
    assert (recipe.networks["G_AB"].options["blocks"], recipe.networks["G_AB"].options["width"]) == (6, 64)
    assert (recipe.train.steps, recipe.train.epochs, recipe.losses) == (1000, 0, {})


def test_the_losses_of_the_docs_attach(tmp_path: Path) -> None:
    text = blocks(ROOT / "docs/recipes.md", "yaml")[0]
    (tmp_path / "losses.yaml").write_text(text + "base: base.yaml\n")
    (tmp_path / "base.yaml").write_text((ROOT / "recipes/quickstart.yaml").read_text())
    recipe = read_recipe(tmp_path / "losses.yaml")
    assert recipe.losses["colours"].kind_options["of"] == {"image": "fake_B", "target": "real_A"}
    assert recipe.losses["smooth"].kind_options["of"] == {"image": "fake_B"}


def test_the_table_spec_of_the_docs_is_valid(tmp_path: Path) -> None:
    table, matrix = blocks(ROOT / "docs/benchmarks.md", "yaml")
    (tmp_path / "zebras.yaml").write_text(table.replace("../recipes", f"{ROOT}/recipes"))
    bench = read_spec(tmp_path / "zebras.yaml")
    assert [column.value for column in bench.spec.columns] == ["fid_AB"]
    assert read_spec(tmp_path / "zebras.yaml", "small").spec.seeds == [0]
    columns_and_paper = re.compile(r"columns:\n.*\npaper: .*\n")
    (tmp_path / "matrix.yaml").write_text(columns_and_paper.sub(matrix, table).replace("../recipes", f"{ROOT}/recipes"))
    assert read_spec(tmp_path / "matrix.yaml").spec.matrix


def test_the_perceptual_term_of_the_docs_trains(tmp_path: Path) -> None:
    (text,) = [one for one in blocks(ROOT / "docs/munit.md", "yaml") if "perceptual" in one]
    weights = write_vgg(tmp_path / "vgg16.safetensors", 16)
    recipe = tmp_path / "perceptual.yaml"
    recipe.write_text(text.replace("vgg16.weight", str(weights)) + f"base: {ROOT}/recipes/munit_digits.yaml\n")
    small = ["networks.G.width=2", "networks.D.width=2", "train.batch=2", "evaluate.every=0"]
    values = ganzoo.run(recipe, *small, "train.steps=1", "evaluate.metrics=[cycle_l1]", root=tmp_path)
    logged = (tmp_path / "perceptual/default/metrics.jsonl").read_text()
    assert values and '"generator/vgg_AB": ' in logged and '"generator/vgg_BA": ' in logged


def test_the_plugin_of_the_docs_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs/plugins.md").read_text()
    for name, text in re.findall(r"`([\w/.]+)`:\n\n```\w+\n(.*?)```", page, re.DOTALL):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    declared = tomllib.loads((tmp_path / "pyproject.toml").read_text())["project"]["entry-points"]["ganzoo"]
    monkeypatch.syspath_prepend(tmp_path)
    loaded = Plugins()
    loaded.load([EntryPoint(name, value, "ganzoo") for name, value in declared.items()])
    masker = loaded.registry.get("masker", "left").load()(share=0.25)
    mask = masker(torch.zeros(1, 3, 4, 8), Draws([keyed(0)]))
    assert mask.shape == (1, 1, 4, 8)
    assert mask[0, 0, 0].tolist() == [1.0, 1.0] + [0.0] * 6


def test_the_page_of_weights_lists_all_weights() -> None:
    page = (ROOT / "docs/weights.md").read_text()
    table = re.search(r"<!-- weights table.*?-->\n(.*?)<!-- end", page, re.DOTALL)
    assert table
    rows = [f"| `{one.name}` | {one.size:,} | {one.licence or 'unknown'} | `{one.file}` | `{one.sha256[:16]}…` |"
            for one in plugins().registry.weights.values()]  # fmt: skip
    assert table[1].splitlines()[2:] == rows
    assert all(len(one.sha256) == 64 for one in plugins().registry.weights.values())  # as the page says


def test_the_list_of_weights_of_the_docs_is_valid(tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "docs/weights.md", "toml")
    (tmp_path / "weights.toml").write_text(text)
    (entry,) = read_manifest(tmp_path / "weights.toml")
    assert (entry.name, entry.file, entry.size) == ("mine/faces", "mine-faces.safetensors", 1234567)


def test_the_exported_file_of_the_docs_translates_as_the_run(tmp_path: Path) -> None:
    run = write_untrained_run(
        tmp_path / "run",
        {"method": "cyclegan", "networks": {"G": {"generator": "resnet", "width": 2, "blocks": 0}}},
    )
    ganzoo.export(run, tmp_path / "stripes.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (19, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "digit.png")
    code = "".join(blocks(ROOT / "docs/exporting.md", "python")) + (
        "import sys\nassert about['recipe'] and not {'ganzoo', 'torch'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, check=True)
    with Image.open(tmp_path / "striped.png") as translated:
        expected = np.asarray(ganzoo.load(run).translate(tmp_path / "digit.png"), np.int16)
        assert np.abs(np.asarray(translated, np.int16) - expected).max() <= 1
    assert expected.std() > 5


def test_the_commands_of_the_page_of_videos_run(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each command on a small video; the table of codecs is that of the code."""
    page = ROOT / "docs/video.md"
    runs = {
        "quickstart": {"method": "cyclegan", "networks": {"G": {"generator": "resnet", "width": 2, "blocks": 0}}},
        "munit_digits": {"method": "munit", "networks": MUNIT_SMALL},
    }
    runs["learned_digits"] = {**runs["quickstart"], "maskers": {"composite": {"masker": "learned", "width": 2}}}
    for name, recipe in runs.items():
        write_untrained_run(tmp_path / "runs" / name / "default", recipe)
    for name in ("clip.mp4", "clips/a.mov"):
        write_video(tmp_path / name, frames_of(3), codec="libx264", pixels="yuv420p")
    monkeypatch.chdir(tmp_path)
    words = [one for block in blocks(page, "sh") for one in commands(block)]
    assert len(words) == 5
    for one in words:
        assert run(*one)[0] == 0
    assert {one.name for one in tmp_path.glob("*.mp4")} == {"clip.mp4", "striped.mp4", "out.mp4"}
    assert len(read_video(tmp_path / "striped/a.mov").frames) == 3
    rows = re.findall(r"^\| `(\w+)`.*?\| (`\..*?) \| (.*) \|$", page.read_text(), re.MULTILINE)
    assert [name for name, *_ in rows] == list(CODECS)
    for name, suffixes, factors in rows:
        codec = CODECS[name]
        assert suffixes == ", ".join(f"`{suffix}`" for suffix in codec.suffixes)
        assert factors == (f"0 … {codec.highest}, by default {codec.crf}" if codec.crf else "none: it has no loss")


def test_the_formats_of_the_page_of_images_are_those_of_the_command() -> None:
    page = (ROOT / "docs/images.md").read_text().split("## Files of translations")[1]
    assert tuple(re.findall(r"^\| `(\w+)` \|", page.split("##")[0], re.MULTILINE)) == FORMATS


def test_the_tables_of_the_search_match_their_records() -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "benchmarks/retrieval.py", "--check"], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("records", sorted((ROOT / "benchmarks").glob("*.jsonl")), ids=lambda file: file.stem)
def test_records_hold_no_paths_of_a_machine(records: Path) -> None:
    lines = [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines()]
    assert lines and portable(lines) == lines
    assert portable([{"bank": str(records.resolve())}]) == [{"bank": records.name}]


def test_an_edited_value_is_detected(tmp_path: Path) -> None:
    """Change one digit of the README's table; every table is checked by the same code."""
    text = (ROOT / "README.md").read_text()
    head, table = text.split("<!-- quickstart table", 1)
    spec = (ROOT / "benchmarks/quickstart.yaml").read_text().replace("../README.md", "README.md")
    (tmp_path / "quickstart.yaml").write_text(spec.replace("../recipes", f"{ROOT}/recipes"))
    shutil.copy(ROOT / "benchmarks/quickstart.jsonl", tmp_path)
    (tmp_path / "README.md").write_text(text)
    places = resolve_places(tmp_path, None)
    update_page(read_spec(tmp_path / "quickstart.yaml"), places, check=True)
    edited = re.sub(r"(\d)\.(\d) ±", r"\1.9 ±", table, count=1)
    assert edited != table
    (tmp_path / "README.md").write_text(f"{head}<!-- quickstart table{edited}")
    with pytest.raises(GanzooError, match="not what its records give"):
        update_page(read_spec(tmp_path / "quickstart.yaml"), places, check=True)


def listed_names(section: str) -> list[str]:
    """Return the names in the tables of one section of docs/interface.md, each the first cell of its row."""
    page = (ROOT / "docs/interface.md").read_text()
    (text,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## )", page, re.DOTALL | re.MULTILINE)
    return re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)


@pytest.mark.parametrize("module", ["ganzoo", "ganzoo.interfaces", "ganzoo.weights", "ganzoo.testing"])
def test_the_page_of_the_interface_lists_every_public_name(module: str) -> None:
    assert sorted(listed_names(module)) == sorted(importlib.import_module(module).__all__)


def test_the_page_of_the_interface_lists_every_function_of_a_method() -> None:
    section = (ROOT / "docs/interface.md").read_text().split("## A method's calls, in order")[1]
    functions = [name for name, value in vars(Method).items() if inspect.isfunction(value)]
    assert functions
    assert [name for name in functions if not re.search(rf"`{name}[`(]", section)] == []


def test_the_page_of_the_interface_names_its_version() -> None:
    assert f"`GANZOO_INTERFACE = {INTERFACE}`" in (ROOT / "docs/interface.md").read_text()


def subclasses(error: type[GanzooError]) -> list[type[GanzooError]]:
    """Return an error class and all classes derived from it."""
    return [error, *(derived for direct in error.__subclasses__() for derived in subclasses(direct))]


def test_the_page_of_errors_lists_every_class_with_its_exit_code() -> None:
    page = (ROOT / "docs/errors.md").read_text()
    listed = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", page, re.MULTILINE))
    public = [error for error in subclasses(GanzooError) if error.__module__ == "ganzoo.errors"]
    codes = {error.__name__: str(error.exit_code) for error in public}
    assert listed == {**codes, "RunInterruptedError": "128 + signal"}
    assert all(f"| {code} |" in page for code in (0, 1, 2, 130, 141))


def test_the_glossary_has_every_kind_and_role() -> None:
    page = (ROOT / "docs/glossary.md").read_text()
    (kinds,) = re.findall(r"^\| kind \| (.*) \|$", page, re.MULTILINE)
    assert sorted(re.findall(r"`(\w+)`", kinds)) == sorted(KINDS)
    assert all(f"| `{role}` |" in page for role in ROLES)


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (text,) = blocks(ROOT / "README.md", "python")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    exec(re.sub(r"\b(recipes|docs)/", rf"{ROOT}/\1/", text), names)
    assert names["image"].size == (32, 32)  # type: ignore[attr-defined]
    assert "classified_B" in names["values"]  # type: ignore[operator]


def test_the_quickstarts_images_for_a_first_translation_are_digits_that_it_has_not_seen() -> None:
    digits = StripedDigits()
    held_out = [digits.sample("test", "A", index).image for index in range(digits.count("test", "A"))]
    files = sorted((ROOT / "docs/digits").iterdir())
    assert (
        f"docs/digits -o striped    # writes striped/{', '.join(one.name for one in files)}\n"
        in (ROOT / "README.md").read_text()
    )
    for file in files:
        assert any(np.array_equal(np.asarray(Image.open(file)), image) for image in held_out), file


def test_the_recipe_on_the_page_of_few_images_is_read(tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "docs/few_images.md", "yaml")
    make_images(tmp_path / "horse2zebra", train=60)
    recipe = tmp_path / "few.yaml"
    recipe.write_text(text.replace("data/horse2zebra", str(tmp_path / "horse2zebra")) + "train: {steps: 8}\n")
    read = read_recipe(recipe)
    assert read.networks["D_B"].kind_options["noise"] == {"sigma": 0.1, "until": 0.5}
    assert read.method.options["gan"]["r1"] == 10
    assert read.data.make().count("train", "A") == 50


def test_the_page_of_few_images_has_the_defaults() -> None:
    text = (ROOT / "docs/few_images.md").read_text()
    ada = AdaptiveAugmentation((3,))
    assert f"{ada.images:,} here" in text and f"{{target: {ada.target}, images: {ada.images}}}" in text
    assert f"`penalty_every` times ({AdversarialLoss('lsgan').penalty_every})" in text
