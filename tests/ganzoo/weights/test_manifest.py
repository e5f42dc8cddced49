"""What plugins list of weights, and that what the bundled ones list is true."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganzoo.plugins import plugins
from ganzoo.registry import Registration, Registry
from ganzoo.weights import WeightsFile
from ganzoo.weights.manifest import read_manifest
from tests.support.command_line import refusal

LISTED = list(plugins().registry.weights.values())


def registration(folder: Path, plugin: str, text: str) -> Registration:
    (folder / f"{plugin}.toml").write_text(text)
    made = Registration(plugin)
    made.add_weights(folder / f"{plugin}.toml")
    return made


def table(name: str, address: str = "https://example.org/a.pth", **more: str) -> str:
    lines = [f'["{name}"]', f'address = "{address}"', *(f'{key} = "{value}"' for key, value in more.items())]
    return "\n".join(lines) + "\n"


def test_what_a_plugin_lists_is_read(tmp_path: Path) -> None:
    (tmp_path / "w.toml").write_text(
        table("mine/a") + table("b", "http://example.org/b?raw=1", file="b.bin", sha256="0123abcd", licence="MIT")
        + "size = 12\n"
    )  # fmt: skip
    assert read_manifest(tmp_path / "w.toml") == [
        WeightsFile("mine/a", "https://example.org/a.pth", "a.pth"),
        WeightsFile("b", "http://example.org/b?raw=1", "b.bin", "0123abcd", 12, "MIT"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
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
def test_a_mistake_in_a_list_is_told(tmp_path: Path, text: str, said: str) -> None:
    found = refusal(registration, tmp_path, "mine", text)
    assert found.startswith(f"{tmp_path / 'mine.toml'}: ")
    assert said in found
    assert "gone.toml: cannot be read" in refusal(read_manifest, tmp_path / "gone.toml")


def test_two_plugins_may_list_the_same_but_nothing_else_under_its_name_or_file(tmp_path: Path) -> None:
    registry, same = Registry(), table("a", sha256="00112233")
    registry.accept(registration(tmp_path, "first", same))
    registry.accept(registration(tmp_path, "second", same + table("b", "https://example.org/b.pth")))
    assert sorted(registry.weights) == ["a", "b"]
    for text in (table("a", sha256="00112234"), table("c", "https://elsewhere.org/a.pth")):
        third = registration(tmp_path, "third", text + table("d", "https://example.org/d.pth"))
        third.add("loss", "fine", "third:Fine")
        said = refusal(registry.accept, third)
        assert "of plugin 'third' are already listed, but differently: 'a', a.pth from https://example.org/a" in said
        assert sorted(registry.weights) == ["a", "b"]
        assert registry.find() == []


@pytest.mark.parametrize("entry", LISTED, ids=lambda entry: entry.name)
def test_what_is_listed_agrees_with_what_its_publisher_says(entry: WeightsFile) -> None:
    """File names carry eight digits of the checksum; torchvision tells sizes, too, in MiB to three places."""
    from torchvision.models import get_model_weights  # type: ignore[import-untyped]

    assert entry.file.rpartition("-")[2].partition(".")[0] == entry.sha256[:8]
    publisher, _, model = entry.name.partition("/")
    if publisher == "torchvision":
        (said,) = [one for one in get_model_weights(model) if one.url == entry.address]
        assert round(entry.size / 2**20, 3) == said.meta["_file_size"]


def test_all_that_torchvision_segments_with_is_listed() -> None:
    from torchvision.models import get_model_weights, list_models, segmentation

    addresses = {entry.address for entry in LISTED}
    assert {get_model_weights(name).DEFAULT.url for name in list_models(segmentation)} <= addresses
