"""An exported file is verified before it is put in place; each mistake gives one line."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import ganzoo
from ganzoo.cli.export import export_command
from ganzoo.inference import export_files
from ganzoo.inference.export_files import FORMATS
from ganzoo.inference.translator import Translator
from ganzoo.provenance.fingerprint import weights_key
from tests.support.command_line import Run
from tests.support.exported_runs import create_run, load, random_tensor
from tests.support.untrained_runs import renew_checksums, replace_while_loaded, write_untrained_run

SMALL = {"generator": "resnet", "width": 2, "blocks": 0}


@pytest.fixture(scope="module")
def run_(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_run(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def onnx(run_: Path) -> tuple[Path, dict[str, Any]]:
    """Return an exported file with a fixed shape, and its metadata."""
    file = run_.parent / "x.onnx"
    return file, ganzoo.export(run_, file, size=(20, 26), batch=1)


def test_another_size_is_refused_if_the_size_is_fixed(onnx: tuple[Path, dict[str, Any]]) -> None:
    assert onnx[1]["inputs"]["images"]["shape"] == [1, 3, 20, 26]
    assert load(onnx[0])(images=random_tensor(1, 3, 20, 26)).shape == (1, 3, 20, 26)
    with pytest.raises(Exception, match="Got invalid dimensions for input: images"):
        load(onnx[0])(images=random_tensor(1, 3, 20, 27))


def test_the_metadata_name_the_values_in_files_and_the_classes(tmp_path: Path) -> None:
    recipe = {"method": "cyclegan", "networks": {"G": SMALL}}
    run_ = write_untrained_run(tmp_path / "run", recipe, A=4, B=1)
    progress = run_ / "checkpoints/last/progress.json"
    changed = {"classes": {"A": 4}, "ranges": {"B": [0, 4095]}}
    progress.write_text(json.dumps(json.loads(progress.read_text()) | changed))
    renew_checksums(progress.parent)
    about = ganzoo.export(run_, tmp_path / "x.onnx", size=(16, 16), batch=1)
    images, translated = about["inputs"]["images"], about["outputs"]["translated"]
    assert images["classes"] == 4 and "values" not in images
    assert translated == {"shape": [1, 1, 16, 16], "range": "-1 to 1", "classes": 0, "values": [0, 4095]}


def test_an_exported_run_needs_neither_ganzoo_nor_torch(onnx: tuple[Path, dict[str, Any]]) -> None:
    code = (
        "import sys, numpy as np, onnxruntime\n"
        "session = onnxruntime.InferenceSession(sys.argv[1])\n"
        "outputs = session.run(None, {'images': np.zeros((1, 3, 20, 26), np.float32)})\n"
        "assert outputs[0].shape == (1, 3, 20, 26) and not {'ganzoo', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-I", "-c", code, onnx[0]], check=True)


def random_image(file: Path, height: int, width: int) -> Path:
    file.parent.mkdir(exist_ok=True)
    Image.fromarray(np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)).save(file)
    return file


def test_the_command_prints_the_difference_on_random_and_provided_images(run: Run, run_: Path, tmp_path: Path) -> None:
    for i in range(3):
        random_image(tmp_path / f"in/{i}.png", 9 + i, 12)
    words = ["--check", tmp_path / "in", "--check", random_image(tmp_path / "y.png", 30, 8)]
    code, out, err = run("export", run_, "-o", tmp_path / "x.pt2", "--direction", "BA", *words)
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first == f"{tmp_path}/x.pt2: BA, images batch×3×height×width → translated batch×3×height×width"
    assert second.startswith("largest difference from the run, on 2 random and 4 given images: ")
    code, out, err = run(
        "export", run_, "-o", tmp_path / "y.pt2", "--size", "20x26", "--batch", "2", "--check", tmp_path / "y.png"
    )
    assert (code, err) == (0, "")
    assert out.startswith(f"{tmp_path}/y.pt2: AB, images 2×3×20×26 →") and "1 given" in out


def test_the_checksum_is_that_of_the_exported_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_untrained_run(tmp_path / "run", {"method": "cyclegan", "networks": {"G": SMALL}})
    with monkeypatch.context() as patch:
        replace_while_loaded(run, export_files, patch)
        metadata = ganzoo.export(run, tmp_path / "x.pt2", size=(16, 16))
    assert metadata["weights"] == weights_key(run / "checkpoints/last")
    image = random_tensor(1, 3, 16, 16)
    torch.testing.assert_close(load(tmp_path / "x.pt2")(images=image), ganzoo.load(run, device="cpu").translate(image))
    ganzoo.publish(run, tmp_path / "out", licence="mit")
    assert ganzoo.export(tmp_path / "out", tmp_path / "y.pt2", size=(16, 16))["weights"] == metadata["weights"]


@pytest.mark.parametrize("kind", [str, Path])
def test_one_image_to_compare_on_needs_no_list(
    run_: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type
) -> None:
    random_image(tmp_path / "a.png", 16, 16)
    monkeypatch.chdir(tmp_path)
    assert ganzoo.export(run_, tmp_path / "x.pt2", size=(16, 16), check=kind("a.png"))["compared"]["given"] == 1


def test_images_are_compared_one_by_one(run_: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder may have more of them than the memory holds."""
    calls: list[str] = []
    written, translate = FORMATS[".pt2"], Translator.translate_step

    def load_noted(file: Path) -> Callable[..., Tensor]:
        loaded = written.load(file)

        def run(images: Tensor) -> Tensor:
            calls.append("file")
            return loaded(images=images)

        return run

    def translate_noted(*args: Any, **options: Any) -> Any:
        calls.append("run")
        return translate(*args, **options)

    monkeypatch.setitem(FORMATS, ".pt2", replace(written, load=load_noted))
    monkeypatch.setattr(Translator, "translate_step", translate_noted)
    for i in range(3):
        random_image(tmp_path / f"in/{i}.png", 9 + i, 12)
    assert ganzoo.export(run_, tmp_path / "x.pt2", check=[tmp_path / "in"])["compared"] == {"random": 2, "given": 3}
    assert calls == ["run", "run", "file", "file", *(["run", "file"] * 3)]


def change_loaded_outputs(amount: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Add ``amount`` to one value that a loaded file returns."""
    original = FORMATS[".pt2"].load

    def load_changed(file: Path) -> Callable[..., Tensor]:
        loaded = original(file)

        def run(images: Tensor) -> Tensor:
            output = loaded(images=images).clone()
            output[-1, 1, 2, 3] += amount * (len(images) == 2)
            return output

        return run

    monkeypatch.setitem(FORMATS, ".pt2", replace(FORMATS[".pt2"], load=load_changed))


@pytest.mark.parametrize(("amount", "printed"), [(0.002, "0.002"), (float("nan"), "nan")])
def test_a_file_that_differs_is_not_saved(
    run: Run, run_: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, amount: float, printed: str
) -> None:
    (tmp_path / "x.pt2").write_text("earlier")
    change_loaded_outputs(amount, monkeypatch)
    code, out, err = run("export", run_, "-o", tmp_path / "x.pt2", "--size", "16")
    assert (code, out) == (2, "")
    why = f"differs from the run by {printed} on [−1, 1]; the limit is 0.001 (--tolerance)"
    assert err == f"ganzoo: {tmp_path}/x.pt2: not written: it {why}\n"
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt2"] and (tmp_path / "x.pt2").read_text() == "earlier"


def test_weights_beside_the_file_are_not_lost_in_silence(
    run: Run, run_: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Torch writes weights of more than 2 GB into a second file."""
    written = FORMATS[".pt2"]

    def write(program: Any, file: Path, metadata: str) -> None:
        written.write(program, file, metadata)
        file.with_name(f"{file.name}.data").write_bytes(b"weights")

    monkeypatch.setitem(FORMATS, ".pt2", replace(written, write=write))
    code, _, err = run("export", run_, "-o", tmp_path / "x.pt2", "--size", "16")
    assert code == 2 and "too large for one file of this format, which left its weights in x.pt2.data" in err
    assert [*tmp_path.iterdir()] == []


def test_a_larger_tolerance_accepts_the_difference(run_: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    change_loaded_outputs(0.002, monkeypatch)
    assert ganzoo.export(run_, tmp_path / "x.pt2", size=(16, 16), tolerance=0.01)["difference"] == pytest.approx(
        0.002, rel=1e-3
    )
    assert [path.name for path in tmp_path.iterdir()] == ["x.pt2"]
    default = next(option.default for option in export_command.params if option.name == "tolerance")
    assert inspect.signature(ganzoo.export).parameters["tolerance"].default == default


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["-o", "x.bin"], "x.bin: unknown file extension (there are: .onnx, .pt2)"),
        (["-o", "x.onxx"], "x.onxx: unknown file extension (did you mean '.onnx'?)"),
        (["-o", "nowhere/x.pt2"], "nowhere/x.pt2: there is no such folder; name a file"),
        (["-o", "folder.pt2"], "folder.pt2: it is a folder; name a file"),
        (["-o", "x.pt2", "--direction", "AA"], "direction is 'AA'; the method has: AB, BA"),
        (["-o", "x.pt2", "--checkpoint", "best"], "there is no checkpoint best; there are: last"),
        (["-o", "x.pt2", "--check", "gone.png"], "gone.png: "),
        (
            ["-o", "x.pt2", "--check", "small.png"],
            "small.png: --check: without --size, images must have at least 8×8 pixels",
        ),
        (
            ["-o", "x.pt2", "--check", "folder.pt2"],
            "folder.pt2: --check: there are no images in this folder: check the path",
        ),
    ],
)
def test_mistakes_are_one_line(
    run: Run, run_: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.pt2").mkdir()
    random_image(tmp_path / "small.png", 7, 12)
    code, out, err = run("export", run_, *words)
    assert (code, out) == (5 if message == "gone.png: " else 2, "")
    assert message in err and err.startswith("ganzoo: ") and len(err.splitlines()) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder.pt2", "small.png"]


def test_a_missing_run_is_named_with_a_similar_one(run: Run, run_: Path, tmp_path: Path) -> None:
    wrong = run_.with_name(f"{run_.name}x")
    problem = f"ganzoo: {wrong}: no such run (did you mean {str(run_)!r}?)\n"
    for command in (["export", "-o", tmp_path / "x.pt2"], ["publish", "-o", tmp_path / "out", "--license", "mit"]):
        assert run(command[0], wrong, *command[1:]) == (2, "", problem)


@pytest.mark.parametrize("size", ["0", "16x", "16x0", "a", "1x2x3", "-4"])
def test_invalid_sizes(run: Run, run_: Path, tmp_path: Path, size: str) -> None:
    code, _, err = run("export", run_, "-o", tmp_path / "x.pt2", "--size", size)
    assert code == 2 and "is not a size such as 256 or 256x320" in err


def test_a_missing_extra_is_named(run: Run, run_: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = find_spec
    monkeypatch.setattr("ganzoo.inference.export_files.find_spec", lambda name: known(name) if name == "onnx" else None)
    code, _, err = run("export", run_, "-o", tmp_path / "x.onnx")
    assert code == 2
    message = ".onnx needs onnxscript, onnxruntime: pip install 'ganzoo-i2i[export]'; .pt2 needs only torch"
    assert err == f"ganzoo: {tmp_path}/x.onnx: {message}\n"
