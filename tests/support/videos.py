"""Write small videos with sound by PyAV, and read what is in a video, for tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

SAMPLES = 8000
"""The samples of sound per second."""


def frames_of(count: int, height: int = 32, width: int = 32) -> np.ndarray:
    """Return frames (count, H, W, 3) uint8 of coloured blocks of 8 pixels, each different."""
    blocks = np.random.default_rng(0).integers(0, 256, (count, -(-height // 8), -(-width // 8), 3), np.uint8)
    return blocks.repeat(8, axis=1).repeat(8, axis=2)[:, :height, :width]


def write_video(
    path: Path,
    frames: np.ndarray,
    *,
    codec: str = "ffv1",
    pixels: str = "bgr0",
    starts: Sequence[int] = (),
    unit: Fraction = Fraction(1, 25),
    sound: str = "aac",
    rotation: int = 0,
    begin: int = 0,
    pixel_shape: Fraction = Fraction(1),
    form: str | None = None,
    options: dict[str, str] | None = None,
    index_first: bool = False,
) -> Path:
    """Write frames (N, H, W, 3) uint8, shown from ``starts`` on, in ``unit`` seconds, and a tone as long as they.

    All begins ``begin`` units later.
    """
    starts = starts or range(len(frames))
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format=form, options={"movflags": "+faststart"} if index_first else {}) as file:
        stream: Any = file.add_stream(codec, rate=Fraction(round(1 / unit)), options=options)
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], pixels
        stream.codec_context.time_base = unit
        stream.codec_context.sample_aspect_ratio = pixel_shape
        if rotation:
            stream.set_display_rotation(rotation)
        tone: Any = file.add_stream(sound, rate=SAMPLES, layout="mono") if sound else None
        for pixel, start in zip(frames, starts, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixel), format="rgb24")
            frame.pts, frame.time_base = start + begin, unit
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))
        if tone is not None:
            seconds = float((starts[-1] + 1) * unit)
            wave = (np.sin(np.arange(int(seconds * SAMPLES)) * 0.3) * 8000).astype(np.int16)[None]
            for place in range(0, wave.shape[1], 1024):
                part = av.AudioFrame.from_ndarray(wave[:, place : place + 1024], format="s16", layout="mono")
                part.sample_rate, part.time_base = SAMPLES, Fraction(1, SAMPLES)
                part.pts = place + round(begin * unit * SAMPLES)
                file.mux(tone.encode(part))
            file.mux(tone.encode(None))
    return path


def unknown_sound(path: Path) -> Path:
    """Give the sound of an MP4 video a codec that FFmpeg does not know, as that of a phone's second track."""
    path.write_bytes(path.read_bytes().replace(b"mp4a", b"apac").replace(b"esds", b"free"))
    return path


@dataclass
class Content:
    """What is in a video: frames (N, H, W, 3), their times and durations in seconds, and the packets of the sound."""

    frames: np.ndarray
    starts: list[Fraction]
    ends: list[Fraction]
    sound: list[bytes]
    sound_starts: list[Fraction]
    codec: str
    pixels: str


def read_video(path: Path) -> Content:
    """Return the content of a video, its frames as the file has them, not turned."""
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        decoded = list(file.decode(stream))
        unit = stream.time_base
        assert unit
        starts = [frame.pts * unit for frame in decoded if frame.pts is not None]
        ends = [start + frame.duration * unit for start, frame in zip(starts, decoded, strict=True)]
        frames = np.stack([frame.to_ndarray(format="rgb24") for frame in decoded])
        codec, pixels = stream.codec_context.name, str(stream.codec_context.pix_fmt)
    with av.open(str(path)) as file:
        packets = [packet for packet in file.demux(audio=0) if packet.size] if file.streams.audio else []
        sound = [bytes(packet) for packet in packets]
        sound_starts = [packet.pts * packet.time_base for packet in packets if packet.pts is not None]
    return Content(frames, starts, ends, sound, sound_starts, codec, pixels)
