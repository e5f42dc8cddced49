"""Read the frames of videos with PyAV, the extra ``video``; ``ganzoo translate`` uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ganzoo.data.image_files import has_video
from ganzoo.data.image_io import open_content, unreadable
from ganzoo.errors import GanzooError, MissingResourceError, one_line

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

DEMUXERS = ("mov", "matroska", "avi", "mpeg", "mpegts", "asf", "flv", "ogg")
"""The file formats that are read. Playlists are not among them: they name other files, and addresses."""
USUAL_RATE = Fraction(25)
"""Frames per second of a video that does not say how many it has."""
HD_HEIGHT = 720
"""Videos that do not name their colours follow BT.709 from this height on, else BT.601, as players assume."""


UNSPECIFIED = 2
"""FFmpeg's number for colours that a video does not name (``AVCOL_SPC_UNSPECIFIED``)."""

LONGEST_GAP = 1
"""The seconds by which the length that a file announces may exceed what is in it."""


@dataclass(frozen=True)
class Frame:
    """One frame of a video.

    Args:
        pixels: (H, W, 3) uint8, upright.
        number: its number, from 0.
        start: the time at which it is shown, in units of the reader's ``time_base``.
        duration: for how long, in the same units.
    """

    pixels: np.ndarray
    number: int
    start: int
    duration: int


class VideoReader:
    """Reads the frames of a video in order, upright, with their times; ``open_video`` makes one.

    Args:
        path: the file.
        container: the open file.

    Raises:
        GanzooError: the file has no video stream.
    """

    def __init__(self, path: Path, container: InputContainer) -> None:
        self.path = path
        self._container = container
        pictures = [one for one in container.streams.video if "attached_pic" not in str(one.disposition)]
        if not pictures:
            raise GanzooError(f"{path}: it has no video stream; remove it from the videos")
        self._stream: VideoStream = pictures[0]
        self._stream.thread_type = "AUTO"
        self.rate = self._stream.average_rate or self._stream.guessed_rate or USUAL_RATE
        """The average number of frames per second."""
        self.time_base = self._stream.time_base or 1 / self.rate
        """The unit of the frames' times, in seconds."""
        self.offset = start_of([self._stream, *sound_of(container)])
        """The time in seconds that counts as the beginning: recordings of broadcasts begin at any time."""
        self._position = 0
        self._turned = False

    @property
    def expected(self) -> int:
        """The number of frames that the file announces, else an estimate; 0 if it announces nothing."""
        if self._stream.frames:
            return self._stream.frames
        return round((self._container.duration or 0) / 1_000_000 * self.rate)

    def check_end(self, sound_end: Fraction) -> None:
        """Raise GanzooError if the file announces more than was read of it, as one that was cut does.

        Only pictures and sound are read, so a file with other streams, which may be longer, is not judged.

        Args:
            sound_end: when the sound ended, in seconds.
        """
        announced = Fraction(self._container.duration or 0, 1_000_000)
        read = max(self._position * self.time_base, sound_end)
        others = len(self._container.streams) > len(self._container.streams.video) + len(sound_of(self._container))
        if announced - read > LONGEST_GAP and not others:
            raise GanzooError(
                f"{self.path}: it ends at {float(read):.1f} of {float(announced):.1f} s; copy it again or repair it"
            )

    def frames(self) -> Iterator[Frame]:
        """Yield all frames in the order in which they are shown.

        A frame lasts until the next one: files order their durations as they store frames, not as they are shown.

        Raises GanzooError for damaged files, those that end too early, and a change of size.
        """
        usual = max(1, round(1 / (self.rate * self.time_base)))
        shift = round(self.offset / self.time_base)
        last: Frame | None = None
        for picture in self._decoded():
            start = 0 if last is None else last.start + last.duration
            if picture.pts is not None:
                start = picture.pts - shift
            pixels = self._upright(picture)
            if last is not None:
                start = max(start, last.start + 1)  # encoders refuse two frames at the same time
                if last.pixels.shape != pixels.shape:
                    raise GanzooError(f"{self.path}: the size of its frames changes{self._when()}; cut it there")
                yield replace(last, duration=start - last.start)
            last = Frame(pixels, 0 if last is None else last.number + 1, start, picture.duration or usual)
            self._position = start + last.duration
        if last is None:
            raise GanzooError(f"{self.path}: it has no frames; remove it from the videos")
        yield last

    def _decoded(self) -> Iterator[VideoFrame]:
        """Yield the frames as PyAV decodes them."""
        packets = 0
        with video_errors(self.path, self._when):
            for packet in self._container.demux(self._stream):
                packets += packet.size > 0
                for picture in packet.decode():
                    if picture.is_corrupt:
                        raise GanzooError(f"{self.path}: damaged{self._when()}; copy it again, or let ffmpeg repair it")
                    yield picture
        if "mp4" in self._container.format.name and packets < self._stream.frames:
            raise GanzooError(
                f"{self.path}: it ends after {packets} of {self._stream.frames} frames; copy it again or repair it"
            )

    def _when(self) -> str:
        """Return where reading is, for messages."""
        return f" at {float(self._position * self.time_base):.1f} s"

    def _upright(self, frame: VideoFrame) -> np.ndarray:
        """Return a frame as (H, W, 3) uint8, turned as its file says."""
        from av.video.reformatter import Colorspace

        space = None
        if frame.colorspace == UNSPECIFIED:
            space = Colorspace.ITU709 if frame.height >= HD_HEIGHT else Colorspace.ITU601
        pixels = frame.to_ndarray(format="rgb24", src_colorspace=space)
        turns = round(frame.rotation / 90) % 4
        self._turned = turns % 2 == 1
        return np.ascontiguousarray(np.rot90(pixels, turns))

    @property
    def pixel_shape(self) -> Fraction:
        """Width of a pixel divided by its height, in the frames read so far, which are upright."""
        stored = Fraction(self._stream.sample_aspect_ratio or 1)
        return 1 / stored if self._turned else stored


def sound_of(container: InputContainer) -> list[AudioStream]:
    """Return the streams of sound in an open file whose codec FFmpeg knows; others can be neither read nor copied."""
    return [one for one in container.streams.audio if one.codec_context is not None]


def start_of(streams: list[Any]) -> Fraction:
    """Return when the first of some streams begins, in seconds; 0 if one begins at 0 or before."""
    starts = [one.start_time * one.time_base for one in streams if one.start_time is not None and one.time_base]
    return max(Fraction(0), min(starts, default=Fraction(0)))


@contextmanager
def open_video(path: Path) -> Iterator[VideoReader]:
    """Open a video for a ``with`` block.

    Raises:
        MissingResourceError: PyAV is not installed, or the file does not exist.
        GanzooError: the file is unreadable, empty, no video, or has no video stream.
    """
    with open_container(path) as container:
        yield VideoReader(path, container)


@contextmanager
def open_container(path: Path) -> Iterator[InputContainer]:
    """Open a video file for a ``with`` block, with all its streams. Raises GanzooError as ``open_video``."""
    require_video(path)
    import av

    with video_errors(path, lambda: ""), open_content(path):
        # The prefix keeps a name such as concat:a from being read as an address.
        container = av.open(
            f"file:{path}", options={"format_whitelist": ",".join(DEMUXERS), "protocol_whitelist": "file"}
        )
    with container:
        yield container


def require_video(path: Path) -> None:
    """Raise MissingResourceError, about a video, if PyAV is not installed."""
    if not has_video():
        raise MissingResourceError(f"{path}: videos need PyAV: pip install 'ganzoo-i2i[video]'")


@contextmanager
def video_errors(path: Path, when: Callable[[], str]) -> Iterator[None]:
    """Turn PyAV's errors in a ``with`` block into a GanzooError of one line; ``when`` returns where reading was."""
    from av.error import FFmpegError

    try:
        yield
    except MemoryError:
        raise
    except OSError as error:
        raise unreadable(path, error) from error
    except FFmpegError as error:
        reason = error.strerror or one_line(error)
        raise GanzooError(f"{path}: no video, or damaged{when()} ({reason}); copy it again or remove it") from error
