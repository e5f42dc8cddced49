"""ganzoo study: what a page shows and hides, and percentages of answers with their intervals."""

from __future__ import annotations

import base64
import io
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ganzoo
from tests.support.command_line import Run
from tests.support.tiny_run import write_recipe


def write_colours(folder: Path, count: int, red: int) -> Path:
    """Write images of one colour, whose green level is their number."""
    folder.mkdir(parents=True)
    for number in range(count):
        Image.new("RGB", (6, 4), (red, number, 0)).save(folder / f"{number:02}.png")
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    levels = {"one": 10, "two": 20, "real": 200}
    return {name: write_colours(tmp_path / "images" / name, 12, red) for name, red in levels.items()}


def page_of(study: Path) -> dict[str, Any]:
    text = (study / "index.html").read_text()
    (data,) = re.findall(r'<body data-study="(.*?)">', text)
    found: dict[str, Any] = json.loads(unescape(data))
    return found


def key_of(study: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((study / "key.json").read_text())
    return found


def pixel(uri: str) -> tuple[int, ...]:
    kind, _, data = uri.partition(",")
    assert kind == "data:image/png;base64"
    value = Image.open(io.BytesIO(base64.b64decode(data))).getpixel((0, 0))
    assert isinstance(value, tuple)
    return value


def make(run: Run, folders: dict[str, Path], out: Path, *words: str) -> tuple[int, str, str]:
    places = str(folders["one"]), str(folders["two"])
    real = () if "better" in words else ("--real", str(folders["real"]))
    return run("study", *places, *real, "-o", str(out), "--side", "0", *words)


def test_a_translation_stands_beside_a_real_image(run: Run, folders: dict[str, Path], tmp_path: Path) -> None:
    code, said, _ = make(run, folders, tmp_path / "study", "--trials", "5", "--practice", "3")
    assert code == 0 and "3 trials for practice, 10 that count" in said
    page, key = page_of(tmp_path / "study"), key_of(tmp_path / "study")
    practice = [bool(one.get("practice")) for one in page["trials"]]
    assert practice == [True] * 3 + [False] * 10
    sides, images = [], []
    for one in page["trials"]:
        shown = key["trials"][one["name"]]["shown"]
        reds = {side: pixel(one[side])[0] for side in ("left", "right")}
        assert {reds[side] for side, what in shown.items() if what == "real"} == {200}
        assert reds == {side: {"one": 10, "two": 20, "real": 200}[what] for side, what in shown.items()}
        real = next(side for side, what in shown.items() if what == "real")
        assert one.get("practice", real) == real
        sides.append(real)
        images += [(what, key["trials"][one["name"]]["image"]) for what in shown.values() if what != "real"]
    assert len(set(sides)) == 2 and len(set(images)) == 13  # both sides occur, and no translation twice
    assert {what for what, _ in images[3:]} == {"one", "two"} and [what for what, _ in images[3:]].count("one") == 5


def test_the_page_does_not_know_what_is_real(run: Run, folders: dict[str, Path], tmp_path: Path) -> None:
    make(run, folders, tmp_path / "study", "--trials", "5", "--practice", "0")
    text = (tmp_path / "study/index.html").read_text()
    assert all(set(one) == {"name", "left", "right", "source"} for one in page_of(tmp_path / "study")["trials"])
    assert not re.search(r"https?://", text) and "default-src 'none'" in unescape(text)
    assert str(tmp_path) not in text


def test_it_depends_on_the_seed_alone(run: Run, folders: dict[str, Path], tmp_path: Path) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        make(run, folders, tmp_path / name, "--trials", "4", "--practice", "2", "--seed", seed)
    texts = [(tmp_path / name / "index.html").read_text() for name in "abc"]
    assert texts[0] == texts[1] != texts[2]


def test_two_runs_are_compared_on_the_same_image(run: Run, folders: dict[str, Path], tmp_path: Path) -> None:
    make(run, folders, tmp_path / "study", "--task", "better", "--trials", "6", "--practice", "2")
    page = page_of(tmp_path / "study")
    assert len(page["trials"]) == 8
    for one in page["trials"]:
        left, right = pixel(one["left"]), pixel(one["right"])
        assert {left[0], right[0]} == {10, 20} and left[1] == right[1]


def test_a_run_translates_its_own_test_images(run: Run, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 1}, evaluate={"every": 0, "metrics": [], "best": None})
    ganzoo.run(recipe, root=tmp_path / "runs")
    place = tmp_path / "runs/tiny/default"
    code, _, error = run("study", str(place), "-o", str(tmp_path / "study"), "--trials", "2", "--practice", "1")
    assert code == 0, error
    key = key_of(tmp_path / "study")
    assert key["labels"] == ["default"] and {one["image"] for one in key["trials"].values()} <= {"00", "01", "02"}


def answers_of(study: Path, participant: str, fooled: float, folder: Path) -> Path:
    """Write the answers of a participant who takes a share of the translations of ``one`` for real, and no others."""
    key, answers = key_of(study), []
    own = [name for name, one in key["trials"].items() if not one["practice"] and "one" in one["shown"].values()]
    for name, one in key["trials"].items():
        real = next(side for side, what in one["shown"].items() if what == "real")
        wrong = name in own and own.index(name) < round(fooled * len(own))
        choice = {"left": "right", "right": "left"}[real] if wrong else real
        answers.append({"trial": name, "choice": choice, "seconds": 1.5})
    folder.mkdir(exist_ok=True)
    file = folder / f"{participant}.json"
    file.write_text(json.dumps({"study": key["study"], "participant": participant, "answers": answers}))
    return file


def test_percentages_are_those_of_the_answers_and_intervals_hold_them(
    run: Run, folders: dict[str, Path], tmp_path: Path
) -> None:
    make(run, folders, tmp_path / "study", "--trials", "10", "--practice", "2")
    for participant, share in (("p1", 0.2), ("p2", 0.4), ("p3", 0.9)):
        answers_of(tmp_path / "study", participant, share, tmp_path / "answers")
    code, text, _ = run("study", "results", str(tmp_path / "study"), str(tmp_path / "answers"), "--json")
    one, two = json.loads(text)
    assert code == 0 and one["percent"] == pytest.approx(50) and two["percent"] == 0
    assert (one["answers"], one["participants"], two["high"]) == (30, 3, 0)
    # Of three people with means .2, .4 and .9: the spread of their mean is .17, and that of ten answers adds to it.
    assert 15 < one["low"] < 35 and 65 < one["high"] < 90
    code, text, _ = run("study", "results", str(tmp_path / "study"), str(tmp_path / "answers"))
    assert "taken for real, %" in text and " 50.0  (" in text and "30 answers of 3 participants" in text


def test_the_interval_covers_the_true_share_nearly_as_often_as_it_says() -> None:
    from ganzoo.evaluation.study.files import Answer, Answers, Key, KeyTrial
    from ganzoo.evaluation.study.results import results

    trials = {f"t{i}": KeyTrial(shown={"left": "one", "right": "real"}, image="x", practice=False) for i in range(20)}
    key = Key(study="s", task="real-or-fake", labels=["one"], trials=trials)
    covered, rng = 0, np.random.default_rng(0)
    for _ in range(60):
        people = []
        for person in range(15):
            votes = rng.random(20) < 0.3
            chosen = [Answer(trial=f"t{i}", choice="left" if v else "right", seconds=1) for i, v in enumerate(votes)]
            people.append(Answers(study="s", participant=str(person), answers=chosen))
        (found,) = results(key, people)
        covered += found.low <= 30 <= found.high
    assert covered >= 54


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--task", "better", "--real", "{real}"),
            "--real: better shows translations only; leave --real out, or choose",
        ),
        (
            ("--checkpoint", "best", "--direction", "AB"),
            "--direction and --checkpoint: only for runs, and there are only",
        ),
        (("--device", "cpu"), "--device: only for runs, and there are only folders of images; leave it out"),
        (("-o", "{one}/00.png"), "00.png is a file, not a folder; choose another folder"),
    ],
)
def test_options_that_nothing_reads_and_places_that_cannot_be_written_are_refused_first(
    run: Run, folders: dict[str, Path], tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    given = [word.format(**folders) for word in words]
    code, _, error = run("study", folders["one"], folders["two"], "-o", tmp_path / "study", *given)
    assert code == 2 and message in error and error.count("\n") == 1
    assert not (tmp_path / "study").exists()


def test_mistakes(run: Run, folders: dict[str, Path], tmp_path: Path) -> None:
    study = tmp_path / "study"
    error = make(run, folders, study)[2]
    assert "one: translations: 45 are needed, with those for practice, and there are 12: lower --trials or" in error
    code, _, error = run("study", str(folders["one"]), "-o", str(study), "--trials", "2", "--practice", "0")
    assert code == 2 and "--real FOLDER" in error
    code, _, error = run("study", str(folders["one"]), "-o", str(study), "--task", "better")
    assert code == 2 and "better compares runs: give two or more" in error
    make(run, folders, study, "--trials", "3", "--practice", "1")
    assert "there is a study already" in make(run, folders, study, "--trials", "3")[2]
    file = answers_of(study, "p1", 0.5, tmp_path / "answers")
    again = tmp_path / "answers/again.json"
    again.write_text(file.read_text())
    results = ("study", "results", str(study))
    assert "participant 'p1' also answered in" in run(*results, str(tmp_path / "answers"))[2]
    good = json.loads(file.read_text())
    for change, message in (
        ({"study": "0"}, "answers to another study"),
        ({"answers": [{**good["answers"][0], "trial": "x"}]}, "the study has no trial 'x'"),
        ({"answers": [good["answers"][0]] * 2}, "a trial is answered twice"),
        ({"answers": [{"trial": "x"}]}, "it is not a file of answers"),
    ):
        again.write_text(json.dumps({**good, **change}))
        code, _, error = run(*results, str(again))
        assert code == 2 and message in error and error.count("\n") == 1
    assert "key.json: cannot be read" in run("study", "results", str(tmp_path / "nothing"), str(file))[2]
