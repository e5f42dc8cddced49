"""``ganzoo schema`` writes the schema of recipes, prints it, and notices that a file differs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.ganzoo.contracts.test_declaration import RIGHT, code
from tests.support.command_line import Run
from tests.support.planted_plugins import planted_site

ROOT = Path(__file__).resolve().parents[3]


def test_the_schema_is_written_and_printed(run: Run, tmp_path: Path) -> None:
    assert run("schema", "--bundled", "-o", tmp_path / "schema.json") == (0, "", "")
    assert (tmp_path / "schema.json").read_text() == (ROOT / "recipes/schema.json").read_text()
    code, out, err = run("schema")
    assert (code, err) == (0, "")
    assert "cyclegan" in json.loads(out)["definitions"]["names.method"]["enum"]


def test_a_file_that_differs_is_an_error(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    file.write_text((ROOT / "recipes/schema.json").read_text())
    assert run("schema", "--bundled", "--check", file) == (0, "", "")
    file.write_text(file.read_text().replace('"minimum": 1', '"minimum": 2', 1))
    for wrong in (file, tmp_path / "none.json"):
        advice = f"it is not the schema of what is installed; write it: ganzoo schema --bundled -o {wrong}"
        assert run("schema", "--bundled", "--check", wrong) == (2, "", f"ganzoo: {wrong}: {advice}\n")


@pytest.mark.parametrize(
    ("kind", "text", "mistake"),
    [
        ("method", RIGHT["method"].replace('("G",)', '("generator",)'), ""),
        ("loss", "class Planted:\n    pass\n", "it is not derived from ganzoo.interfaces.Loss, as each loss must be"),
    ],
)
def test_a_mistake_in_a_plugin_leaves_the_other_components_in_the_schema(
    kind: str, text: str, mistake: str, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANZOO_PLUGINS", "theirs,cyclegan")
    with planted_site(tmp_path, monkeypatch) as site:
        site.plant(kind, code(text))
        exit_code, out, err = run("schema")
    names = json.loads(out)["definitions"]["names.method"]["enum"]
    assert exit_code == 0 and "cyclegan" in names and "Traceback" not in err
    assert (mistake in err) if mistake else not err
