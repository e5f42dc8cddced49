"""The files of a checkpoint: find it, verify each file when it is read, and say what to do when one is damaged.

A checkpoint is a folder:
    networks/<slot>.safetensors     one file per network
    average/<slot>.safetensors      the moving averages of the networks, if there are any
    optimizers.safetensors          <optim>/<parameter>/<key>
    process-<rank>.safetensors      the method's state (image pools, …) and the running sums of the log, per process
    progress.json                   step, best metric value, loss scale and more; the sha256 of each file above, and its
                                    own; it is written last
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ganzoo.errors import GanzooError
from ganzoo.recipe.published import AGAIN
from ganzoo.utils.atomic import find_complete, repair_replacement, sibling_path, write_new
from ganzoo.utils.reading import damaged, guard_content
from ganzoo.utils.sealed import read_sealed_object, seal_object
from ganzoo.utils.tensors import file_checksum
from ganzoo.weights.hub import is_published

PROGRESS = "progress.json"
MAX_ATTEMPTS = 5
"""The number of attempts to read a checkpoint, because its run may replace it at the same time."""
WHAT = "the progress of a checkpoint"

Result = TypeVar("Result")


class _Fields(BaseModel):
    """The fields of a progress.json that every checkpoint has; those of training are in ``training/progress.py``."""

    model_config = ConfigDict(extra="allow", strict=True)

    step: Annotated[int, Field(ge=0)]
    files: dict[str, str]
    channels: dict[str, Annotated[int, Field(ge=1)]] = {}
    classes: dict[str, Annotated[int, Field(ge=0)]] = {}
    sessions: list[dict[str, Any]] = []
    scale: dict[str, Any] = {}


def write_progress(checkpoint: Path, progress: Mapping[str, Any], files: Mapping[str, str]) -> None:
    """Write a checkpoint's progress.json, the last of its files. Raises OSError.

    Args:
        checkpoint: the checkpoint's folder.
        progress: the fields of the progress.
        files: path below the folder → sha256 of each other file.
    """
    write_new(checkpoint / PROGRESS, seal_object({**progress, "files": dict(sorted(files.items()))}).encode())


def read_progress(checkpoint: Path) -> dict[str, Any]:
    """Return the fields of a checkpoint's progress.json. Raises DamagedError when it is missing, damaged or edited."""
    file, advice = checkpoint / PROGRESS, remedy(checkpoint)
    fields = read_sealed_object(file, WHAT, advice)
    with guard_content(file, WHAT, advice):
        _Fields.model_validate(fields)
    return fields


def verified_file(checkpoint: Path, name: str) -> Path:
    """Return the path of a checkpoint's file after a comparison with its checksum.

    Raises DamagedError when the file is missing or damaged, or progress.json is.
    """
    file = checkpoint / name
    for attempt in range(1, MAX_ATTEMPTS + 1):
        expected = read_progress(checkpoint)["files"].get(name)
        try:
            actual = file_checksum(file) if expected else ""
        except FileNotFoundError:
            actual = ""
        except OSError as error:
            raise damaged(file, f"it cannot be read: {error.strerror}", remedy(checkpoint)) from None
        if expected and actual == expected:
            return file
        if attempt == MAX_ATTEMPTS or read_progress(checkpoint)["files"].get(name) == expected:
            break  # it was not replaced in the meantime
    if not expected:
        raise damaged(file, "the checkpoint has no such file", remedy(checkpoint))
    problem = "its content is not what its checksum says" if actual else "it is missing"
    raise damaged(file, problem, remedy(checkpoint))


def verify_checkpoint(checkpoint: Path) -> None:
    """Compare each file of a checkpoint with its checksum. Raises DamagedError for the first that differs."""
    for name in read_progress(checkpoint)["files"]:
        verified_file(checkpoint, name)


def find_checkpoint(folder: Path) -> Path | None:
    """Return the folder that has the complete checkpoint now: ``folder``, its hidden old copy, or None.

    Raises DamagedError when the folder is there without its progress.json.
    """
    found = find_complete(folder, PROGRESS)
    if found is None:
        for place in (folder, sibling_path(folder, "old")):
            if place.is_dir():
                found = find_complete(folder, PROGRESS)  # it may have been replaced between the two looks
                if found is None:
                    raise damaged(place / PROGRESS, "it is missing", remedy(place))
    return found


def checkpoint_names(run: Path) -> list[str]:
    """Return the names of a run's checkpoints."""
    return sorted(one.name for one in (run / "checkpoints").glob("[!.]*") if (one / PROGRESS).is_file())


def select_checkpoint(run: Path, name: str = "") -> Path:
    """Return the folder of a run's checkpoint: ``name``, or by default ``best`` if it exists, else ``last``.

    Raises GanzooError, with the names of the available checkpoints, if there is no such checkpoint.
    """
    folder = run / "checkpoints"
    for candidate in [name] if name else ["best", "last"]:
        checkpoint = find_checkpoint(folder / candidate)
        if checkpoint:
            return checkpoint
    available = ", ".join(checkpoint_names(run)) or "none, train first"
    raise GanzooError(f"{folder}: there is no checkpoint {name or 'yet'}; there are: {available}")


def network_name(progress: Mapping[str, Any], slot: str) -> str:
    """Return the name of the file with a network's weights; that of the averaged weights if the run averaged them."""
    averaged = f"average/{slot}.safetensors"
    return averaged if averaged in progress["files"] else f"networks/{slot}.safetensors"


def network_file(checkpoint: Path, slot: str) -> Path:
    """Return the verified file with a network's weights; the averaged weights if the run averaged them.

    Raises DamagedError when the file or progress.json is missing or damaged.
    """
    return verified_file(checkpoint, network_name(read_progress(checkpoint), slot))


def read_unchanged(find: Callable[[], Path], read: Callable[[Path, Mapping[str, Any]], Result]) -> Result:
    """Return what ``read`` makes of a checkpoint, all of one step: read again if its run replaced it meanwhile.

    Args:
        find: returns the checkpoint's folder.
        read: takes the folder and the fields of its progress.json.

    Raises GanzooError if the run replaced the checkpoint during every attempt, and what ``find`` and ``read`` raise.
    """
    for _ in range(MAX_ATTEMPTS):
        place = find()
        before = _content(place)
        try:
            result = read(place, read_progress(place))
        except GanzooError:
            if _content(place) == before:
                raise
            continue
        if _content(place) == before:
            return result
    raise GanzooError(f"{place}: the run replaces this checkpoint faster than it can be read: wait for the run")


def _content(checkpoint: Path) -> bytes:
    """Return the bytes of a progress.json, which differ for each step and state; empty where there are none."""
    try:
        return (checkpoint / PROGRESS).read_bytes()
    except OSError:
        return b""


def repair_checkpoint(folder: Path) -> Path | None:
    """Undo an interrupted replacement; return the checkpoint's folder, or None. Only the training run may call this.

    Raises DamagedError when the folder is there without its progress.json.
    """
    return repair_replacement(folder, PROGRESS) if find_checkpoint(folder) else None


def remedy(checkpoint: Path) -> str:
    """Return what a user can do when a checkpoint is damaged: use another one of the run, or start again."""
    folder = checkpoint.parent
    name = checkpoint.name.removeprefix(".").removesuffix(".old")
    others = [one for one in checkpoint_names(folder.parent) if one != name]
    if is_published(folder.parent):
        return AGAIN
    if not others:
        return "the run has no other checkpoint: restore it from a copy, or start the run again with --fresh"
    resume = "a copy of that folder in the place of last resumes the run; or start it again with --fresh"
    rest = resume if name == "last" else f"delete the folder {name} if nobody needs it"
    return f"the run also has {', '.join(others)}: translate and evaluate take --checkpoint NAME, and {rest}"
