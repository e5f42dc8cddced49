"""Rules for the whole code base: names, imports between plugins, forbidden calls, and documentation."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

from ganzoo import hookspecs
from ganzoo.cli.show import describe
from ganzoo.plugins import plugins

ROOT = Path(__file__).resolve().parents[2]
CORE = sorted((ROOT / "ganzoo").rglob("*.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
FOLDERS = sorted(one.name for one in (ROOT / "plugins").iterdir() if (one / "__init__.py").is_file())
DECLARED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["ganzoo"]


def module_of(file: Path) -> str:
    root = ROOT if file in CORE else ROOT / "plugins"
    return ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


@cache
def imports_and_calls(text: str) -> list[ast.AST]:
    """Return the imports and calls of a file's text, also those inside functions."""
    return [one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Import | ast.ImportFrom | ast.Call)]


def imports(file: Path) -> set[str]:
    """Return all modules that a file imports, also inside functions."""
    modules = set()
    for node in imports_and_calls(file.read_text(encoding="utf-8")):
        if isinstance(node, ast.Import):
            modules |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import"
            modules.add(node.module or "")
    return modules


def calls(file: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in imports_and_calls(file.read_text(encoding="utf-8")):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def test_no_module_of_the_core_is_named_like_a_standard_library_module() -> None:
    names = {one.stem for one in (ROOT / "ganzoo").iterdir() if not one.name.startswith("__")}
    assert len(names) > 20
    assert names & set(sys.stdlib_module_names) == set()


def test_the_core_imports_no_plugin() -> None:
    named = {one for file in CORE for one in imports(file)}
    assert {one for one in named if one.split(".")[0].startswith("ganzoo_")} == set()
    assert any(one.startswith("ganzoo.") for one in named)


def test_plugins_import_only_other_plugins_that_their_docstring_names() -> None:
    for file in PLUGINS:
        package = module_of(file).split(".")[0]
        others = {one.split(".")[0] for one in imports(file) if one.startswith("ganzoo_")} - {package}
        text = ast.get_docstring(tree(ROOT / "plugins" / package / "__init__.py")) or ""
        assert {one for one in others if one not in text} == set(), (
            f"{file} imports packages that {package} does not name"
        )


def test_each_bundled_folder_is_declared_and_each_declared_folder_exists() -> None:
    assert sorted(DECLARED.values()) == FOLDERS


@pytest.mark.parametrize("file", [*CORE, *PLUGINS], ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_is_unpickled_or_evaluated(file: Path) -> None:
    forbidden = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    assert {one.split(".")[0] for one in imports(file)} & forbidden == set()
    for name, call in calls(file):
        place = f"{file}:{call.lineno}: {name}"
        options = {one.arg: one.value for one in call.keywords}
        if name == "torch.load":
            weights_only = options.get("weights_only")
            assert isinstance(weights_only, ast.Constant), place
            assert weights_only.value is True, place
        if name.endswith("load") and {"numpy", "np"} & set(name.split(".")):
            assert "allow_pickle" not in options or ast.unparse(options["allow_pickle"]) == "False", place
        assert name not in ("eval", "exec", "yaml.load", "yaml.load_all", "yaml.full_load"), place
        assert "unsafe" not in name.lower(), place


@pytest.mark.parametrize("file", [*CORE, *PLUGINS], ids=lambda file: str(file.relative_to(ROOT)))
def test_only_the_download_module_uses_the_network(file: Path) -> None:
    """Libraries must not download weights themselves, as such files would not be verified."""
    clients = {one for one in imports(file) if one.startswith(("urllib", "http", "requests", "huggingface_hub"))}
    clients -= {"urllib.parse", "http.cookies"}  # they only read texts
    assert not clients or file in (ROOT / "ganzoo/weights/download.py", ROOT / "ganzoo/weights/hub.py")
    for name, call in calls(file):
        place, what = f"{file}:{call.lineno}: {name}", name.rpartition(".")[2]
        options = {one.arg: ast.unparse(one.value) for one in call.keywords}
        assert what not in ("get_state_dict", "load_state_dict_from_url", "download_url_to_file"), place
        assert options.get("pretrained", "False") == "False", place
        if what == "get_model":  # torchvision's
            assert options.get("weights") == "None" == options.get("weights_backbone", "None"), place
        if what == "create_model":  # timm's; its second argument is pretrained, and the overlay has the weights
            assert len(call.args) < 2 or options.get("pretrained_cfg_overlay") == "overlay", place


def test_data_files_are_in_the_wheel() -> None:
    """An editable installation has all files; a wheel only those that pyproject.toml names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shipped = project["tool"]["setuptools"]["package-data"]["*"]
    files = [one for part in ("ganzoo", "plugins") for one in (ROOT / part).rglob("*") if one.is_file()]
    data = {one.name for one in files if one.suffix not in (".py", ".pyc") and "egg-info" not in one.parent.suffix}
    assert data and {name for name in data if not any(fnmatchcase(name, one) for one in shipped)} == set()


def test_violations_of_the_rules_above_are_detected(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    for line in (
        "import pickle",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "yaml.load(t)",
        "yaml.unsafe_load(t)",
        "np.load(f, allow_pickle=True)",
        "eval(t)",
        "def f():\n    from joblib import load",
    ):
        bad.write_text(line)
        with pytest.raises(AssertionError):
            test_nothing_is_unpickled_or_evaluated(bad)
    for line in (
        "from urllib.request import urlopen",
        "enum.get_state_dict()",
        "lpips.LPIPS(pretrained=True)",
        "get_model('vgg16')",
        "get_model('fcn_resnet50', weights=None, weights_backbone='DEFAULT')",
        "timm.create_model('vit', True)",
    ):
        bad.write_text(line)
        with pytest.raises(AssertionError):
            test_only_the_download_module_uses_the_network(bad)


def test_each_hook_is_documented_and_has_a_specification() -> None:
    hooks = {name: one for name, one in vars(hookspecs).items() if name.startswith("ganzoo_")}
    assert set(hooks) == {"ganzoo_register", "ganzoo_callbacks", "ganzoo_commands"}
    for name, hook in hooks.items():
        assert inspect.getdoc(hook), f"{name} has no docstring"
        assert hook.ganzoo_spec is not None


@pytest.mark.parametrize("name", FOLDERS)
def test_each_component_of_a_bundled_plugin_is_documented_and_can_be_shown(name: str) -> None:
    known = next(plugin for plugin, module in DECLARED.items() if module == name)
    components = [one for one in plugins().registry.find() if one.plugin == known]
    module = importlib.import_module(name)
    assert components or hasattr(module, "ganzoo_commands")
    assert module.__doc__
    for one in components:
        about = describe(one.kind, one.name)
        assert about["doc"], f"{one.kind} {one.name} has no docstring"
        assert Path(about["source"].rpartition(":")[0]).is_relative_to(ROOT / "plugins" / name)
        for option in about["options"]:
            assert option["type"] != "Any", f"{one.kind} {one.name}: {option['name']} has no type"
            assert f"{option['name']}: " in about["doc"], f"{one.kind} {one.name}: {option['name']} is not explained"


@pytest.mark.parametrize("file", [*CORE, *PLUGINS], ids=lambda file: str(file.relative_to(ROOT)))
def test_examples_in_docstrings_run(file: Path) -> None:
    module = importlib.import_module(module_of(file))
    assert module.__doc__, f"{file} has no docstring"
    failed, _ = doctest.testmod(module, optionflags=doctest.ELLIPSIS)
    assert failed == 0


def test_each_interface_has_an_example_in_its_docstring() -> None:
    from ganzoo import interfaces

    finder = doctest.DocTestFinder(recurse=False)
    for name in ("Method", "Masker", "Loss", "Dataset", "Metric"):
        (example,) = finder.find(getattr(interfaces, name), name)
        assert example.examples, f"{name} has no example"
