"""A published folder translates, exports and evaluates as its run, and tells nothing of the author's machine."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

import ganzoo
from ganzoo.errors import MissingResourceError
from ganzoo.evaluation.runs import evaluate_targets
from ganzoo.inference import publish
from ganzoo.inference.publish_files import read_state_dict, require_same
from ganzoo.provenance.fingerprint import weights_key
from ganzoo.training.inventory import summarize
from ganzoo.utils.sealed import seal_object
from tests.support.command_line import Run, refusal
from tests.support.tiny_run import lines, make_images, write_recipe
from tests.support.untrained_runs import replace_while_loaded, write_untrained_run

RESNET = {"generator": "resnet", "width": 2, "blocks": 0}
CYCLEGAN = {"method": "cyclegan", "networks": {"G": RESNET, "D": {"discriminator": "patch", "width": 2}}}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a trained run, whose data is in a folder with a private name."""
    place = tmp_path_factory.mktemp("private-folder-of-ann")
    recipe = write_recipe(place, data={"validation": 0.2})
    ganzoo.run(recipe, root=place / "runs", device="cpu")
    return place / "runs/tiny/default"


def files_of(folder: Path) -> list[str]:
    return sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())


def rewrite_config(folder: Path, **changes: Any) -> None:
    """Change fields of a config.json, with a right checksum, as another program could."""
    fields = json.loads((folder / "config.json").read_text())
    del fields["checksum"]
    (folder / "config.json").write_text(seal_object({**fields, **changes}))


def random_images(run: Path, direction: str = "AB") -> torch.Tensor:
    channels = ganzoo.load(run, device="cpu").channels[direction[0]]
    return torch.rand(2, channels, 16, 20, generator=torch.Generator().manual_seed(1)) * 2 - 1


def test_the_folder_has_the_averaged_generators_and_no_discriminators_images_or_paths(
    trained: Path, tmp_path: Path
) -> None:
    ganzoo.publish(trained, tmp_path / "out", licence="apache-2.0")
    networks = [f"checkpoints/best/average/{slot}.safetensors" for slot in ("G_AB", "G_BA")]
    assert files_of(tmp_path / "out") == sorted(
        ["README.md", "config.json", "resolved.yaml", "results.jsonl", "checkpoints/best/progress.json", *networks]
    )
    private = (b"private-folder-of-ann", os.path.expanduser("~").encode(), str(tmp_path).encode(), b"/tmp")
    for name in files_of(tmp_path / "out"):
        content = (tmp_path / "out" / name).read_bytes()
        assert [one for one in private if one in content] == [], name
    recipe = yaml.safe_load((tmp_path / "out/resolved.yaml").read_text())
    assert recipe["data"]["root"] == "images"
    assert recipe["train"]["lr"] == 1e-3


def test_it_translates_as_the_run_does_to_the_bit(trained: Path, tmp_path: Path) -> None:
    ganzoo.publish(trained, tmp_path / "out", licence="mit", checkpoint="last")
    for direction in ("AB", "BA"):
        images = random_images(trained)
        expected = ganzoo.load(trained, checkpoint="last", device="cpu").translate(images, direction)
        assert torch.equal(ganzoo.load(tmp_path / "out", device="cpu").translate(images, direction), expected)
        best = ganzoo.load(trained, checkpoint="best", device="cpu").translate(images, direction)
        assert expected.std() > 0.01 and best.shape == expected.shape


@pytest.mark.parametrize(
    "recipe",
    [
        {"method": "cut", "networks": {"G": {"generator": "smooth_resnet", "width": 2, "blocks": 1}}},
        {"method": "munit", "networks": {"G": {"generator": "munit", "width": 2, "blocks": 1, "style": 3}}},
        {"method": "mask_cyclegan", "networks": {"G": RESNET}, "maskers": {"input": {"masker": "centered_square"}}},
        {"method": "cyclegan", "networks": {"G": RESNET}, "maskers": {"composite": {"masker": "learned", "width": 2}}},
    ],
    ids=lambda recipe: str(recipe["method"]) + ("-learned" if recipe["method"] == "cyclegan" else ""),
)
def test_runs_of_other_methods_translate_the_same(recipe: Mapping[str, Any], tmp_path: Path) -> None:
    run = write_untrained_run(tmp_path / "run", recipe)
    ganzoo.publish(run, tmp_path / "out", licence="mit")
    names = files_of(tmp_path / "out")
    assert not [name for name in names if Path(name).name.startswith("D_")]
    images = random_images(run)
    results = [ganzoo.load(place, device="cpu").translate(images) for place in (run, tmp_path / "out")]
    assert torch.equal(*results) and results[0].std() > 0.001


@pytest.mark.parametrize(
    "maskers",
    [{"input": {"masker": "file"}}, {"input": {"masker": "file"}, "composite": {"masker": "shared", "role": "input"}}],
    ids=len,
)
def test_a_copy_that_translates_differently_is_noticed_if_masks_come_from_the_data_set(
    tmp_path: Path, maskers: Mapping[str, Any]
) -> None:
    recipe = {"method": "mask_cyclegan", "networks": {"G": RESNET}, "maskers": maskers}
    run = write_untrained_run(tmp_path / "run", recipe)
    other = write_untrained_run(tmp_path / "other", {**recipe, "train": {"steps": 1, "seed": 1}})
    ganzoo.publish(run, tmp_path / "out", licence="mit")
    published, translator = (ganzoo.load(place, device="cpu") for place in (tmp_path / "out", run))
    require_same(translator, published)
    message = "not published: the copy translates AB differently from the run"
    assert refusal(require_same, ganzoo.load(other, device="cpu"), published) == message


def test_evaluating_it_gives_the_values_of_the_run_and_leaves_it_as_it_is(
    trained: Path, tmp_path: Path, run: Run
) -> None:
    ganzoo.publish(trained, tmp_path / "out", licence="mit")
    before = {name: (tmp_path / "out" / name).read_bytes() for name in files_of(tmp_path / "out")}
    images = trained.parents[2] / "images"
    words = ["--set", f"data.root={images}", "--device", "cpu", "-o", tmp_path / "records.jsonl"]
    code, _, err = run("evaluate", tmp_path / "out", *words)
    assert (code, err) == (0, "")
    (record,) = lines(tmp_path / "records.jsonl")
    (published,) = lines(tmp_path / "out/results.jsonl")
    assert record["values"] == published["values"] and len(record["values"]) == 4
    assert record["weights"] == published["weights"]
    assert (record["recipe"], record["name"], record["recipe_key"]) == ("tiny", "default", published["recipe_key"])
    assert before == {name: (tmp_path / "out" / name).read_bytes() for name in files_of(tmp_path / "out")}
    code, _, err = run("evaluate", tmp_path / "out", "--device", "cpu")
    assert code == 5 and "data.root=PATH" in err and err.count("\n") == 1


def test_a_checkpoint_that_is_replaced_meanwhile_is_published_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_untrained_run(tmp_path / "run", CYCLEGAN)
    replace_while_loaded(run, publish, monkeypatch)
    ganzoo.publish(run, tmp_path / "out", licence="mit")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out", "run"]
    images = random_images(run)
    assert torch.equal(*(ganzoo.load(place, device="cpu").translate(images) for place in (run, tmp_path / "out")))
    published = json.loads((tmp_path / "out/config.json").read_text())
    assert published["weights"] == weights_key(run / "checkpoints/last")


def test_the_card_has_the_values_of_the_checkpoints_records(trained: Path, tmp_path: Path) -> None:
    ganzoo.publish(trained, tmp_path / "out", licence="mit", datasets="ann/horses", to="")
    card = (tmp_path / "out/README.md").read_text()
    (metadata,) = yaml.safe_load_all(card.split("---\n")[1])
    (best,) = [one for one in lines(trained / "results.jsonl") if one["checkpoint"] == "best"]
    (results,) = metadata["model-index"][0]["results"]
    assert {one["name"]: one["value"] for one in results["metrics"]} == best["values"]
    assert results["dataset"] == {"name": "ann/horses", "type": "ann/horses", "split": "test"}
    assert f"the weights: `{best['weights']}`" in card and f"the images: test `{best['data']['keys']['test']}`" in card
    assert "https://arxiv.org/abs/1703.10593" in card and "Zhu et al. 2017" in card
    assert {"cyclegan", "arxiv:1703.10593"} <= set(metadata["tags"])
    assert "## Limits" in card


def test_the_card_has_no_values_of_other_data(trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "copy/default"))
    values = [one["values"] for one in lines(run / "results.jsonl") if one["checkpoint"] == "best"]
    make_images(tmp_path / "others", test=4)
    evaluate_targets([run], checkpoint="best", changes=[f"data.root={tmp_path / 'others'}"])
    ganzoo.publish(run, tmp_path / "out", licence="mit")
    card = (tmp_path / "out/README.md").read_text()
    own, other = (f"{found['cycle_l1_AB']:.6g}" for found in (values[0], lines(run / "results.jsonl")[-1]["values"]))
    assert own != other and f"| `cycle_l1_AB` | {own} |" in card and other not in card
    records = (run / "results.jsonl").read_text().splitlines(keepends=True)
    (run / "results.jsonl").write_text("".join([records[-1], *records[:-1]]))  # as if evaluated during the training
    ganzoo.publish(run, tmp_path / "again", licence="mit")
    card = (tmp_path / "again/README.md").read_text()
    assert f"| `cycle_l1_AB` | {own} |" in card and other not in card


def test_the_card_names_the_code_of_each_value(trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "copy/default"))
    (best,) = [one for one in lines(run / "results.jsonl") if one["checkpoint"] == "best"]
    plugins = {"later": {"version": "2.0", "code": "feed"}}
    with (run / "results.jsonl").open("a") as file:
        file.write(json.dumps({**best, "values": {"new_AB": 1.5}, "core": "9.9 beef", "plugins": plugins}) + "\n")
    ganzoo.publish(run, tmp_path / "out", licence="mit")
    codes = [one for one in (tmp_path / "out/README.md").read_text().splitlines() if one.startswith("- the code")]
    assert codes[1:] == ["- the code of `new_AB`: ganzoo 9.9 beef; plugins: later 2.0 `feed`"]
    names = ", ".join(f"`{name}`" for name in best["values"])
    assert codes[0].startswith(f"- the code of {names}: ganzoo {best['core']}; plugins: ")


def test_the_card_of_an_import_claims_no_training(tmp_path: Path) -> None:
    run = write_untrained_run(tmp_path / "run", CYCLEGAN)
    images = make_images(tmp_path / "measured", test=4)
    evaluate_targets([run], changes=[f"data.root={images}", "evaluate.metrics=[cycle_l1]"])
    value = lines(run / "results.jsonl")[-1]["values"]["cycle_l1_AB"]
    ganzoo.publish(run, tmp_path / "out", licence="mit")
    card = (tmp_path / "out/README.md").read_text()
    (metadata,) = yaml.safe_load_all(card.split("---\n")[1])
    assert "imported from another program's checkpoint" in card and f"| `cycle_l1_AB` | {value:.6g} |" in card
    assert not any(word in card for word in ("Trained with", " steps", "arxiv", "nowhere", "Zhu"))
    assert "model-index" not in metadata
    ganzoo.publish(run, tmp_path / "named", licence="mit", datasets="ann/horses")
    card = (tmp_path / "named/README.md").read_text()
    (metadata,) = yaml.safe_load_all(card.split("---\n")[1])
    assert metadata["model-index"][0]["results"][0]["dataset"]["name"] == "ann/horses" and "On the hub: `ann" in card


def test_after_a_refused_upload_the_command_is_named_that_uploads_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise MissingResourceError("ann/x: it cannot be uploaded: log in with hf auth login")

    monkeypatch.setattr("ganzoo.inference.publish.upload", refuse)
    run, out = write_untrained_run(tmp_path / "run", CYCLEGAN), tmp_path / "my out"
    with pytest.raises(MissingResourceError) as caught:
        ganzoo.publish(run, out, licence="mit", to="ann/x", public=True)
    again = f"ganzoo publish '{out}' --to ann/x"
    assert str(caught.value).endswith(f"log in with hf auth login; {out} is written: {again} --public uploads it")
    message = refusal(ganzoo.publish, run, out, licence="mit", to="ann/x")
    assert message == f"{out}: it exists already; choose another folder with -o, or upload it: {again}"
    with pytest.raises(MissingResourceError) as caught:
        ganzoo.publish(out, to="ann/x")
    assert str(caught.value) == "ann/x: it cannot be uploaded: log in with hf auth login"


def test_samples_are_published_on_request_only_and_without_notes(trained: Path, tmp_path: Path) -> None:
    ganzoo.publish(trained, tmp_path / "with", licence="mit", with_samples=True, checkpoint="last")
    with Image.open(tmp_path / "with/samples.png") as opened, Image.open(trained / "samples/step-0000008.png") as own:
        assert np.array_equal(np.asarray(opened.convert("RGB")), np.asarray(own.convert("RGB")))
        assert own.info and not opened.info
    assert "![Samples](samples.png)" in (tmp_path / "with/README.md").read_text()
    untrained = write_untrained_run(tmp_path / "run", CYCLEGAN)
    message = refusal(ganzoo.publish, untrained, tmp_path / "none", licence="mit", with_samples=True)
    assert "--with-samples: the run has no sample grid up to step 0" in message
    assert not (tmp_path / "none").exists()


def test_config_says_how_images_are_read(trained: Path, tmp_path: Path) -> None:
    ganzoo.publish(trained, tmp_path / "out", licence="mit")
    about = json.loads((tmp_path / "out/config.json").read_text())["preprocessing"]
    assert (about["size"], about["directions"], about["tensors"]) == (12, ["AB", "BA"], [-1, 1])
    assert about["domains"]["A"] == {"channels": 3, "classes": 0, "range": None}


def test_masker_weights_of_the_authors_machine_are_in_the_folder(tmp_path: Path) -> None:
    segmenter = write_untrained_run(
        tmp_path / "segmenter", {"method": "segmenter", "networks": {"S": {"masker": "unet", "width": 2, "depth": 1}}}
    )
    file = segmenter / "checkpoints/last/networks/S.safetensors"
    torch.save(load_file(file), tmp_path / "unet.pth")
    shutil.copy(file, tmp_path / "unet.safetensors")
    images = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(2)) * 2 - 1
    expected = []
    sources = {"run": segmenter, "torch": tmp_path / "unet.pth", "tensors": tmp_path / "unet.safetensors"}
    for name, source in sources.items():
        maskers = {"composite": {"masker": "unet", "weights": str(source)}}
        run = write_untrained_run(tmp_path / name, {**CYCLEGAN, "maskers": maskers})
        expected.append(ganzoo.load(run, device="cpu").translate(images))
        ganzoo.publish(run, tmp_path / f"{name} it's out", licence="mit")
    shutil.rmtree(segmenter)
    (tmp_path / "unet.pth").unlink()
    (tmp_path / "unet.safetensors").unlink()
    for name, before in zip(sources, expected, strict=True):
        out = tmp_path / f"{name} it's out"
        assert torch.equal(ganzoo.load(out, device="cpu").translate(images), before)
        assert all(file.endswith((".safetensors", ".json", ".yaml", ".md")) for file in files_of(out))
    part = tmp_path / "torch it's out/parts/maskers.composite.weights.safetensors"
    part.write_bytes(part.read_bytes()[:-1] + b"?")
    assert "damaged: its content is not what its checksum says" in refusal(ganzoo.load, part.parents[1])


def test_files_of_weights_that_are_no_plain_state_dict_are_not_published(tmp_path: Path) -> None:
    file, state = tmp_path / "net.pth", {"weight": torch.ones(2)}
    torch.save(state, file)
    assert torch.equal(read_state_dict(file, "maskers.input.weights")["weight"], torch.ones(2))
    torch.save({"epoch": 3, **state}, file)
    assert "maskers.input.weights" in refusal(read_state_dict, file, "maskers.input.weights")
    torch.save(torch.nn.Linear(1, 1), file)
    assert "cannot be read" in refusal(read_state_dict, file, "maskers.input.weights")


def test_a_missing_plugin_is_named_with_its_package(tmp_path: Path) -> None:
    run = write_untrained_run(tmp_path / "run", CYCLEGAN)
    ganzoo.publish(run, tmp_path / "out", licence="mit")
    components = json.loads((tmp_path / "out/config.json").read_text())["components"]
    mine = {"kind": "generator", "name": "mine", "plugin": "mine", "package": "ganzoo-mine", "version": "0.3"}
    rewrite_config(tmp_path / "out", components=[*components, {**mine, "place": "losses.mine"}])
    ganzoo.load(tmp_path / "out", device="cpu")  # translations need no losses
    rewrite_config(tmp_path / "out", components=[*components, {**mine, "place": "networks.G_AB"}])
    message = refusal(ganzoo.load, tmp_path / "out")
    assert (
        "the generator 'mine' of the plugin 'mine' (package ganzoo-mine 0.3): pip install ganzoo-mine==0.3" in message
    )
    rewrite_config(tmp_path / "out", components=[{**mine, "package": "x; rm -r /", "place": "method"}])
    assert "config.json: damaged" in refusal(ganzoo.load, tmp_path / "out")


def test_translations_need_neither_losses_nor_metrics_that_the_run_had(tmp_path: Path) -> None:
    run = write_untrained_run(tmp_path / "run", CYCLEGAN)
    text = (run / "resolved.yaml").read_text().splitlines()[:-1]
    recipe = yaml.safe_load("\n".join(text))
    recipe["losses"] = {"theirs": {"loss": "of_a_plugin_that_is_gone", "of": "fake_B"}}
    recipe["evaluate"]["metrics"] = [{"metric": "gone_too"}]
    (run / "resolved.yaml").write_text(yaml.safe_dump(recipe) + "# edited\n")
    assert ganzoo.load(run, device="cpu").recipe.losses == {}


def test_a_file_outside_of_the_folder_is_refused(tmp_path: Path) -> None:
    run = write_untrained_run(tmp_path / "run", CYCLEGAN)
    ganzoo.publish(run, tmp_path / "out", licence="mit")
    for name in ("../secret.safetensors", "/etc/passwd", "C:/x", r"a\..\..\b"):
        rewrite_config(tmp_path / "out", parts={"maskers.composite.weights": name})
        assert f"it names a file outside of its folder, {name!r}" in refusal(ganzoo.load, tmp_path / "out")
    rewrite_config(tmp_path / "out", parts={"composite": "parts/a.safetensors"})
    assert "config.json: damaged" in refusal(ganzoo.load, tmp_path / "out")
    (tmp_path / "out/config.json").write_text("{}")
    assert "config.json: damaged: it has no checksum" in refusal(ganzoo.load, tmp_path / "out")


def test_what_cannot_be_published_is_refused_in_one_line(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert "--license: name the licence" in refusal(ganzoo.publish, trained, out)
    assert "--to ann: not a name on the hub" in refusal(ganzoo.publish, trained, out, licence="mit", to="ann")
    assert "--dataset a b:" in refusal(ganzoo.publish, trained, out, licence="mit", datasets=("a b",))
    assert "give -o" in refusal(ganzoo.publish, trained)
    message = "--public: without --to USER/NAME nothing is uploaded; add --to, or leave --public out"
    assert refusal(ganzoo.publish, trained, out, licence="mit", public=True) == message
    assert "not a published folder" in refusal(ganzoo.publish, trained, to="ann/x")
    assert "there is no checkpoint step-7" in refusal(ganzoo.publish, trained, out, licence="mit", checkpoint="step-7")
    untrained = write_untrained_run(tmp_path / "untranslated", {"method": "untranslated", "train": {}})
    assert "trains nothing to publish" in refusal(ganzoo.publish, untrained, out, licence="mit")
    assert not out.exists()
    ganzoo.publish(trained, out, licence="mit")
    assert "it exists already" in refusal(ganzoo.publish, trained, out, licence="mit")
    assert "published already" in refusal(ganzoo.publish, out, tmp_path / "again", licence="mit")
    assert "leave the other options out" in refusal(ganzoo.publish, out, licence="mit", to="ann/x")


def test_it_cannot_be_resumed_or_reported_on_but_begins_another_run(trained: Path, tmp_path: Path, run: Run) -> None:
    recipe = write_recipe(tmp_path)
    for checkpoint in ("last", "best"):
        folder = tmp_path / f"runs/tiny/{checkpoint}"
        folder.parent.mkdir(parents=True, exist_ok=True)
        ganzoo.publish(trained, folder, licence="mit", checkpoint=checkpoint)
        before = files_of(folder)
        code, _, err = run("run", recipe, "--root", tmp_path / "runs", "--name", checkpoint, "--device", "cpu")
        assert code == 2 and f"published networks, whose training cannot be resumed; train.start={folder}" in err
        assert err.count("\n") == 1 and files_of(folder) == before
        code, _, err = run("report", folder)
        assert code == 2 and "a published folder has no log" in err and files_of(folder) == before
    words = ["run", recipe, f"train.start={folder}", "train.steps=1", "evaluate.every=0", "evaluate.metrics=[]"]
    code, out, err = run(*words, "evaluate.best=", "--root", tmp_path / "runs", "--name", "new", "--device", "cpu")
    assert code == 0, err
    assert "begins with G_AB, G_BA; new: D_A, D_B" in out.replace("\n", " ")


def test_a_list_of_runs_shows_what_it_is(trained: Path, tmp_path: Path) -> None:
    ganzoo.publish(trained, tmp_path / "out", licence="mit", checkpoint="best")
    (record,) = lines(tmp_path / "out/results.jsonl")
    shown = summarize(tmp_path / "out")
    assert (shown.state, shown.step, shown.values) == ("published", record["trained"], record["values"])


def test_the_exported_file_is_of_the_published_networks(trained: Path, tmp_path: Path) -> None:
    ganzoo.publish(trained, tmp_path / "out", licence="mit")
    about = ganzoo.export(tmp_path / "out", tmp_path / "model.pt2", size=(16, 16), batch=1)
    assert about["difference"] < 1e-3
    assert (about["recipe"], about["run"], about["checkpoint"]) == ("tiny", "default", "best")
