"""ganzoo weights: what it lists, fetches and finds."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from torch import Tensor

from ganzoo.interfaces import Direction, Loss, Metric
from ganzoo.plugins import plugins
from ganzoo.registry import Component
from ganzoo.step import Step
from ganzoo.weights import find
from tests.support.command_line import Run
from tests.support.file_server import FileServer
from tests.support.tiny_run import write_recipe


class Judge(Metric):
    """A metric that takes weights."""

    def __init__(self, *, net: str = "test/net") -> None:
        self.file = find(net)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        return {}


class Features(Loss):
    """A loss that takes weights."""

    def __init__(self, *, net: str = "test/net") -> None:
        super().__init__()
        self.file = find(net)

    def forward(self, image: Tensor) -> Tensor:
        return image.mean()


@pytest.fixture(autouse=True)
def _listed(server: FileServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """List what the server has, and add the parts that take it."""
    registry = plugins().registry
    monkeypatch.setitem(registry.weights, "test/net", server.entry(licence="CC0-1.0"))
    monkeypatch.setitem(registry.weights, "test/other", server.entry(name="test/other", file="other.pth"))
    monkeypatch.setitem(registry._components["metric"], "judge", Component("metric", "judge", Judge, "test"))
    monkeypatch.setitem(registry._components["loss"], "features", Component("loss", "features", Features, "test"))
    monkeypatch.setenv("GANZOO_WEIGHTS", "")  # and put back, where a command has set it


def listed(run: Run, *words: object) -> dict[str, str]:
    return {line.split()[0]: line for line in run("weights", *words, "list")[1].splitlines()}


def test_the_list_says_what_is_known_and_where_it_lies(run: Run, server: FileServer, cache: Path) -> None:
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


def test_a_size_that_nobody_knows_is_said_to_be_unknown(
    run: Run, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plugins().registry.weights, "test/net", server.entry(size=0))
    assert " size unknown " in listed(run)["test/net"]


def test_what_is_listed_in_part_and_noted_is_shown_once(
    run: Run, server: FileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(plugins().registry.weights, "test/net", server.entry(sha256=server.checksum[:8]))
    find("test/net")
    assert run("weights", "list")[1].count("test/net ") == 1


def test_several_are_fetched_by_name(run: Run, cache: Path) -> None:
    assert run("weights", "get", "test/net", "test/other") == (0, f"{cache / 'net.pth'}\n{cache / 'other.pth'}\n", "")
    assert run("weights", "path", "test/net") == (0, f"{cache / 'net.pth'}\n", "")


def test_path_fetches_nothing(run: Run, server: FileServer, cache: Path) -> None:
    said = "ganzoo: test/net is not here; ganzoo weights get test/net fetches it\n"
    assert run("weights", "path", "test/net") == (2, "", said)
    assert server.asked == []
    find("test/net").write_bytes(b"another")
    assert "it is damaged or another file" in run("weights", "path", "test/net")[2]


def test_what_a_recipe_needs_is_fetched(run: Run, cache: Path, tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path,
        losses={"near": {"loss": "features", "of": "fake_B"}},
        evaluate={"metrics": ["cycle_l1", {"metric": "judge", "net": "test/other"}], "best": None},
    )
    assert run("weights", "get", recipe) == (0, f"{recipe}: the weights that it needs are here\n", "")
    assert sorted(one.name for one in cache.glob("*.pth")) == ["net.pth", "other.pth"]


def test_overrides_are_a_recipe_s(run: Run, cache: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    assert run("weights", "get", recipe, "evaluate.metrics=[judge]", "evaluate.best=null")[0] == 0
    assert (cache / "net.pth").is_file()
    said = "ganzoo: train.steps=3: an override, and no recipe (*.yaml) is named\n"
    assert run("weights", "get", "test/net", "train.steps=3") == (2, "", said)


def test_all_that_a_recipe_lacks_is_told(run: Run, server: FileServer, tmp_path: Path) -> None:
    server.statuses = [404, 404]
    metrics = [
        "judge",
        {"metric": "judge", "net": "test/other"},
        {"metric": "judge", "net": "test/nat"},
    ]
    recipe = write_recipe(tmp_path, evaluate={"metrics": metrics, "best": None})
    code, out, err = run("weights", "get", recipe)
    assert (code, out) == (2, "")
    assert [line.split(" (")[0].split(": bring")[0] for line in err.replace(";", " (").splitlines()] == [
        f"ganzoo: {recipe}: metric judge: test/net cannot be fetched: the server says 404 Not Found",
        f"ganzoo: {recipe}: metric judge: test/other cannot be fetched: the server says 404 Not Found",
        f"ganzoo: {recipe}: metric judge: unknown weights 'test/nat'",
    ]


def test_check_names_the_metric_that_lacks_weights(run: Run, server: FileServer, tmp_path: Path) -> None:
    server.statuses = [404]
    recipe = write_recipe(tmp_path, evaluate={"metrics": ["judge"], "best": None})
    code, out, err = run("check", recipe, "--quick")
    assert (code, out) == (2, "")
    assert err.startswith("ganzoo: evaluate.metrics: judge: test/net cannot be fetched: the server says 404 Not Found;")


def test_a_folder_may_be_named(run: Run, server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own/net.pth").write_bytes(server.content)
    assert listed(run, "--folder", tmp_path / "own")["test/net"].endswith(f"  {tmp_path / 'own/net.pth'}")
    assert run("weights", "--folder", tmp_path / "own", "path", "test/net")[1] == f"{tmp_path / 'own/net.pth'}\n"
    recipe = write_recipe(tmp_path, evaluate={"metrics": ["judge"], "best": None})
    assert run("weights", "--folder", tmp_path / "own", "get", recipe)[0] == 0
    assert server.asked == []
    assert os.environ["GANZOO_WEIGHTS"] == str(tmp_path / "own")
    assert run("weights", "--folder", tmp_path / "gone", "list")[0] == 2


def test_a_name_that_nobody_knows(run: Run) -> None:
    assert run("weights", "get", "test/nett") == (
        2, "", "ganzoo: unknown weights 'test/nett' (did you mean 'test/net'?)\n"
    )  # fmt: skip
