"""Read images of any mode and bit depth as uint8, write PNG files, and report each failure in one line."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from ganzoo.errors import GanzooError, MissingResourceError, suggest
from ganzoo.utils.reading import open_regular

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".npy")

_SAMPLE_FORMAT = 339  # the TIFF tag: 1 unsigned, 2 signed


def find_images(folder: Path, hint: str = "check the path") -> list[Path]:
    """Return all images below a folder, sorted by their POSIX path relative to it.

    A file counts as an image by its suffix, in upper or lower case: see ``IMAGE_SUFFIXES``. Hidden files and folders
    are skipped, and links to folders are not followed. ``hint`` says what to do when the folder does not exist.

    Raises:
        MissingResourceError: the folder does not exist.
        GanzooError: it is not a folder, or it or one below it cannot be read.
    """

    def fail(error: OSError) -> None:
        raise _unlistable(error, hint) from error

    paths: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        paths += [
            Path(parent, name)
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
        ]
    return sorted(paths, key=lambda path: path.relative_to(folder).as_posix())


def read_image(path: Path, channels: int) -> np.ndarray:
    """Read an image upright, as (H, W, C) uint8.

    Colour is converted to grey, or grey to colour, as ``channels`` requires. Transparent images get a white
    background. Grey values of 16 and 32 bits are scaled, not clipped: integers up to 65535 count as 16 bits, larger
    ones as 32; floats must be in [0, 1]. Of an animation the first frame is read.

    Args:
        path: an image file, or a ``.npy`` file with (H, W, C) uint8.
        channels: C; 1 or 3 for an image file, any number for a ``.npy`` file, which must have as many.

    Raises:
        MissingResourceError: the file does not exist.
        GanzooError: the file is unreadable, empty, truncated, not an image or too large, or has another number of
            channels.
    """
    if path.suffix.lower() == ".npy":
        return read_array(path, channels)
    if channels not in (1, 3):
        raise GanzooError(
            f"{path}: an image file gives 1 or 3 channels, not {channels}; "
            f"store (H, W, {channels}) uint8 in a .npy file"
        )
    with open_image(path) as image:
        return from_pil(image, channels, path)


def from_pil(image: Image.Image, channels: int, path: Path = Path("image")) -> np.ndarray:
    """Convert an open image as ``read_image`` does: upright, opaque, (H, W, C) uint8, with C 1 or 3.

    ``path`` is its name in errors.
    """
    pixels = np.array(_flattened(image, path).convert("RGB" if channels == 3 else "L"))
    return pixels.reshape(*pixels.shape[:2], channels)


def write_image(image: np.ndarray | Tensor | Image.Image, path: Path, note: Mapping[str, str] | None = None) -> None:
    """Write an image as PNG atomically; create missing folders.

    Args:
        image: (H, W) or (H, W, C) uint8, or a (C, H, W) float tensor in [−1, 1], clamped; C is 1 or 3. Or a Pillow
            image of any mode that PNG supports.
        path: the file; it must end in ``.png``.
        note: texts to store in the file, by keyword.

    Raises:
        GanzooError: the disk is full, the folder cannot be written, or PNG does not support these channels.
    """
    if not isinstance(image, Image.Image):
        array = to_uint8(image) if isinstance(image, Tensor) else image
        if array.ndim == 3 and array.shape[2] == 1:
            array = array[:, :, 0]
        if array.ndim != 2 and array.shape[2:] != (3,):
            raise GanzooError(f"{path}: a PNG has 1 or 3 channels, not {array.shape[2:]}; write it with numpy.save")
        image = Image.fromarray(np.ascontiguousarray(array))
    if path.suffix.lower() != ".png":
        raise GanzooError(f"{path}: images are written as PNG; give a name that ends in .png")
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            texts = PngInfo()
            for keyword, text in (note or {}).items():
                texts.add_itxt(keyword, text)
            image.save(temporary, format="PNG", pnginfo=texts)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        problem = "the disk is full" if full else f"it cannot be written ({error.strerror or error})"
        advice = "free some space" if full else "check the folder's permissions or choose another one"
        raise GanzooError(f"{path}: {problem}; {advice}") from error


def to_uint8(image: Tensor) -> np.ndarray:
    """Convert (…, C, H, W) floats in [−1, 1] to (…, H, W, C) uint8, clamped and rounded to the nearest value.

    >>> to_uint8(torch.tensor([-1.0, 0.0, 7.0]).reshape(3, 1, 1)).tolist()
    [[[0, 128, 255]]]
    """
    scaled = (image.detach().float().movedim(-3, -1) + 1) * 127.5
    # casting NaN is undefined; a diverged network's image is black on every machine
    return scaled.nan_to_num(nan=0.0).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def to_float(image: np.ndarray) -> Tensor:
    """Convert (…, H, W, C) uint8 to (…, C, H, W) float32 in [−1, 1]: x/127.5 − 1.

    >>> to_float(np.array([[[0, 255]]], dtype=np.uint8)).flatten().tolist()
    [-1.0, 1.0]
    """
    if image.dtype != np.uint8:
        raise GanzooError(f"an image must be uint8, 0 … 255, not {image.dtype}; convert it in the data set")
    return torch.tensor(image).movedim(-1, -3).contiguous().float().div_(127.5).sub_(1)


@contextmanager
def open_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file; turn any error while it is decoded into a GanzooError of one line."""
    try:
        with open_regular(path) as file:
            if os.fstat(file.fileno()).st_size == 0:
                raise GanzooError(f"{path}: the file is empty (0 bytes); copy it again or remove it")
            with Image.open(file) as image:
                yield image
    except (GanzooError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise GanzooError(f"{path}: not an image that Pillow can read; convert it to PNG or remove it") from error
    except Image.DecompressionBombError as error:
        raise GanzooError(
            f"{path}: more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels, maybe a decompression bomb; "
            "shrink it or cut it into tiles"
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error
    except Exception as error:
        # Pillow's decoders raise SyntaxError, struct.error, ValueError and others for damaged files
        raise GanzooError(f"{path}: damaged image ({error}); copy it again or remove it") from error


def _flattened(image: Image.Image, path: Path) -> Image.Image:
    """Return the image upright, opaque and with 8 bits per channel."""
    unsigned = getattr(image, "tag_v2", {_SAMPLE_FORMAT: 2}).get(_SAMPLE_FORMAT, 1) in (1, (1,))
    upright = ImageOps.exif_transpose(image)
    if upright.mode.startswith("I") or upright.mode == "F":
        values = np.asarray(upright)
        return Image.fromarray(
            _from_floats(values, path) if upright.mode == "F" else _from_integers(values, unsigned, path)
        )
    if upright.has_transparency_data:
        coloured = upright.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    return upright.convert("L" if upright.mode in ("1", "L") else "RGB")


def _from_integers(values: np.ndarray, unsigned: bool, path: Path) -> np.ndarray:
    if values.dtype == np.int32 and unsigned:
        values = values.view(np.uint32)
    if values.min() < 0:
        raise GanzooError(f"{path}: it holds negative values, down to {values.min()}; shift it to 0 … 65535")
    # Pillow opens some 16-bit files as 32-bit integers, so the mode does not determine the range
    top = 2**16 - 1 if values.max() < 2**16 else np.iinfo(values.dtype).max
    return np.rint(values / (top / 255)).astype(np.uint8)


def _from_floats(values: np.ndarray, path: Path) -> np.ndarray:
    low, high = values.min(), values.max()
    if not (low >= 0 and high <= 1):  # also true for NaN
        raise GanzooError(f"{path}: its float values go from {low:g} to {high:g}; scale them to lie in [0, 1]")
    return np.rint(values * 255).astype(np.uint8)


def read_array(path: Path, channels: int) -> np.ndarray:
    """Read a ``.npy`` file of shape (H, W, channels) and type uint8. Raises GanzooError for any other file."""
    try:
        with open_regular(path) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (ValueError, EOFError) as error:
        raise GanzooError(f"{path}: not a readable array ({error}); write it again with numpy.save") from error
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != channels:
        raise GanzooError(
            f"{path}: it holds {array.dtype} of shape {array.shape}, not uint8 of (H, W, {channels}); "
            "write it in this form, or set channels"
        )
    return array


def _unreadable(path: Path, error: OSError) -> GanzooError:
    if isinstance(error, FileNotFoundError):
        return MissingResourceError(f"{path}: no such file; check the path")
    if isinstance(error, PermissionError):
        return GanzooError(f"{path}: no permission to read it; change its mode or owner (chmod, chown)")
    if isinstance(error, IsADirectoryError):
        return GanzooError(f"{path}: a folder, not an image; rename or remove it")
    if "truncated" in str(error):
        return GanzooError(f"{path}: truncated ({error}); copy it again or remove it")
    return GanzooError(f"{path}: it cannot be read ({error.strerror or error}); copy it again or remove it")


def _unlistable(error: OSError, hint: str) -> GanzooError:
    folder = Path(error.filename)
    if isinstance(error, FileNotFoundError):
        return MissingResourceError(f"{folder}: no such folder; {hint}{_similar_folder(folder)}")
    if isinstance(error, NotADirectoryError):
        return GanzooError(f"{folder}: a file, not a folder; give the folder that holds the images")
    if isinstance(error, PermissionError):
        return GanzooError(f"{folder}: no permission to read this folder; change its mode or owner (chmod, chown)")
    return GanzooError(f"{folder}: it cannot be read ({error.strerror}); check the disk")


def _similar_folder(folder: Path) -> str:
    try:
        names = [path.name for path in folder.parent.iterdir() if path.is_dir()]
    except OSError:
        return ""
    return suggest(folder.name, names) if 0 < len(names) <= 20 else ""
