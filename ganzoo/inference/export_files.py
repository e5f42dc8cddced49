"""Export a run's translation to an ONNX or PT2 file, and compare the file with the run; for ``ganzoo export``."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram

from ganzoo.data.image_files import describe_skipped, find_images
from ganzoo.engine.checkpoint_files import read_unchanged, select_checkpoint
from ganzoo.errors import GanzooError, one_line, prefix_errors, suggest
from ganzoo.inference.export import MIN_SIZE, TranslationFunction, input_shapes, trace
from ganzoo.inference.translator import TRANSLATED, Translator
from ganzoo.plugins import installed_version
from ganzoo.provenance.fingerprint import recorded_weights_key
from ganzoo.recipe.published import find_run, run_names
from ganzoo.recipe.run_recipe import require_run
from ganzoo.utils.atomic import flush_to_disk, sibling_path
from ganzoo.utils.jsonl import to_plain

RANGES = {"images": "-1 to 1", "mask": "0 to 1", "style": "any"}
"""Name of each input → the range of its values, as the file's metadata states it."""

Case = tuple[dict[str, Tensor], Tensor]
"""The inputs by name, and the run's translation of them, with which a file is compared."""


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
    """Write one direction of a run's translation to a file, and return the file's metadata.

    The file is loaded, and its translations of random images are compared with those of the run.

    Args:
        run: the run's folder.
        out: the file; its extension, ``.onnx`` or ``.pt2``, selects the format.
        tolerance: the largest accepted difference from the run's translations, whose range is [−1, 1].
        direction: the direction, for example ``AB``; by default the method's first.
        checkpoint: the name of the checkpoint, as for ``Translator``.
        size: the fixed height and width, in pixels; by default the file accepts any from ``MIN_SIZE``.
        batch: the fixed number of images per call; by default the file accepts any.
        check: images, and folders of images, on which the translations are compared, too.

    Raises:
        GanzooError: the extension is unknown, a package or folder is missing, the run cannot be loaded or exported, or
            the file cannot be written or differs from the run; a previous file then stays as it was.
    """
    folder, out = Path(run), Path(out)
    file_format = find_format(out)
    if out.is_dir() or not out.parent.is_dir():
        raise GanzooError(f"{out}: {'it is a folder' if out.is_dir() else 'there is no such folder'}; name a file")
    translator, weights = _load(folder, checkpoint)
    resolved = translator.resolve_direction(direction)
    where = f"{folder}: {translator.recipe.method.component.name}, {resolved}"
    with prefix_errors(where):
        function = TranslationFunction(translator, resolved)
    fixed = ({"height": size[0], "width": size[1]} if size else {}) | ({"batch": batch} if batch else {})
    random_cases = list(_random_cases(function, fixed))
    files = _check_files(list(map(Path, check)))
    for _ in _image_inputs(function, files, fixed):
        pass  # a mistake shows before the conversion, which takes long
    metadata = _describe(function, fixed, weights, channels=random_cases[0][1].shape[1])
    with prefix_errors(where):
        converted = file_format.convert(trace(function, fixed), input_shapes(function, fixed))
    with _replace_file(out) as temporary:
        file_format.write(converted, temporary, json.dumps(metadata))
        if others := [one.name for one in temporary.parent.iterdir() if one != temporary]:
            raise GanzooError(
                f"{out}: not written: the network is too large for one file of this format, which left its weights in "
                f"{others[0]}: export to a .pt2 file"
            )
        image_cases = (_translate_case(function, inputs) for inputs in _image_inputs(function, files, fixed))
        difference = _largest_difference(file_format.load(temporary), chain(random_cases, image_cases))
        if not difference <= tolerance:  # true for NaN, too
            raise GanzooError(
                f"{out}: not written: it differs from the run by {difference:.2g} on [−1, 1]; the limit is "
                f"{tolerance:g} (--tolerance)"
            )
        metadata |= {"difference": difference, "compared": {"random": len(random_cases), "given": len(files)}}
        file_format.write(converted, temporary, json.dumps(metadata))
    return metadata


def _load(run: Path, checkpoint: str) -> tuple[Translator, str]:
    """Return the translator of a run's checkpoint, and the checksum of its networks, both of one step.

    Raises GanzooError as ``Translator``.
    """
    folder = find_run(run)
    require_run(folder)

    def load(place: Path, progress: Mapping[str, Any]) -> tuple[Translator, str]:
        return Translator(folder, checkpoint=place.name, device="cpu"), recorded_weights_key(place)

    return read_unchanged(lambda: select_checkpoint(folder, checkpoint), load)


def _describe(function: TranslationFunction, fixed: Mapping[str, int], weights: str, channels: int) -> dict[str, Any]:
    """Return the metadata of a file: the run and checkpoint that it was made from, its inputs and its output."""
    translator = function.translator
    recipe, run = run_names(translator.folder.resolve())
    shapes = input_shapes(function, fixed)
    inputs: dict[str, dict[str, Any]] = {
        name: {"shape": shape, "range": RANGES[name]} for name, shape in shapes.items()
    }
    output: dict[str, Any] = {
        "shape": [shapes["images"][0], channels, *shapes["images"][2:]],
        "range": RANGES["images"],
    }
    for tensor, domain in ((inputs["images"], function.direction[0]), (output, function.direction[1])):
        io = translator.domain_io[domain]
        tensor["classes"] = io.classes  # of label maps; 0: these are images
        if not io.classes:
            tensor["values"] = to_plain(io.value_range) or [0, 255]  # in files; they become -1 and 1
    return {
        "ganzoo": installed_version(),
        "recipe": recipe,
        "run": run,
        "method": translator.recipe.method.component.name,
        "direction": function.direction,
        "checkpoint": translator.checkpoint.name,
        "step": translator.step,
        "weights": weights,
        "inputs": inputs,
        "size": to_plain(translator.trained_size),
        "resample": translator.recipe.images.filter,
        "outputs": {TRANSLATED: output},
    }


def _random_cases(function: TranslationFunction, fixed: Mapping[str, int]) -> Iterator[Case]:
    """Yield two cases of random inputs; they differ in each size that is not fixed."""
    first, second = (max(2 * MIN_SIZE, side) for side in function.translator.recipe.images.shape)
    for key, (batch, height, width) in enumerate(((1, first, second), (2, first // 2 + 1, second // 2 + 4))):
        shape = {"batch": batch, "height": height, "width": width, **fixed}
        yield _translate_case(function, function.random_inputs(**shape, key=key))


def _check_files(paths: Sequence[Path]) -> list[Path]:
    """Return the images of ``--check``. Raises GanzooError for a folder without any."""
    files: list[Path] = []
    for path in paths:
        found = find_images(path) if path.is_dir() else [path]
        if not found:
            why = describe_skipped(path) or "check the path"
            raise GanzooError(f"{path}: --check: there are no images in this folder: {why}")
        files += found
    return files


def _image_inputs(
    function: TranslationFunction, files: Sequence[Path], fixed: Mapping[str, int]
) -> Iterator[dict[str, Tensor]]:
    """Yield the inputs for each of the user's images, in its own size unless the size is fixed."""
    domain_io = function.translator.domain_io[function.direction[0]]
    for file in files:
        pixels = domain_io.read(file)
        if "height" in fixed:
            pixels = domain_io.resized(pixels, (fixed["height"], fixed["width"]))
        if min(pixels.shape[:2]) < MIN_SIZE and "height" not in fixed:
            raise GanzooError(
                f"{file}: --check: without --size, images must have at least {MIN_SIZE}×{MIN_SIZE} pixels"
            )
        images = domain_io.batch(pixels).repeat(fixed.get("batch", 1), 1, 1, 1)
        height, width = images.shape[2:]
        yield {**function.random_inputs(len(images), height, width, key=0), "images": images}


def _translate_case(function: TranslationFunction, inputs: dict[str, Tensor]) -> Case:
    """Return the inputs, and the run's translation of them."""
    mask, style = inputs.get("mask"), inputs.get("style")
    step = function.translator.translate_step(inputs["images"], function.direction, mask, style=style)
    return inputs, step[TRANSLATED]


def _largest_difference(loaded: Callable[..., Tensor], cases: Iterable[Case]) -> float:
    """Return the largest absolute difference between the file's and the run's translations; NaN if a value is NaN.

    Cases are taken one by one, so that only one is in memory.
    """
    with torch.no_grad():
        return float(torch.stack([(loaded(**inputs) - expected).abs().max() for inputs, expected in cases]).max())


@contextmanager
def _replace_file(out: Path) -> Iterator[Path]:
    """Yield the path of a temporary file. It replaces ``out`` after the ``with`` block, or is removed after an error.

    Raises GanzooError if the file cannot be written.
    """
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
"""The name under which a file stores its metadata, as JSON."""

Shapes = Mapping[str, Sequence[int | str]]
"""Name of each input → its shape; an axis whose size is not fixed has its name instead of a size."""


@dataclass(frozen=True)
class Format:
    """A file format for exported translations: how to write and load it.

    Args:
        packages: the packages that it needs besides ganzoo's own dependencies.
        convert: a function (traced program, shapes of its inputs) → the object to write.
        write: a function (object to write, file, metadata as JSON) that writes the file.
        load: a function (file) → the translation, a function with the inputs as keyword arguments.
    """

    packages: tuple[str, ...]
    convert: Callable[[ExportedProgram, Shapes], Any]
    write: Callable[[Any, Path, str], None]
    load: Callable[[Path], Callable[..., Tensor]]


def find_format(out: Path) -> Format:
    """Return the format that a file's extension selects. Raises GanzooError if it is unknown or lacks a package."""
    file_format = FORMATS.get(out.suffix)
    if file_format is None:
        raise GanzooError(f"{out}: unknown file extension{suggest(out.suffix, FORMATS)}")
    missing = [name for name in file_format.packages if find_spec(name) is None]
    if missing:
        raise GanzooError(
            f"{out}: {out.suffix} needs {', '.join(missing)}: pip install 'ganzoo-i2i[export]'; .pt2 needs only torch"
        )
    return file_format


def _to_onnx(program: ExportedProgram, shapes: Shapes) -> torch.onnx.ONNXProgram:
    named = {name: {i: axis for i, axis in enumerate(shape) if isinstance(axis, str)} for name, shape in shapes.items()}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            converted = torch.onnx.export(
                program, output_names=[TRANSLATED], dynamic_shapes=named, dynamo=True, verbose=False
            )
    except Exception as error:  # errors of torch and of its converter have no common class
        raise GanzooError(f"it cannot be written as ONNX; try .pt2: {one_line(error)[:300]}") from None
    assert converted is not None
    return converted


def _write_onnx(program: torch.onnx.ONNXProgram, file: Path, metadata: str) -> None:
    program.model.metadata_props[KEY] = metadata
    program.save(file)


def _load_onnx(file: Path) -> Callable[..., Tensor]:
    from onnxruntime import InferenceSession

    session = InferenceSession(file, providers=["CPUExecutionProvider"])

    def run(**inputs: Tensor) -> Tensor:
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        return torch.from_numpy(session.run([TRANSLATED], arrays)[0])

    return run


def _write_pt2(program: ExportedProgram, file: Path, metadata: str) -> None:
    torch.export.save(program, file, extra_files={f"{KEY}.json": metadata})


def _load_pt2(file: Path) -> Callable[..., Tensor]:
    return torch.export.load(file).module()


FORMATS = {
    ".onnx": Format(("onnx", "onnxscript", "onnxruntime"), _to_onnx, _write_onnx, _load_onnx),
    ".pt2": Format((), lambda program, shapes: program, _write_pt2, _load_pt2),
}
