"""The Dockerfile, the devcontainer and the notebook fit the project: names, extras, users, and cells that run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.pages import assert_parses, blocks

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOTEBOOK = ROOT / "notebooks/colab.ipynb"
KNOWN = {"ARG", "FROM", "ENV", "RUN", "SHELL", "USER", "COPY", "WORKDIR", "VOLUME", "ENTRYPOINT", "CMD"}


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, each (word, rest), with continued lines joined."""
    lines = [one for one in (ROOT / "Dockerfile").read_text().splitlines() if not one.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


INSTRUCTIONS = instructions()


def of(word: str) -> list[str]:
    return [rest for one, rest in INSTRUCTIONS if one == word]


def arguments() -> dict[str, str]:
    """Return the Dockerfile's build arguments and their defaults."""
    return dict(one.split("=", 1) for one in of("ARG"))


def environment() -> dict[str, str]:
    pairs = [shlex.split(one) for one in of("ENV")]
    return dict(pair.split("=", 1) for one in pairs for pair in one)


def test_the_dockerfile_has_known_instructions_and_only_declared_variables() -> None:
    assert {word for word, _ in INSTRUCTIONS} == KNOWN
    used = {name for _, rest in INSTRUCTIONS for name in re.findall(r"\$\{?(\w+)", rest)}
    assert used == {*arguments(), "PATH"}


def test_a_base_exists_for_each_variant_and_fits_the_python_version() -> None:
    *bases, last = of("FROM")
    assert [one.split(" AS ")[1] for one in bases] == ["base-cpu", "base-cuda"]
    assert last == "base-${VARIANT}" and f"base-{arguments()['VARIANT']}" == bases[0].split(" AS ")[1]
    least = tuple(map(int, PROJECT["requires-python"].removeprefix(">=").split(".")))
    versions = re.findall(r"python:?(\d+\.\d+)", " ".join(of("FROM") + of("RUN")))
    assert len(versions) > 2 and all(tuple(map(int, one.split("."))) >= least for one in versions)


def test_the_base_for_gpus_has_the_cuda_of_the_pinned_torch() -> None:
    if not torch.version.cuda:
        pytest.skip("the torch here is built for CPUs")
    if f"torch=={torch.__version__.partition('+')[0]}\n" not in (ROOT / "constraints.txt").read_text():
        pytest.skip("the torch here is another version than the pinned one")
    assert f"nvidia/cuda:{torch.version.cuda}." in of("FROM")[1]


@pytest.mark.parametrize(("index", "option"), [("", []), ("https://wheels.example/cpu", ["-i"])])
def test_torch_comes_from_the_index_of_the_user_or_else_from_pips_own(index: str, option: list[str]) -> None:
    (install,) = [one for one in of("RUN") if one.endswith(" torch torchvision")]
    words = ["bash", "-c", install.replace("pip", "printf '%s\\n'", 1)]
    shown = subprocess.run(words, env={"TORCH_INDEX": index}, capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-2 - 2 * len(option) :] == [*option, *filter(None, [index]), "torch", "torchvision"]
    assert ("-i" in shown.split()) == bool(option)


def test_what_is_copied_exists_and_is_sent_to_the_engine() -> None:
    rules = [one for one in (ROOT / ".dockerignore").read_text().splitlines() if one and not one.startswith("#")]
    for copy in of("COPY"):
        *sources, _ = [word for word in copy.split() if not word.startswith("--")]
        for source in sources:
            assert (ROOT / source).exists(), source
            deciding = [one for one in rules if fnmatch(source, one.lstrip("!"))][-1]
            assert deciding.startswith("!"), f"{source} is not sent: .dockerignore"
    copied = " ".join(of("COPY")).split()
    for needed in (PROJECT["readme"], *PROJECT["license-files"], "pyproject.toml", "ganzoo", "plugins"):
        assert needed in copied, f"the installation needs {needed}"


def test_it_runs_ganzoo_as_a_user_with_a_cache_that_outlives_the_container() -> None:
    assert of("USER")[-1] == "ganzoo" and any("useradd" in one and one.count(" ganzoo") for one in of("RUN"))
    words = [word for word, _ in INSTRUCTIONS]
    assert words.index("USER") < words.index("ENTRYPOINT")
    assert json.loads(of("ENTRYPOINT")[0]) == [*PROJECT["scripts"]]
    (volume,) = json.loads(of("VOLUME")[0])
    for name in ("GANZOO_CACHE", "HF_HOME", "TORCHINDUCTOR_CACHE_DIR"):
        assert environment()[name].startswith(f"{volume}/")
    assert any(re.search(rf"chown ganzoo .*{volume}\b", one) for one in of("RUN"))


def test_the_extras_of_the_images_exist() -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    wanted = [arguments()["EXTRAS"], container["build"]["args"]["EXTRAS"]]
    assert set(",".join(wanted).split(",")) <= set(PROJECT["optional-dependencies"])


def test_the_devcontainer_uses_the_dockerfile() -> None:
    folder = ROOT / ".devcontainer"
    container = json.loads((folder / "devcontainer.json").read_text())
    build = container["build"]
    assert (folder / build["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert (folder / build["context"]).resolve() == ROOT
    assert set(build["args"]) <= set(arguments())
    assert f"base-{build['args']['VARIANT']}" in " ".join(of("FROM"))
    assert container["remoteUser"] == of("USER")[-1]
    assert container["mounts"][0].split(",")[1] == f"target={json.loads(of('VOLUME')[0])[0]}"
    interpreter = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert environment()["PATH"].split(":")[0] == os.path.dirname(interpreter)


def test_the_docker_commands_of_the_docs_fit_the_dockerfile() -> None:
    page = (ROOT / "docs/environments.md").read_text()
    (text,) = blocks(ROOT / "docs/environments.md", "console")
    lines = [shlex.split(line) for line in text.replace("\\\n", " ").splitlines() if line]
    assert [line[1] for line in lines] == ["build", "run", "build", "run"]
    assert set(re.findall(r"--build-arg (\w+)=", page)) == set(arguments())
    (volume,) = json.loads(of("VOLUME")[0])
    for built, ran in (lines[:2], lines[2:]):
        tag = built[built.index("--tag") + 1]
        mounted = [ran[number + 1].rpartition(":")[2] for number, word in enumerate(ran) if word == "--volume"]
        assert mounted == [of("WORKDIR")[0], volume]
        words = ran[ran.index(tag) + 1 :]
        assert_parses([word.removeprefix("/recipes/") for word in words])
    assert "recipes /recipes" in of("COPY") and (ROOT / "recipes" / lines[1][-1].removeprefix("/recipes/")).is_file()


def cells() -> list[dict[str, Any]]:
    notebook = json.loads(NOTEBOOK.read_text())
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 4)
    found: list[dict[str, Any]] = notebook["cells"]
    return found


def test_the_notebook_is_small_and_has_no_outputs() -> None:
    assert NOTEBOOK.stat().st_size < 20_000
    for cell in cells():
        assert set(cell) == {"cell_type", "metadata", "source"} | (
            {"execution_count", "outputs"} if cell["cell_type"] == "code" else set()
        )
        assert not cell.get("outputs") and cell.get("execution_count") is None


def test_the_notebook_installs_this_project() -> None:
    (install,) = [line for cell in cells() for line in cell["source"] if line.startswith("%")]
    assert install.split()[:2] == ["%pip", "install"] and install.split()[-1] == PROJECT["name"]


def script(**parameters: object) -> str:
    """Return the notebook's code as a script: ``!`` lines are commands, and parameters replace those of their cell."""
    text = ["import shlex, subprocess, sys"]
    for cell in cells():
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            source = re.sub(r"^%pip .*$", "", source, flags=re.MULTILINE)
            source = re.sub(
                r"^!ganzoo (.*)$",
                lambda match: (
                    f"subprocess.run([sys.executable, '-m', 'ganzoo', *shlex.split(f{match[1]!r})], check=True)"
                ),
                source,
                flags=re.MULTILINE,
            )
            text.append(source)
            if "parameters" in cell["metadata"].get("tags", ()):
                names = re.findall(r"^([A-Z_]+) =", source, re.MULTILINE)
                assert set(parameters) <= set(names)
                text += [f"{name} = {value!r}" for name, value in parameters.items()]
    assert not re.search(r"^[!%]", "\n".join(text), re.MULTILINE)
    return "\n".join(text)


@pytest.mark.parametrize("own", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["drawn", "own"])
def test_the_cells_of_the_notebook_run(
    own: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    parameters: dict[str, object] = {"STEPS": 2, "SIZE": 16}
    if own:
        from tests.support.tiny_run import make_images

        images = make_images(tmp_path / "it's mine", train=16)
        parameters |= {"BATCH": 2, "FOLDER_A": str(images / "trainA"), "FOLDER_B": str(images / "trainB")}
    code = script(**parameters)
    assert "width: 32, blocks: 6" in code
    exec(compile(code.replace("width: 32, blocks: 6", "width: 2, blocks: 1"), NOTEBOOK, "exec"), {})
    translated = list((tmp_path / "translated").iterdir())
    assert len(translated) == (16 if own else 4)
    assert "library_name: ganzoo" in capsys.readouterr().out
