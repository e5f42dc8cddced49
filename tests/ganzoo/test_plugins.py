"""Plugins: loaded one by one; failures are recorded, and a plugin that fails adds nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from ganzoo import plugins as plugins_module
from ganzoo.errors import GanzooError
from ganzoo.plugins import INTERFACE, Plugin, Plugins, checkout, find_entry_points, installed_version, plugins

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["ganzoo"]
GOOD = """
from ganzoo import hookimpl
GANZOO_INTERFACE = 1
@hookimpl
def ganzoo_register(registry):
    registry.add("loss", "huber", "somewhere:Huber")
    registry.add("masker", "oval", "somewhere:Oval")
"""
HEAD = "from ganzoo import hookimpl\nGANZOO_INTERFACE = 1\n"
REGISTER = "@hookimpl\ndef ganzoo_register(registry):\n    "
WATCH = "@hookimpl\ndef ganzoo_callbacks(run):\n    return None\n"


class Site:
    """A folder on the path, in which packages are installed as pip does it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, name: str, code: str, *, package: str = "", module: str = "", version: str = "2.5") -> None:
        """Write a module with an entry point ``name``, in a distribution of its own."""
        package, module = package or f"{name}-package", module or f"{name}_module"
        (self.folder / f"{module}.py").write_text(code)
        info = self.folder / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text(f"[ganzoo]\n{name} = {module}\n")


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.syspath_prepend(tmp_path)
    before = set(sys.modules)
    plugins.cache_clear()
    yield Site(tmp_path)
    plugins.cache_clear()
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def load(*, strict: bool = False) -> Plugins:
    result = Plugins()
    result.load(find_entry_points(), strict=strict)
    return result


def plugin_of(result: Plugins, name: str) -> Plugin:
    return next(plugin for plugin in result.loaded if plugin.name == name)


def components(result: Plugins, plugin: str) -> list[tuple[str, str]]:
    return [(component.kind, component.name) for component in result.registry.find() if component.plugin == plugin]


def test_bundled_plugins_are_loaded_first_and_by_entry_points_too() -> None:
    result = load()
    assert [one.name for one in result.loaded if one.bundled] == sorted(BUNDLED)
    assert all(one.bundled for one in result.loaded[: len(BUNDLED)])
    expected = Plugin("cyclegan", "ganzoo_cyclegan", "ganzoo-i2i", installed_version(), 5, "")
    assert plugin_of(result, "cyclegan") == expected
    assert ("method", "cyclegan") in components(result, "cyclegan")


def test_a_third_partys_plugin_is_loaded_like_them(site: Site) -> None:
    site.install("mine", GOOD, package="Their-Package")
    result = load()
    assert plugin_of(result, "mine") == Plugin("mine", "mine_module", "Their-Package", "2.5", 2, "")
    assert not plugin_of(result, "mine").bundled
    assert components(result, "mine") == [("masker", "oval"), ("loss", "huber")]
    assert result.registry.failures == {}


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("x = 1\nraise RuntimeError('no luck')", r"RuntimeError: no luck \(.*bad_module.py:2\)"),
        ("raise ValueError('first\\n second')", r"ValueError: first second \("),
        ("import sys\nsys.exit(3)", r"SystemExit: 3 \(.*bad_module.py:2\)"),
        ("import no_such_thing", r"ModuleNotFoundError: No module named 'no_such_thing' \(.*bad_module.py:1\)"),
        ("def f(:", r"SyntaxError: .*bad_module.py, line 1"),
        (
            HEAD + "@hookimpl\ndef ganzoo_regster(registry):\n    pass\n",
            r"there is no hook 'ganzoo_regster' \(did you mean 'ganzoo_register'\?\)",
        ),
        (
            HEAD + "def ganzoo_register(registry):\n    pass\n",
            "the hook 'ganzoo_register' lacks its decorator, @ganzoo.hookimpl",
        ),
        (HEAD + WATCH + "def ganzoo_registr(registry): pass", "there is no hook 'ganzoo_registr'"),
        (HEAD, r"bad_module has no hooks \(there are: ganzoo_callbacks, ganzoo_commands, ganzoo_register\)"),
        ("from ganzoo import hookimpl\n" + WATCH, f"write GANZOO_INTERFACE = {INTERFACE} in bad_module"),
        (
            GOOD.replace("INTERFACE = 1", "INTERFACE = 99"),
            f"version 99 of ganzoo's interface; this ganzoo has version {INTERFACE}",
        ),
        (HEAD + WATCH + "@hookimpl\ndef ganzoo_register(reg): pass", "PluginValidationError: .*'reg'"),
        ("import json\njson.loads('{')", r"JSONDecodeError: .* \(.*bad_module.py:2\)$"),
        (HEAD + WATCH + REGISTER + "registry.add('maskr', 'x', 'a:B')", r"unknown kind 'maskr' .*bad_module.py:8\)$"),
        (
            HEAD + WATCH + REGISTER + "from pathlib import Path; registry.add_weights(Path('gone.toml'))",
            "gone.toml: cannot be read",
        ),
        (HEAD + WATCH + REGISTER + "registry.add('loss', 'x', 'a.B')", "neither a class nor a string 'module:name'"),
        (
            HEAD + WATCH + REGISTER + "registry.add('loss', 'half', 'a:B'); 1 / 0",
            r"ZeroDivisionError: division by zero \(.*bad_module.py:8\)",
        ),
    ],
)
def test_a_plugin_that_fails_is_reported_and_adds_nothing(site: Site, code: str, message: str) -> None:
    site.install("bad", code)
    site.install("good", GOOD)
    result = load()
    assert re.search(message, plugin_of(result, "bad").error)
    assert "\n" not in plugin_of(result, "bad").error
    assert plugin_of(result, "bad").components == 0
    assert components(result, "bad") == []
    assert len(components(result, "good")) == 2
    assert not result.manager.has_plugin("bad")
    callers = result.manager.hook.ganzoo_callbacks.get_hookimpls() + result.manager.hook.ganzoo_register.get_hookimpls()
    assert "bad" not in [one.plugin_name for one in callers]


def test_a_clash_costs_the_later_package_that_one_component(site: Site) -> None:
    """Both packages keep everything else, and each report names both."""
    site.install("a", GOOD, package="alpha")
    site.install("b", GOOD.replace('"oval"', '"star"'), package="beta")
    result = load()
    line = "loss 'huber' is the one of package alpha; that of package beta is left out"
    assert components(result, "a") == [("masker", "oval"), ("loss", "huber")]
    assert components(result, "b") == [("masker", "star")]
    assert plugin_of(result, "a") == Plugin("a", "a_module", "alpha", "2.5", 2, "")
    assert plugin_of(result, "b") == Plugin("b", "b_module", "beta", "2.5", 1, "", (line,))
    assert list(map(str, result.registry.clashes)) == [line]
    assert result.registry.failures == {}
    with pytest.raises(GanzooError, match=f"plugin 'b' \\(beta\\) failed to load: {line}"):
        load(strict=True)


def test_a_stranger_takes_no_name_of_ganzoo(site: Site) -> None:
    site.install("a", GOOD.replace('"masker", "oval"', '"generator", "resnet"'), package="a-stranger")
    result = load()
    assert result.registry.get("generator", "resnet").plugin == "cyclegan"
    assert components(result, "a") == [("loss", "huber")]
    (clash,) = result.registry.clashes
    assert str(clash) == "generator 'resnet' is the one of package ganzoo-i2i; that of package a-stranger is left out"
    assert result.registry.take_clash(clash.used) == clash
    assert result.registry.take_clash(clash.used) is None


def test_two_plugins_of_one_package_cannot_share_a_components_name(site: Site) -> None:
    site.install("a", GOOD, package="both")
    (site.folder / "b_module.py").write_text(GOOD)
    (site.folder / "both-2.5.dist-info/entry_points.txt").write_text("[ganzoo]\na = a_module\nb = b_module\n")
    result = load()
    assert plugin_of(result, "b").error == "loss 'huber' of plugin 'b' is already registered by plugin 'a'"
    assert components(result, "b") == [] and len(components(result, "a")) == 2


def test_a_library_that_fails_while_a_plugin_is_imported_is_not_named_but_the_authors_line(site: Site) -> None:
    package = site.folder / "deep_package"
    package.mkdir()
    (package / "__init__.py").write_text(GOOD + "from deep_package import inner\n")
    (package / "inner.py").write_text("import json\n\nVALUE = json.loads('{')\n")
    site.install("deep", "", module="unused")
    (site.folder / "deep_package-2.5.dist-info/entry_points.txt").write_text("[ganzoo]\ndeep = deep_package\n")
    assert plugin_of(load(), "deep").error.endswith(f"({package / 'inner.py'}:3)")


def test_a_plugin_without_its_module_fails(site: Site) -> None:
    site.install("bad", GOOD, module="elsewhere")
    (site.folder / "elsewhere.py").unlink()
    assert plugin_of(load(), "bad").error == "ModuleNotFoundError: No module named 'elsewhere'"


def test_ctrl_c_while_loading_ends_the_process(site: Site) -> None:
    site.install("slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        load()


def test_a_plugin_may_have_only_callbacks(site: Site) -> None:
    site.install("watcher", HEAD + WATCH)
    assert plugin_of(load(), "watcher") == Plugin("watcher", "watcher_module", "watcher-package", "2.5", 0, "")


def test_two_packages_cannot_share_a_name(site: Site) -> None:
    site.install("same", GOOD, package="a-package", module="same_a")
    site.install("same", HEAD + WATCH, package="b-package", module="same_b")
    result = load()
    first, second = [one for one in result.loaded if one.name == "same"]
    assert (first.package, first.error) == ("a-package", "")
    assert second.error == "a plugin 'same' is already loaded, from the package a-package"
    assert list(result.registry.failures) == ["same (b-package)"]
    assert len(components(result, "same")) == 2


def test_a_module_cannot_be_loaded_as_two_plugins(site: Site) -> None:
    site.install("first", GOOD, module="shared")
    site.install("second", GOOD, module="shared")
    result = load()
    assert plugin_of(result, "second").error == "shared is already loaded, as plugin 'first'"
    assert result.manager.has_plugin("first")


def test_strict_mode_raises(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("bad", "raise RuntimeError('no luck')")
    message = r"plugin 'bad' \(bad-package\) failed to load: RuntimeError: no luck \(.*:1\)"
    with pytest.raises(GanzooError, match=message):
        load(strict=True)
    monkeypatch.setenv("GANZOO_STRICT", "1")
    with pytest.raises(GanzooError, match=message):
        plugins()
    monkeypatch.setenv("GANZOO_STRICT", "0")
    assert plugin_of(plugins(), "bad").error


def test_a_bundled_plugin_that_fails_raises() -> None:
    with pytest.raises(GanzooError, match=r"plugin 'lost' \(ganzoo-i2i\) failed to load: .*no_such_module"):
        Plugins().load([EntryPoint("lost", "no_such_module", "ganzoo")])


def test_failures_are_named_in_the_error_for_an_unknown_component(site: Site) -> None:
    site.install("bad", "raise RuntimeError('no luck')")
    with pytest.raises(GanzooError, match=r"these plugins failed to load and may have it: bad \(bad-package\)$"):
        plugins().registry.get("loss", "huber")


def test_an_environment_variable_limits_which_plugins_are_loaded(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.install("mine", GOOD)
    site.install("bad", "raise RuntimeError('never imported')")
    monkeypatch.setenv("GANZOO_PLUGINS", "losses, mine")
    result = plugins()
    assert [one.name for one in result.loaded] == ["losses", "mine"]
    with pytest.raises(GanzooError, match=r"GANZOO_PLUGINS excludes these plugins: art2real, .*bad, .*cyclegan, "):
        result.registry.get("generator", "resnet")


def test_the_environment_variable_cannot_name_an_unknown_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins.cache_clear()
    monkeypatch.setenv("GANZOO_PLUGINS", "cyclegan,loses")
    with pytest.raises(GanzooError, match=r"GANZOO_PLUGINS names 'loses', which is not installed \(did you mean 'loss"):
        plugins()
    plugins.cache_clear()


def test_an_installed_wheel_has_its_plugins_from_its_metadata(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins_module, "checkout", dict)
    info = site.folder / "ganzoo_i2i-7.8.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ganzoo-i2i\nVersion: 7.8\n")
    lines = [f"{name} = {module}" for name, module in BUNDLED.items()]
    (info / "entry_points.txt").write_text("[ganzoo]\n" + "\n".join(lines))
    older = site.folder / "ganzoo-0.0.9.dist-info"  # under the name that it had before
    older.mkdir()
    (older / "METADATA").write_text("Metadata-Version: 2.1\nName: ganzoo\nVersion: 0.0.9\n")
    (older / "entry_points.txt").write_text("[ganzoo]\n" + "\n".join(lines))
    assert [one.error for one in load().loaded] == [""] * len(BUNDLED)
    assert installed_version() == "7.8"
    assert {(one.name, one.package, one.version) for one in load().loaded if one.bundled} == {
        (name, "ganzoo-i2i", "7.8") for name in BUNDLED
    }


@pytest.mark.parametrize("metadata", ["", None])
def test_packages_without_metadata_have_an_unknown_name(site: Site, metadata: str | None) -> None:
    site.install("good", GOOD)
    for name in ("half", "other"):
        site.install(name, HEAD + REGISTER + "pass\n", package=f"{name}-package", version="1.0")
        file = site.folder / f"{name}_package-1.0.dist-info/METADATA"
        file.unlink() if metadata is None else file.write_text(metadata)
    result = load()
    assert plugin_of(result, "half") == Plugin("half", "half_module", "unknown", "unknown", 0, "")
    assert [one.name for one in result.loaded if not one.bundled] == ["good", "half", "other"]


def test_a_folder_of_another_project_is_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checkout()["name"] == "ganzoo-i2i"
    monkeypatch.setattr(plugins_module, "__file__", str(tmp_path / "ganzoo" / "plugins.py"))
    (tmp_path / "plugins").mkdir()
    assert checkout.__wrapped__() == {}
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "another"\n')
    assert checkout.__wrapped__() == {}
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "ganzoo"\n')  # the name of another project on PyPI
    assert checkout.__wrapped__() == {}
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "ganzoo-i2i"\n')
    assert checkout.__wrapped__() == {"name": "ganzoo-i2i"}


@pytest.mark.parametrize("name", ["ganzoo", "ganzoo-i2i", "fork-of-ganzoo"])
def test_bundled_plugins_of_another_installed_ganzoo_do_not_clash_with_those_of_the_checkout(
    site: Site, name: str
) -> None:
    info = site.folder / f"{name.replace('-', '_')}-7.8.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 7.8\n")
    lines = [f"{name} = {module}" for name, module in BUNDLED.items()]
    (info / "entry_points.txt").write_text("[ganzoo]\n" + "\n".join(lines))
    loaded = load().loaded
    assert [one.error for one in loaded] == [""] * len(loaded)
    assert sorted(one.name for one in loaded if one.bundled) == sorted(BUNDLED)


def test_every_text_names_the_distribution_that_pip_installs() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"] == "ganzoo-i2i"
    assert 'dependencies = ["ganzoo-i2i>=0.1"]' in (ROOT / "docs/plugins.md").read_text()
    files = [ROOT / "README.md", ROOT / "pyproject.toml", *(ROOT / "docs").glob("*.md")]
    files += [one for part in ("ganzoo", "plugins") for one in (ROOT / part).rglob("*.py")]
    stranger = re.compile(r"pip install[^\n;`]*\bganzoo(?![-\w/.])|\bganzoo\[")
    assert [(file, found.group()) for file in files for found in stranger.finditer(file.read_text())] == []
    assert stranger.search("pip install 'ganzoo[export]'") and not stranger.search("pip install ganzoo-i2i[export]")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout that is not installed."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("ganzoo", "plugins"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def test_a_checkout_that_is_not_installed_finds_its_plugins(copy: Path, tmp_path: Path) -> None:
    import click

    packages = tmp_path / "packages"
    packages.mkdir()
    for one in Path(click.__file__).parents[1].iterdir():
        if "ganzoo" not in one.name:
            (packages / one.name).symlink_to(one)
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(packages)}
    without = subprocess.run([sys.executable, "-S", "-c", "import ganzoo"], env=env, cwd=tmp_path, capture_output=True)
    assert b"No module named 'ganzoo'" in without.stderr
    for command, cwd in (("-m", copy), (str(copy), tmp_path)):
        words = ["-m", "ganzoo"] if command == "-m" else [f"{command}/ganzoo"]
        done = subprocess.run(
            [sys.executable, "-S", *words, "list"], env=env, cwd=cwd, capture_output=True, text=True, check=True
        )
        listed = {tuple(line.split()) for line in done.stdout.splitlines()}
        assert {("method", "cyclegan", "cyclegan"), ("dataset", "striped_digits", "digits")} <= listed


def test_a_checkout_uses_its_own_plugins_whichever_is_installed(copy: Path, tmp_path: Path) -> None:
    (copy / "plugins" / "ganzoo_later").mkdir()
    (copy / "plugins" / "ganzoo_later" / "__init__.py").write_text(GOOD)
    project = copy / "pyproject.toml"
    project.write_text(project.read_text().replace('losses = "ganzoo', 'later = "ganzoo_later"\nlosses = "ganzoo'))
    done = subprocess.run(
        [sys.executable, str(copy / "ganzoo"), "show", "loss", "l1"], cwd=tmp_path, capture_output=True, text=True
    )
    assert str(copy / "plugins" / "ganzoo_losses") in done.stdout
    done = subprocess.run(
        [sys.executable, str(copy / "ganzoo"), "list", "masker", "oval"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.split() == ["masker", "oval", "later"]
