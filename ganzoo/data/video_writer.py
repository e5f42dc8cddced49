"""Write videos with PyAV, the extra ``video``: frames with their times, and the sound of another file unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, nullcontext, suppress
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from ganzoo.data.video_reader import VideoReader, open_container, sound_of
from ganzoo.errors import GanzooError

if TYPE_CHECKING:
    from av.packet import Packet
    from av.video.stream import VideoStream

CONTAINERS: Mapping[str, str] = MappingProxyType(
    {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska", ".webm": "webm"}
)
"""The suffix of a written video → FFmpeg's name of its format."""
ANY_CONTENT = ".mkv"
"""The suffix of the format that holds every codec of pictures and sound."""


@dataclass(frozen=True)
class Codec:
    """A codec for pictures.

    Args:
        encoder: FFmpeg's name of its encoder.
        suffixes: the suffixes of the files that hold it.
        crf: the usual constant rate factor: the lower, the better and larger; None: it has no loss.
        highest: the highest factor.
        pixels: the format of its pixels; ``yuv420p`` needs even sides.
        options: further options of the encoder.
    """

    encoder: str
    suffixes: tuple[str, ...]
    crf: int | None
    highest: int = 51
    pixels: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict)


CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        "h264": Codec("libx264", (".mp4", ".m4v", ".mov", ".mkv"), 18),
        "vp9": Codec("libvpx-vp9", (".webm", ".mp4", ".mkv"), 28, 63, options={"b": "0", "row-mt": "1"}),
        "ffv1": Codec("ffv1", (".mkv",), None, pixels="bgr0"),
    }
)
"""The name of a codec, as ``--codec`` takes it → the codec."""


@dataclass(frozen=True)
class VideoForm:
    """How a video is written.

    Args:
        suffix: the suffix of its name, one of ``CONTAINERS``.
        codec: the codec of its pictures.
        crf: the constant rate factor, for codecs with loss.
    """

    suffix: str
    codec: Codec
    crf: int | None


def video_form(name: Path, codec: str = "", crf: int | None = None, *, fixed: bool = True) -> VideoForm:
    """Return how a video is written, by its name and the user's options.

    Args:
        name: the video; its suffix selects the format.
        codec: one of ``CODECS``; by default ``vp9`` for ``.webm``, ``h264`` for all others.
        crf: the constant rate factor.
        fixed: whether the suffix must stay; else it becomes ``ANY_CONTENT`` where it does not fit.

    Raises:
        GanzooError: no such format is written, or it does not hold this codec, or the codec has no such factor.
    """
    suffix = name.suffix.lower()
    if suffix not in CONTAINERS and fixed:
        raise GanzooError(f"{name}: videos are written as {', '.join(CONTAINERS)}; give such a name")
    if suffix not in CONTAINERS:
        suffix = ANY_CONTENT
    word = codec or ("vp9" if suffix == ".webm" else "h264")
    chosen = CODECS[word]
    if suffix not in chosen.suffixes and fixed:
        raise GanzooError(f"--codec {word}: {suffix} files do not hold it; give a name in {', '.join(chosen.suffixes)}")
    if crf is not None and chosen.crf is None:
        raise GanzooError(f"--crf: {word} has no loss, so there is nothing to choose; remove it")
    if crf is not None and crf > chosen.highest:
        raise GanzooError(f"--crf {crf}: {word} has factors of 0 to {chosen.highest}, the lower the better")
    return VideoForm(suffix if suffix in chosen.suffixes else ANY_CONTENT, chosen, chosen.crf if crf is None else crf)


class VideoWriter:
    """Writes the frames of a video, with the sound of another one, whose packets are copied unchanged.

    Frames must come in the order of their times. ``close`` finishes the file; without it, it is no complete video.

    Args:
        path: the file to write, under any name.
        form: how it is written.
        reader: the video whose sound is copied, and whose frames have the same times, rate and pixel shape.

    Raises:
        GanzooError: the format does not hold the codec of the sound.
    """

    def __init__(self, path: Path, form: VideoForm, reader: VideoReader) -> None:
        import av

        self.form = form
        self._reader = reader
        self._resources = ExitStack()
        try:
            self._sound = self._resources.enter_context(open_container(reader.path))
            self._tracks = sound_of(self._sound)
            kind = CONTAINERS[form.suffix]
            options = {"movflags": "+faststart"} if kind in ("mp4", "mov") else {}
            self._file = av.open(f"file:{path}", "w", format=kind, options=options)
            self._resources.callback(self._file.close)
            for stream in self._tracks:
                name = stream.codec_context.codec.canonical_name
                if name not in self._file.supported_codecs:
                    raise GanzooError(
                        f"{reader.path}: its sound ({name}) does not fit into {form.suffix} files; give a name that "
                        f"ends in {ANY_CONTENT}"
                    )
        except BaseException:
            self._resources.close()
            raise
        self.sound_end = Fraction(0)
        """When the copied sound ends, in seconds."""
        self.left_out = len(self._tracks) < len(self._sound.streams.audio)
        """Whether a track of sound is not copied, as FFmpeg does not know its codec."""
        self.padded = False
        """Whether a side was odd, so that a row or column was repeated."""
        self._stream: VideoStream | None = None
        self._durations: dict[int, int] = {}
        self._packets: Iterator[tuple[Fraction, Packet]] = iter(())
        self._next: tuple[Fraction, Packet] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from av.error import FFmpegError

        with suppress(FFmpegError) if error else nullcontext():  # a file that failed may not close, either
            self._resources.close()

    def write(self, pixels: np.ndarray, start: int, duration: int) -> None:
        """Write a frame, (H, W, 1) or (H, W, 3) uint8, with its time and duration in units of the time base."""
        from av.video.frame import VideoFrame
        from av.video.reformatter import ColorRange, Colorspace

        pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
        if self.form.codec.pixels == "yuv420p":
            self.padded = self.padded or any(side % 2 for side in pixels.shape[:2])
            pixels = padded_even(pixels)
        if self._stream is None:
            self._stream = self._open(pixels.shape[1], pixels.shape[0])
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
        if self.form.codec.pixels == "yuv420p":
            frame = frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)
        else:
            frame = frame.reformat(format=self.form.codec.pixels)
        frame.pts, frame.time_base, frame.duration = start, self._reader.time_base, duration
        self._durations[start] = duration
        self._copy_sound(start * self._reader.time_base)
        self._mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file: write what the encoder still has, and the rest of the sound."""
        if self._stream is not None:
            self._mux(self._stream.encode(None))
            self._copy_sound(None)
        self._resources.close()

    def _open(self, width: int, height: int) -> VideoStream:
        """Add the streams, for frames of this size; from then on packets can be written."""
        codec = self.form.codec
        options = dict(codec.options) if self.form.crf is None else {**codec.options, "crf": str(self.form.crf)}
        stream: Any = self._file.add_stream(codec.encoder, rate=self._reader.rate, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, codec.pixels
        stream.codec_context.time_base = self._reader.time_base
        stream.codec_context.sample_aspect_ratio = self._reader.pixel_shape
        if codec.pixels == "yuv420p":  # 1: BT.709, 1: studio range
            stream.colorspace = stream.color_primaries = stream.color_trc = stream.color_range = 1
        copies = {one.index: self._file.add_stream_from_template(one) for one in self._tracks}
        self._packets = self._sound_packets(copies)
        self._next = next(self._packets, None)
        return stream

    def _sound_packets(self, copies: Mapping[int, Any]) -> Iterator[tuple[Fraction, Packet]]:
        """Yield the packets of the sound for the written file, each with its time in seconds."""
        if not copies:
            return
        for packet in self._sound.demux(*self._tracks):
            if packet.dts is None:  # the end of a stream
                continue
            shift = round(self._reader.offset / packet.time_base)
            packet.dts -= shift
            if packet.pts is not None:
                packet.pts -= shift
            time = packet.dts * packet.time_base
            packet.stream = copies[packet.stream_index]
            yield time, packet

    def _copy_sound(self, until: Fraction | None) -> None:
        """Write the packets of the sound up to a time, by default all."""
        while self._next is not None and (until is None or self._next[0] <= until):
            time, packet = self._next
            self.sound_end = max(self.sound_end, time + (packet.duration or 0) * packet.time_base)
            self._file.mux(packet)
            self._next = next(self._packets, None)

    def _mux(self, packets: list[Packet]) -> None:
        for packet in packets:
            if packet.pts in self._durations:
                packet.duration = self._durations.pop(packet.pts)
            self._file.mux(packet)


def padded_even(pixels: np.ndarray) -> np.ndarray:
    """Return a frame (H, W, C) with even sides: the last row and column are repeated where needed.

    >>> padded_even(np.arange(3).reshape(3, 1, 1))[..., 0].tolist()
    [[0, 0], [1, 1], [2, 2], [2, 2]]
    """
    height, width = pixels.shape[:2]
    return np.pad(pixels, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
