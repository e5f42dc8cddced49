"""ganzoo weights: list, get and path."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from torch import Tensor, nn

from ganzoo.errors import MissingResourceError
from ganzoo.interfaces import Direction, Loss, Metric
from ganzoo.plugins import plugins
from ganzoo.registry import Component
from ganzoo.step import Step
from ganzoo.utils.program import program_name
from ganzoo.weights import find
from tests.support.command_line import Run
from tests.support.file_server import FileServer
from tests.support.tiny_run import write_recipe


class Weighted(Metric):
    """A metric that needs weights."""

    def __init__(self, *, net: str = "test/net") -> None:
        self.file = find(net)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        return {}


class Features(Loss):
    """A loss that needs weights."""

    def __init__(self, *, net: str = "test/net") -> None:
        super().__init__()
        self.file = find(net)

    def forward(self, image: Tensor) -> Tensor:
        return image.mean()


@pytest.fixture(autouse=True)
def _listed(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """List the server's file, and add the parts that need it."""
    registry = plugins().registry
    monkeypatch.setitem(registry.weights, "test/net", server.entry(licence="CC0-1.0"))
    monkeypatch.setitem(registry.weights, "test/other", server.entry(name="test/other", file="other.pth"))
    monkeypatch.setitem(registry._components["metric"], "weighted", Component("metric", "weighted", Weighted, "test"))
    monkeypatch.setitem(registry._components["loss"], "features", Component("loss", "features", Features, "test"))
    monkeypatch.setenv("GANZOO_WEIGHTS", "")  # restored after the test: commands set it


def listed(run: Run, *words: object) -> dict[str, str]:
    return {line.split()[0]: line for line in run("weights", *words, "list")[1].splitlines()}


def test_the_list_shows_size_licence_and_path(run: Run, server: FileServer, cache: Path) -> None:
    before = listed(run)
    assert before["test/net"].split(maxsplit=1)[1] == "195.3 KiB  CC0-1.0           not here"
    assert before["test/other"].endswith("  licence unknown   not here")
    find("test/net")
    find(server.entry(name="elsewhere/net", file="else.pth", sha256="", size=0))
    after = listed(run)
    assert after["test/net"].endswith(f"  {cache / 'net.pth'}")
    assert after["elsewhere/net"].endswith(f"195.3 KiB  licence unknown   {cache / 'else.pth'}")
    assert sorted({*after} - {*before}) == ["elsewhere/net"]
    shown = {one.pop("name"): one for one in json.loads(run("weights", "list", "--json")[1])}
    assert shown["test/other"] == {
        "address": server.address, "file": "other.pth", "sha256": server.checksum, "size": 200_000, "licence": "",
        "path": "",
    }  # fmt: skip
    assert shown["elsewhere/net"]["path"] == str(cache / "else.pth")
    assert shown["elsewhere/net"]["sha256"] == server.checksum


def test_an_unknown_size_is_shown_as_unknown(run: Run, server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(plugins().registry.weights, "test/net", server.entry(size=0))
    assert " size unknown " in listed(run)["test/net"]


def test_a_file_both_listed_and_recorded_is_shown_once(
    run: Run, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plugins().registry.weights, "test/net", server.entry(sha256=server.checksum[:8]))
    find("test/net")
    assert run("weights", "list")[1].count("test/net ") == 1


def test_get_downloads_several_files_by_name(run: Run, cache: Path) -> None:
    assert run("weights", "get", "test/net", "test/other") == (0, f"{cache / 'net.pth'}\n{cache / 'other.pth'}\n", "")
    assert run("weights", "path", "test/net") == (0, f"{cache / 'net.pth'}\n", "")


def test_path_downloads_nothing(run: Run, server: FileServer, cache: Path) -> None:
    message = f"ganzoo: test/net is not here; download it with: {program_name()} weights get test/net\n"
    assert run("weights", "path", "test/net") == (MissingResourceError.exit_code, "", message)
    assert server.asked == []
    find("test/net").write_bytes(b"another")
    assert "it is damaged or another file" in run("weights", "path", "test/net")[2]


def test_get_downloads_the_weights_of_a_recipe(run: Run, cache: Path, tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path,
        losses={"near": {"loss": "features", "of": "fake_B"}},
        evaluate={"metrics": ["cycle_l1", {"metric": "weighted", "net": "test/other"}], "best": None},
    )
    assert run("weights", "get", recipe) == (0, f"{recipe}: all weights that it needs are here\n", "")
    assert sorted(one.name for one in cache.glob("*.pth")) == ["net.pth", "other.pth"]


def test_overrides_change_the_recipe_and_need_one(run: Run, cache: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    assert run("weights", "get", recipe, "evaluate.metrics=[weighted]", "evaluate.best=null")[0] == 0
    assert (cache / "net.pth").is_file()
    message = "ganzoo: train.steps=3: an override, but no recipe (*.yaml) is named\n"
    assert run("weights", "get", "test/net", "train.steps=3") == (2, "", message)


def test_recipes_and_overrides_are_told_apart(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(tmp_path)
    overrides = ["evaluate.metrics=[weighted]", "evaluate.best=null"]
    for place in ("lr=0.1/recipe.yaml", "lr=0.1.yml"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        named = recipe.rename(tmp_path / place)
        done = f"{named}: all weights that it needs are here\n"
        assert run("weights", "get", named, *overrides) == (0, done, "")
        assert run("weights", "get", named) == (0, done, "")
        recipe = named
    monkeypatch.chdir(tmp_path)
    assert run("weights", "get", "lr=0.1.yml", *overrides)[0] == 0
    assert run("weights", "get", recipe, "train.start=first.yaml") == (0, done, "")
    message = "ganzoo: train.start=first.yaml: an override, but no recipe (*.yaml) is named\n"
    assert run("weights", "get", "train.start=first.yaml") == (2, "", message)


def test_all_missing_weights_of_a_recipe_are_reported(run: Run, server: FileServer, tmp_path: Path) -> None:
    server.statuses = [404, 404]
    metrics = [
        "weighted",
        {"metric": "weighted", "net": "test/other"},
        {"metric": "weighted", "net": "test/nat"},
    ]
    recipe = write_recipe(tmp_path, evaluate={"metrics": metrics, "best": None})
    code, out, err = run("weights", "get", recipe)
    assert (code, out) == (2, "")
    assert [line.split(" (")[0].split(": bring")[0] for line in err.replace(";", " (").splitlines()] == [
        f"ganzoo: {recipe}: metric weighted: test/net cannot be fetched: the server says 404 Not Found",
        f"ganzoo: {recipe}: metric weighted: test/other cannot be fetched: the server says 404 Not Found",
        f"ganzoo: {recipe}: metric weighted: unknown weights 'test/nat'",
    ]


def test_check_names_the_metric_whose_weights_are_missing(run: Run, server: FileServer, tmp_path: Path) -> None:
    server.statuses = [404]
    recipe = write_recipe(tmp_path, evaluate={"metrics": ["weighted"], "best": None})
    code, out, err = run("check", recipe, "--quick")
    assert (code, out) == (MissingResourceError.exit_code, "")
    assert err.startswith(
        "ganzoo: evaluate.metrics: weighted: test/net cannot be fetched: the server says 404 Not Found;"
    )


def test_the_folder_option(run: Run, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/net.pth").write_bytes(server.content)
    assert listed(run, "--folder", tmp_path / "own")["test/net"].endswith(f"  {tmp_path / 'own/net.pth'}")
    assert run("weights", "--folder", tmp_path / "own", "path", "test/net")[1] == f"{tmp_path / 'own/net.pth'}\n"
    recipe = write_recipe(tmp_path, evaluate={"metrics": ["weighted"], "best": None})
    assert run("weights", "--folder", tmp_path / "own", "get", recipe)[0] == 0
    assert server.asked == []
    assert os.environ["GANZOO_WEIGHTS"] == str(tmp_path / "own")
    assert run("weights", "--folder", tmp_path / "gone", "list")[0] == 2


def test_a_copied_download_and_its_record_are_found_in_the_users_folder(
    run: Run, server: FileServer, cache: Path, tmp_path: Path
) -> None:
    find(server.entry(name="elsewhere/net", file="else.pth", sha256=""))
    cache.rename(tmp_path / "copy")
    assert "elsewhere/net" not in listed(run)
    assert listed(run, "--folder", tmp_path / "copy")["elsewhere/net"].endswith(f"  {tmp_path / 'copy/else.pth'}")
    for command in ("path", "get"):
        words = ("weights", "--folder", tmp_path / "copy", command, "elsewhere/net")
        assert run(*words) == (0, f"{tmp_path / 'copy/else.pth'}\n", "")


def test_an_unknown_name(run: Run) -> None:
    assert run("weights", "get", "test/nett") == (
        2, "", "ganzoo: unknown weights 'test/nett' (did you mean 'test/net'?)\n"
    )  # fmt: skip


class Weighed(nn.Module):
    """A generator that needs weights, and has no option for them."""

    def __init__(self, in_channels: int, out_channels: int, *, width: int = 4) -> None:
        super().__init__()
        self.file = find("test/net")

    def forward(self, image: Tensor) -> Tensor:
        return image


def test_get_downloads_weights_that_a_network_names_itself(
    run: Run, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    generators = plugins().registry._components["generator"]
    monkeypatch.setitem(generators, "weighed", Component("generator", "weighed", Weighed, "test"))
    recipe = write_recipe(tmp_path, networks={"G_AB": {"generator": "weighed"}})
    assert run("weights", "get", recipe) == (0, f"{recipe}: all weights that it needs are here\n", "")
    assert (cache / "net.pth").is_file()
