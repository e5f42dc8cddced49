"""Networks of the package transformers with their published weights, for the maskers ``depth`` and ``sam``.

A published network is a folder of three files: what it is, how images are prepared for it, and its weights as
safetensors. Nothing else of it is read: no pickled weights, and no code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from ganzoo import GanzooError
from ganzoo.interfaces import MissingResourceError, guard_content, one_line, parse_object, read_text
from ganzoo.weights import WeightsFile, find
from ganzoo_maskers.pretrained import Normalize, read_weights

CONFIG, PREPARATION, WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"
Fields = dict[str, Any]


class HubNetwork:
    """A network with its weights, frozen, in float32.

    Args:
        masker: the masker that uses it, for errors.
        model: the network's name on the Hugging Face hub, ``USER/NAME``, whose files are downloaded once.
        folder: a folder with the network's three files; None: those of ``model``.
        kinds: the kinds of networks that the masker can use, as transformers names them → its class for each.

    Raises GanzooError if transformers is not installed, if the files are missing or damaged, and for another kind.
    """

    def __init__(self, masker: str, model: str, folder: Path | None, kinds: dict[str, str]) -> None:
        transformers = _transformers(masker)
        files = [_local(folder, name) if folder else _published(model, name) for name in (CONFIG, PREPARATION, WEIGHTS)]
        self.config, self.preparation = (_fields(file) for file in files[:2])
        self.kind = str(self.config.pop("model_type", ""))
        """What it is, as transformers names it: ``dpt``."""
        if self.kind not in kinds:
            raise GanzooError(f"{files[0]}: a network of the kind {self.kind!r}; {masker} uses {' and '.join(kinds)}")
        try:
            config = transformers.AutoConfig.for_model(self.kind, **self.config)
        except Exception as error:  # transformers has errors of its own for wrong values
            raise GanzooError(f"{files[0]}: it describes no {self.kind}: {one_line(error)[:200]}") from None
        with guard_content(files[1], "mean and deviation of the network's images", "get the file again"):
            self.normalize = Normalize(self.preparation["image_mean"], self.preparation["image_std"])
        self.network: Any = _load(getattr(transformers, kinds[self.kind]), config, files[2])


def _transformers(masker: str) -> Any:
    try:
        import transformers
    except ImportError:
        raise MissingResourceError(
            f"{masker}: it needs the package transformers: pip install 'ganzoo-i2i[transformers]'"
        ) from None
    return transformers


def _local(folder: Path, name: str) -> Path:
    file = folder / name
    if not file.is_file():
        raise MissingResourceError(
            f"{file}: no such file; the folder of a network has {CONFIG}, {PREPARATION} and {WEIGHTS}"
        )
    return file


def _published(model: str, name: str) -> Path:
    """Return a file of a network on the hub, downloaded if it is missing; the hub publishes no checksums.

    Raises GanzooError for a wrong name, and if the file cannot be downloaded.
    """
    if model.count("/") != 1:
        raise GanzooError(f"{model}: not a name on the hub, USER/NAME; a folder is the option weights: FOLDER")
    address = f"https://huggingface.co/{model}/resolve/main/{name}"
    try:
        return find(WeightsFile(f"{model}/{name}", address, f"{model.replace('/', '-')}-{name}"))
    except GanzooError as error:
        folder = f"a folder with {CONFIG}, {PREPARATION} and {WEIGHTS}"
        raise type(error)(f"{error}; or name {folder}, weights: FOLDER") from None


def _fields(file: Path) -> Fields:
    return parse_object(read_text(file), file, "the description of a network", "get the file again")


def _load(network: Any, config: Any, file: Path) -> Any:
    """Return a network of a class of transformers with the weights in a file.

    Raises GanzooError if they are those of another network.
    """
    state = read_weights(file)
    with _quiet():
        try:  # names of layers in older files are converted
            loaded, report = network.from_pretrained(
                None,
                config=config,
                state_dict=state,
                dtype=torch.float32,
                output_loading_info=True,
                ignore_mismatched_sizes=True,
            )
        except Exception as error:  # what fails depends on the network
            raise GanzooError(f"{file}: the network cannot be created: {one_line(error)[:200]}") from None
    wrong = sorted(map(_name, [*report["missing_keys"], *report["mismatched_keys"]]))
    if wrong:
        raise GanzooError(
            f"{file}: weights of another network than {CONFIG} describes: {wrong[0]} is missing or of another size"
        )
    return loaded.requires_grad_(False).eval()


def _name(key: str | Sequence[object]) -> str:
    return key if isinstance(key, str) else str(key[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the progress bars and notes of transformers, which are about files that it downloads itself."""
    from transformers.utils import logging

    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
