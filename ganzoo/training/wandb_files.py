"""Find the last step that earlier sessions of a run wrote to the files of Weights & Biases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ganzoo.utils.reading import open_regular

BLOCK = 32 * 1024
"""The files consist of blocks of this size, in bytes; a record may lie in several."""
FILE_HEADER = 7
CHUNK_HEADER = 7
"""Bytes before each chunk: a checksum (4), the length (2, little-endian), the kind (1)."""
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def last_step(folder: Path, run_id: str) -> int | None:
    """Return the last step with values that a run's files have; -1 if they have none, None if there are no files.

    Args:
        folder: the folder that contains ``wandb/``.
        run_id: the run's id.

    Raises an exception of any kind if the files have another format than this version of wandb writes.
    """
    from wandb.proto import wandb_internal_pb2

    files = list(folder.glob(f"wandb/*run-*-{run_id}/run-{run_id}.wandb"))
    if not files:
        return None
    last = -1
    for file in files:
        for content in records(file):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(content)
            if record.WhichOneof("record_type") == "history":
                last = max(last, record.history.step.num)
    return last


def records(file: Path) -> Iterator[bytes]:
    """Yield the complete records of a file, up to the place where a kill cut it."""
    with open_regular(file) as opened:
        content = opened.read()
    position = FILE_HEADER
    parts: list[bytes] = []
    while position + CHUNK_HEADER <= len(content):
        room = BLOCK - position % BLOCK
        if room < CHUNK_HEADER:  # the end of a block that is too short for a header is filled with zeros
            position += room
            continue
        length = int.from_bytes(content[position + 4 : position + 6], "little")
        kind = content[position + 6]
        position += CHUNK_HEADER
        chunk = content[position : position + length]
        if kind not in (FULL, FIRST, MIDDLE, LAST) or len(chunk) < length:
            return
        position += length
        parts = [*parts, chunk] if kind in (MIDDLE, LAST) else [chunk]
        if kind in (FULL, LAST):
            yield b"".join(parts)
