"""Publish a run as a folder that anyone can translate with, and upload it to the hub; ``ganzoo.publish`` calls it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Any

import numpy as np
from PIL import Image

from ganzoo.data.image_io import write_image
from ganzoo.engine.checkpoint_files import read_unchanged, select_checkpoint
from ganzoo.errors import GanzooError, prefix_errors
from ganzoo.inference.model_card import CARD, Card, write_card
from ganzoo.inference.publish_files import (
    list_files,
    preprocessing,
    require_same,
    write_networks,
    write_records,
)
from ganzoo.inference.translator import Translator
from ganzoo.plugins import installed_version
from ganzoo.recipe.published import PublishedConfig, PublishedFile, components_of, read_config, run_names
from ganzoo.recipe.run_recipe import require_run
from ganzoo.report.run_log import RunLog
from ganzoo.utils.atomic import sibling_path
from ganzoo.utils.jsonl import write_text
from ganzoo.utils.sealed import seal_object
from ganzoo.utils.tensors import file_checksum
from ganzoo.weights.hub import CONFIG, check_model_name, is_published, upload

LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]*")
DATASET = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)
SAMPLES = "samples.png"


@dataclass(frozen=True)
class Wishes:
    """What the author says of a model that the run does not know.

    Args:
        licence: the licence's identifier on the hub, such as ``apache-2.0``.
        datasets: names of the data sets on the hub, such as ``huggan/horse2zebra``.
        with_samples: whether the run's latest sample grid is published: it shows images of the data.
    """

    licence: str
    datasets: tuple[str, ...] = ()
    with_samples: bool = False


def publish_folder(run: Path, out: Path, wishes: Wishes, *, checkpoint: str = "", name: str = "") -> None:
    """Write the published folder of a run; check that it translates as the run does.

    Args:
        run: the run's folder.
        out: the folder, which must not exist.
        wishes: what the author says.
        checkpoint: ``last``, ``best`` or ``step-N``; by default ``best`` if there is one, else ``last``.
        name: the model's name on the hub, ``USER/NAME``, for the model card; empty if it has none.

    A run in training may replace the checkpoint meanwhile; then all is written again.

    Raises GanzooError if the run cannot be published, or the folder exists or cannot be written; nothing is then left
    of it.
    """
    _check(wishes)
    if name:
        check_model_name(name)
    require_run(run)
    if is_published(run):
        raise GanzooError(f"{run}: it is published already: leave -o out, and upload it with --to USER/NAME")
    if out.exists():
        command = f"ganzoo publish {quote(str(out))} --to {name or 'USER/NAME'}"
        advice = f", or upload it: {command}" if is_published(out) else ""
        raise GanzooError(f"{out}: it exists already; choose another folder with -o{advice}")
    new = sibling_path(out.absolute(), "new")
    card = Card(name, out.name, wishes.licence, wishes.datasets, SAMPLES if wishes.with_samples else "")

    def write(place: Path, progress: Mapping[str, Any]) -> None:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(parents=True)
        _write(run, new, place.name, card)
        with prefix_errors(str(run)):
            require_same(Translator(run, checkpoint=place.name, device="cpu"), Translator(new, device="cpu"))

    try:
        read_unchanged(lambda: select_checkpoint(run, checkpoint), write)
        new.rename(out)
    except OSError as error:
        raise GanzooError(f"{out}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(new, ignore_errors=True)


def upload_folder(folder: Path, name: str, *, public: bool) -> str:
    """Upload the files that ``ganzoo publish`` wrote to a folder as ``USER/NAME``; return the address of its page.

    Raises GanzooError if the folder is not a published one or is damaged, or if the hub refuses it.
    """
    if not is_published(folder):
        raise GanzooError(f"{folder}: not a published folder; publish a run with -o FOLDER first")
    files = read_config(folder).files
    for file, expected in files.items():
        path = folder / file
        if not path.is_file() or file_checksum(path) != expected.sha256:
            raise GanzooError(f"{path}: missing, or changed since it was published; publish the run again")
    if not (folder / CARD).is_file():
        raise GanzooError(f"{folder / CARD}: missing; a model on the hub needs a model card: publish the run again")
    return upload(folder, [CARD, CONFIG, *files], name, public=public)


def other_files(folder: Path) -> list[str]:
    """Return the paths of the files in a published folder that are not uploaded, as ``ganzoo publish`` wrote none."""
    return [file for file in list_files(folder) if file not in (CARD, CONFIG, *read_config(folder).files)]


def _check(wishes: Wishes) -> None:
    if not LICENCE.fullmatch(wishes.licence):
        raise GanzooError(
            "--license: name the licence of the weights, as the hub does: apache-2.0, cc-by-nc-4.0, other, … "
            "(https://huggingface.co/docs/hub/repositories-licenses)"
        )
    for name in wishes.datasets:
        if not DATASET.fullmatch(name):
            raise GanzooError(f"--dataset {name}: not a data set's name on the hub, such as huggan/horse2zebra")


def _write(run: Path, out: Path, checkpoint: str, card: Card) -> None:
    """Write all files of the published folder, the model card included."""
    networks = write_networks(run, checkpoint, out)
    records = write_records(run, networks, out)
    if card.samples:
        _write_samples(run, out, int(networks.progress["step"]))
    translator = Translator(run, checkpoint=networks.checkpoint, device="cpu")
    recipe_name, run_name = run_names(run)
    files = {file: PublishedFile(sha256=file_checksum(out / file), size=(out / file).stat().st_size)
             for file in list_files(out)}  # fmt: skip
    config = PublishedConfig(
        ganzoo=installed_version(),
        recipe=recipe_name,
        run=run_name,
        method=networks.recipe.method.component.name,
        checkpoint=networks.checkpoint,
        step=int(networks.progress["step"]),
        weights=networks.weights,
        preprocessing=preprocessing(translator),
        components=components_of(networks.recipe),
        parts=networks.parts,
        files=files,
    )
    write_card(out, card, config, networks, records)
    write_text(out / CONFIG, seal_object(config.model_dump()) + "\n")


def _write_samples(run: Path, out: Path, step: int) -> None:
    """Write the run's latest sample grid up to a step, without its notes. Raises GanzooError if there is none."""
    grids = [(one, file) for one, file in RunLog(run).samples if one <= step]
    if not grids:
        raise GanzooError(f"{run}: --with-samples: the run has no sample grid up to step {step} (train.sample)")
    with Image.open(grids[-1][1]) as opened:
        write_image(np.asarray(opened.convert("RGB")), out / SAMPLES)
