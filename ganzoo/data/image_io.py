"""Read images of any mode and bit depth, write them in five formats, and report each failure in one line."""

from __future__ import annotations

import errno
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngInfo

from ganzoo.data.image_files import HEIF_SUFFIXES
from ganzoo.data.types import ImageFile, StoredFile
from ganzoo.data.value_range import ValueRange, to_8_bits, to_scale
from ganzoo.errors import GanzooError, MissingResourceError, one_line
from ganzoo.utils.atomic import temporary_path
from ganzoo.utils.reading import open_regular

if TYPE_CHECKING:
    from torch import Tensor

# Pillow warns of more than 89 million pixels, as large scans have; from twice as many on it raises an error
warnings.simplefilter("ignore", Image.DecompressionBombWarning)

DRAFT_MARGIN = 2
"""A JPEG that is scaled down is decoded at no less than this many times the size that it is scaled to."""
WRITTEN = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
"""The suffix of a file that ``write_image`` writes → Pillow's name of its format; ``.npy`` comes besides."""
QUALITY = 95
"""The quality of JPEG and WebP files, unless another one is chosen."""
PAGED_FORMATS = ("TIFF", "GIF", "WEBP", "PNG", "AVIF")
"""Formats whose files may have several pages or frames; further images in a JPEG file are previews."""
_LARGEST = {"JPEG": 65500, "WEBP": 16383}
"""The largest side in pixels that a format holds."""
_FINEST = {"JPEG": 65535, "PNG": (2**31 - 1) * 0.0254, "WEBP": 2**32 - 1, "TIFF": 2**32 - 1}
"""The highest resolution in pixels per inch that a format holds."""
_SUBFILE_TYPE = 254  # the TIFF tag: 1 marks a page that is a smaller copy of another one
_SAMPLE_FORMAT = 339  # the TIFF tag: 1 unsigned, 2 signed
_RESOLUTION = {"x": 282, "y": 283, "unit": 296}  # EXIF tags; the unit 2 is the inch


def read_image(
    path: ImageFile, channels: int, value_range: ValueRange | None = None, *, scaled_to: int = 0
) -> np.ndarray:
    """Read an image upright, as (H, W, C): uint8, or with a range float32 on the same scale, 0 … 255.

    Colour is converted to grey, or grey to colour, as ``channels`` requires. Transparent images get a white
    background. Without a range, grey values of 16 and 32 bits are scaled, not clipped: integers up to 65535 count as
    16 bits, larger ones as 32; floats must be in [0, 1]. Of several pages or frames the first is read.

    Args:
        path: an image file, or a ``.npy`` file with (H, W, C) uint8; with a range numbers of any type. It may be inside
            of another file.
        channels: C; 1 or 3 for an image file, any number for a ``.npy`` file, which must have as many.
        value_range: the values in the file that become 0 and 255; values outside of the range are clipped.
        scaled_to: the side in pixels that the image is scaled to afterwards; a JPEG of at least four times this size
            is then decoded at ½, ¼ or ⅛ of its size, with no side shorter than twice ``scaled_to``, which is faster.
            0: decode each image at its full size.

    Raises:
        MissingResourceError: the file does not exist.
        GanzooError: the file is unreadable, empty, truncated, not an image or too large, has negative values or floats
            outside [0, 1], or another number of channels.
    """
    if path.suffix.lower() == ".npy":
        return read_array(path, channels, value_range)
    if channels not in (1, 3):
        raise GanzooError(
            f"{path}: an image file gives 1 or 3 channels, not {channels}; store (H, W, {channels}) in a .npy file"
        )
    with open_image(path) as image:
        return from_pil(_draft(image, scaled_to) if scaled_to else image, channels, path, value_range)


def _draft(image: Image.Image, scaled_to: int) -> Image.Image:
    """Return a JPEG that was just opened decoded at ½, ¼ or ⅛ of its size, if ``scaled_to`` permits; others as is."""
    smallest = DRAFT_MARGIN * scaled_to
    draft = image.draft(None, (smallest, smallest))  # what it returns is None for other formats
    if draft is None:
        return image
    width, height = draft[1][2:]  # the exact size, which the decoder rounds up: the scene would be shifted
    return image.crop((0, 0, round(width), round(height))) if (width, height) != image.size else image


def from_pil(
    image: Image.Image, channels: int, path: ImageFile = Path("image"), value_range: ValueRange | None = None
) -> np.ndarray:
    """Convert an open image as ``read_image`` does; ``channels`` is 1 or 3, and ``path`` its name in errors."""
    if value_range is None:
        pixels = np.array(_flattened(image, path).convert("RGB" if channels == 3 else "L"))
        return pixels.reshape(*pixels.shape[:2], channels)
    if is_deep_colour(image):
        raise GanzooError(f"{path}: Pillow reads colours of 16 bits as 8 bits; store (H, W, 3) in a .npy file")
    values = deep_values(image)
    if values is None:
        values = from_pil(image, channels, path)
    elif channels == 3:
        values = np.stack([values] * 3, axis=2)
    return to_scale(values.reshape(*values.shape[:2], channels), value_range, path)


def is_deep_colour(image: Image.Image) -> bool:
    """Return whether a file that was just opened has colours of 16 bits, of which Pillow keeps 8."""
    tiles = getattr(image, "tile", ()) if image.mode in ("RGB", "RGBA", "LA") else ()
    # those of PPM files have the codec ppm or ppm_plain, and the largest value as an argument
    return any(";16" in str(tile[3]) or (tile[0].startswith("ppm") and tile[3][1] > 255) for tile in tiles)


def write_image(
    image: np.ndarray | Tensor | Image.Image,
    path: Path,
    note: Mapping[str, str] | None = None,
    *,
    profile: bytes = b"",
    resolution: tuple[float, float] | None = None,
    quality: int = QUALITY,
) -> None:
    """Write an image as PNG, JPEG, WebP, TIFF or ``.npy`` atomically; create missing folders.

    Args:
        image: (H, W) or (H, W, C) uint8, or a (C, H, W) float tensor in [−1, 1], clamped; C is 1 or 3, in a ``.npy``
            file any number. Or an array of another type for TIFF and ``.npy``, (H, W, C), or a Pillow image of any
            mode that the format supports.
        path: the file; its suffix, one of ``WRITTEN`` or ``.npy``, selects the format.
        note: texts to store in a PNG file, by keyword.
        profile: ICC profile to store.
        resolution: horizontal and vertical pixels per inch to store, if the format holds them.
        quality: 1 … 100, of JPEG and WebP; JPEG keeps colours at full resolution from 90 on, WebP at 100 all values.

    Raises:
        GanzooError: the disk is full, the folder cannot be written, or the format does not support these channels,
            this type or this size.
    """
    suffix = path.suffix.lower()
    if suffix != ".npy" and suffix not in WRITTEN:
        known = [*(one for one in WRITTEN if one not in (".jpeg", ".tiff"))]
        raise GanzooError(f"{path}: images are written as {', '.join(known)} or .npy; give a name that ends so")
    if suffix == ".npy":
        array = np.asarray(image) if isinstance(image, np.ndarray | Image.Image) else to_uint8(image)
        with replace_file(path) as temporary, temporary.open("wb") as file:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)
        return
    picture, kind = image if isinstance(image, Image.Image) else _as_pillow(image, path), WRITTEN[suffix]
    options: dict[str, Any] = {"icc_profile": profile} if profile else {}
    if resolution and max(resolution) > _FINEST[kind]:
        resolution = None
    if resolution:
        options["dpi"] = resolution
    if kind == "PNG":
        options["pnginfo"] = texts = PngInfo()
        for keyword, text in (note or {}).items():
            texts.add_itxt(keyword, text)
    if kind in _LARGEST:
        _check_lossy(picture, path, kind)
        options["quality"] = quality
    if kind == "JPEG":
        options["subsampling"] = "4:4:4" if quality >= 90 else "4:2:0"
    if kind == "WEBP":
        options |= {"lossless": quality == 100, "exact": True}  # exact: colours below transparent pixels, too
        if resolution:
            options["exif"] = _resolution_exif(resolution)
    with replace_file(path) as temporary:
        picture.save(temporary, format=kind, **options)


def _check_lossy(picture: Image.Image, path: Path, kind: str) -> None:
    """Raise GanzooError if a JPEG or WebP file cannot hold an image: too large, or of other values than 8-bit colours.

    A label map must not become one: its classes would be lost.
    """
    if picture.mode not in (("L", "RGB") if kind == "JPEG" else ("L", "RGB", "LA", "RGBA")):
        raise GanzooError(f"{path}: {kind} files hold no images of mode {picture.mode}; give a name that ends in .png")
    if max(picture.size) > _LARGEST[kind]:
        raise GanzooError(
            f"{path}: {picture.width}×{picture.height} pixels; {kind} files have at most {_LARGEST[kind]} per side: "
            "give a name that ends in .png"
        )


def _resolution_exif(resolution: tuple[float, float]) -> bytes:
    """Return EXIF data with a resolution in pixels per inch, for formats that have no other place for it."""
    exif = Image.Exif()
    exif[_RESOLUTION["x"]], exif[_RESOLUTION["y"]] = resolution
    exif[_RESOLUTION["unit"]] = 2
    return exif.tobytes()


def _as_pillow(image: np.ndarray | Tensor, path: Path) -> Image.Image:
    array = image if isinstance(image, np.ndarray) else to_uint8(image)
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    if array.ndim != 2 and array.shape[2:] != (3,):
        raise GanzooError(
            f"{path}: an image file has 1 or 3 channels, not {array.shape[2:]}; give a name that ends in .npy"
        )
    return Image.fromarray(np.ascontiguousarray(array))


@contextmanager
def replace_file(path: Path) -> Iterator[Path]:
    """Yield the path of a temporary file, which then becomes ``path``. Raises GanzooError if it cannot be written."""
    temporary = temporary_path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        problem = "the disk is full" if full else f"it cannot be written ({error.strerror or error})"
        advice = "free some space" if full else "check the folder's permissions or choose another one"
        raise GanzooError(f"{path}: {problem}; {advice}") from error


def to_uint8(image: Tensor) -> np.ndarray:
    """Convert floats (…, C, H, W) in [−1, 1] to (…, H, W, C) uint8, clamped and rounded; NaN becomes 0.

    >>> import torch
    >>> to_uint8(torch.tensor([-1.0, 0.0, 7.0]).reshape(3, 1, 1)).tolist()
    [[[0, 128, 255]]]
    """
    import torch

    scaled = (image.detach().float().movedim(-3, -1) + 1) * 127.5
    # casting NaN is undefined; a diverged network's image is black on every machine
    return scaled.nan_to_num(nan=0.0).round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def to_float(image: np.ndarray) -> Tensor:
    """Convert (…, H, W, C) uint8, or float32 on the scale 0 … 255, to (…, C, H, W) float32 in [−1, 1]: x/127.5 − 1.

    >>> to_float(np.array([[[0, 255]]], dtype=np.uint8)).flatten().tolist()
    [-1.0, 1.0]
    """
    import torch

    if image.dtype not in (np.uint8, np.float32):
        raise GanzooError(f"an image must be uint8 or float32, 0 … 255, not {image.dtype}; convert it in the data set")
    return torch.tensor(image).movedim(-1, -3).contiguous().float().div_(127.5).sub_(1)


def open_file(path: ImageFile) -> BytesIO | BufferedReader:
    """Open a file, or one inside of another file, for reading. Raises as ``open_regular`` and ``StoredFile.read``."""
    return BytesIO(path.read()) if isinstance(path, StoredFile) else open_regular(path)


@contextmanager
def open_content(path: ImageFile) -> Iterator[BinaryIO]:
    """Open a file that has content. Raises GanzooError for an empty one, a pipe or a device, which would never end."""
    with open_file(path) as file:
        if file.seek(0, os.SEEK_END) == 0:
            raise GanzooError(f"{path}: the file is empty (0 bytes); copy it again or remove it")
        file.seek(0)
        yield file


@contextmanager
def open_image(path: ImageFile) -> Iterator[Image.Image]:
    """Open an image file for a ``with`` block; errors in opening it and in the block become a GanzooError of one line.

    A TIFF file that begins with a smaller copy of a page is opened at its first page that is none.
    If the file does not exist it is a MissingResourceError. A MemoryError stays as it is.
    """
    try:
        with open_content(path) as file:
            if path.suffix.lower() in HEIF_SUFFIXES and find_spec("pillow_heif"):
                from pillow_heif import register_heif_opener  # type: ignore[import-not-found]

                register_heif_opener()
            with Image.open(file) as image:
                if _is_copy(image):
                    page_numbers(image)  # leaves it at the first page
                yield image
    except (GanzooError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        heif = path.suffix.lower() in HEIF_SUFFIXES and not find_spec("pillow_heif")
        advice = "install ganzoo-i2i[heif]" if heif else "convert it to PNG or remove it"
        raise GanzooError(f"{path}: not an image that Pillow can read; {advice}") from error
    except Image.DecompressionBombError as error:
        raise GanzooError(
            f"{path}: more than {2 * (Image.MAX_IMAGE_PIXELS or 0):,} pixels, maybe a decompression bomb; "
            "shrink it or cut it into tiles"
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:
        # Pillow's decoders raise SyntaxError, struct.error, ValueError and others for damaged files
        raise GanzooError(f"{path}: damaged image ({error}); copy it again or remove it") from error


def page_numbers(image: Image.Image) -> list[int]:
    """Return the numbers of the pages or frames of an open image, which is then at the first of them.

    Smaller copies in a TIFF file do not count, unless it has nothing else.
    """
    if image.format not in PAGED_FORMATS or getattr(image, "n_frames", 1) == 1:
        return [0]
    pages = []
    for number in range(image.n_frames):  # type: ignore[attr-defined]
        seek_page(image, number)
        if not _is_copy(image):
            pages.append(number)
    pages = pages or [0]
    seek_page(image, pages[0])
    return pages


def seek_page(image: Image.Image, number: int) -> None:
    """Go to a page or frame of an open image, without the palette that Pillow keeps of another page of a TIFF file."""
    image.seek(number)
    if image.format == "TIFF" and image.mode not in ("P", "PA"):
        image.palette = None


def _is_copy(image: Image.Image) -> bool:
    """Return whether the present page of an open TIFF file is a smaller copy of another one."""
    return bool(getattr(image, "tag_v2", {}).get(_SUBFILE_TYPE, 0) & 1)


def _flattened(image: Image.Image, path: ImageFile) -> Image.Image:
    """Return the image upright, opaque and with 8 bits per channel."""
    values = deep_values(image)
    if values is not None:
        return Image.fromarray(to_8_bits(values, path))
    upright = ImageOps.exif_transpose(image)
    if upright.has_transparency_data:
        coloured = upright.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", coloured.size, "white"), coloured)
    return upright.convert("L" if upright.mode in ("1", "L") else "RGB")


def deep_values(image: Image.Image) -> np.ndarray | None:
    """Return the grey values of an open image of more than 8 bits, upright, (H, W); None for other images."""
    if not image.mode.startswith(("I", "F")):
        return None
    unsigned = getattr(image, "tag_v2", {_SAMPLE_FORMAT: 2}).get(_SAMPLE_FORMAT, 1) in (1, (1,))
    values = np.asarray(ImageOps.exif_transpose(image))
    return values.view(np.uint32) if values.dtype == np.int32 and unsigned else values


def read_array(path: ImageFile, channels: int, value_range: ValueRange | None = None) -> np.ndarray:
    """Read a ``.npy`` file of shape (H, W, channels), or (H, W) for one channel, as ``read_image`` does.

    Raises GanzooError for a file of another shape, without pixels, or of another type: uint8; with a range any numbers.
    """
    try:
        with open_content(path) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except (GanzooError, MemoryError):
        raise
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:  # numpy raises ValueError, EOFError, SyntaxError and others for damaged files
        raise GanzooError(
            f"{path}: not a readable array ({one_line(error)}); write it again with numpy.save"
        ) from error
    if array.ndim == 2 and channels == 1:
        array = array[:, :, None]
    fits = array.dtype == np.uint8 if value_range is None else array.dtype.kind in "uif"
    if not fits or array.ndim != 3 or array.shape[2] != channels:
        wanted = "uint8" if value_range is None else "numbers"
        advice = "write it in this form, or set channels" + ("" if fits else " and data.range")
        raise GanzooError(
            f"{path}: it holds {array.dtype} of shape {array.shape}, not {wanted} of (H, W, {channels}); {advice}"
        )
    if array.size == 0:
        raise GanzooError(f"{path}: it has no pixels (shape {array.shape}); write it again or remove it")
    return array if value_range is None else to_scale(array, value_range, path)


def unreadable(path: ImageFile, error: OSError) -> GanzooError:
    """Return the error of one line for a file that the system does not let us read."""
    if isinstance(error, FileNotFoundError):
        return MissingResourceError(f"{path}: no such file; check the path")
    if isinstance(error, PermissionError):
        return GanzooError(f"{path}: no permission to read it; change its mode or owner (chmod, chown)")
    if isinstance(error, IsADirectoryError):
        return GanzooError(f"{path}: a folder, not an image; rename or remove it")
    if "truncated" in str(error):
        return GanzooError(f"{path}: truncated ({error}); copy it again or remove it")
    return GanzooError(f"{path}: it cannot be read ({error.strerror or error}); copy it again or remove it")
