"""The page of a study in a browser: practice, time limit, keys, and the file of answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.support.browser import browser
from tests.support.command_line import Run

pytestmark = pytest.mark.studio
UNSEEN = 250
"""Milliseconds after which the page takes an answer, and some more."""


def test_a_participant_answers_all_trials_and_saves_them(tmp_path: Path, run: Run) -> None:
    for name, level in (("fakes", 0), ("real", 255)):
        (tmp_path / name).mkdir()
        for number in range(6):
            Image.new("RGB", (8, 8), (level,) * 3).save(tmp_path / name / f"{number}.png")
    study = tmp_path / "study"
    code, _, error = run(
        "study", str(tmp_path / "fakes"), "--real", str(tmp_path / "real"), "-o", str(study),
        "--trials", "3", "--practice", "2", "--seconds", "0.3",
    )  # fmt: skip
    assert code == 0, error
    key = json.loads((study / "key.json").read_text())
    with browser() as chromium:
        page = chromium.new_page()
        problems: list[str] = []
        page.on("console", lambda one: problems.append(one.text) if one.type == "error" else None)
        page.on("pageerror", lambda one: problems.append(str(one)))
        page.goto(f"file://{study}/index.html")
        page.fill("#participant", "Ana 1")
        page.click("#begin button")
        assert not page.is_visible("#source")  # these folders have no source images
        page.wait_for_selector("#pair.hidden")  # the time is over, and the answer is still to come
        page.keyboard.press("ArrowLeft")
        assert page.inner_text("#feedback") in ("Right.", "No: the right one was real.")
        page.click("#next")
        page.wait_for_timeout(UNSEEN)
        page.click("#right")
        page.click("#next")
        for number in range(3):
            assert page.inner_text("#kind") == ""
            page.evaluate("choose('left'); choose('right')")  # a double click on the trial before: nobody has looked
            page.wait_for_timeout(UNSEEN)
            page.evaluate("document.dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowLeft', repeat: true}))")
            assert page.inner_text("#progress") == f"{number + 3} of 5"
            page.click("#left")
        assert page.is_visible("#end")
        leaving = (
            "(() => { const one = new Event('beforeunload', {cancelable: true}); return window.dispatchEvent(one); })()"
        )
        assert page.evaluate(leaving) is False  # the browser asks whether to leave
        with page.expect_download() as saved:
            page.click("#save")
        saved.value.save_as(tmp_path / "answers.json")
        assert saved.value.suggested_filename == "answers-Ana_1.json"
        assert page.evaluate(leaving) is True
        assert problems == []
    answers = json.loads((tmp_path / "answers.json").read_text())
    assert answers["participant"] == "Ana 1" and len(answers["answers"]) == 5
    code, text, _ = run("study", "results", str(study), str(tmp_path / "answers.json"), "--json")
    counted = [one for one in answers["answers"] if not key["trials"][one["trial"]]["practice"]]
    chosen = [key["trials"][one["trial"]]["shown"][one["choice"]] == "fakes" for one in counted]
    assert json.loads(text)[0]["percent"] == pytest.approx(100 * sum(chosen) / 3)
