"""Translations of the studio: the files of the command line, progress, cancel, freeing, foreign paths."""

from __future__ import annotations

import shutil
import threading
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo.data.domain_io import DomainIO
from ganzoo.errors import GanzooError
from ganzoo.inference.files import translate_files
from ganzoo.studio.catalog import Catalog
from ganzoo.studio.models import Models
from ganzoo.studio.request import TranslationRequest
from ganzoo.studio.service import Abilities, Studio
from ganzoo.studio.work import (
    Outcome,
    files_below,
    image_size,
    pack,
    pictures,
    preview,
    source_of,
    translate_request,
)
from tests.support.command_line import refusal
from tests.support.random_images import noise, save
from tests.support.studio_runs import train_runs


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("studio")
    train_runs(home)
    return home


@pytest.fixture
def studio(home: Path) -> Iterator[Studio]:
    with Studio(Catalog([str(home / "runs")]), Models(device="cpu"), home / "recipes") as studio:
        studio.served.mkdir()
        yield studio


def run_of(home: Path, name: str) -> Path:
    return home / "runs" / name / "default"


def finished(studio: Studio, request: TranslationRequest, *, masks: bool = False) -> tuple[Outcome, list[str]]:
    """Return the last outcome, and the lines shown on the way."""
    work = studio.begin("tab")
    seen = [*translate_request(studio.models, request, work.folder, work.stop, save_masks=masks)]
    return seen[-1], [one.line() for one in seen]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in files_below(folder)}


def test_it_writes_the_files_of_the_command_line(home: Path, studio: Studio, tmp_path: Path) -> None:
    inputs = sorted((home / "images/testA").iterdir())
    outcome, lines = finished(studio, TranslationRequest(run_of(home, "plain"), inputs, size="128", scale_back=True))
    translate_files(run_of(home, "plain"), inputs, tmp_path / "out", size=128, scale_back=True)
    assert content(outcome.folder) == content(tmp_path / "out") != {}
    assert lines == [*(f"translating: {i} of 3" for i in range(3)), "3 of 3 translated"]
    packed = pack(outcome.files, outcome.folder, tmp_path / "all.zip")
    with zipfile.ZipFile(packed) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == content(tmp_path / "out")


def test_masks_and_styles_are_those_of_the_command_line(home: Path, studio: Studio, tmp_path: Path) -> None:
    image = home / "images/testA/00.png"
    mask = tmp_path / "half.png"
    Image.new("L", (20, 16)).save(mask)
    with Image.open(mask) as half:
        half.paste(255, (0, 0, 10, 16))
        half.save(mask)
    run = run_of(home, "masked")
    outcome, _ = finished(studio, TranslationRequest(run, [image], masks=[mask], maskers=["round"]), masks=True)
    translate_files(run, [image], tmp_path / "a", masks=[mask], maskers=["round"], save_masks=tmp_path / "m")
    assert content(outcome.folder) == content(tmp_path / "a")
    assert content(outcome.folder.parent / "masks") == content(tmp_path / "m") != {}
    assert outcome.total == 2
    run = run_of(home, "styled")
    for wanted in (
        TranslationRequest(run, [image], styles=["random"], samples=3, seed=5),
        TranslationRequest(run, [image], styles=["0.5,-1,2"]),
        TranslationRequest(run, [image], styles=[str(home / "images/testB/00.png"), "random"], between=3, seed=1),
    ):
        shutil.rmtree(tmp_path / "b", ignore_errors=True)
        outcome, _ = finished(studio, wanted)
        options = wanted.options()
        translate_files(run, [image], tmp_path / "b", **options)
        assert content(outcome.folder) == content(tmp_path / "b") != {}
        assert outcome.done == outcome.total == len(outcome.files)


def test_one_bad_image_costs_no_other_and_is_one_line_without_a_path(
    home: Path, studio: Studio, tmp_path: Path
) -> None:
    bad = tmp_path / "notes.png"
    bad.write_text("no image")
    outcome, _ = finished(studio, TranslationRequest(run_of(home, "plain"), [bad, home / "images/testA/01.png"]))
    assert [path.name for path in outcome.files] == ["01.png"]
    assert outcome.line() == "1 of 2 translated"
    assert len(outcome.failures) == 1
    assert outcome.failures[0].startswith("notes.png: ") and "\n" not in outcome.failures[0]
    assert str(tmp_path) not in outcome.failures[0]


def test_a_request_that_cannot_be_done_raises_and_frees_the_translator(home: Path, studio: Studio) -> None:
    run, image = run_of(home, "plain"), home / "images/testA/00.png"
    for wanted, problem in (
        (TranslationRequest(run, []), "choose one or more images first"),
        (TranslationRequest(run, [image], maskers=["round"]), "this run translates without a mask"),
        (TranslationRequest(run, [image], styles=["random"]), "the method has no styles"),
        (TranslationRequest(run, [image], size="x"), "size: 'x' is not a number of pixels"),
        (TranslationRequest(run, [image], checkpoint="step-9"), "there is no checkpoint step-9"),
    ):
        with pytest.raises(GanzooError) as caught:
            finished(studio, wanted)
        assert problem in str(caught.value)
    assert finished(studio, TranslationRequest(run, [image]))[1][-1] == "1 of 1 translated"


def test_cancel_stops_before_the_next_image(home: Path, studio: Studio) -> None:
    inputs = sorted((home / "images/testA").iterdir())
    work = studio.begin("tab")
    request = TranslationRequest(run_of(home, "plain"), inputs, size="128")
    steps = translate_request(studio.models, request, work.folder, work.stop)
    assert next(steps).line() == "translating: 0 of 3"
    studio.stop("tab")
    last = [*steps][-1]
    assert last.cancelled and last.done < 3
    assert last.line() == f"cancelled: {last.done} of 3 translated"
    assert len(last.files) == last.done


def test_files_with_several_pages_count_once(home: Path, studio: Studio, tmp_path: Path) -> None:
    frames = [Image.fromarray(pixels) for pixels in noise(5, 16, 16, 3)]
    for name in ("a.gif", "b.gif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
    inputs = [tmp_path / "a.gif", tmp_path / "b.gif", home / "images/testA/00.png"]
    outcome, lines = finished(studio, TranslationRequest(run_of(home, "plain"), inputs))
    assert len(outcome.files) == 11
    assert lines[-1] == "3 of 3 translated" and {*lines[:-1]} <= {f"translating: {i} of 3" for i in range(3)}


def test_cancel_within_a_file_with_several_pages_is_shown(home: Path, studio: Studio, tmp_path: Path) -> None:
    class Stop(threading.Event):
        def is_set(self) -> bool:
            return any(tmp_path.rglob("a-*.png"))

    frames = [Image.fromarray(pixels) for pixels in noise(5, 16, 16, 3)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    inputs = [tmp_path / "a.gif", *sorted((home / "images/testA").iterdir())[:2]]
    request = TranslationRequest(run_of(home, "plain"), inputs)
    *_, last = translate_request(studio.models, request, tmp_path / "out", Stop())
    assert len(last.files) == 5
    assert last.line() == "cancelled: 1 of 3 translated"


def test_a_browser_that_leaves_does_not_keep_the_translator(home: Path, studio: Studio) -> None:
    inputs = sorted((home / "images/testA").iterdir())
    work = studio.begin("tab")
    request = TranslationRequest(run_of(home, "plain"), inputs, size="128")
    steps = translate_request(studio.models, request, work.folder, work.stop)
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert "ganzoo-studio" not in {thread.name for thread in threading.enumerate()}
    assert len(files_below(work.folder)) < 3
    assert finished(studio, TranslationRequest(run_of(home, "plain"), inputs))[0].done == 3
    assert not work.folder.exists()


def test_a_translator_is_loaded_once_and_freed_when_idle(home: Path) -> None:
    models = Models(device="cpu", idle=0.2, most=2)
    plain, masked, styled = (run_of(home, name) for name in ("plain", "masked", "styled"))
    with models.use(plain) as first, models.use(plain, "best") as again:
        assert first is again
    for run in (masked, plain, styled):
        with models.use(run):
            pass
    assert models.loaded == 2
    with models.use(plain) as kept:
        assert kept is first
        time.sleep(0.4)
        assert models.loaded == 2
    deadline = time.monotonic() + 20
    while models.loaded and time.monotonic() < deadline:
        time.sleep(0.05)
    assert models.loaded == 0


def test_a_checkpoint_that_was_written_again_is_loaded_again(home: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(run_of(home, "plain"), run)
    models = Models(device="cpu")
    with models.use(run, "last") as before:
        pass
    progress = run / "checkpoints/last/progress.json"
    text = progress.read_bytes()
    progress.unlink()
    progress.write_bytes(text)
    with models.use(run, "last") as after:
        assert after is not before
    assert models.loaded == 1


def test_several_users_wait_for_each_other(home: Path, studio: Studio) -> None:
    inputs = sorted((home / "images/testA").iterdir())
    done: dict[str, Outcome] = {}

    def user(name: str, run: str) -> None:
        work = studio.begin(name)
        request = TranslationRequest(run_of(home, run), inputs)
        *_, done[name] = translate_request(studio.models, request, work.folder, work.stop)

    threads = [threading.Thread(target=user, args=(f"user {i}", run)) for i, run in enumerate(("plain", "masked"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: one.line() for name, one in done.items()} == {f"user {i}": "3 of 3 translated" for i in (0, 1)}


def test_who_waits_can_cancel(home: Path, studio: Studio) -> None:
    request = TranslationRequest(run_of(home, "plain"), [home / "images/testA/00.png"])
    begun, end = threading.Event(), threading.Event()

    def other() -> None:
        with studio.models.use(run_of(home, "masked")):
            begun.set()
            end.wait(60)

    thread = threading.Thread(target=other)
    thread.start()
    assert begun.wait(60) and studio.models.busy
    work = studio.begin("tab")
    threading.Timer(0.3, studio.stop, ["tab"]).start()
    expected = "cancelled, while it waited for another request"
    assert refusal(lambda: [*translate_request(studio.models, request, work.folder, work.stop)]) == expected
    end.set()
    thread.join()
    assert not studio.models.busy
    assert finished(studio, request)[1][-1] == "1 of 1 translated"


def test_only_uploaded_files_can_be_read(studio: Studio, tmp_path: Path) -> None:
    inside = studio.served / "a.png"
    inside.write_bytes(b"")
    (tmp_path / "secret.png").write_bytes(b"")
    (studio.served / "link.png").symlink_to(tmp_path / "secret.png")
    assert studio.uploaded([str(inside)]) == studio.uploaded(str(inside)) == [inside]
    assert studio.uploaded(None) == []
    for path in (tmp_path / "secret.png", studio.served / "../../secret.png", studio.served / "link.png"):
        assert refusal(studio.uploaded, [str(path)]) == f"{path.name}: only uploaded files can be read"


def test_the_folder_of_the_studio_is_deleted_at_its_end(home: Path) -> None:
    with Studio(Catalog([str(home / "runs")]), Models(device="cpu")) as studio:
        (studio.begin("tab").folder / "x").write_bytes(b"")
        folder = studio.folder
    assert not folder.exists()


def test_what_a_run_can_do(home: Path, studio: Studio) -> None:
    found = {}
    for name in ("plain", "masked", "styled"):
        with studio.translator(str(run_of(home, name))) as translator:
            found[name] = Abilities.of(translator)
    assert found["plain"] == Abilities(["AB", "BA"], {"AB": 0, "BA": 0}, "", "", 2)
    assert found["masked"] == Abilities(["AB", "BA"], {"AB": 0, "BA": 0}, "input", "multi_rectangle", 2)
    assert found["styled"] == Abilities(["AB", "BA"], {"AB": 3, "BA": 3}, "", "", 2)


def test_the_image_of_a_translation_is_found_by_its_name() -> None:
    inputs = [Path("x/a.png"), Path("x/b-000.png"), Path("x/c.jpg"), Path("x/c.png"), Path("x/film.mp4")]
    found = {
        name: source_of(Path(name), inputs) for name in ("1/a.png", "b-000.png", "c.jpg.png", "a-012.webp", "film.mp4")
    }
    assert found == {
        "1/a.png": inputs[0], "b-000.png": inputs[1], "c.jpg.png": inputs[2], "a-012.webp": inputs[0], "film.mp4": None
    }  # fmt: skip


def test_previews_of_deep_images_have_the_greys_of_their_range(tmp_path: Path) -> None:
    for top in (4095, 65535):
        values = np.linspace(0, top, 64).astype(np.uint16).reshape(8, 8)
        file = save(tmp_path / f"{top}.png", values)
        shown = np.asarray(preview(file, DomainIO(1, value_range=(0, top))))
        np.testing.assert_allclose(shown[:, :, 0], values / top * 255, atol=1)
    np.save(tmp_path / "colours.npy", np.full((8, 9, 3), 0.5, np.float32))
    assert preview(tmp_path / "colours.npy", DomainIO(3, value_range=(0.0, 1.0))).getpixel((0, 0)) == (128,) * 3


def test_translations_are_shown_if_their_sources_cannot_be(tmp_path: Path) -> None:
    made, source = save(tmp_path / "out/a.png", noise(8, 8, 3)), tmp_path / "a.npy"
    np.save(source, noise(16, 16, 5))
    ((file, picture, original),) = pictures([made], [source], DomainIO(5), DomainIO(3))
    assert (file, picture.size, original) == (made, (8, 8), None)
    assert [*pictures([source], [made], DomainIO(3), DomainIO(5))] == []
    ((_, picture, original),) = pictures([made], [save(tmp_path / "a.png", noise(16, 16, 3))], *[DomainIO(3)] * 2)
    assert original is not None and original.size == picture.size


def test_the_size_of_an_image_of_any_depth_is_known(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", noise(6, 9, 5))
    values = np.full((6, 9), -1000, np.float32)
    sizes = [image_size(file) for file in (tmp_path / "a.npy", save(tmp_path / "b.tif", values))]
    assert sizes == [(9, 6)] * 2
    save(tmp_path / "c.gif", save_all=True, append_images=[Image.new("RGB", (6, 4), "red")])
    assert "c.gif: it has several pages or frames" in refusal(image_size, tmp_path / "c.gif")


def test_of_several_frames_the_one_is_shown_that_was_translated(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), (level, level, level)) for level in (0, 100, 200)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    frames[1].save(tmp_path / "b.png")
    for number, level in enumerate((0, 100, 200)):
        shown = preview(tmp_path / "a.gif", DomainIO(3), result=tmp_path / f"a-{number:03}.png")
        assert shown.getpixel((0, 0)) == (level,) * 3
    assert preview(tmp_path / "b.png", DomainIO(3), result=tmp_path / "b.png").getpixel((0, 0)) == (100,) * 3
    with pytest.raises(GanzooError, match="several pages or frames"):
        preview(tmp_path / "a.gif", DomainIO(3))
