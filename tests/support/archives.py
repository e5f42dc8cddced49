"""Pack folders and bytes into zip and tar files, for tests of data sets that read archives."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image


def png(shade: int = 0, size: tuple[int, int] = (6, 4), mode: str = "RGB") -> bytes:
    """Return a PNG file of one grey value."""
    return encoded(Image.new(mode, size, shade if mode in "LP" else (shade, shade, shade)), "PNG")


def noise(seed: int, size: tuple[int, int] = (6, 4), form: str = "PNG") -> bytes:
    """Return an image file of random pixels."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return encoded(Image.fromarray(pixels), form)


def encoded(image: Image.Image, form: str) -> bytes:
    """Return an image as a file of a format."""
    file = io.BytesIO()
    image.save(file, format=form)
    return file.getvalue()


def write_zip(path: Path, members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """Write a zip file of members in their order; return its path."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def zip_of_folder(path: Path, folder: Path, top: str = "") -> Path:
    """Write all files of a folder into a zip file, below ``top``; return the archive's path."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    return write_zip(path, {top + file.relative_to(folder).as_posix(): file.read_bytes() for file in files})


def write_tar(path: Path, members: Mapping[str, bytes]) -> Path:
    """Write a tar file of members in their order; return its path."""
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path
