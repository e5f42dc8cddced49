"""Write and read files of tensors (safetensors), with the checksum of each file."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import file_digest, sha256
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from ganzoo.utils.atomic import clean_temporaries, write_atomically, write_new
from ganzoo.utils.reading import damaged, open_regular

DIGEST = sha256().digest_size
"""Bytes of a checksum."""


def write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write tensors to a new file, down to the disk; return the file's sha256. Raises OSError.

    The checksum is of the bytes in memory, so that it also tells what goes wrong on the way to the disk. The file's
    permissions follow the umask, unlike those that safetensors sets.
    """
    content = _content(tensors)
    write_new(file, content)
    return sha256(content).hexdigest()


def read_tensors(file: Path, advice: str = "") -> dict[str, Tensor]:
    """Return the tensors of a file, on the CPU. Raises DamagedError when it is missing or damaged."""
    try:
        return load_file(file)
    except FileNotFoundError:
        raise damaged(file, "it is missing", advice) from None
    except (OSError, SafetensorError, ValueError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise damaged(file, f"it cannot be read: {reason}", advice) from None


def cache_tensors(file: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write tensors to a file of a cache, atomically, with their checksum behind them. Raises OSError."""
    content = _content(tensors)
    file.parent.mkdir(parents=True, exist_ok=True)
    clean_temporaries(file.parent, older_than=3600)
    write_atomically(file, content + sha256(content).digest())


def cached_tensors(file: Path) -> dict[str, Tensor] | None:
    """Return the tensors that ``cache_tensors`` wrote; None if the file is missing, or damaged in any bit."""
    try:
        content = file.read_bytes()
        content, checksum = content[:-DIGEST], content[-DIGEST:]
        return from_bytes(content) if sha256(content).digest() == checksum else None
    except (OSError, SafetensorError, ValueError):
        return None


def _content(tensors: Mapping[str, Tensor]) -> bytes:
    """Return the content of a safetensors file."""
    copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    used: set[int] = set()
    for name, tensor in copies.items():
        place = tensor.untyped_storage().data_ptr()
        if place in used or tensor.untyped_storage().nbytes() != tensor.nbytes:
            copies[name] = tensor.clone()  # safetensors refuses tensors that share memory
        used.add(place)
    return to_bytes(copies)


def file_checksum(file: Path) -> str:
    """Return the sha256 of a file. Raises OSError."""
    with open_regular(file) as opened:
        return file_digest(opened, "sha256").hexdigest()
