"""Translate a video frame by frame into another one, for ``ganzoo translate``: in order, with its times and sound."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganzoo.data.domain_io import DomainIO
from ganzoo.data.image_io import replace_file
from ganzoo.data.video_reader import VideoReader, open_video
from ganzoo.data.video_writer import VideoWriter
from ganzoo.errors import GanzooError
from ganzoo.inference.file_work import FileWork
from ganzoo.inference.options import why_no_styles
from ganzoo.inference.pages import Page
from ganzoo.inference.pipeline import BatchLimit, Item, Job, Pipeline, Translation
from ganzoo.interfaces import Direction, Method
from ganzoo.masks.roles import TRANSLATION_ROLES, Roles, mask_name
from ganzoo.randomness import Draws, keyed
from ganzoo.step import Step
from ganzoo.utils.console import Console


@dataclass(frozen=True)
class FramePage(Page):
    """A frame of a video.

    Args:
        number: its number, from 0.
        start: the time at which it is shown, in units of the video's time base.
        duration: for how long, in the same units.
    """

    number: int = 0
    start: int = 0
    duration: int = 0


@dataclass(frozen=True)
class Steadiness:
    """What changes from frame to frame, and how fast.

    Args:
        smooth: the number of frames N over which computed masks and drawn styles are averaged: s(t) = (1 − a)·s(t − 1)
            + a·x(t) with a = 2 / (N + 1) and s(0) = x(0). 1: no average.
        frame_styles: whether each frame has its own random style; else a video has one.
    """

    smooth: int = 1
    frame_styles: bool = False


class FrameAverage:
    """Exponential averages over the frames of a video, by name; ``keep`` makes the latest ones the state.

    A batch that fails is translated again frame by frame, so the state must not be changed before one succeeds.

    Args:
        frames: the number of frames N; the weight of a new value is 2 / (N + 1).
    """

    def __init__(self, frames: int) -> None:
        self.weight = 2 / (frames + 1)
        self._state: dict[str, Tensor] = {}
        self._latest: dict[str, Tensor] = {}

    def over(self, name: str, values: Tensor) -> Tensor:
        """Return the averages of values (B, …) of the next B frames, float32, of the same shape."""
        last, averages = self._state.get(name), []
        for value in values.float():
            last = value if last is None else torch.lerp(last, value, self.weight)
            averages.append(last)
        self._latest[name] = averages[-1]
        return torch.stack(averages)

    def keep(self) -> None:
        """Continue from the averages that ``over`` returned last."""
        self._state |= self._latest


def check_domains(domains: Mapping[str, DomainIO], direction: Direction, source: Path) -> None:
    """Raise GanzooError, about a video, unless both domains are of images as its frames: 8 bits, colour or grey."""
    for domain in direction:
        one = domains[domain]
        if one.classes or one.value_range is not None or one.channels not in (1, 3):
            raise GanzooError(
                f"{source}: videos hold colours or greys of 8 bits, and the images of domain {domain} are others; "
                "translate them as images"
            )


def check_steadiness(steadiness: Steadiness, method: Method, direction: Direction, given: bool, styled: bool) -> None:
    """Raise GanzooError if an option would change nothing.

    Args:
        steadiness: the options.
        method: the run's method, with its maskers.
        direction: the direction.
        given: whether the user provides all masks, which do not change from frame to frame.
        styled: whether the user chose all styles.
    """
    if steadiness.frame_styles and (styled or not method.style_size(direction[1])):
        why = "--style chooses one for all frames" if styled else why_no_styles(method, direction)
        raise GanzooError(f"--frame-styles: {why}, so none is drawn for each frame; remove it")
    masked = not given and any(role in method.masks for role in TRANSLATION_ROLES)
    if steadiness.smooth > 1 and not (steadiness.frame_styles or masked):
        raise GanzooError(
            "--smooth: no mask is computed for each frame, and no style is drawn for each (--frame-styles), so there "
            "is nothing to average; remove it"
        )


def translate_video(work: FileWork, job: Job, steadiness: Steadiness, *, workers: int, limit: BatchLimit) -> None:
    """Translate a video, and write it under its name once it is complete; count it, or keep why it failed.

    Args:
        work: the translation of files.
        job: the video.
        steadiness: what changes from frame to frame.
        workers: the number of threads that decode and encode beside the network; 0: everything in turn.
        limit: the size of the batches of frames.
    """
    try:
        form = work.output.video_form(job.source)
        with (
            replace_file(work.path(job)) as temporary,
            open_video(job.source) as reader,
            VideoWriter(temporary, form, reader) as writer,
            Console().bar(job.source.name, reader.expected) as show,
        ):
            stages = VideoStages(work, reader, writer, steadiness, show)
            Pipeline(stages, workers=workers, limit=limit).run([job])
            if stages.error:
                raise stages.error
            writer.close()
            reader.check_end(writer.sound_end)
    except Exception as error:  # one video must not cost the other files
        work.fail(job, error)
        return
    summary = work.summary
    summary.written += 1
    summary.begun.add(job.order)
    summary.videos[job.number] = summary.videos.get(job.number, 0) + stages.frames
    if stages.scaled:
        summary.scaled.add(job.number)
    if writer.padded:
        summary.padded.add(job.number)
    if writer.left_out:
        summary.muted.add(job.number)


class VideoStages:
    """The stages of the translation of one video.

    Args:
        work: the translation of files, which translates the frames.
        reader: the video.
        writer: its translation.
        steadiness: what changes from frame to frame.
        show: called with the number of translated frames.
    """

    def __init__(
        self,
        work: FileWork,
        reader: VideoReader,
        writer: VideoWriter,
        steadiness: Steadiness,
        show: Callable[[int], None],
    ) -> None:
        self.work = work
        self.reader = reader
        self.writer = writer
        self.steadiness = steadiness
        self.show = show
        self.average = FrameAverage(steadiness.smooth)
        self.frames = 0
        """The number of translated frames."""
        self.scaled = False
        """Whether they were scaled for their translation."""
        self.error: Exception | None = None
        """Why the translation ended early."""
        self._encoding = Lock()
        self._encoded = 0
        self._early: dict[int, tuple[np.ndarray, int, int]] = {}

    def read(self, job: Job) -> Iterator[Item]:
        """Yield the frames, scaled, with the user's mask."""
        return self.work.items(job, self._pages())

    def _pages(self) -> Iterator[FramePage]:
        domain_io = self.work.translator.domain_io[self.work.direction[0]]
        for frame in self.reader.frames():
            pixels = domain_io.read(Image.fromarray(frame.pixels), self.reader.path)
            label = f"-{frame.number:06}"
            yield FramePage(pixels, label, number=frame.number, start=frame.start, duration=frame.duration)

    def translate(self, items: Sequence[Item]) -> list[Translation]:
        """Translate the next frames, with the styles and masks of theirs."""
        smoothed = self.steadiness.smooth > 1 and items[0].mask is None
        translations = self.work.translate(items, self._styles(items), self._smooth_masks if smoothed else None)
        self.average.keep()
        return translations

    def _styles(self, items: Sequence[Item]) -> Tensor | None:
        """Return a random style for each frame, averaged; None: the video has one style, or none."""
        job, work = items[0].job, self.work
        if not self.steadiness.frame_styles or job.style.vector is not None:
            return None
        keys = [(work.seed, job.style.draw, job.number, _frame(item).number, "frame style") for item in items]
        with torch.no_grad():
            styles = work.translator.method.draw_style(work.direction[1], Draws([keyed(*key) for key in keys]))
        return self.average.over("style", styles)

    def _smooth_masks(self, step: Step, images: Tensor) -> None:
        """Add to a step the averaged masks that change translations; they are averaged before the recipe's steps."""
        own, name = self.work.translator.method.masks, f"real_{self.work.direction[0]}"
        step[name] = images
        plain = Roles(own.maskers)
        plain.set_sources(own.sources)
        for role in [one for one in TRANSLATION_ROLES if one in own and not own.maskers[one].shared_role]:
            averaged = self.average.over(role, plain.mask(role, step, name))
            step[mask_name(role, name)] = own.transforms[role](averaged) if role in own.transforms else averaged

    def place(self, item: Item) -> Path:
        """Count a frame; all are written into one file."""
        self.frames += 1
        self.show(self.frames)
        self.scaled = self.scaled or item.scaled
        return Path()

    def write(self, item: Item, translation: Translation, path: Path) -> None:
        """Encode a frame once those before it are; threads call this for several frames at once, in any order.

        No thread waits for another one: who has the frame that is next encodes it, and those that came too early.
        """
        frame = _frame(item)
        image = self.work.sized(item, translation)
        pixels = self.work.translator.domain_io[self.work.direction[1]].array(image)
        self.work.write_masks(item, translation)
        with self._encoding:
            self._early[frame.number] = (pixels, frame.start, frame.duration)
            while self._encoded in self._early:
                self.writer.write(*self._early.pop(self._encoded))
                self._encoded += 1

    def fail(self, job: Job, error: Exception) -> None:
        """Keep why the translation ends early."""
        self.error = error


def _frame(item: Item) -> FramePage:
    assert isinstance(item.page, FramePage)
    return item.page
