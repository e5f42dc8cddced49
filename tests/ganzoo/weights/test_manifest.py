"""Plugins' lists of weights, and facts in the bundled lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganzoo.registry import Registration, Registry
from ganzoo.weights import WeightsFile, listed
from ganzoo.weights.manifest import read_manifest
from tests.support.command_line import refusal

LISTED = list(listed().values())


def registration(folder: Path, plugin: str, text: str) -> Registration:
    (folder / f"{plugin}.toml").write_text(text)
    registration = Registration(plugin)
    registration.add_weights(folder / f"{plugin}.toml")
    return registration


def table(name: str, address: str = "https://example.org/a.pth", **more: str) -> str:
    lines = [f'["{name}"]', f'address = "{address}"', *(f'{key} = "{value}"' for key, value in more.items())]
    return "\n".join(lines) + "\n"


def test_a_plugins_list_is_read(tmp_path: Path) -> None:
    (tmp_path / "w.toml").write_text(
        table("mine/a") + table("b", "http://example.org/b?raw=1", file="b.bin", sha256="0123abcd", licence="MIT")
        + "size = 12\n"
    )  # fmt: skip
    assert read_manifest(tmp_path / "w.toml") == [
        WeightsFile("mine/a", "https://example.org/a.pth", "a.pth"),
        WeightsFile("b", "http://example.org/b?raw=1", "b.bin", "0123abcd", 12, "MIT"),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (table("a", sha="00112233"), "unknown key 'sha' (did you mean 'sha256'?)"),
        (table("a", sha256="0123abc"), "weights 'a': sha256 is '0123abc'"),
        (table("a", sha256="0123ABCD"), "weights 'a': sha256 is '0123ABCD'"),
        (table("a", size="12"), "weights 'a': size is '12'"),
        (table("a", file="../a"), "weights 'a': file is '../a'"),
        (table("a", "https://example.org/?a"), "weights 'a': file is '?a'"),
        (table("a", "file:///etc/passwd"), "weights 'a': address is 'file:///etc/passwd'"),
        (table("a b"), "weights 'a b': name is 'a b'"),
        ('["a"]\nsize = 3', "weights 'a': address is ''"),
        ("a = 3", "unknown key 'a'"),
        ("[a", "cannot be read"),
    ],
)
def test_a_mistake_in_a_list_is_an_error(tmp_path: Path, text: str, message: str) -> None:
    error = refusal(registration, tmp_path, "mine", text)
    assert error.startswith(f"{tmp_path / 'mine.toml'}: ")
    assert message in error
    assert "gone.toml: cannot be read" in refusal(read_manifest, tmp_path / "gone.toml")


def test_two_plugins_may_list_the_same_file_but_not_another_one_of_its_name(tmp_path: Path) -> None:
    registry, same = Registry(), table("a", sha256="00112233")
    registry.accept(registration(tmp_path, "first", same))
    registry.accept(registration(tmp_path, "second", same + table("b", "https://example.org/b.pth")))
    assert sorted(registry.weights) == ["a", "b"]
    for text in (table("a", sha256="00112234"), table("c", "https://elsewhere.org/a.pth")):
        third = registration(tmp_path, "third", text + table("d", "https://example.org/d.pth"))
        third.add("loss", "fine", "third:Fine")
        message = refusal(registry.accept, third)
        assert "of plugin 'third' are already listed, but differently: 'a', a.pth from https://example.org/a" in message
        assert sorted(registry.weights) == ["a", "b"]
        assert registry.find() == []


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry.name)
def test_listed_files_agree_with_their_publisher(entry: WeightsFile) -> None:
    """File names contain eight digits of the checksum; torchvision also gives sizes in MiB, rounded to 0.001."""
    from torchvision.models import get_model_weights  # type: ignore[import-untyped]

    assert entry.file.rpartition("-")[2].partition(".")[0] == entry.sha256[:8]
    publisher, _, model = entry.name.partition("/")
    if publisher == "torchvision":
        (published,) = [one for one in get_model_weights(model) if one.url == entry.address]
        assert round(entry.size / 2**20, 3) == published.meta["_file_size"]


def test_all_segmentation_models_of_torchvision_are_listed() -> None:
    from torchvision.models import get_model_weights, list_models, segmentation

    addresses = {entry.address for entry in LISTED}
    assert {get_model_weights(name).DEFAULT.url for name in list_models(segmentation)} <= addresses
