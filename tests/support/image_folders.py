"""Write small image files and list a data set's images, for tests of data sets that read files."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from ganzoo.interfaces import Dataset, Split


def save(path: Path, shade: int = 0, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> Path:
    """Write an image of one grey value; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, shade if mode in "LP" else (shade, shade, shade)).save(path)
    return path


def names(data: Dataset, split: Split, domain: str) -> list[str]:
    """Return the names of a domain's images in order."""
    return [data.sample(split, domain, i).name for i in range(data.count(split, domain))]
