"""Words of a command line that are unknown: one line, exit code 2, and the nearest right word."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import Run


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("tiny.yaml", "recipes/cyclegan_small.yaml", "runs/tiny/default/resolved.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("method: cyclegan\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("rnu tiny.yaml", "no such command 'rnu' (did you mean 'run'?)"),
        ("tiny.yaml", "no such command 'tiny.yaml'; to train a recipe: "),
        ("run tiny.yaml --train.steps=3",
         "no such option '--train.steps'; a key of the recipe is set without dashes: train.steps=3"),
        ("run tiny.yaml --train.steps 3", "without dashes: train.steps=3"),
        ("run tiny.yaml --steps 3",
         "run: no such option '--steps'; a key of the recipe is set without dashes: train.steps=3"),
        ("check tiny.yaml --size=64", "without dashes: images.size=64"),
        ("run tiny.yaml -train.steps=3", "without dashes: train.steps=3"),
        ("evaluate runs --data.root=x", "without dashes: --set data.root=x"),
        ("run tiny.yaml --nmae x", "run: no such option '--nmae' (did you mean '--name'?)"),
        ("run", "run: missing argument 'RECIPE'"),
        ("run tinny.yaml", "tinny.yaml: no such file (did you mean 'tiny.yaml'?)"),
        ("run recipe/cyclegan_smal.yaml", "(did you mean 'recipes/cyclegan_small.yaml'?)"),
        ("check cyclegan_small.yaml", "(did you mean 'recipes/cyclegan_small.yaml'?)"),
        ("check zzz.yaml", "zzz.yaml: no such file"),
        ("evaluate runs/tinny/default", "a folder of images (did you mean 'runs/tiny/default'?)"),
        ("report run/tiny/default", "(did you mean 'runs/tiny/default'?)"),
    ],
)  # fmt: skip
def test_an_unknown_word_gets_one_line_with_what_was_meant(run: Run, words: str, message: str) -> None:
    code, out, err = run(*words.split())
    assert (code, out) == (2, "")
    assert err.startswith("ganzoo: ") and err.count("\n") == 1
    assert message in err


def test_ganzoo_alone_prints_its_help(run: Run) -> None:
    _, out, err = run()
    assert (out + err).startswith("Usage: ganzoo")
    assert "Train RECIPE" in out + err
