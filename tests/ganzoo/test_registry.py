"""The registry: components by kind and name; a plugin adds all of its components or none."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest

from ganzoo.contracts.origin import Origin
from ganzoo.errors import ComponentError, GanzooError, MissingResourceError, one_line, suggest
from ganzoo.registry import KINDS, Component, Registration, Registry


def registration(plugin: str, *names: str, kind: str = "loss") -> Registration:
    result = Registration(plugin)
    for name in names:
        result.add(kind, name, f"{plugin}.parts:{name.title()}")
    return result


def test_components_are_found_by_kind_name_and_glob() -> None:
    registry = Registry()
    registry.accept(registration("one", "style", "l2", "l1"))
    registry.accept(registration("other", "l1", kind="metric"))
    assert registry.get("loss", "l1") == Component("loss", "l1", "one.parts:L1", "one")
    assert [one.name for one in registry.find("loss")] == ["l1", "l2", "style"]
    assert [one.name for one in registry.find("loss", "l?")] == ["l1", "l2"]
    assert [(one.kind, one.name) for one in registry.find(pattern="l1")] == [("loss", "l1"), ("metric", "l1")]
    assert registry.find("masker") == []


@pytest.mark.parametrize(
    ("kind", "name", "target", "message"),
    [
        ("maskr", "x", "a:B", "unknown kind 'maskr' (did you mean 'masker'?)"),
        ("loss", "x", "a.B", "'a.B' is neither a class nor a string 'module:name'"),
        ("loss", "x", ":B", "':B' is neither"),
        ("loss", "x", "a:", "'a:' is neither"),
        ("loss", "x", suggest, "is neither a class nor a string"),
        ("loss", "two words", "a:B", "a name may contain only letters, digits, '_' and '-'"),
        ("loss", "", "a:B", "a name may contain only letters"),
        ("loss", "l1", "a:B", "loss 'l1' is added twice"),
        ("loss", 50, "a:B", "a name may contain only letters"),
        ("loss", "50", "a:B", "in a recipe it would not be read as text; choose another name"),
        ("loss", "true", "a:B", "in a recipe it would not be read as text"),
        ("loss", "x", Path("a:B"), "is neither a class nor a string"),
    ],
)
def test_wrong_components_are_refused(kind: str, name: Any, target: Any, message: str) -> None:
    mine = registration("mine", "l1")
    with pytest.raises(GanzooError) as error:
        mine.add(kind, name, target)
    assert message in str(error.value)
    assert [one.name for one in mine.components] == ["l1"]


def test_names_may_have_hyphens_and_digits() -> None:
    assert registration("mine", "vit-b_16").components[0].name == "vit-b_16"


def test_a_clash_names_both_plugins_and_adds_nothing() -> None:
    registry = Registry()
    registry.accept(registration("first", "l1"))
    with pytest.raises(GanzooError, match="loss 'l1' of plugin 'second' is already registered by plugin 'first'"):
        registry.accept(registration("second", "huber", "l1"))
    assert [one.plugin for one in registry.find()] == ["first"]


def test_an_unknown_name_gets_the_nearest_one_and_the_plugins_that_are_not_loaded() -> None:
    registry = Registry()
    registry.accept(registration("mine", "charbonnier"))
    with pytest.raises(GanzooError) as error:
        registry.get("loss", "charbonier")
    assert str(error.value) == "unknown loss 'charbonier' (did you mean 'charbonnier'?)"
    registry.failures["theirs (their-package)"] = "ImportError"
    registry.excluded.append("bank")
    with pytest.raises(GanzooError) as error:
        registry.get("loss", "zzz")
    assert str(error.value) == (
        "unknown loss 'zzz' (there are: charbonnier); these plugins failed to load and may have it: "
        "theirs (their-package); GANZOO_PLUGINS excludes these plugins: bank"
    )


@pytest.mark.parametrize("ask", [lambda one: one.get("los", "l1"), lambda one: one.find("los")])
def test_unknown_kinds_are_reported(ask) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(GanzooError, match=r"unknown kind 'los' \(did you mean 'loss'\?\)"):
        ask(Registry())


def test_a_target_is_imported_at_first_use() -> None:
    assert Component("loss", "path", "pathlib:Path", "mine").load() is Path
    assert Component("loss", "path", Path, "mine").load() is Path


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_such_module:X", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("pathlib:Pth", "AttributeError: module 'pathlib' has no attribute 'Pth'"),
        ("pathlib:sys", "pathlib:sys is not a class"),
        ("quits:X", "SystemExit: 4"),
    ],
)
def test_a_target_that_cannot_be_imported_names_its_plugin(
    target: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quits.py").write_text("raise SystemExit(4)")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(GanzooError) as error:
        Component("loss", "x", target, "theirs").load()
    assert str(error.value).startswith("loss 'x' of plugin 'theirs'")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import no_such_package", MissingResourceError),
        ("from ganzoo.interface import Loss", ComponentError),
        ("import lacking.part", ComponentError),
        ("import lacking_part.part", MissingResourceError),
    ],
)
@pytest.mark.parametrize("place", ["module", "constructor"])
def test_only_a_package_that_is_not_installed_is_a_missing_resource(
    code: str, kind: type[GanzooError], place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = {"module": f"{code}\nclass X: pass", "constructor": f"class X:\n    def __init__(self):\n        {code}"}
    (tmp_path / "lacking.py").write_text(lines[place])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "lacking", raising=False)
    with pytest.raises(GanzooError, match=r"lacking\.py:") as error:
        Component("dataset", "x", "lacking:X", "theirs").make()
    assert type(error.value) is kind


def test_a_package_that_a_later_function_lacks_is_a_mistake_of_its_author() -> None:
    with pytest.raises(ComponentError), Origin(Path, "metric", "x", "theirs").catch("compute"):
        importlib.import_module("no_such_package")


def test_suggestions_ignore_case_or_list_all_names() -> None:
    assert suggest("LSGAN", ["lsgan", "hinge"]) == " (did you mean 'lsgan'?)"
    assert suggest("G-ab", ["G_AB", "G_BA"]) == " (did you mean 'G_AB'?)"
    assert suggest("q", ["b", "a", "b"]) == " (there are: a, b)"
    assert suggest("q", []) == " (there are none)"
    assert suggest(7, ["7x"]) == " (did you mean '7x'?)"


def test_foreign_errors_fit_on_one_line() -> None:
    assert one_line(ValueError("first\n  second")) == "ValueError: first second"
    assert one_line(RuntimeError()) == "RuntimeError"


def test_the_kinds_are_these_seven() -> None:
    assert KINDS == ("method", "generator", "discriminator", "masker", "loss", "dataset", "metric")
