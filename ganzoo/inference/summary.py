"""Count what ``ganzoo translate`` did with its files, in all processes, and print it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ganzoo.data.image_files import describe_skipped
from ganzoo.engine.shares import Share
from ganzoo.errors import GanzooError
from ganzoo.settings import Shape
from ganzoo.utils.console import Console


@dataclass
class Summary:
    """What one process, or all together, did. Files are counted by their numbers.

    Args:
        failed: the order of a job → why it failed; later jobs may fail earlier.
        files_failed: the files of those jobs.
        scaled: the files that were scaled for their translation.
        opaque: the files whose transparency their translations lack, as their format has none.
        paged: the number of translated pages of files with several.
        written: the number of translations.
        begun: the orders of the jobs of which a translation was written.
        videos: the number of a video → the number of its translated frames, over all masks and styles.
        tiled: the number of images and frames that were translated by tiles.
        sides: the sides of those tiles, in pixels.
        padded: the videos that have a row or column more than their frames, as their codec needs even sides.
        muted: the videos that lack a track of sound, as FFmpeg does not know its codec.
    """

    failed: dict[int, str] = field(default_factory=dict)
    files_failed: set[int] = field(default_factory=set)
    scaled: set[int] = field(default_factory=set)
    opaque: set[int] = field(default_factory=set)
    paged: int = 0
    written: int = 0
    begun: set[int] = field(default_factory=set)
    tiled: int = 0
    sides: set[int] = field(default_factory=set)
    videos: dict[int, int] = field(default_factory=dict)
    padded: set[int] = field(default_factory=set)
    muted: set[int] = field(default_factory=set)

    @property
    def done(self) -> int:
        """The number of jobs that were translated; one that is being translated counts from its first page on."""
        return len(self.begun.difference(self.failed))

    def to_plain(self) -> dict[str, Any]:
        """Return it as plain data for other processes."""
        plain = {name: sorted(value) if isinstance(value, set) else value for name, value in asdict(self).items()}
        return {**plain, "failed": list(self.failed.items()), "videos": list(self.videos.items())}

    @classmethod
    def joined(cls, parts: Sequence[Mapping[str, Any]]) -> Summary:
        """Return the summary of several processes, from the plain data of each."""
        whole = cls()
        for part in parts:
            whole.failed |= dict(part["failed"])
            whole.videos |= dict(part["videos"])
            for name in ("files_failed", "scaled", "opaque", "padded", "muted", "sides", "begun"):
                getattr(whole, name).update(part[name])
            whole.paged += part["paged"]
            whole.written += part["written"]
            whole.tiled += part["tiled"]
        return whole


@dataclass(frozen=True)
class Request:
    """What was asked for, as the lines of a summary name it.

    Args:
        inputs: images and folders of images, as the user named them.
        files: the number of images and videos.
        videos: the numbers of the videos among them.
        out: the folder for the translations, or the file.
        direction: the direction.
        variants: ``masks`` and ``styles`` → the number of those that each image is translated with.
        scale: the scale of the translations, as ``scaled_shape`` takes it.
        trained: whether that is the scale of the training images.
        scale_back: whether translations are scaled to the size of their sources.
        suffix: the suffix of the translations.
        chosen: whether the user chose the tiles.
    """

    inputs: Sequence[Path]
    files: int
    videos: Collection[int]
    out: Path
    direction: str
    variants: Mapping[str, int]
    scale: int | Shape | str
    trained: bool
    scale_back: bool
    suffix: str
    chosen: bool


def report(summary: Summary, request: Request, share: Share) -> None:
    """Print what was translated, and how; raise GanzooError with each failure, which the first process lists."""
    console, failed, files = Console(), len(summary.files_failed), request.files
    several = " and ".join(f"{count} {name}" for name, count in request.variants.items() if count > 1)
    each = f" with each of {several}" if several else ""
    pages = f"{summary.paged} pages or frames of files with several" if summary.paged else ""
    translations = f"{summary.written} translations" if several else ""
    details = f" ({', '.join(filter(None, [pages, translations]))})" if pages or translations else ""
    into = f", into {request.out}" if summary.written else ""
    console.say(f"{_describe_files(summary, request)} translated {request.direction}{each}{details}{into}")
    if summary.scaled:
        why = ", the size of the training images (--size changes it)" if request.trained else ""
        back = "; the translations were scaled back" if request.scale_back else "; --scale-back restores their sizes"
        scale = request.scale
        to = f"cover {scale[1]}×{scale[0]} pixels" if isinstance(scale, tuple) else f"a shorter side of {scale} pixels"
        console.say(f"{len(summary.scaled)} were scaled to {to}{why}{back}")
    if summary.opaque:
        advice = "; --format png or webp keeps it" if request.suffix == ".jpg" else ""
        console.say(f"{len(summary.opaque)} had transparency, which the {request.suffix} files do not have{advice}")
    if summary.padded:
        console.say(
            f"{len(summary.padded)} got a row or column more, a copy of the last one, as their codec needs even sides"
        )
    if summary.muted:
        console.say(f"{len(summary.muted)} lack a track of sound, as FFmpeg does not know its codec")
    if summary.tiled:
        sides = " and ".join(map(str, sorted(summary.sides)))
        why = "" if request.chosen else ", as the memory is too small for the whole"
        console.say(f"{summary.tiled} translations were computed by tiles of {sides} pixels{why} (--tile changes it)")
    for path in request.inputs:
        if path.is_dir() and (skipped := describe_skipped(path, videos=True)):
            console.say(skipped)
    if summary.failed:
        whole = "were not translated" if not several else "were not translated with all of them"
        last = f"{failed} of {files} {'files' if request.videos else 'images'} {whole}"
        if share.number > 0:
            raise GanzooError(f"{last}; process 0 lists them")
        raise GanzooError("\n".join([*(summary.failed[order] for order in sorted(summary.failed)), last]))


def _describe_files(summary: Summary, request: Request) -> str:
    """Return the numbers of translated images and videos, each of how many: ``3 of 4 images``."""
    numbers = set(request.videos)
    failed = len(summary.files_failed & numbers)
    images, images_failed = request.files - len(numbers), len(summary.files_failed) - failed
    parts = [f"{images - images_failed} of {images} images"] if images or not numbers else []
    if numbers:
        frames = f" ({sum(summary.videos.values())} frames)"
        parts.append(f"{len(numbers) - failed} of {len(numbers)} videos{frames}")
    return " and ".join(parts)
