"""``ganzoo plugins --check``: constructs every component, looks at commands; exit code 2 if there is a mistake."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from ganzoo.check.plugin_check import check_component
from ganzoo.plugins import plugins
from tests.ganzoo.contracts.test_declaration import RIGHT, code
from tests.support.command_line import Run
from tests.support.planted_plugins import Site, planted_site

COMMANDS = """\
import click
from ganzoo import hookimpl

GANZOO_INTERFACE = 1

@click.command("{name}")
def one():
    {doc}

@hookimpl
def ganzoo_commands():
    return [{given}]
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setenv("GANZOO_PLUGINS", "theirs")
    with planted_site(tmp_path, monkeypatch) as site:
        yield site


def broken(run: Run) -> list[str]:
    """Return the mistakes that the check prints, each one line."""
    exit_code, out, err = run("plugins", "--check")
    lines = [line.removeprefix("broken: ") for line in out.splitlines() if line.startswith("broken: ")]
    assert exit_code == (2 if lines else 0)
    assert err == (f"ganzoo: {len(lines)} mistake{'s' * (len(lines) > 1)} in plugins\n" if lines else "")
    assert "Traceback" not in out
    return lines


def place(file: Path, text: str) -> str:
    """Return ``FILE:LINE`` of the line of a file that has the text."""
    return f"{file}:{next(i for i, line in enumerate(file.read_text().splitlines(), 1) if text in line)}"


@pytest.mark.parametrize("kind", RIGHT)
def test_a_correct_component_is_constructed(kind: str, site: Site, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_PLUGINS", "theirs,cyclegan")
    site.plant(kind, code(RIGHT[kind]))
    found = json.loads(run("plugins", "--check", "--json")[1])
    assert f"{kind} planted" in found["constructed"]
    assert (found["broken"], found["not_constructed"]) == ({}, {})


def test_a_component_with_a_required_option_is_not_constructed_and_not_broken(site: Site, run: Run) -> None:
    site.plant("loss", code(RIGHT["loss"].replace("size: int = 3", "size: int, bank: Path")))
    exit_code, out, err = run("plugins", "--check")
    assert (exit_code, err) == (0, "")
    assert "not constructed: loss planted: it needs the options size, bank\n" in out
    assert out.endswith("0 components constructed, 1 not constructed, 0 commands, 0 mistakes\n")


def test_a_component_whose_weights_are_not_here_is_not_constructed_and_nothing_is_downloaded(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ganzoo.weights.download.urlopen", lambda *_: pytest.fail("a download"))
    monkeypatch.setenv("GANZOO_PLUGINS", "losses")
    plugins.cache_clear()
    exit_code, out, _ = run("plugins", "--check")
    plugins.cache_clear()
    assert exit_code == 0
    assert "not constructed: loss perceptual: torchvision/vgg16 is not on this machine (https://" in out


@pytest.mark.parametrize(
    ("kind", "text", "message", "line"),
    [
        ("loss", RIGHT["loss"].replace("super().__init__()", "1 / 0"), "__init__ failed: ZeroDivisionError", "1 / 0"),
        (
            "masker",
            RIGHT["masker"].replace("super().__init__()", "import json; json.loads('{')"),
            "__init__ failed: JSONDecodeError: Expecting property name",
            "json.loads",
        ),
        (
            "generator",
            RIGHT["generator"].replace("nn.Conv2d(in_channels, out_channels, 1)", "nn.Conv2d(-1, 2, 1)"),
            "__init__ failed: RuntimeError: Trying to create tensor with negative dimension",
            "nn.Conv2d",
        ),
        ("loss", RIGHT["loss"].replace("(Loss)", "(Los)"), "cannot be imported from theirs.parts:Planted", "class"),
        ("loss", "import json\njson.loads('{')\n", "cannot be imported from theirs.parts:Planted", "json.loads"),
        ("loss", "import not_installed_anywhere\n", "cannot be imported from theirs.parts:Planted", "import not"),
        ("loss", "class Planted(Loss)\n    pass\n", "cannot be imported from theirs.parts:Planted", "class Planted"),
        ("loss", "def Planted(*, size: int = 3):\n    pass\n", "theirs.parts:Planted is not a class", "def Planted"),
        (
            "masker",
            RIGHT["masker"].replace("super().__init__()", "super().__init__(); self.planes = '2'"),
            "planes is '2'; expected the number of its masks' planes, 1 or more",
            "class Planted",
        ),
        (
            "method",
            RIGHT["method"].replace('{"fake_B": Output("A", "B")}', '["fake_B"]'),
            "tensors is a list of 1 values; expected a dict",
            "def __init__",
        ),
        (
            "method",
            RIGHT["method"].replace('{"generator": "resnet"}', '{"generator": "resnt"}'),
            "the default of its slot 'G_AB': unknown generator 'resnt'",
            "def __init__",
        ),
        (
            "method",
            RIGHT["method"].replace('{"generator": "resnet"}', '{"generator": "resnet", "blocks": "nine"}'),
            "the default of its slot 'G_AB': blocks is 'nine': input should be a valid integer",
            "def __init__",
        ),
        (
            "method",
            RIGHT["method"].replace('{"generator": "resnet"}', '{"generator": "resnet", "block": 9}'),
            "the default of its slot 'G_AB': unknown option 'block' (did you mean 'blocks'?)",
            "def __init__",
        ),
        (
            "method",
            RIGHT["method"].replace('default={"generator": "resnet"}', 'default={"blocks": 9}'),
            "the default of its slot 'G_AB': the key 'generator', which names the component, is missing",
            "def __init__",
        ),
        (
            "method",
            RIGHT["method"].replace('{"fake_B": Output("A", "B")}', '{"fake_B": "B"}'),
            "tensors['fake_B'] is the text 'B'; expected an Output",
            "def __init__",
        ),
        (
            "method",
            RIGHT["method"].replace('("A",), "B"', 'None, "B"'),
            "slots['G_AB'].reads is None; expected a tuple of texts",
            "def __init__",
        ),
        (
            "method",
            RIGHT["method"].replace('{"generator": "resnet"}', '"resnet"'),
            "slots['G_AB'].default is the text 'resnet'; expected a dict, such as",
            "def __init__",
        ),
        (
            "method",
            RIGHT["method"].replace('Optim(("G_AB",))', 'Optim([["G_AB"]])'),
            "optims['G'].slots is a list of 1 values; expected a tuple of slots: ('G_AB',)",
            "def __init__",
        ),
        (
            "method",
            RIGHT["method"].replace('Optim(("G_AB",))', 'Optim("G_AB")'),
            "optims['G'].slots is the text 'G_AB'; expected a tuple of slots: ('G_AB',)",
            "def __init__",
        ),
        (
            "method",
            RIGHT["method"].replace('("G",)', '"G"'),
            "the phase 'generator': steps is the text 'G'; expected a tuple of optims: ('generator',)",
            "def __init__",
        ),
        (
            "loss",
            RIGHT["loss"].replace("super().__init__()", "raise SystemExit"),
            "its constructor ends the program: raise an error",
            "def __init__",
        ),
    ],
)
def test_a_mistake_that_a_construction_shows_names_the_authors_line(
    kind: str, text: str, message: str, line: str, site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANZOO_PLUGINS", "theirs,cyclegan")
    file = site.plant(kind, code(text))
    (mistake,) = broken(run)
    assert mistake.startswith(f"{kind} 'planted' of plugin 'theirs'")
    assert message in mistake and place(file, line) in mistake


@pytest.mark.parametrize(
    ("name", "doc", "given", "message"),
    [
        ("Loud_Name", "'Help.'", "one", "command 'Loud_Name': its name may have small letters, digits and '-' only"),
        ("quiet", "pass", "one", "command 'quiet': it has no help: write a docstring"),
        ("quiet", "'Help.'", "'one'", "hook 'ganzoo_commands' of plugin 'theirs': ganzoo_commands returned a list"),
        ("run", "'Help.'", "one", "command 'run' is the one of package ganzoo-i2i; that of package theirs is left out"),
        (
            "quiet",
            "pass",
            "click.Group('tools', {'quiet': one}, help='Tools.')",
            "command 'tools quiet': it has no help: write a docstring",
        ),
    ],
)
def test_a_wrong_command_is_a_mistake(name: str, doc: str, given: str, message: str, site: Site, run: Run) -> None:
    site.install("theirs", COMMANDS.format(name=name, doc=doc, given=given))
    (mistake,) = broken(run)
    assert mistake.startswith(message)


def test_a_correct_command_is_counted(site: Site, run: Run) -> None:
    site.install("theirs", COMMANDS.format(name="bank-of-patches", doc="'Help.'", given="one"))
    assert broken(run) == []
    assert json.loads(run("plugins", "--check", "--json")[1])["commands"] == ["bank-of-patches"]


@pytest.mark.parametrize(
    ("hooks", "message"),
    [
        ("import json\njson.loads('{')\n", "JSONDecodeError: Expecting property name"),
        (
            "from ganzoo import hookimpl\nGANZOO_INTERFACE = 1\ndef ganzoo_regster(registry): pass\n",
            "no hook 'ganzoo_reg",
        ),
    ],
)
def test_a_plugin_that_failed_to_load_is_a_mistake(hooks: str, message: str, site: Site, run: Run) -> None:
    site.install("theirs", hooks)
    (mistake,) = broken(run)
    assert mistake.startswith("plugin 'theirs' (theirs) failed to load: ") and message in mistake


def test_a_name_of_another_package_is_a_mistake_that_names_both(
    site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANZOO_PLUGINS", "theirs,losses")
    hooks = dedent("""
        from ganzoo import hookimpl
        GANZOO_INTERFACE = 1
        @hookimpl
        def ganzoo_register(registry):
            registry.add("loss", "l1", "theirs.parts:Planted")
            registry.add("loss", "l1_of_theirs", "theirs.parts:Planted")
    """)
    site.install("theirs", hooks, parts=code(RIGHT["loss"]))
    line = "loss 'l1' is the one of package ganzoo-i2i; that of package theirs is left out"
    assert broken(run) == [line]
    assert "1 component\n" + " " * 17 + line in run("plugins")[1]
    listed = run("list", "loss", "l1*")
    assert [one.split() for one in listed[1].splitlines()] == [
        ["loss", "l1", "losses"],
        ["loss", "l1_of_theirs", "theirs"],
    ]
    assert listed[2] == f"ganzoo: {line}\n"


def test_a_recipe_that_uses_a_name_of_two_packages_says_once_whose_it_is(
    site: Site, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GANZOO_PLUGINS")
    hooks = "from ganzoo import hookimpl\nGANZOO_INTERFACE = 1\n@hookimpl\ndef ganzoo_register(registry):\n"
    hooks += "".join(f"    registry.add('loss', {name!r}, 'theirs.parts:Planted')\n" for name in ("l1", "perceptual"))
    site.install("theirs", hooks, parts=code(RIGHT["loss"]))
    recipe = tmp_path / "r.yaml"
    loss = "{loss: l1, of: {image: fake_B, target: real_B}, weigth: 1}"  # misspelt, so that the check ends early
    recipe.write_text(
        f"method: cyclegan\ndata: striped_digits\ntrain: {{steps: 1}}\nlosses: {{one: {loss}, two: {loss}}}\n"
    )
    exit_code, _, err = run("check", recipe)
    first, *others = err.splitlines()
    assert exit_code == 2
    assert first == "ganzoo: loss 'l1' is the one of package ganzoo-i2i; that of package theirs is left out"
    assert len(others) == 2 and all("unknown option 'weigth'" in one for one in others)


@pytest.mark.parametrize(
    ("default", "networks", "message"),
    [
        ('{"generator": "resnt"}', "", "unknown generator 'resnt' (did you mean 'resnet'?)"),
        ('{"generator": "resnet", "blocks": -1}', "", "blocks is -1: input should be greater than or equal to 0"),
        ('{"generator": "resnet", "blocks": -1}', "networks: {G: {width: 8}}", "blocks is -1: input should be"),
        ('{"generator": "resnet", "size": 3}', "", "unknown option 'size'"),
        ('{"generator": "drit"}', "", "'drit' cannot serve as G_AB: its class defines no forward(); those that can: "),
    ],
)
def test_a_wrong_default_of_a_slot_is_the_methods_mistake_and_not_the_recipes(
    default: str, networks: str, message: str, site: Site, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GANZOO_PLUGINS")
    file = site.plant("method", code(RIGHT["method"].replace('{"generator": "resnet"}', default)))
    recipe = tmp_path / "r.yaml"
    recipe.write_text(f"data: striped_digits\ntrain: {{steps: 1}}\n{networks}\nmethod: planted\n")
    exit_code, _, err = run("check", recipe)
    (line,) = err.splitlines()
    assert exit_code == 2
    about = f"method 'planted' of plugin 'theirs': the default of its slot 'G_AB': {message}"
    assert line.startswith(f"ganzoo: {recipe}:4: method: {about}")
    assert line.endswith(f"({place(file, 'def __init__')})")


def test_a_wrong_option_that_the_recipe_sets_stays_the_recipes_mistake(
    site: Site, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GANZOO_PLUGINS")
    default = '{"generator": "resnet", "blocks": -1}'
    site.plant("method", code(RIGHT["method"].replace('{"generator": "resnet"}', default)))
    recipe = tmp_path / "r.yaml"
    recipe.write_text("data: striped_digits\ntrain: {steps: 1}\nnetworks: {G: {blocks: x}}\nmethod: planted\n")
    (line,) = run("check", recipe)[2].splitlines()
    assert line.startswith(f"ganzoo: {recipe}:3: networks.G.blocks: blocks is 'x': input should be a valid integer")


def test_weights_that_no_plugin_lists_are_a_mistake(site: Site, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    text = RIGHT["masker"].replace("super().__init__()", "from ganzoo.weights import find; find('mine/facse')")
    monkeypatch.delenv("GANZOO_PLUGINS")
    file = site.plant("masker", code(text))
    (mistake,), _ = check_component(plugins().registry.get("masker", "planted"))
    assert mistake.startswith("masker 'planted' of plugin 'theirs': unknown weights 'mine/facse'")
    assert place(file, "def __init__") in mistake
    monkeypatch.setenv("GANZOO_PLUGINS", "theirs")
    plugins.cache_clear()
    assert broken(run) == []  # a plugin that is excluded may list them


@pytest.mark.parametrize("kind", ["loss", "metric", "dataset", "method"])
def test_the_facts_of_a_wrong_component_are_its_mistake(
    kind: str, site: Site, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANZOO_PLUGINS", "theirs,cyclegan")
    site.plant(kind, code("class Planted:\n    pass\n"))
    exit_code, out, err = run("show", kind, "planted")
    assert (exit_code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith(f"ganzoo: {kind} 'planted' of plugin 'theirs': it is not derived from ganzoo.interfaces.")
