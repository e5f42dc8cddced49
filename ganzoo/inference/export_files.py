"""Write an exported translation to ONNX or PT2, read it again and compare it with the run."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from ganzoo.data.image_io import find_images
from ganzoo.errors import GanzooError, one_line, suggest
from ganzoo.inference.export import MIN_SIZE, TranslationFunction, input_shapes, trace
from ganzoo.inference.translator import TRANSLATED, Translator
from ganzoo.plugins import installed_version
from ganzoo.provenance.fingerprint import weights_key
from ganzoo.utils.atomic import flush_to_disk, sibling_path

RANGES = {"images": "-1 to 1", "mask": "0 to 1", "style": "any"}

Case = tuple[dict[str, Tensor], Tensor]
"""Inputs by name, and what the run makes of them."""


def export(
    run: str | PathLike[str],
    out: str | PathLike[str],
    *,
    tolerance: float,
    direction: str | None = None,
    checkpoint: str = "",
    size: tuple[int, int] | None = None,
    batch: int | None = None,
    check: Sequence[str | PathLike[str]] = (),
) -> dict[str, Any]:
    """Write one direction of a run to a file, read it again, and compare; return what the file says of itself.

    Args:
        run: the run's folder.
        out: a file that ends in ``.onnx`` or ``.pt2``.
        tolerance: the largest difference that is let through, on [−1, 1].
        direction: by default the method's first.
        checkpoint: as ``Translator``'s.
        size: height and width, if the file is to take no others.
        batch: likewise how many images at once.
        check: images and folders of them to compare on, beside random ones.

    Raises GanzooError, and leaves no file, for a run that cannot be exported and for a file that differs from it.
    """
    folder, out = Path(run), Path(out)
    form = format_of(out)
    if out.is_dir() or not out.parent.is_dir():
        raise GanzooError(f"{out}: {'it is a folder' if out.is_dir() else 'there is no such folder'}; name a file")
    translator = Translator(folder, checkpoint=checkpoint, device="cpu")
    way = translator.way(direction)
    where = f"{folder}: {translator.recipe.method.component.name}, {way}"
    with _telling(where):
        function = TranslationFunction(translator, way)
    fixed = ({"height": size[0], "width": size[1]} if size else {}) | ({"batch": batch} if batch else {})
    random, given = list(_random(function, fixed)), list(_given(function, list(map(Path, check)), fixed))
    about = _about(folder, function, fixed, channels=random[0][1].shape[1])
    with _telling(where):
        converted = form.convert(trace(function, fixed), input_shapes(function, fixed))
    with _aside(out) as new:
        form.write(converted, new, json.dumps(about))
        found = _difference(form.load(new), [*random, *given])
        if not found <= tolerance:
            raise GanzooError(
                f"{out}: not written: it differs from the run by {found:.2g} on [−1, 1], and {tolerance:g} may be "
                "(--tolerance)"
            )
        about |= {"difference": found, "compared": {"random": len(random), "given": len(given)}}
        form.write(converted, new, json.dumps(about))
    return about


def _about(folder: Path, function: TranslationFunction, fixed: Mapping[str, int], channels: int) -> dict[str, Any]:
    """Return what a file says of itself."""
    translator, place = function.translator, folder.resolve()
    entering = input_shapes(function, fixed)
    leaving = [entering["images"][0], channels, *entering["images"][2:]]
    return {
        "ganzoo": installed_version(),
        "recipe": place.parent.name,
        "run": place.name,
        "method": translator.recipe.method.component.name,
        "direction": function.direction,
        "checkpoint": translator.checkpoint.name,
        "step": translator.step,
        "weights": weights_key(translator.checkpoint),
        "inputs": {name: {"shape": shape, "range": RANGES[name]} for name, shape in entering.items()},
        "outputs": {TRANSLATED: {"shape": leaving, "range": RANGES["images"]}},
    }


def _random(function: TranslationFunction, fixed: Mapping[str, int]) -> Iterator[Case]:
    """Give random inputs, of two shapes where nothing is fixed."""
    side = max(2 * MIN_SIZE, function.translator.recipe.images.size)
    for key, (batch, height, width) in enumerate(((1, side, side), (2, side // 2 + 1, side // 2 + 4))):
        shape = {"batch": batch, "height": height, "width": width, **fixed}
        yield _case(function, function.draw(**shape, key=key))


def _given(function: TranslationFunction, paths: Sequence[Path], fixed: Mapping[str, int]) -> Iterator[Case]:
    """Give a user's images, at their own size where that is not fixed."""
    form = function.translator.forms[function.direction[0]]
    for path in [file for one in paths for file in (find_images(one) if one.is_dir() else [one])]:
        pixels = form.read(path)
        if "height" in fixed:
            pixels = form.resized(pixels, (fixed["height"], fixed["width"]))
        if min(pixels.shape[:2]) < MIN_SIZE and "height" not in fixed:
            raise GanzooError(
                f"{path}: --check: a file for any size is for images from {MIN_SIZE}×{MIN_SIZE} pixels on"
            )
        images = form.batch(pixels).repeat(fixed.get("batch", 1), 1, 1, 1)
        height, width = images.shape[2:]
        yield _case(function, {**function.draw(len(images), height, width, key=0), "images": images})


def _case(function: TranslationFunction, inputs: dict[str, Tensor]) -> Case:
    mask, style = inputs.get("mask"), inputs.get("style")
    step = function.translator.step_of(inputs["images"], function.direction, mask, style=style)
    return inputs, step[TRANSLATED]


def _difference(made_by: Callable[..., Tensor], cases: Sequence[Case]) -> float:
    """Return the largest one; what is not finite anywhere is not a number here either."""
    with torch.no_grad():
        return float(torch.stack([(made_by(**inputs) - expected).abs().max() for inputs, expected in cases]).max())


@contextmanager
def _telling(where: str) -> Iterator[None]:
    """Say where, of what cannot be."""
    try:
        yield
    except GanzooError as error:
        raise GanzooError(f"{where}: {error}") from None


@contextmanager
def _aside(out: Path) -> Iterator[Path]:
    """Give a file to write, which is put in the place of another at the end of a block that raises nothing."""
    folder = sibling_path(out.absolute(), "new")
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        yield folder / out.name
        flush_to_disk(folder / out.name)
        os.replace(folder / out.name, out)
    except OSError as error:
        raise GanzooError(f"{out}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(folder, ignore_errors=True)


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
