"""A run is published to a hub, under a made-up name, and read again by other processes, also without a connection."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from PIL import Image

import ganzoo
from tests.support.hub_server import TOKEN, Hub, Model, serving_hub
from tests.support.tiny_run import ganzoo as command
from tests.support.untrained_runs import write_untrained_run

NAME = "ann-of-the-test/stripes"
RECIPE = {
    "method": "cyclegan",
    "networks": {"G": {"generator": "resnet", "width": 2, "blocks": 0}, "D": {"discriminator": "patch", "width": 2}},
}
LOAD = """
import json, sys
import ganzoo
answers = []
for name in sys.argv[1:]:
    try:
        answers.append(str(ganzoo.load(name, device="cpu").checkpoint))
    except ganzoo.GanzooError as error:
        answers.append(f"{error.exit_code} {error}")
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with serving_hub() as hub:
        yield hub


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, hub: Hub) -> Path:
    """Return a folder with a run, an image, and the run's published folder, which is on the hub, too."""
    place = tmp_path_factory.mktemp("hub")
    write_untrained_run(place / "run", RECIPE)
    pixels = np.random.default_rng(0).integers(0, 256, (21, 30, 3), np.uint8)
    Image.fromarray(pixels).save(place / "image.png")
    done = command("publish", "run", "-o", "published", "--license", "cc-by-4.0", "--to", NAME, "--dataset", "a/b",
                   cwd=place, env=hub.environment(place / "home"))  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == (
        f"{hub.address}/{NAME}: uploaded; a new model is private, until you change that on its page"
    )
    assert TOKEN not in done.stdout + done.stderr
    return place


def load(folder: Path, env: Mapping[str, str], *names: str) -> list[str]:
    """Return, for each name, the path of the loaded checkpoint in a new process, or its error."""
    done = subprocess.run([sys.executable, "-c", LOAD, *names], cwd=folder, env={**os.environ, **env},
                          capture_output=True, text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers: list[str] = json.loads(done.stdout.splitlines()[-1])
    return answers


def test_the_hub_has_exactly_the_folder_in_one_commit(folder: Path, hub: Hub) -> None:
    model = hub.models[NAME]
    published = {file.relative_to(folder / "published").as_posix(): file.read_bytes()
                 for file in (folder / "published").rglob("*") if file.is_file()}  # fmt: skip
    assert model.files() == published
    assert model.private and len(model.commits) == 1
    assert any(one.startswith("PUT /upload/") for one in hub.asked)


def test_the_card_on_the_hub_is_read_by_the_hubs_own_reader(folder: Path, hub: Hub) -> None:
    data = ModelCard(hub.models[NAME].files()["README.md"].decode()).data.to_dict()
    assert (data["license"], data["library_name"], data["pipeline_tag"]) == ("cc-by-4.0", "ganzoo", "image-to-image")
    assert data["datasets"] == ["a/b"]
    assert {"cyclegan", "image-to-image"} <= set(data["tags"])


def test_another_machine_translates_the_same_pixels_then_without_a_connection(folder: Path, hub: Hub) -> None:
    home = hub.environment(folder / "elsewhere")
    expected = np.asarray(ganzoo.load(folder / "run", device="cpu").translate(folder / "image.png"))
    assert expected.std() > 5
    words = ("translate", f"hf:{NAME}", "image.png", "--device", "cpu", "-o")
    assert command(*words, "online.png", cwd=folder, env=home).returncode == 0
    before = len(hub.asked)
    offline = {**home, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1"}
    done = command(*words, "offline.png", cwd=folder, env=offline)
    assert done.returncode == 0, done.stderr
    assert len(hub.asked) == before
    for name in ("online.png", "offline.png"):
        with Image.open(folder / name) as opened:
            assert np.array_equal(np.asarray(opened), expected)


@pytest.mark.slow
def test_names_revisions_and_errors(folder: Path, hub: Hub) -> None:
    model = hub.models[NAME]
    first = model.refs["main"]
    model.refs["v1"] = first
    other = dict(model.files())
    del other["config.json"]
    hub.models["ann-of-the-test/foreign"] = hub_model(other)
    hub.models["ann-of-the-test/theirs"] = hub_model({"config.json": b'{"model_type": "bert"}'})
    home = hub.environment(folder / "third")
    names = [NAME, f"hf:{NAME}@v1", f"{NAME}@{first}", f"hf:{NAME}@v2", "hf:nobody/nothing",
             "hf:ann-of-the-test/foreign", "hf:ann-of-the-test/theirs", "hf:one", "runs/none"]  # fmt: skip
    plain, tag, commit, revision, nothing, incomplete, theirs, wrong, none = load(folder, home, *names)
    assert plain == tag == commit
    assert f"models--ann-of-the-test--stripes/snapshots/{first}/checkpoints/last" in plain
    assert revision == f"5 hf:{NAME}@v2: it cannot be read: there is no such branch, tag or commit"
    assert nothing.startswith("5 hf:nobody/nothing: it cannot be read: there is no such model, or it is private")
    assert incomplete.startswith("5 hf:ann-of-the-test/foreign: it cannot be read: it has no file that ganzoo publish")
    assert theirs.startswith("2 hf:ann-of-the-test/theirs: not a model that ganzoo published, or damaged")
    assert wrong == "2 hf:one: not a name on the hub: hf:USER/NAME or hf:USER/NAME@REVISION"
    assert none.startswith("5 runs/none (no folder here, so a name on the hub): it cannot be read: there is no such")
    private, cached = load(folder, {**home, "HF_TOKEN": "hf_wrong"}, "hf:ann-of-the-test/stripes@v3", f"hf:{NAME}@v1")
    assert private.startswith(f"5 hf:{NAME}@v3: it cannot be read: there is no such model, or it is private")
    assert cached == tag  # what is in the cache needs no permission
    (absent,) = load(folder, {**home, "HF_HOME": str(folder / "empty"), "HF_HUB_OFFLINE": "1"}, f"hf:{NAME}")
    assert absent.startswith(f"5 hf:{NAME}: it cannot be read: it is not in the hub's cache, and the hub cannot be")


def hub_model(files: dict[str, bytes]) -> Model:
    model = Model(private=False)
    model.commit(files)
    return model


@pytest.mark.slow
def test_a_damaged_download_is_refused(folder: Path, hub: Hub) -> None:
    home = hub.environment(folder / "fourth")
    (checkpoint,) = load(folder, home, f"hf:{NAME}")
    network = Path(checkpoint, "networks/G_AB.safetensors")
    content = bytearray(network.read_bytes())
    content[-1] ^= 1
    network.resolve().write_bytes(bytes(content))
    (answer,) = load(folder, home, f"hf:{NAME}")
    assert answer.startswith("2 ") and "G_AB.safetensors: damaged: its content is not what its checksum says" in answer
    assert answer.endswith("publish or download it again")


@pytest.mark.slow
def test_a_second_upload_replaces_the_first_and_a_changed_folder_is_refused(folder: Path, hub: Hub) -> None:
    home = hub.environment(folder / "home")
    earlier = {"checkpoints/old/networks/G_AB.safetensors": b"old", "samples.png": b"old"}
    hub.models[NAME].commits[hub.models[NAME].refs["main"]].update(earlier)
    private = folder / "published/.env"
    private.write_text("HF_TOKEN=secret")
    card = folder / "published/README.md"
    card.write_text(card.read_text() + "\nEdited by hand.\n")
    done = command("publish", "published", "--to", NAME, "--public", cwd=folder, env=home)
    assert done.returncode == 0, done.stderr
    files = hub.models[NAME].files()
    assert files["README.md"].decode().endswith("Edited by hand.\n")
    assert not {*earlier, ".env"} & set(files)
    assert done.stderr == "not uploaded, as ganzoo publish did not write them: .env\n"
    private.unlink()
    assert hub.models[NAME].private  # a model that exists keeps its visibility
    card.write_text("no metadata")
    refused = command("publish", "published", "--to", NAME, cwd=folder, env=home)
    assert refused.returncode == 5 and len(refused.stderr.splitlines()) == 1
    denied = command("publish", "published", "--to", NAME, cwd=folder, env={**home, "HF_TOKEN": "hf_secret_of_ann"})
    assert denied.returncode == 5 and "hf_secret_of_ann" not in denied.stdout + denied.stderr
    assert denied.stderr.startswith(f"ganzoo: {NAME}: it cannot be uploaded: ") and denied.stderr.count("\n") == 1
    recipe = folder / "published/resolved.yaml"
    recipe.write_text("edited")
    edited = command("publish", "published", "--to", NAME, cwd=folder, env=home)
    assert "resolved.yaml: missing, or changed since it was published" in edited.stderr
