"""Translate a request's images into a folder, with progress and cancel; list, preview and pack what was written."""

from __future__ import annotations

import re
import threading
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue

from PIL import Image

from ganzoo.check.data.facts import image_facts
from ganzoo.data.domain_io import DomainIO
from ganzoo.data.image_files import is_video
from ganzoo.errors import GanzooError, one_line
from ganzoo.inference.files import translate_with
from ganzoo.inference.pages import read_page, read_pages
from ganzoo.inference.summary import Summary
from ganzoo.studio.models import Models
from ganzoo.studio.request import TranslationRequest

PREVIEW = 1024
"""The longest side of a preview, in pixels: the page shows these, and downloads are the files themselves."""


@dataclass
class Outcome:
    """What was done of a request so far.

    Args:
        folder: the folder of the translations.
        done: the number of files translated, with each mask and style; their pages do not count.
        total: how many there will be.
        finished: whether the request has ended.
        cancelled: whether the user ended it.
        failures: a line for each image that could not be translated.
        files: the translations, when it has ended.
        masks: the masks used, when it has ended.
    """

    folder: Path
    done: int = 0
    total: int = 0
    finished: bool = False
    cancelled: bool = False
    failures: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    masks: list[Path] = field(default_factory=list)

    def line(self) -> str:
        """Return one line for the page."""
        if not self.finished:
            return f"translating: {self.done} of {self.total}"
        if self.cancelled:
            return f"cancelled: {self.done} of {self.total} translated"
        return f"{self.done} of {self.total} translated"


def translate_request(
    models: Models, request: TranslationRequest, folder: Path, stop: threading.Event, *, save_masks: bool = False
) -> Iterator[Outcome]:
    """Translate a request's images into a folder, and yield what is done after each of them.

    Args:
        models: the loaded translators.
        request: what the user wants.
        folder: a new folder; the translations go to ``translated`` in it, and masks to ``masks``.
        stop: when it is set, no further image is begun.
        save_masks: whether to write the masks used.

    Raises GanzooError if nothing can be translated, or not so.
    """
    if not request.inputs:
        raise GanzooError("choose one or more images first")
    progress: SimpleQueue[Outcome | BaseException] = SimpleQueue()
    left = threading.Event()
    outcome = Outcome(folder / "translated")

    def stopped() -> bool:
        return stop.is_set() or left.is_set()

    def watch(summary: Summary) -> bool:
        progress.put(Outcome(outcome.folder, summary.done, outcome.total))
        return not stopped()

    def work() -> None:
        try:
            with models.use(request.run, request.checkpoint, stopped) as translator:
                outcome.total = _variants(request) * len(request.inputs)
                masks = folder / "masks" if save_masks and translator.method.masks.maskers else None
                summary, _ = translate_with(
                    translator, request.inputs, outcome.folder, save_masks=masks, watch=watch, **request.options()
                )
            outcome.done, outcome.finished = summary.done, True
            outcome.failures = [_named(line) for _, line in sorted(summary.failed.items())]
            outcome.cancelled = stop.is_set() and summary.done + len(summary.failed) < outcome.total
            outcome.files, outcome.masks = files_below(outcome.folder), files_below(folder / "masks")
            progress.put(outcome)
        except BaseException as error:
            progress.put(error)

    thread = threading.Thread(target=work, name="ganzoo-studio", daemon=True)
    thread.start()
    try:
        while True:
            one = progress.get()
            if isinstance(one, GanzooError):
                raise GanzooError(_named(str(one))) from None
            if isinstance(one, BaseException):
                raise one
            yield one
            if one.finished:
                return
    finally:  # also when the browser has gone: the next request needs the translator
        left.set()
        thread.join()


def _variants(request: TranslationRequest) -> int:
    """Return with how many masks and styles each image is translated."""
    random = sum(text == "random" for text in request.styles) or not request.styles
    styles = request.between or len(request.styles or ["random"]) - random + random * request.samples
    return styles * max(1, len(request.masks) + len(request.maskers))


def _named(line: str) -> str:
    """Return a message without the folders in which uploaded files lie on this machine."""
    words = line.split(" ")
    return " ".join(Path(word).name if word.startswith("/") and "/" in word[1:] else word for word in words)


def files_below(folder: Path) -> list[Path]:
    """Return all files below a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []


def pack(files: Sequence[Path], folder: Path, file: Path) -> Path:
    """Write files below a folder into a zip archive, under their relative paths; return its path."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for path in files:
            archive.write(path, path.relative_to(folder))
    return file


def has_pictures(domain_io: DomainIO) -> bool:
    """Return whether images of a domain can be shown: label maps, greys and colours."""
    return bool(domain_io.classes) or domain_io.channels in (1, 3)


def preview(path: Path, domain_io: DomainIO, longest: int = PREVIEW, *, result: Path | None = None) -> Image.Image:
    """Return an image of a domain for the page: as a PIL image of 8 bits, scaled down if it is large.

    Args:
        path: the image.
        domain_io: reads it; ``has_pictures`` must be true for it.
        longest: its longest side then, in pixels.
        result: a translation or a mask of it: of several pages or frames that one is shown of which it was made.

    Raises GanzooError, in the words of the command line, if it cannot be read.
    """
    for page in read_pages(path, domain_io) if result else [read_page(path, domain_io)]:
        if result and result.stem.endswith(page.label):  # else the last one
            break
    shown = replace(domain_io, value_range=None)  # of 8 bits, whatever the file holds
    image = shown.image(shown.batch(page.pixels)[0]).convert("RGB")
    image.thumbnail((longest, longest), Image.Resampling.LANCZOS)
    return image


def pictures(
    files: Iterable[Path], inputs: Sequence[Path], before: DomainIO, after: DomainIO
) -> Iterator[tuple[Path, Image.Image, Image.Image | None]]:
    """Yield the translations that the page can show: the file, its picture, and in its size that of its source, if any.

    Args:
        files: the translations.
        inputs: their sources.
        before, after: read the sources and the translations.

    Raises GanzooError as ``preview``.
    """
    for file in files if has_pictures(after) else ():
        source = source_of(file, inputs)
        if source is None or is_video(file.name):
            continue
        picture = preview(file, after)
        original = preview(source, before, result=file) if has_pictures(before) else None
        yield file, picture, original and original.resize(picture.size, Image.Resampling.LANCZOS)


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height of an image of any depth. Raises GanzooError if it is none, or has several pages."""
    facts = image_facts(path)
    if "pages" in facts.losses:
        raise GanzooError(f"{path}: it has several pages or frames, and masks are drawn on one: choose mask images")
    return facts.size


def source_of(file: Path, inputs: Sequence[Path]) -> Path | None:
    """Return the image of a translation or a mask, by its name; None if there is none, or it is a video."""
    images = [path for path in inputs if not is_video(path.name)]
    stem = re.sub(r"-\d+$", "", file.stem)
    names = {path.stem: path for path in images} | {path.name: path for path in images}
    return names.get(file.stem) or names.get(stem)


def message(error: Exception) -> str:
    """Return the line that the page shows for an error."""
    return _named(str(error)) if isinstance(error, GanzooError) else f"this went wrong here: {one_line(error)}"
