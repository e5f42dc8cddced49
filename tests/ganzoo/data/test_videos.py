"""Videos: frames in order, upright, with their times; the sound of another file; codecs; damaged files."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from ganzoo.data import image_files
from ganzoo.data.image_files import describe_skipped, find_images
from ganzoo.data.video_reader import Frame, open_video
from ganzoo.data.video_writer import CODECS, CONTAINERS, VideoWriter, video_form
from ganzoo.errors import GanzooError, MissingResourceError
from tests.support.command_line import refusal
from tests.support.random_images import save
from tests.support.videos import SAMPLES, frames_of, read_video, unknown_sound, write_video

UNEVEN = [0, 3, 4, 9, 10, 11, 20, 22]
"""Times of frames at a variable rate."""


def read(path: Path) -> list[Frame]:
    with open_video(path) as reader:
        return list(reader.frames())


def copy(source: Path, target: Path, codec: str = "", crf: int | None = None) -> VideoWriter:
    form = video_form(target, codec, crf)
    with open_video(source) as reader, VideoWriter(target, form, reader) as writer:
        for frame in reader.frames():
            writer.write(frame.pixels, frame.start, frame.duration)
        writer.close()
        reader.check_end(writer.sound_end)
    return writer


class TestReading:
    def test_frames_come_in_order_with_their_times(self, tmp_path: Path) -> None:
        frames = frames_of(8, 24, 40)
        path = write_video(tmp_path / "a.mkv", frames, starts=UNEVEN, unit=Fraction(1, 10), sound="")
        result = read(path)
        np.testing.assert_array_equal(np.stack([frame.pixels for frame in result]), frames)
        assert [frame.number for frame in result] == list(range(8))
        assert [frame.start for frame in result] == [100 * start for start in UNEVEN]  # Matroska counts milliseconds
        assert [frame.duration for frame in result] == [300, 100, 500, 100, 100, 900, 200, 100]

    @pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (-90, 3), (180, 2)])
    def test_frames_are_turned_upright(self, tmp_path: Path, rotation: int, turns: int) -> None:
        frames = frames_of(2, 32, 48)
        path = write_video(
            tmp_path / "a.mp4", frames, codec="libx264rgb", pixels="rgb24", rotation=rotation, options={"crf": "0"}
        )
        for frame, plain in zip(read(path), frames, strict=True):
            np.testing.assert_array_equal(frame.pixels, np.rot90(plain, turns))  # counter-clockwise, as FFmpeg counts

    def test_colours_of_bt709_and_bt601_come_back(self, tmp_path: Path) -> None:
        shades = np.zeros((4, 64, 64, 3), np.uint8)
        shades[:] = np.array([[200, 40, 60], [20, 180, 90], [70, 60, 220], [128, 128, 128]], np.uint8)[:, None, None]
        write_video(tmp_path / "plain.mp4", shades, codec="libx264", pixels="yuv420p", options={"crf": "0"}, sound="")
        copy(tmp_path / "plain.mp4", tmp_path / "tagged.mp4", crf=0)
        for name in ("plain", "tagged"):
            result = np.stack([frame.pixels for frame in read(tmp_path / f"{name}.mp4")])
            assert np.abs(result.astype(int) - shades).max() <= 4, name

    def test_a_cover_picture_is_no_video(self, tmp_path: Path) -> None:
        import av

        with av.open(str(tmp_path / "a.m4v"), "w", format="mp4") as file:
            tone = file.add_stream("aac", rate=8000, layout="mono")
            part = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.int16), format="s16", layout="mono")
            part.sample_rate = 8000
            file.mux(tone.encode(part))
            file.mux(tone.encode(None))
        assert (
            refusal(read, tmp_path / "a.m4v") == f"{tmp_path}/a.m4v: it has no video stream; remove it from the videos"
        )

    def test_damaged_files_are_one_line(self, tmp_path: Path) -> None:
        whole = write_video(
            tmp_path / "a.mp4", frames_of(40), codec="libx264", pixels="yuv420p", index_first=True
        ).read_bytes()
        cut = tmp_path / "cut.mp4"
        cut.write_bytes(whole[: len(whole) * 2 // 3])
        assert re.fullmatch(rf"{cut}: it ends after \d+ of 40 frames; copy it again or repair it", refusal(read, cut))
        late = write_video(tmp_path / "b.mp4", frames_of(40), codec="libx264", pixels="yuv420p").read_bytes()
        for name, content in (("head.mp4", late[: len(late) // 2]), ("text.mp4", b"no video"), ("empty.mp4", b"")):
            (tmp_path / name).write_bytes(content)
            assert refusal(read, tmp_path / name).startswith(f"{tmp_path}/{name}: ")
        with pytest.raises(MissingResourceError, match=r"none\.mp4: no such file"):
            read(tmp_path / "none.mp4")

    def test_a_file_that_was_cut_is_noticed_by_its_length(self, tmp_path: Path) -> None:
        whole = write_video(tmp_path / "a.mkv", frames_of(100))
        copy(whole, tmp_path / "b.mp4")
        cut = tmp_path / "cut.mkv"
        cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
        assert re.search(r"cut\.mkv: it ends at [12]\.\d of 4\.\d s", refusal(copy, cut, tmp_path / "b.mp4"))

    def test_playlists_and_addresses_are_not_followed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_video(tmp_path / "a.mts", frames_of(3), codec="libx264", pixels="yuv420p", form="mpegts")
        lines = ["#EXTM3U", "#EXT-X-TARGETDURATION:9", "#EXTINF:9,", "a.mts", "#EXT-X-ENDLIST"]
        (tmp_path / "list.mp4").write_text("\n".join(lines))
        assert "list.mp4: no video, or damaged" in refusal(read, tmp_path / "list.mp4")
        monkeypatch.chdir(tmp_path)
        with pytest.raises(MissingResourceError, match=r"concat:a\.mts: no such file"):
            read(Path("concat:a.mts"))

    def test_without_pyav_the_extra_is_named(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = write_video(tmp_path / "in/a.mp4", frames_of(2), codec="libx264", pixels="yuv420p")
        save(tmp_path / "in/b.png")
        assert find_images(tmp_path / "in") == [tmp_path / "in/b.png"]
        assert find_images(tmp_path / "in", videos=True) == [path, tmp_path / "in/b.png"]
        assert describe_skipped(tmp_path / "in") == f"{tmp_path}/in: 1 file is not read: 1 .mp4"
        assert describe_skipped(tmp_path / "in", videos=True) == ""
        monkeypatch.setattr(image_files, "find_spec", lambda name: None)
        with pytest.raises(MissingResourceError, match=r"videos need PyAV: pip install 'ganzoo-i2i\[video\]'"):
            read(path)
        assert find_images(tmp_path / "in", videos=True) == [tmp_path / "in/b.png"]
        assert "1 .mp4; for videos install ganzoo-i2i[video]" in describe_skipped(tmp_path / "in", videos=True)


class TestWriting:
    def test_a_lossless_copy_has_the_same_frames_times_and_sound(self, tmp_path: Path) -> None:
        source = write_video(tmp_path / "a.mkv", frames_of(8, 25, 41), starts=UNEVEN, unit=Fraction(1, 10))
        writer = copy(source, tmp_path / "b.mkv", "ffv1")
        one, two = read_video(source), read_video(tmp_path / "b.mkv")
        np.testing.assert_array_equal(one.frames, two.frames)
        assert (one.starts, one.sound, one.sound_starts) == (two.starts, two.sound, two.sound_starts)
        assert len(one.sound) > 10 and two.codec == "ffv1" and not writer.padded

    @pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
    def test_pixels_keep_their_shape(self, tmp_path: Path, suffix: str) -> None:
        shape = Fraction(16, 11)
        source = write_video(tmp_path / "a.mp4", frames_of(2), codec="libx264", pixels="yuv420p", pixel_shape=shape)
        copy(source, tmp_path / f"b{suffix}")
        with open_video(tmp_path / f"b{suffix}") as reader:
            assert reader.pixel_shape == shape

    def test_pixels_of_a_turned_video_are_turned_too(self, tmp_path: Path) -> None:
        source = write_video(
            *(tmp_path / "a.mp4", frames_of(2)), codec="libx264", pixels="yuv420p", pixel_shape=Fraction(2), rotation=90
        )
        copy(source, tmp_path / "b.mp4")
        with open_video(tmp_path / "b.mp4") as reader:
            assert reader.pixel_shape == Fraction(1, 2)  # twice as high as wide

    @pytest.mark.parametrize("suffix", [".mp4", ".mov"])
    def test_times_and_sound_stay_in_other_formats(self, tmp_path: Path, suffix: str) -> None:
        source = write_video(
            *(tmp_path / "a.mp4", frames_of(8)), codec="libx264", pixels="yuv420p", starts=UNEVEN, unit=Fraction(1, 10)
        )
        copy(source, tmp_path / f"b{suffix}")
        one, two = read_video(source), read_video(tmp_path / f"b{suffix}")
        assert (one.starts, max(one.ends)) == (two.starts, max(two.ends))
        assert (one.sound, one.sound_starts) == (two.sound, two.sound_starts)
        assert (two.codec, two.pixels) == ("h264", "yuv420p")

    def test_a_broadcast_begins_at_zero_and_stays_in_step_with_its_sound(self, tmp_path: Path) -> None:
        source = write_video(
            tmp_path / "a.mts", frames_of(9), codec="libx264", pixels="yuv420p", form="mpegts", begin=99
        )
        copy(source, tmp_path / "b.mp4")
        one, two = read_video(source), read_video(tmp_path / "b.mp4")
        shift = min(one.starts[0], one.sound_starts[0])
        assert min(two.starts[0], two.sound_starts[0]) == 0 < shift
        for before, after in ((one.starts, two.starts), (one.sound_starts, two.sound_starts)):
            assert max(abs(x - shift - y) for x, y in zip(before, after, strict=True)) <= Fraction(1, SAMPLES)

    @pytest.mark.parametrize("word", CODECS)
    def test_each_codec_in_each_of_its_formats(self, tmp_path: Path, word: str) -> None:
        source = write_video(tmp_path / "a.mkv", frames_of(5, 33, 48), sound="")
        for suffix in CODECS[word].suffixes:
            writer = copy(source, tmp_path / f"b{suffix}", word)
            result = read_video(tmp_path / f"b{suffix}")
            assert result.starts == [Fraction(number, 25) for number in range(5)]
            odd = CODECS[word].pixels == "yuv420p"
            assert writer.padded == odd and result.frames.shape[1:] == (34 if odd else 33, 48, 3)

    def test_a_lower_factor_is_better_and_larger(self, tmp_path: Path) -> None:
        source = write_video(tmp_path / "a.mkv", frames_of(12), sound="")
        errors, sizes = [], []
        for crf in (5, 25, 45):
            copy(source, path := tmp_path / f"{crf}.mp4", crf=crf)
            errors.append(np.abs(read_video(path).frames.astype(int) - frames_of(12)).mean())
            sizes.append(path.stat().st_size)
        assert errors == sorted(errors) and sizes == sorted(sizes, reverse=True) and len({*errors, *sizes}) == 6

    def test_sound_that_does_not_fit_is_one_line(self, tmp_path: Path) -> None:
        source = write_video(tmp_path / "a.mkv", frames_of(2), sound="pcm_s16le")
        message = refusal(copy, source, tmp_path / "b.webm")
        assert message.endswith("its sound (pcm_s16le) does not fit into .webm files; give a name that ends in .mkv")

    def test_sound_of_an_unknown_codec_is_left_out(self, tmp_path: Path) -> None:
        source = unknown_sound(write_video(tmp_path / "a.mp4", frames_of(50), codec="libx264", pixels="yuv420p"))
        assert copy(source, tmp_path / "b.mp4").left_out
        content = read_video(tmp_path / "b.mp4")
        assert len(content.frames) == 50 and content.sound == []
        assert not copy(tmp_path / "b.mp4", tmp_path / "c.mp4").left_out


@pytest.mark.parametrize(
    ("name", "codec", "crf", "message"),
    [
        ("a.avi", "", None, "a.avi: videos are written as .mp4, .m4v, .mov, .mkv, .webm"),
        ("a.mp4", "ffv1", None, "--codec ffv1: .mp4 files do not hold it; give a name in .mkv"),
        ("a.webm", "h264", None, "--codec h264: .webm files do not hold it; give a name in .mp4, .m4v, .mov, .mkv"),
        ("a.mkv", "ffv1", 3, "--crf: ffv1 has no loss, so there is nothing to choose; remove it"),
        ("a.mp4", "", 52, "--crf 52: h264 has factors of 0 to 51, the lower the better"),
    ],
)
def test_what_no_format_holds(name: str, codec: str, crf: int | None, message: str) -> None:
    with pytest.raises(GanzooError) as caught:
        video_form(Path(name), codec, crf)
    assert str(caught.value).startswith(message)


def test_in_a_folder_a_video_keeps_its_format_where_it_can() -> None:
    for suffix in CONTAINERS:
        assert video_form(Path(f"a{suffix}"), fixed=False).suffix == suffix
    assert (
        video_form(Path("a.AVI"), fixed=False).suffix == video_form(Path("a.mp4"), "ffv1", fixed=False).suffix == ".mkv"
    )
    assert video_form(Path("a.webm"), fixed=False).codec is CODECS["vp9"]
    assert video_form(Path("a.webm"), "h264", fixed=False).suffix == ".mkv"
