"""The files that a traced function is written to, and how they are read again."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from ganzoo.errors import GanzooError, one_line, suggest
from ganzoo.translate import TRANSLATED

KEY = "ganzoo"
"""Under which a file keeps what it says of itself, as JSON."""

Shapes = Mapping[str, Sequence[int | str]]


@dataclass(frozen=True)
class Format:
    """How a function is written and read.

    Args:
        packages: needed beside ganzoo's own dependencies.
        convert: the traced function, and its inputs' shapes, open axes by name → what is written.
        write: that, the file, and what the file says of itself.
        load: the file → a function of its inputs by name.
    """

    packages: tuple[str, ...]
    convert: Callable[[ExportedProgram, Shapes], Any]
    write: Callable[[Any, Path, str], None]
    load: Callable[[Path], Callable[..., Tensor]]


def format_of(out: Path) -> Format:
    """Return the format that a file's ending names. Raises GanzooError for another, and for one that lacks packages."""
    form = FORMATS.get(out.suffix)
    if form is None:
        raise GanzooError(f"{out}: its ending names no format{suggest(out.suffix, FORMATS)}")
    missing = [name for name in form.packages if find_spec(name) is None]
    if missing:
        raise GanzooError(
            f"{out}: {out.suffix} takes {', '.join(missing)}: pip install 'ganzoo[export]'; .pt2 needs torch alone"
        )
    return form


def _to_onnx(program: ExportedProgram, shapes: Shapes) -> torch.onnx.ONNXProgram:
    named = {name: {i: one for i, one in enumerate(shape) if isinstance(one, str)} for name, shape in shapes.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            made = torch.onnx.export(
                program, output_names=[TRANSLATED], dynamic_shapes=named, dynamo=True, verbose=False
            )
    except Exception as error:  # its errors have no common class, nor do those of the converter
        raise GanzooError(f"it cannot be written as ONNX, .pt2 may serve: {one_line(error)[:300]}") from None
    assert made is not None
    return made


def _write_onnx(made: torch.onnx.ONNXProgram, file: Path, about: str) -> None:
    made.model.metadata_props[KEY] = about
    made.save(file)


def _load_onnx(file: Path) -> Callable[..., Tensor]:
    from onnxruntime import InferenceSession

    session = InferenceSession(file, providers=["CPUExecutionProvider"])

    def run(**inputs: Tensor) -> Tensor:
        given = {name: one.numpy() for name, one in inputs.items()}
        return torch.from_numpy(session.run([TRANSLATED], given)[0])

    return run


def _write_pt2(program: ExportedProgram, file: Path, about: str) -> None:
    torch.export.save(program, file, extra_files={f"{KEY}.json": about})


def _load_pt2(file: Path) -> Callable[..., Tensor]:
    return torch.export.load(file).module()


FORMATS = {
    ".onnx": Format(("onnx", "onnxscript", "onnxruntime"), _to_onnx, _write_onnx, _load_onnx),
    ".pt2": Format((), lambda program, shapes: program, _write_pt2, _load_pt2),
}
