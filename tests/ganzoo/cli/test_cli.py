"""The command line: what it prints, its exit codes, what it imports, and every way to start it.

``pytest tests/ganzoo/cli/test_cli.py -k light -s`` prints the processor time that ``--help`` and ``plugins`` take.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

import ganzoo
from ganzoo.cli import cli, main
from ganzoo.errors import GanzooError, RunInterruptedError
from ganzoo.plugins import plugins
from ganzoo.registry import KINDS
from tests.support.command_line import Run
from tests.support.tiny_run import lines, write_recipe

ROOT = Path(__file__).resolve().parents[3]
STARTUP = """
import json, sys, time
from ganzoo.cli import main
sys.argv = ["ganzoo", *sys.argv[1:]]
try:
    main()
finally:
    heavy = [name for name in ("torch", "timm", "kornia", "pydantic", "numpy", "accelerate") if name in sys.modules]
    print(json.dumps({"heavy": heavy, "seconds": time.process_time()}), file=sys.stderr)
"""
MISTAKES = """\
method: {method: cyclegan, gan: lsgam}
networks:
  G: {generator: resnt}
data: {dataset: striped_digits, sise: 32}
train: {epochs: two}
losess: {}
"""


@pytest.fixture
def failing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install a plugin that fails to load, and a plugin with a component that cannot be imported."""
    for name, code in {
        "sick": "raise RuntimeError('no luck')",
        "lame": "import ganzoo\nGANZOO_INTERFACE = 1\n@ganzoo.hookimpl\ndef ganzoo_register(registry):\n"
        "    registry.add('loss', 'gone', 'lame_plugin.losses:Gone')\n",
    }.items():
        (tmp_path / f"{name}_plugin.py").write_text(code)
        info = tmp_path / f"{name}-3.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 3.1\n")
        (info / "entry_points.txt").write_text(f"[ganzoo]\n{name} = {name}_plugin\n")
    monkeypatch.syspath_prepend(tmp_path)
    plugins.cache_clear()
    yield
    plugins.cache_clear()
    sys.modules.pop("lame_plugin", None)


def python(*words: object, cwd: Path = ROOT, **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=120, **options
    )


@pytest.mark.parametrize("words", [["--help"], ["plugins"], ["list"], ["weights", "list"], ["--version"]])
def test_a_light_command_imports_nothing_heavy(words: list[str]) -> None:
    done = python("-c", STARTUP, *words)
    assert done.returncode == 0
    measured = json.loads(done.stderr)
    print(f"ganzoo {' '.join(words)}: {measured['seconds']:.3f} s of processor time")
    assert measured["heavy"] == []


def test_the_measurement_above_detects_heavy_imports() -> None:
    assert "pydantic" in json.loads(python("-c", STARTUP, "show", "loss", "l1").stderr)["heavy"]


def test_help_names_every_command(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for name, command in cli.commands.items():
        assert f"  {name} " in out
        assert command.help
        assert all(one.help for one in command.params if isinstance(one, click.Option))
    assert run("-h")[:2] == (0, out)
    assert run("--version")[1] == f"ganzoo, version {ganzoo.__version__}\n"


def test_plugins_are_listed_with_their_errors(run: Run, failing: None) -> None:
    code, out, err = run("plugins")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert (code, err) == (0, "")
    assert lines["cyclegan"].split(maxsplit=1)[1].strip() == "bundled                      5 components"
    assert "lame 3.1 " in lines["lame"]
    assert lines["lame"].endswith(" 1 component")
    assert "sick 3.1 " in lines["sick"]
    assert "FAILED: RuntimeError: no luck (" in lines["sick"]
    assert out.count("\n") == len(lines)


def test_plugins_as_json(run: Run, failing: None) -> None:
    listed = {plugin["name"]: plugin for plugin in json.loads(run("plugins", "--json")[1])}
    assert listed["lame"] == {
        "name": "lame", "target": "lame_plugin", "package": "lame", "version": "3.1", "components": 1, "error": "",
        "left_out": [], "bundled": False,
    }  # fmt: skip
    assert listed["sick"]["error"].startswith("RuntimeError: no luck")
    assert listed["cyclegan"]["bundled"] is True


def test_checking_plugins_reports_plugins_and_components_that_cannot_be_imported(
    run: Run, failing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANZOO_PLUGINS", "sick,lame,losses")
    plugins.cache_clear()
    message = "loss 'gone' of plugin 'lame' cannot be imported from lame_plugin.losses:Gone: ModuleNotFoundError: "
    code, out, err = run("plugins", "--check")
    assert (code, err) == (2, "ganzoo: 2 mistakes in plugins\n")
    assert f"broken: {message}" in out
    assert "broken: plugin 'sick' (sick) failed to load: RuntimeError: no luck (" in out
    code, out, _ = run("plugins", "--check", "--json")
    found = json.loads(out)
    assert code == 2 and {one["name"] for one in found["plugins"]} == {"sick", "lame", "losses"}
    assert found["broken"]["loss gone"][0].startswith(message)
    checked = [*found["constructed"], *found["not_constructed"], *found["broken"]]
    assert len(checked) == len(plugins().registry.find()) + 1


def test_no_bundled_component_is_broken_and_most_are_constructed(run: Run) -> None:
    code, out, err = run("plugins", "--check")
    assert (code, err) == (0, "")
    assert "broken" not in out
    assert int(out.splitlines()[-1].split()[0]) >= 40


@pytest.mark.parametrize("words", ["list loss", "run no.yaml", "check no.yaml", "evaluate no", "translate no no -o x"])
def test_commands_say_once_which_plugins_failed(
    words: str, run: Run, failing: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = run(*words.split())[2].splitlines()
    assert sum("failed to load" in line for line in lines) == 1
    assert re.fullmatch(r"ganzoo: 1 plugin failed to load: sick \(sick\); '.*ganzoo plugins' shows why", lines[0])
    monkeypatch.setenv("RANK", "1")
    assert "failed to load" not in run(*words.split())[2]


def test_components_are_listed_by_kind_and_glob(run: Run) -> None:
    everything = [line.split() for line in run("list")[1].splitlines()]
    assert {kind for kind, _, _ in everything} <= set(KINDS)
    assert ["method", "cyclegan", "cyclegan"] in everything
    assert [line.split() for line in run("list", "generator", "*net")[1].splitlines()] == [
        ["generator", "nafnet", "generators"],
        ["generator", "resnet", "cyclegan"],
        ["generator", "smooth_resnet", "baselines"],
        ["generator", "style_resnet", "augmented_cyclegan"],
        ["generator", "style_unet", "bicyclegan"],
        ["generator", "stylegan2_resnet", "generators"],
        ["generator", "timm_unet", "generators"],
        ["generator", "unet", "cyclegan"],
        ["generator", "vit_unet", "uvcgan"],
    ]
    assert json.loads(run("list", "generator", "une*", "--json")[1]) == [
        {"kind": "generator", "name": "unet", "plugin": "cyclegan"}
    ]
    assert len(json.loads(run("list", "--json")[1])) == len(everything)


def test_a_list_without_results_says_none(run: Run) -> None:
    assert run("list", "generator", "zzz*") == (0, "", f"none (kinds: {', '.join(KINDS)})\n")
    assert json.loads(run("list", "generator", "zzz*", "--json")[1]) == []


def test_a_component_is_shown_with_its_options(run: Run) -> None:
    code, out, _ = run("show", "generator", "resnet")
    source = ROOT / "plugins/ganzoo_cyclegan/resnet.py"
    line = next(i for i, text in enumerate(source.read_text().splitlines(), 1) if text.startswith("class ResNet"))
    assert code == 0
    assert out.startswith(f"generator resnet   (plugin cyclegan, {source}:{line})\n\n")
    assert "11,378,179 parameters" in out
    assert "  blocks: int ≥ 0 = 9\n" in out
    assert "  norm: 'instance' | 'batch' | 'none' = 'instance'\n" in out
    assert "in_channels: int" not in out
    _, common, of_losses = run("show", "loss", "total_variation")[1].rpartition("\nand, as for every loss:\n\n")
    assert common and "  weight: float = 1.0\n" in of_losses and "weight: the factor of the loss" in of_losses
    _, _, of_maskers = run("show", "masker", "full")[1].rpartition("and, as for every masker:")
    assert "foreground: classes whose union" in of_maskers and "  grow: int = 0\n" in of_maskers


@pytest.mark.parametrize(("name", "option"), [("images", "fit: "), ("train", "precision: "), ("evaluate", "every: ")])
def test_the_settings_of_a_section_are_shown(run: Run, name: str, option: str) -> None:
    code, out, _ = run("show", "settings", name)
    assert code == 0 and f"\n  {option}" in out and f"    {option}" in out
    message = "ganzoo: there are no settings 'imges' (did you mean 'images'?)\n"
    assert run("show", "settings", "imges") == (2, "", message)


def test_a_component_as_json(run: Run) -> None:
    about = json.loads(run("show", "generator", "resnet", "--json")[1])
    assert (about["kind"], about["name"], about["plugin"]) == ("generator", "resnet", "cyclegan")
    assert about["doc"].startswith("A ResNet: translates images")
    options = {one.pop("name"): one for one in about["options"]}
    assert options["width"] == {"type": "int ≥ 1", "required": False, "default": 64}
    file, _, line = about["source"].rpartition(":")
    assert Path(file).read_text().splitlines()[int(line) - 1].startswith("class ResNet")


@pytest.mark.parametrize(
    ("kind", "name", "lines"),
    [
        ("loss", "l1", ["inputs:", "  image: required", "  target: required"]),
        ("loss", "contextual", ["inputs:", "  image: required", "  labels: optional"]),
        ("masker", "file", ["needs: given", "planes: 1", "classes: none", "trains: none"]),
        ("masker", "learned", ["needs: image", "planes: 1", "classes: none", "trains: joint"]),
        ("metric", "swd", ["directions: AB, BA", "reference: measured"]),
        ("metric", "contextual", ["not constructed: it needs the option bank", "directions: AB"]),
        (
            "method",
            "munit",
            [
                *("directions: AB, BA", "accepts: discriminator, composite", "requires: none", "reads: none"),
                *("paired: no", "networks:"),
                "  G_A: kind generator, reads A, writes A, default generator munit",
                "  G_B: kind generator, reads B, writes B, default generator munit",
                "  D_A: kind discriminator, reads A, default discriminator multiscale",
                "  D_B: kind discriminator, reads B, default discriminator multiscale",
                *("tensors:", "  fake_B: source A, shows B", "  fake_A: source B, shows A"),
                *("  idt_A: source A, shows A", "  idt_B: source B, shows B", "styles:", "  A: 8", "  B: 8"),
            ],
        ),
        ("dataset", "striped_digits", ["channels:", "  A: 3", "  B: 3", "classes: none", "paired: no"]),
    ],
)
def test_what_a_component_uses_is_shown(run: Run, kind: str, name: str, lines: list[str]) -> None:
    code, out, _ = run("show", kind, name)
    assert code == 0
    assert "\n\n" + "\n".join(lines) + "\n" in out
    if kind == "method":
        facts = json.loads(run("show", kind, name, "--json")[1])["facts"]
        assert facts["styles"] == {"A": 8, "B": 8} and facts["tensors"]["fake_B"] == {"source": "A", "shows": "B"}


def test_every_component_can_be_shown_as_json(run: Run) -> None:
    for one in plugins().registry.find():
        about = json.loads(run("show", one.kind, one.name, "--json")[1])
        assert about["name"] == one.name
        assert all(set(option) == {"name", "type", "required", "default"} for option in about["options"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "generators"], "ganzoo: unknown kind 'generators' (did you mean 'generator'?)\n"),
        (["show", "generators", "resnet"], "ganzoo: unknown kind 'generators' (did you mean 'generator'?)\n"),
        (["show", "generator", "resnt"], "ganzoo: unknown generator 'resnt' (did you mean 'resnet'?)\n"),
        (["check", "nowhere.yaml"], "ganzoo: nowhere.yaml: no such file\n"),
        (["run", "nowhere.yaml"], "ganzoo: nowhere.yaml: no such file\n"),
        (["check", "."], "ganzoo: .: a folder, not a recipe; give the recipe's file\n"),
        (
            ["runs", "--json", "compare", "a"],
            "ganzoo: runs: --json before compare: only the list of runs has that; leave it out, or write --json after "
            "compare\n",
        ),
        (
            ["runs", "--metric", "fid", "--verify", "rm", "a"],
            "ganzoo: runs: --metric and --verify before rm: only the list of runs has that; leave it out\n",
        ),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(run: Run, words: list[str], message: str) -> None:
    assert run(*words) == (2, "", message)


@pytest.mark.parametrize("words", [["lst"], ["list", "--jsn"], ["show", "generator"], ["translate", "x"]])
def test_a_misspelt_command_is_exit_code_2(run: Run, words: list[str]) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, "")
    assert err.startswith("ganzoo: ") and err.count("\n") == 1


def test_several_mistakes_print_a_line_each_those_that_need_no_torch_first(run: Run, tmp_path: Path) -> None:
    recipe = tmp_path / "five.yaml"
    recipe.write_text(MISTAKES)
    code, out, err = run("check", recipe, "train.batch=none")
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert [line.split(": ")[1] for line in lines] == [f"{recipe}:{n}" for n in (3, 5, 6)] + ["command line"]
    assert sum("did you mean" in line for line in lines) == 2
    assert run("run", recipe, "train.batch=none") == (2, "", err)
    recipe.write_text(
        MISTAKES.replace("resnt", "resnet").replace("epochs: two", "epochs: 2").replace("losess", "losses")
    )
    code, out, err = run("check", recipe)
    assert [line.split(": ")[1] for line in err.splitlines()] == [f"{recipe}:{n}" for n in (1, 4)]
    assert err.count("did you mean") == 2
    assert "Traceback" not in err


def test_each_process_of_a_run_prints_its_number(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "3")
    assert run("check", "nowhere.yaml")[2] == "ganzoo (process 3): nowhere.yaml: no such file\n"


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [(KeyboardInterrupt(), 130, "ganzoo: interrupted"), (GanzooError("one\ntwo"), 2, "ganzoo: one\nganzoo: two")],
)
def test_errors_and_ctrl_c_end_a_command_with_a_code(
    run: Run, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, message: str
) -> None:
    def interrupted() -> None:
        raise raised

    monkeypatch.setattr("ganzoo.cli.list.plugins", interrupted)
    exit_code, out, err = run("list")
    assert (exit_code, out, err.strip()) == (code, "", message)


def test_an_error_may_have_its_own_exit_code(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    error = RunInterruptedError("stopped", 143)
    monkeypatch.setattr("ganzoo.cli.list.plugins", lambda: (_ for _ in ()).throw(error))
    assert run("list")[0] == 143


def test_an_error_in_ganzoo_itself_is_a_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganzoo.cli.list.plugins", lambda: 1 / 0)
    monkeypatch.setattr(sys, "argv", ["ganzoo", "list"])
    with pytest.raises(ZeroDivisionError):
        main()


def test_every_way_to_start_the_command_line(tmp_path: Path) -> None:
    link = tmp_path / "linked"
    link.symlink_to(ROOT / "ganzoo")
    script = shutil.which("ganzoo", path=str(Path(sys.executable).parent))
    assert script
    ways: list[tuple[list[object], Path]] = [
        (["-m", "ganzoo"], ROOT),
        (["-m", "ganzoo"], tmp_path),
        (["ganzoo"], ROOT),
        ([ROOT / "ganzoo"], tmp_path),
        (["-P", ROOT / "ganzoo"], tmp_path),
        ([link], tmp_path),
        ([script], tmp_path),
    ]
    for words, cwd in ways:
        done = python(*words, "list", "method", "cyclegan", cwd=cwd)
        assert (done.stdout.split(), done.stderr) == (["method", "cyclegan", "cyclegan"], ""), words


def test_run_as_a_folder_its_modules_are_not_top_level(tmp_path: Path) -> None:
    """``python ganzoo`` puts the folder itself first on the path, where its files could hide the standard library."""
    shutil.copytree(ROOT / "ganzoo", tmp_path / "ganzoo", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("json", "dataclasses", "fnmatch"):
        (tmp_path / "ganzoo" / f"{name}.py").write_text("raise SystemExit('the wrong one')")
    for words, cwd in ((["ganzoo"], tmp_path), ([tmp_path / "ganzoo"], Path("/"))):
        done = python(*words, "list", "--json", cwd=cwd)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)


def with_closed_output(*words: str | Path) -> tuple[int, str]:
    """Return the exit code and stderr of a command whose output nobody reads."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "ganzoo", *words], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "words", [["list"], ["plugins", "--json"], ["show", "loss", "l1"], ["--help"], ["run", "--help"]]
)
def test_a_closed_output_ends_a_command_without_a_word(words: list[str]) -> None:
    assert with_closed_output(*words) == (141, "")


def test_training_goes_on_without_a_reader(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 3, "log": 1}, evaluate={"every": 0, "best": None, "metrics": []})
    assert with_closed_output("run", recipe, "--root", tmp_path) == (0, "")
    assert lines(tmp_path / "tiny/default/events.jsonl")[-1]["event"] == "finished"
