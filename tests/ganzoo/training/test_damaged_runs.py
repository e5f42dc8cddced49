"""No command uses a damaged file of a run: each bit of it counts, and the error names the file in one line."""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ganzoo as package
from ganzoo.engine.checkpoint_files import read_progress
from ganzoo.utils.sealed import seal_object, seal_text
from tests.support.command_line import Run
from tests.support.tiny_run import lines, write_recipe

Damage = Callable[[Path], None]


def flip(file: Path) -> None:
    """Flip a bit at a place that depends on the file's name."""
    content = bytearray(file.read_bytes())
    bit = random.Random(file.name).randrange(8 * len(content))
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def empty(file: Path) -> None:
    file.write_bytes(b"")


DAMAGES: tuple[Damage, ...] = (flip, truncate, empty)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the tiny recipe, its images and a finished run that saved ``last``, ``best``, ``step-5``."""
    folder = tmp_path_factory.mktemp("damaged")
    write_recipe(folder, train={"keep": 5, "sample": 0}, evaluate={"metrics": ["cycle_l1"], "limit": 1})
    package.run(folder / "tiny.yaml", root=folder / "runs")
    return folder


def copy(place: Path, target: Path) -> Path:
    shutil.copytree(place / "runs", target / "runs")
    return target / "runs/tiny/default"


def state_of(run: Path) -> dict[Path, bytes]:
    return {file: file.read_bytes() for file in run.rglob("*") if file.is_file() and file.name != "events.jsonl"}


def commands(place: Path, folder: Path, checkpoint: str) -> dict[str, list[object]]:
    """Return the commands that read a checkpoint, by name; only the one that resumes cannot choose it."""
    images = place / "images/testA/00.png"
    read = {
        "translate": ["translate", folder, images, "-o", folder / "out", "--checkpoint", checkpoint],
        "evaluate": ["evaluate", folder, "--checkpoint", checkpoint],
    }
    resumed = {"run": ["run", place / "tiny.yaml", "--root", folder.parents[1]]}
    return (resumed if checkpoint == "last" else {}) | read


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_each_file_of_a_checkpoint_is_verified_before_it_is_used(
    run: Run, place: Path, tmp_path: Path, damage: Damage
) -> None:
    folder = copy(place, tmp_path)
    checkpoint = folder / "checkpoints/last"
    translation = folder / "out/00.png"
    for name, words in commands(place, folder, "last").items():
        assert run(*words)[0] == 0, name
    expected = translation.read_bytes(), last_values(folder)
    files = [file.relative_to(checkpoint) for file in checkpoint.rglob("*") if file.is_file()]
    assert len(files) == 9
    refused = set()
    for file in files:
        content = (checkpoint / file).read_bytes()
        damage(checkpoint / file)
        before = state_of(folder)
        for name, words in commands(place, folder, "last").items():
            code, _, errors = run(*words)
            if code:
                assert (code, errors.count("\n")) == (2, 1), (file, name, errors)
                assert f"{checkpoint / file}: damaged: " in errors and "best, step-5: " in errors, errors
                assert state_of(folder) == before
                refused.add((name, file.as_posix()))
            else:  # a file that this command does not read
                assert (translation.read_bytes(), last_values(folder)) == expected, (file, name)
        (checkpoint / file).write_bytes(content)
    every = {file.as_posix() for file in files}
    read = {"average/G_AB.safetensors", "average/G_BA.safetensors", "progress.json"}
    discriminators = {"networks/D_A.safetensors", "networks/D_B.safetensors"}
    assert {file for name, file in refused if name == "run"} == every
    assert {file for name, file in refused if name == "evaluate"} == read | discriminators
    assert {file for name, file in refused if name == "translate"} == read


def test_a_missing_file_is_refused_by_commands_that_need_it(run: Run, place: Path, tmp_path: Path) -> None:
    """Networks may be missing to translate and evaluate; to resume, each file must be there."""
    folder = copy(place, tmp_path)
    checkpoint = folder / "checkpoints/last"
    refused = set()
    for file in [file.relative_to(checkpoint) for file in checkpoint.rglob("*") if file.is_file()]:
        content = (checkpoint / file).read_bytes()
        (checkpoint / file).unlink()
        before = state_of(folder)
        for name, words in commands(place, folder, "last").items():
            code, _, errors = run(*words)
            refused |= {(name, file.as_posix(), code)} if code else set()
            if name == "run":
                assert errors.startswith(
                    f"ganzoo: {checkpoint / file}: damaged: it is missing; the run also has best, "
                )
                assert state_of(folder) == before
            assert errors.count("\n") == (code > 0), errors
        (checkpoint / file).write_bytes(content)
    assert {(file, code) for name, file, code in refused if name == "translate"} == {
        ("average/G_AB.safetensors", 5),
        ("progress.json", 2),
    }
    assert {(file, code) for name, file, code in refused if name == "evaluate"} == {
        ("average/G_AB.safetensors", 2),  # the metric needs both directions
        ("average/G_BA.safetensors", 2),
        ("progress.json", 2),
    }


def last_values(folder: Path) -> bytes:
    line = (folder / "results.jsonl").read_text().splitlines()[-1]
    return json.dumps(json.loads(line)["values"]).encode()


def test_every_bit_of_progress_counts(place: Path, tmp_path: Path) -> None:
    checkpoint = copy(place, tmp_path) / "checkpoints/last"
    file = checkpoint / "progress.json"
    content, fields = file.read_bytes(), read_progress(checkpoint)
    draws = random.Random(0)
    for bit in draws.sample(range(8 * len(content)), 300):
        changed = bytearray(content)
        changed[bit // 8] ^= 1 << bit % 8
        file.write_bytes(changed)
        problem = problem_of(checkpoint)
        if problem:
            assert problem.startswith(f"{file}: damaged: ") and "\n" not in problem
        else:  # white space between the fields
            assert read_progress(checkpoint) == fields, bit


def problem_of(checkpoint: Path) -> str:
    try:
        read_progress(checkpoint)
    except package.GanzooError as error:
        return str(error)
    return ""


def test_a_run_resumes_from_another_checkpoint_in_the_place_of_a_damaged_one(
    run: Run, place: Path, tmp_path: Path
) -> None:
    folder = copy(place, tmp_path)
    last, whole = folder / "checkpoints/last", (place / "runs/tiny/default/checkpoints/last/average/G_AB.safetensors")
    (last / "progress.json").unlink()
    words = commands(place, folder, "last")["run"]
    code, _, error = run(*words)
    assert code == 2
    assert error == (
        f"ganzoo: {last}/progress.json: damaged: it is missing; the run also has best, step-5: translate and evaluate "
        "take --checkpoint NAME, and a copy of that folder in the place of last resumes the run; or start it again "
        "with --fresh\n"
    )
    assert run(*commands(place, folder, "step-5")["translate"])[0] == 0
    shutil.rmtree(last)
    shutil.copytree(folder / "checkpoints/step-5", last)
    code, output, _ = run(*words)
    assert code == 0 and "resumed from step 5" in output
    assert (last / "average/G_AB.safetensors").read_bytes() == whole.read_bytes()


def test_planted_files_are_not_used(run: Run, place: Path, tmp_path: Path) -> None:
    folder = copy(place, tmp_path)
    words = commands(place, folder, "last")["translate"]
    assert run(*words)[0] == 0
    expected = (folder / "out/00.png").read_bytes()
    networks = folder / "checkpoints/last/networks"
    shutil.copy(networks / "G_BA.safetensors", networks.parent / "average/G_AB.safetensors.new")
    shutil.copy(networks / "D_A.safetensors", networks / "D_C.safetensors")
    assert run(*words)[0] == 0
    assert (folder / "out/00.png").read_bytes() == expected


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_a_damaged_recipe_or_environment_is_refused_in_one_line(
    run: Run, place: Path, tmp_path: Path, damage: Damage
) -> None:
    folder = copy(place, tmp_path)
    for name in ("resolved.yaml", "env.json", "images.json"):
        content = (folder / name).read_bytes()
        damage(folder / name)
        before = state_of(folder)
        for command, words in commands(place, folder, "last").items():
            code, _, errors = run(*words)
            if name != "resolved.yaml" and command != "run":
                assert code == 0, errors  # not read
            else:
                assert code == 2 and errors.count("\n") == 1, errors
                assert errors.startswith(f"ganzoo: {folder / name}: damaged: ") and "restore it" in errors
                assert state_of(folder) == before
        shutil.rmtree(folder / "out", ignore_errors=True)
        (folder / name).write_bytes(content)


def test_an_edited_recipe_is_used_only_if_it_says_so(run: Run, place: Path, tmp_path: Path) -> None:
    folder = copy(place, tmp_path)
    file = folder / "resolved.yaml"
    text = file.read_text()
    edited = text.replace("seed: 0", "seed: 1")
    assert edited != text
    file.write_text(edited)
    words = commands(place, folder, "last")["evaluate"]
    code, _, error = run(*words)
    assert code == 2 and "make its last line `# edited`: it is then used as it is" in error
    file.write_text(f"{edited}# edited\n")
    assert run(*words)[0] == 0
    assert json.loads((folder / "results.jsonl").read_text().splitlines()[-1])["seed"] == 1
    assert run(*commands(place, folder, "last")["run"])[0] == 3
    file.write_text(f"{text}# edited\n")
    assert run(*commands(place, folder, "last")["run"])[0] == 0
    assert file.read_text() == text


def test_a_deleted_environment_is_said_and_written_anew(run: Run, place: Path, tmp_path: Path) -> None:
    folder = copy(place, tmp_path)
    (folder / "env.json").unlink()
    code, output, _ = run(*commands(place, folder, "last")["run"])
    assert code == 0
    assert "changed since the last session: env.json: missing → written anew, without a comparison" in output
    (folder / "images.json").unlink()
    code, output, _ = run(*commands(place, folder, "last")["run"])
    assert code == 0
    assert "changed since the last session: images.json: missing → written anew, without a comparison\n" in output
    assert " added " not in output
    (folder / "images.json").unlink()
    moved = shutil.copytree(place / "images", tmp_path / "elsewhere")
    code, _, error = run(*commands(place, folder, "last")["run"], f"data.root={moved}")
    assert code == 3 and "the images there are not those of the run: images.json is missing" in error
    (folder / "resolved.yaml").unlink()
    code, _, error = run(*commands(place, folder, "last")["run"])
    assert code == 2 and f"{folder}/resolved.yaml: damaged: it is missing; restore it" in error


JUNK: tuple[Any, ...] = (None, [], {}, [1], "x", -1, math.inf, {"a": 1}, True)


def variants(value: Any, depth: int = 0) -> Iterator[Any]:
    """Yield values of other forms: junk in the place of the value, or of a field of it, or without a field."""
    yield from JUNK
    if isinstance(value, dict) and depth < 2:
        for name, one in value.items():
            yield from ({**value, name: other} for other in variants(one, depth + 1))
            yield {key: other for key, other in value.items() if key != name}


@pytest.mark.parametrize("name", ["metrics", "events", "results"])
def test_lines_of_any_form_end_no_command(run: Run, place: Path, tmp_path: Path, name: str) -> None:
    folder = copy(place, tmp_path)
    words = {**commands(place, folder, "last"), "report": ["report", folder]}
    for line in {tuple(sorted(one)): one for one in lines(folder / f"{name}.jsonl")}.values():
        log = (place / f"runs/tiny/default/{name}.jsonl").read_text()
        junk = "".join(f"{json.dumps(one)}\n" for one in variants(line))
        for text in (junk + log, log + junk, f"{'[' * 10**5}\n"):
            (folder / f"{name}.jsonl").write_text(text)
            for command in ("report", "run"):
                code, _, errors = run(*words[command])
                assert code == 0, (command, errors)


def test_fields_of_any_form_are_refused_in_one_line(run: Run, place: Path, tmp_path: Path) -> None:
    folder = copy(place, tmp_path)
    words = {**commands(place, folder, "last"), "report": ["report", folder]}
    files: dict[str, tuple[str, ...]] = {"env.json": ("run", "report"), "images.json": ("run",)}
    files["checkpoints/last/progress.json"] = ("run", "translate")
    for name, used in files.items():
        file = folder / name
        content = file.read_text()
        fields = {key: value for key, value in json.loads(content).items() if key != "checksum"}
        for number, changed in enumerate(random.Random(0).sample([*variants(fields)], 12)):
            file.write_text(seal_object(changed) if isinstance(changed, dict) else json.dumps(changed))
            code, _, errors = run(*words[used[number % len(used)]])
            assert code in (0, 2, 3) and errors.count("\n") == (code > 0), (name, changed, errors)
            file.write_text(content)


@pytest.mark.parametrize("text", ["[1]", "{}", "a: [", "method: 3", "!!python/name:os.system", "[" * 5000])
def test_a_recipe_of_any_form_is_refused(run: Run, place: Path, tmp_path: Path, text: str) -> None:
    folder = copy(place, tmp_path)
    (folder / "resolved.yaml").write_text(seal_text(f"{text}\n"))
    for words in commands(place, folder, "last").values():
        code, _, errors = run(*words)
        assert code in (2, 3)
        places = (f"ganzoo: {folder / 'resolved.yaml'}", f"ganzoo: {folder}: ")
        assert all(line.startswith(places) for line in errors.splitlines()), errors
