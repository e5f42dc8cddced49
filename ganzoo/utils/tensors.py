"""Write and read files of tensors (safetensors), with the checksum of each file."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import file_digest, sha256
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from ganzoo.utils.atomic import write_new
from ganzoo.utils.reading import damaged


def write_tensors(file: Path, tensors: Mapping[str, Tensor]) -> str:
    """Write tensors to a new file, down to the disk; return the file's sha256. Raises OSError.

    The checksum is of the bytes in memory, so that it also tells what goes wrong on the way to the disk. The file's
    permissions follow the umask, unlike those that safetensors sets.
    """
    copies = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    used: set[int] = set()
    for name, tensor in copies.items():
        place = tensor.untyped_storage().data_ptr()
        if place in used or tensor.untyped_storage().nbytes() != tensor.nbytes:
            copies[name] = tensor.clone()  # safetensors refuses tensors that share memory
        used.add(place)
    content = to_bytes(copies)
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


def file_checksum(file: Path) -> str:
    """Return the sha256 of a file. Raises OSError."""
    with file.open("rb") as opened:
        return file_digest(opened, "sha256").hexdigest()
