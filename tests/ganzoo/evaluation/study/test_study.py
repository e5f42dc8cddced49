"""ganzoo study: what a page shows and hides, and percentages of answers with their intervals."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ganzoo
from ganzoo.data.label_maps import class_colour
from ganzoo.evaluation.study.files import write_study
from ganzoo.evaluation.study.sources import read_source
from ganzoo.evaluation.study.trials import make_trials
from tests.support.command_line import Run
from tests.support.tiny_run import write_recipe
from tests.support.untrained_runs import write_untrained_run


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


def picture_of(uri: str) -> Image.Image:
    kind, _, data = uri.partition(",")
    assert kind == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def pixel(uri: str) -> tuple[int, ...]:
    value = picture_of(uri).getpixel((0, 0))
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


def test_nothing_on_the_page_is_stronger_than_hidden(run: Run, folders: dict[str, Path], tmp_path: Path) -> None:
    make(run, folders, tmp_path / "study", "--trials", "5", "--practice", "0")
    assert "[hidden] { display: none !important; }" in (tmp_path / "study/index.html").read_text()
    assert {one["source"] for one in page_of(tmp_path / "study")["trials"]} == {""}


def test_better_asks_about_the_image_above_only_where_there_is_one(folders: dict[str, Path], tmp_path: Path) -> None:
    above, alone = "Which image is the better version of the one above?", "Which image is better?"
    one, two, run = (
        read_source(folder, name, direction=None, checkpoint="", device="") for name, folder in folders.items()
    )
    run = replace(run, sources=one.translations)
    for name, sources, question, given in (
        ("none", (one, two), "", [alone] * 2),
        ("all", (run, one), "", [above] * 2),
        ("some", (run, one, two), "", [above, above, alone] * 2),
        ("own", (run, one, two), "Which?", ["Which?"] * 6),
    ):
        trials = make_trials("better", sources, {}, trials=1, practice=len(given) // 2, side=0, seed=0)
        write_study(tmp_path / name, "better", ["one"], trials, question=question, seconds=1)
        page = page_of(tmp_path / name)
        assert [trial.get("question", page["question"]) for trial in page["trials"]] == given
        assert page["question"] == (alone if name == "some" else given[0])


def test_a_run_translates_its_own_test_images(run: Run, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 1}, evaluate={"every": 0, "metrics": [], "best": None})
    ganzoo.run(recipe, root=tmp_path / "runs")
    place = tmp_path / "runs/tiny/default"
    code, _, error = run("study", str(place), "-o", str(tmp_path / "study"), "--trials", "2", "--practice", "1")
    assert code == 0, error
    key = key_of(tmp_path / "study")
    assert key["labels"] == ["tiny/default"] and {one["image"] for one in key["trials"].values()} <= {"00", "01", "02"}


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
    # Of three people with means .2, .4 and .9: the spread of their mean is .17, and that of ten trials adds to it.
    assert 5 < one["low"] < 35 and 65 < one["high"] < 95
    code, text, _ = run("study", "results", str(tmp_path / "study"), str(tmp_path / "answers"))
    assert "taken for real, %" in text and " 50.0  (" in text and "30 answers of 3 participants" in text


def test_images_of_practice_do_not_come_back_and_real_ones_only_where_there_are_too_few(
    run: Run, folders: dict[str, Path], tmp_path: Path
) -> None:
    for trials, most in (("4", 1), ("8", 2)):
        code, _, error = make(run, folders, tmp_path / trials, "--trials", trials, "--practice", "2")
        assert code == 0, error
        key, seen = key_of(tmp_path / trials)["trials"], []
        for one in page_of(tmp_path / trials)["trials"]:
            shown = key[one["name"]]["shown"]
            (side,) = [side for side, what in shown.items() if what == "real"]
            (label,) = [what for what in shown.values() if what != "real"]
            seen.append((label, key[one["name"]]["image"], pixel(one[side])[1]))
        practice, counted = seen[:2], seen[2:]
        for place in (1, 2):
            assert not {one[place] for one in practice} & {one[place] for one in counted}
        for label in ("one", "two"):
            assert len({real for name, _, real in counted if name == label}) == int(trials)
        times = [[one[2] for one in counted].count(real) for real in {one[2] for one in counted}]
        assert max(times) == most


def test_each_side_has_the_translation_in_half_of_the_counted_trials(
    run: Run, folders: dict[str, Path], tmp_path: Path
) -> None:
    for seed in range(4):
        make(run, folders, tmp_path / str(seed), "--trials", "10", "--practice", "2", "--seed", str(seed))
        counted = [one["shown"] for one in key_of(tmp_path / str(seed))["trials"].values() if not one["practice"]]
        for label in ("one", "two"):
            sides = [side for shown in counted for side, what in shown.items() if what == label]
            assert sides.count("left") == sides.count("right") == 5
            assert sides != sorted(sides)


def test_answers_to_the_same_trials_with_other_images_or_another_question_are_refused(
    run: Run, folders: dict[str, Path], tmp_path: Path
) -> None:
    words = ("--trials", "3", "--practice", "0", "--real", str(folders["real"]), "--side", "0")
    other = write_colours(tmp_path / "other/one", 12, 30)
    places = {"a": (folders["one"],), "b": (other,), "c": (folders["one"], "--question", "Which?")}
    for name, given in places.items():
        run("study", *map(str, given), "-o", str(tmp_path / name), *words)
    file = answers_of(tmp_path / "a", "p1", 0.5, tmp_path / "answers")
    for name, code in (("a", 0), ("b", 2), ("c", 2)):
        assert run("study", "results", str(tmp_path / name), str(file))[0] == code


def test_the_real_image_is_not_sharper_than_the_translation(run: Run, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    for name, side in (("real", 64), ("one", 16)):
        (tmp_path / name).mkdir()
        for number in range(3):
            picture = Image.fromarray(pixels)
            (picture if side == 64 else picture.resize((side, side), Image.Resampling.BICUBIC)).save(
                tmp_path / name / f"{number}.png"
            )
    for option, size in (("0", 16), ("32", 32)):
        words = ("--trials", "3", "--practice", "0", "--real", str(tmp_path / "real"), "--side", option)
        code, _, error = run("study", str(tmp_path / "one"), "-o", str(tmp_path / option), *words)
        assert code == 0, error
        for one in page_of(tmp_path / option)["trials"]:
            left, right = (np.asarray(picture_of(one[place])) for place in ("left", "right"))
            assert left.shape == (size, size, 3) and np.array_equal(left, right)


def test_each_image_has_a_random_style_of_its_own(tmp_path: Path) -> None:
    write_colours(tmp_path / "images/trainA", 2, 0)
    write_colours(tmp_path / "images/trainB", 2, 0)
    for name in ("a", "b"):
        noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
        (tmp_path / "images/testA").mkdir(exist_ok=True)
        Image.fromarray(noise).save(tmp_path / f"images/testA/{name}.png")
    recipe = {
        "method": "munit",
        "networks": {"G": {"width": 4, "blocks": 1}},
        "data": {"dataset": "folders", "root": str(tmp_path / "images")},
        "images": {"size": 16},
    }
    run = write_untrained_run(tmp_path / "run", recipe)
    source = read_source(run, "run", direction="AB", checkpoint="", device="cpu")
    first, second = (np.asarray(source.translations[name]()) for name in "ab")
    assert np.abs(first.astype(int) - second).max() > 20
    assert np.array_equal(first, np.asarray(source.translations["a"]()))


def test_label_maps_are_shown_in_their_colours_and_values_of_a_range_in_8_bits(run: Run, tmp_path: Path) -> None:
    for split in ("train", "test"):
        for number in range(4):
            for domain, pixels in (
                ("A", np.full((12, 12), 1 + number % 2, np.uint8)),
                ("B", np.full((12, 12), 4095 if number % 2 else 0, np.uint16)),
            ):
                folder = tmp_path / f"images/{split}{domain}"
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    recipe = write_recipe(
        tmp_path,
        train={"steps": 1, "precision": "fp32", "batch": 2},
        evaluate={"every": 0, "metrics": [], "best": None},
    )
    changes = ("data.channels={B: 1}", "data.classes={A: 3}", "data.range={B: [0, 4095]}", "method.identity=0")
    ganzoo.run(recipe, *changes, root=tmp_path / "runs")
    seen: dict[str, set[tuple[int, ...]]] = {}
    for direction in ("AB", "BA"):
        place, out = tmp_path / "runs/tiny/default", tmp_path / direction
        words = ("--direction", direction, "--trials", "3", "--practice", "0")
        code, _, error = run("study", str(place), "-o", str(out), *words)
        assert code == 0, error
        key = key_of(out)["trials"]
        for one in page_of(out)["trials"]:
            for side, what in key[one["name"]]["shown"].items():
                colour = picture_of(one[side]).convert("RGB").getpixel((0, 0))
                seen.setdefault(f"{direction} {what == 'real'}", set()).add(colour)  # type: ignore[arg-type]
    assert seen["AB True"] <= {(0, 0, 0), (255, 255, 255)} and len(seen["AB True"]) == 2
    assert seen["BA True"] <= {class_colour(1), class_colour(2)}
    assert seen["BA False"] <= {class_colour(label) for label in range(3)}
    assert all(0 < level < 255 for colour in seen["AB False"] for level in colour)  # of an untrained network


def test_images_of_one_name_and_pages_of_something_else_are_refused(
    run: Run, folders: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site/index.html").write_text("mine")
    code, _, error = make(run, folders, tmp_path / "site", "--trials", "3", "--practice", "0")
    assert code == 2 and "index.html: it exists and does not belong to a study" in error
    assert (tmp_path / "site/index.html").read_text() == "mine"
    Image.new("RGB", (6, 4)).save(folders["one"] / "03.jpg")
    code, _, error = make(run, folders, tmp_path / "study", "--trials", "3", "--practice", "0")
    assert code == 2 and "two images are called 03, but for their endings" in error


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
        (("--seconds", "inf"), "--seconds inf: it must be from 0 to 3600; 0 shows the images until the answer"),
        (("--seconds", "nan"), "--seconds nan: it must be from 0 to 3600; 0 shows the images until the answer"),
        (("--seconds", "3601"), "--seconds 3601.0: it must be from 0 to 3600; 0 shows the images until the answer"),
    ],
)
def test_options_that_nothing_reads_and_places_that_cannot_be_written_are_refused_first(
    run: Run, folders: dict[str, Path], tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    given = [word.format(**folders) for word in words]
    code, _, error = run("study", folders["one"], folders["two"], "-o", tmp_path / "study", *given)
    assert code == 2 and message in error and error.count("\n") == 1
    assert not (tmp_path / "study").exists()


def test_no_number_on_the_page_is_one_that_json_does_not_have(folders: dict[str, Path], tmp_path: Path) -> None:
    one = read_source(folders["one"], "one", direction=None, checkpoint="", device="")
    trials = make_trials("real-or-fake", [one], one.translations, trials=1, practice=0, side=0, seed=0)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_study(tmp_path / "study", "real-or-fake", ["one"], trials, question="", seconds=float("nan"))
    assert not (tmp_path / "study/index.html").exists()


def test_mistakes(run: Run, folders: dict[str, Path], tmp_path: Path) -> None:
    study = tmp_path / "study"
    error = make(run, folders, study)[2]
    assert "real images: 50 are needed, with those for practice, and there are 12: lower --trials or" in error
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
