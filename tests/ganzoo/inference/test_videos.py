"""Videos: frames as if translated one by one, times and sound kept, steady styles and masks, nothing half written."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo as package
from ganzoo.cli import translate as command
from ganzoo.data.domain_io import DomainIO
from ganzoo.data.video_writer import CODECS, VideoWriter
from ganzoo.errors import GanzooError
from ganzoo.inference.files import translate_files
from ganzoo.inference.options import MaskOption, StyleOption
from ganzoo.inference.pipeline import Item, Job, Translation
from ganzoo.inference.translator import Translator
from ganzoo.inference.videos import FrameAverage, FramePage, Steadiness, VideoStages, check_domains
from ganzoo.randomness import Draws, keyed
from tests.support.command_line import Run, refusal
from tests.support.random_images import noise, save
from tests.support.small_networks import MUNIT_SMALL
from tests.support.untrained_runs import write_untrained_run
from tests.support.videos import frames_of, read_video, unknown_sound, write_video

GENERATOR = {"generator": "resnet", "width": 2, "blocks": 0}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_untrained_run(
        tmp_path_factory.mktemp("videos"), {"method": "cyclegan", "networks": {"G": GENERATOR}, "images": {"size": 32}}
    )


@pytest.fixture(scope="module")
def styled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = {"method": "munit", "networks": MUNIT_SMALL, "images": {"size": 16}}
    return write_untrained_run(tmp_path_factory.mktemp("styled"), recipe)


def h264(path: Path, frames: np.ndarray, **options: Any) -> Path:
    return write_video(path, frames, codec="libx264", pixels="yuv420p", **options)


def translated_singly(trained: Path, frames: np.ndarray) -> np.ndarray:
    translator = package.load(trained)
    return np.stack([np.asarray(translator.translate(Image.fromarray(frame))) for frame in frames])


def test_ten_seconds_go_in_and_out_with_their_sound(run: Run, trained: Path, tmp_path: Path) -> None:
    frames = frames_of(250)
    source = write_video(tmp_path / "in.mkv", frames)
    words = ("translate", trained, source, "-o", tmp_path / "out.mkv", "--codec", "ffv1", "--batch", 1)
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    assert out == f"1 of 1 videos (250 frames) translated AB, into {tmp_path}/out.mkv\n"
    before, after = read_video(source), read_video(tmp_path / "out.mkv")
    np.testing.assert_array_equal(after.frames, translated_singly(trained, frames))
    assert after.starts == before.starts == [Fraction(number, 25) for number in range(250)]
    assert after.sound == before.sound and after.sound_starts == before.sound_starts and len(after.sound) > 70
    assert sorted(one.name for one in tmp_path.iterdir()) == ["in.mkv", "out.mkv"]


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_and_threads_change_nothing(trained: Path, tmp_path: Path, workers: int) -> None:
    frames = frames_of(30)
    starts = [number * 3 + number % 3 for number in range(30)]
    source = write_video(tmp_path / "in.mkv", frames, starts=starts)
    translate_files(trained, [source], tmp_path / "out.mkv", codec="ffv1", workers=workers, batch=7)
    after = read_video(tmp_path / "out.mkv")
    assert np.abs(after.frames.astype(int) - translated_singly(trained, frames)).max() <= 1
    assert after.starts == read_video(source).starts == [Fraction(start, 25) for start in starts]


def test_a_folder_may_hold_videos_and_images(run: Run, trained: Path, tmp_path: Path) -> None:
    h264(tmp_path / "in/deep/a.mp4", frames_of(6, 34, 70))
    write_video(tmp_path / "in/deep/a.avi", frames_of(4), codec="mpeg4", pixels="yuv420p", sound="libmp3lame")
    save(tmp_path / "in/deep/a.png", noise(32, 32, 3))
    code, out, err = run(
        "translate", trained, tmp_path / "in", "-o", tmp_path / "out", "--format", "jpg", "--suffix", "_x"
    )
    assert (code, err) == (0, "")
    names = sorted(one.name for one in (tmp_path / "out/deep").iterdir())
    assert names == ["a_x.jpg", "a_x.mkv", "a_x.mp4"]
    assert out.splitlines() == [
        f"1 of 1 images and 2 of 2 videos (10 frames) translated AB, into {tmp_path}/out",
        "1 were scaled to a shorter side of 32 pixels, the size of the training images (--size changes it); "
        "--scale-back restores their sizes",
    ]
    content = read_video(tmp_path / "out/deep/a_x.mp4")
    assert content.frames.shape == (6, 32, 66, 3) and (content.codec, content.pixels) == ("h264", "yuv420p")


def test_scaled_back_and_odd_sizes(run: Run, trained: Path, tmp_path: Path) -> None:
    source = h264(tmp_path / "in.mp4", frames_of(3, 48, 64))
    assert run("translate", trained, source, "-o", tmp_path / "back.mp4", "--scale-back")[0] == 0
    assert read_video(tmp_path / "back.mp4").frames.shape == (3, 48, 64, 3)
    _, out, _ = run("translate", trained, source, "-o", tmp_path / "odd.mp4", "--size", 33)
    assert "1 got a row or column more, a copy of the last one, as their codec needs even sides" in out
    assert read_video(tmp_path / "odd.mp4").frames.shape == (3, 34, 44, 3)


def test_sound_that_is_left_out_is_reported(run: Run, trained: Path, tmp_path: Path) -> None:
    source = unknown_sound(h264(tmp_path / "in.mp4", frames_of(3)))
    code, out, err = run("translate", trained, source, "-o", tmp_path / "out.mp4")
    assert (code, err) == (0, "")
    assert out.splitlines()[1:] == ["1 lack a track of sound, as FFmpeg does not know its codec"]


def test_memory_holds_a_few_frames_however_many_there_are(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_video(tmp_path / "in.mkv", frames_of(300))
    alive, most, lock = 0, 0, threading.Lock()
    pages = VideoStages._pages

    def change(difference: int) -> None:
        nonlocal alive, most
        with lock:
            alive += difference
            most = max(most, alive)

    def counted(self: VideoStages) -> Iterator[FramePage]:
        for page in pages(self):
            change(1)
            weakref.finalize(page.pixels, change, -1)
            yield page

    monkeypatch.setattr(VideoStages, "_pages", counted)
    for workers in (0, 2):
        most = 0
        translate_files(trained, [source], tmp_path / f"{workers}.mp4", workers=workers, batch=4)
        ahead = workers and workers + 4
        assert 4 <= most <= 2 * 4 + 3 * ahead + 5


class TestFailures:
    def test_a_damaged_video_costs_no_other_file_and_leaves_none(self, run: Run, trained: Path, tmp_path: Path) -> None:
        whole = h264(tmp_path / "whole.mp4", frames_of(60), index_first=True).read_bytes()
        (tmp_path / "in").mkdir()
        (tmp_path / "in/a.mp4").write_bytes(whole[: len(whole) * 2 // 3])
        (tmp_path / "in/b.mp4").write_bytes(b"no video")
        h264(tmp_path / "in/c.mp4", frames_of(3))
        code, out, err = run("translate", trained, tmp_path / "in", "-o", tmp_path / "out")
        lines = err.splitlines()
        assert code == 2 and len(lines) == 3 and lines[-1] == "ganzoo: 2 of 3 files were not translated"
        assert [f"in/{name}.mp4: " in line for name, line in zip("ab", lines, strict=False)] == [True, True]
        assert out.startswith("1 of 3 videos (3 frames) translated AB")
        assert [one.name for one in (tmp_path / "out").iterdir()] == ["c.mp4"]

    @pytest.mark.parametrize("workers", [0, 2])
    @pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("CUDA out of memory"), ValueError("broken")])
    def test_an_early_end_leaves_the_old_file(
        self, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, error: BaseException
    ) -> None:
        source, target = h264(tmp_path / "in.mp4", frames_of(40)), tmp_path / "out.mp4"
        target.write_bytes(b"old")
        translate_step, calls = Translator.translate_step, 0

        def failing(self: Translator, *args: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls > 25:
                raise error
            return translate_step(self, *args, **options)

        monkeypatch.setattr(Translator, "translate_step", failing)
        with pytest.raises((KeyboardInterrupt, GanzooError)) as caught:
            translate_files(trained, [source], target, batch=1, workers=workers)
        assert target.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 2
        if "memory" in str(error):
            assert str(caught.value).startswith(f"{source}: too large for the memory; make it smaller with --size\n")
        assert not [one for one in threading.enumerate() if one.name.startswith("ganzoo-translate")]

    def test_an_encoder_that_fails_does_not_leave_threads_waiting(
        self, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source, written = h264(tmp_path / "in.mp4", frames_of(40)), 0

        def failing(self: Any, *args: Any) -> None:
            nonlocal written
            written += 1
            if written == 9:
                raise OSError(28, "No space left on device")

        monkeypatch.setattr(VideoWriter, "write", failing)
        with pytest.raises(GanzooError, match=r"out\.mp4: the disk is full; free some space"):
            translate_files(trained, [source], tmp_path / "out.mp4", workers=2)
        assert [one.name for one in tmp_path.iterdir()] == ["in.mp4"]


class TestOrder:
    def test_threads_encode_in_the_order_of_the_frames(self) -> None:
        encoded: list[int] = []

        class Work:
            direction = "AB"

            class translator:  # noqa: N801
                domain_io = {"B": DomainIO(3)}  # noqa: RUF012

            def sized(self, item: Item, translation: Translation) -> torch.Tensor:
                return translation.image

            def write_masks(self, item: Item, translation: Translation) -> None:
                pass

        class Writer:
            def write(self, pixels: np.ndarray, start: int, duration: int) -> None:
                encoded.append(start)

        job = Job(0, 0, Path(), Path(), MaskOption(), StyleOption())
        stages = VideoStages(Work(), Any, Writer(), Steadiness(), print)  # type: ignore[arg-type]
        threads = []
        for number in (3, 1, 2, 0):
            item = Item(job, FramePage(noise(4, 4, 3), number=number, start=number), None, (4, 4))
            translation = Translation(torch.zeros(3, 4, 4), {})
            threads.append(threading.Thread(target=stages.write, args=(item, translation, Path())))
            threads[-1].start()
        for thread in threads:
            thread.join(10)
        assert encoded == [0, 1, 2, 3]


class TestStyles:
    def still(self, path: Path) -> Path:
        return write_video(path, np.repeat(frames_of(1, 16, 16), 6, axis=0), sound="")

    def test_a_video_has_one_random_style(self, styled: Path, tmp_path: Path) -> None:
        source = self.still(tmp_path / "in/a.mkv")
        translate_files(styled, [source], tmp_path / "out", codec="ffv1", samples=2, batch=4)
        first, second = (read_video(tmp_path / f"out/{n}-random/a.mkv").frames.astype(int) for n in (1, 2))
        assert np.abs(first - first[0]).max() <= 1 and np.abs(second - second[0]).max() <= 1
        assert np.abs(first - second).max() > 1

    def test_frames_of_all_styles_are_counted(self, run: Run, styled: Path, tmp_path: Path) -> None:
        source = self.still(tmp_path / "in.mkv")
        out = run("translate", styled, source, "-o", tmp_path / "out", "--samples", 3)[1]
        assert out.startswith("1 of 1 videos (18 frames) translated AB with each of 3 styles (3 translations)")

    def test_styles_of_frames_are_averaged_by_the_formula(
        self, styled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source, given, failed = self.still(tmp_path / "in.mkv"), [], False
        translate_step = Translator.translate_step

        def recorded(self: Translator, batch: torch.Tensor, *args: Any, **options: Any) -> Any:
            nonlocal failed
            if len(batch) > 1 and not failed:  # the batch is translated again, frame by frame
                failed = True
                raise RuntimeError("out of memory")
            given.append(options["style"])
            return translate_step(self, batch, *args, **options)

        monkeypatch.setattr(Translator, "translate_step", recorded)
        steadiness = Steadiness(smooth=4, frame_styles=True)
        translate_files(styled, [source], tmp_path / "out.mkv", codec="ffv1", seed=5, batch=4, steadiness=steadiness)
        drawn = [Draws([keyed(5, 0, 0, number, "frame style")]).normal(3)[0] for number in range(6)]
        expected = [drawn[0]]
        for style in drawn[1:]:
            expected.append(0.6 * expected[-1] + 0.4 * style)  # a = 2 / (4 + 1)
        torch.testing.assert_close(torch.cat(given), torch.stack(expected))
        frames = read_video(tmp_path / "out.mkv").frames.astype(int)
        assert np.abs(frames[1:] - frames[:-1]).max() > 1

    def test_averages_over_many_frames_move_little(self) -> None:
        values = torch.from_numpy(np.random.default_rng(0).normal(size=(200, 5)))
        spread = []
        for frames in (1, 5, 25):
            average = FrameAverage(frames)
            parts = []
            for part in values.split(30):
                parts.append(average.over("x", part))
                average.keep()
            averaged = torch.cat(parts)
            spread.append(float((averaged[1:] - averaged[:-1]).abs().mean()))
            if frames == 1:
                torch.testing.assert_close(averaged, values.float())
        assert spread[0] > 2 * spread[1] > 4 * spread[2]


class TestRefusals:
    def test_options_that_nothing_would_read(self, run: Run, trained: Path, styled: Path, tmp_path: Path) -> None:
        video, image = h264(tmp_path / "a.mp4", frames_of(2)), save(tmp_path / "a.png", noise(32, 32, 3))
        out = ("-o", tmp_path / "out")
        for words, message in (
            ((trained, image, *out, "--crf", 3), "are for videos, and there are none; remove them"),
            ((trained, image, *out, "--smooth", 3), "are for videos, and there are none; remove them"),
            ((trained, video, *out, "--format", "png"), "are for images, and there are none; for videos see --codec"),
            ((trained, video, *out, "--smooth", 3), "--smooth: no mask is computed for each frame"),
            ((trained, video, *out, "--frame-styles"), "--frame-styles: the method has no styles"),
            (
                (styled, video, *out, "--frame-styles", "--style", "1,2,3"),
                "--frame-styles: --style chooses one for all",
            ),
            ((trained, video, "-o", tmp_path / "b.png"), "b.png is an image, but "),
            ((trained, image, "-o", tmp_path / "b.mp4"), "b.mp4 is a video, but "),
            ((trained, video, "-o", tmp_path / "b.avi"), "b.avi: videos are written as .mp4, .m4v, .mov, .mkv, .webm"),
            ((trained, video, "-o", video), "would be overwritten by its translation"),
        ):
            code, printed, err = run("translate", *words)
            assert (code, printed) == (2, "") and message in err and err.count("\n") == 1, err
        assert sorted(one.name for one in tmp_path.iterdir()) == ["a.mp4", "a.png"]

    def test_domains_that_no_video_shows(self) -> None:
        for domain_io in (DomainIO(6, classes=6), DomainIO(5), DomainIO(1, value_range=(0, 4095))):
            for domains in ({"A": DomainIO(3), "B": domain_io}, {"A": domain_io, "B": DomainIO(1)}):
                message = refusal(check_domains, domains, "AB", Path("a.mp4"))
                assert message.startswith("a.mp4: videos hold colours or greys of 8 bits, and the images of domain")
        check_domains({"A": DomainIO(1), "B": DomainIO(3)}, "BA", Path("a.mp4"))

    def test_the_command_offers_the_codecs_and_names_their_factors(self) -> None:
        assert tuple(CODECS) == command.CODECS
        (option,) = [one for one in command.translate_command.params if one.name == "crf"]
        assert isinstance(option, click.Option)
        for name, codec in CODECS.items():
            assert codec.crf is None or f"{codec.crf} for {name}" in str(option.help)


def test_grey_domains_have_videos(tmp_path: Path) -> None:
    generator: dict[str, Any] = {"method": "cyclegan", "networks": {"G": GENERATOR}, "images": {"size": 32}}
    trained = write_untrained_run(tmp_path / "run", generator, A=1, B=1)
    frames = frames_of(3)
    translate_files(trained, [write_video(tmp_path / "a.mkv", frames)], tmp_path / "b.mkv", codec="ffv1", batch=1)
    result = read_video(tmp_path / "b.mkv").frames
    np.testing.assert_array_equal(result[..., 0], translated_singly(trained, frames))
    np.testing.assert_array_equal(result[..., 0], result[..., 2])
