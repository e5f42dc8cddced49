"""Find and read the weights of pretrained networks and normalize their inputs, for maskers, metrics and losses."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import one_line
from ganzoo.weights import WeightsFile, find, listed, missing_file

Weights = dict[str, Tensor]
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
"""Finds the old names in torchvision's published DenseNet weights: ``norm.1.weight`` for ``norm1.weight``."""


class Normalize(nn.Module):
    """Convert images from [−1, 1] to the range that a network was trained on.

    Args:
        mean: the mean of red, green and blue in [0, 1].
        std: their standard deviations.

    >>> Normalize([0.5] * 3, [0.25] * 3)(torch.ones(1, 1, 1, 1)).flatten().tolist()
    [2.0, 2.0, 2.0]
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32)[:, None, None], persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Return normalized images, (B, 3, H, W) float32, for images (B, 1 or 3, H, W) in [−1, 1].

        Raises GanzooError for images of another number of channels.
        """
        if image.shape[1] not in (1, 3):
            raise GanzooError(
                f"the network accepts images of 1 or 3 channels; these have {image.shape[1]}: choose another masker"
            )
        return ((image.float() + 1) / 2 - self.mean) / self.std


def fetch_weights(published: str | WeightsFile) -> Path:
    """Return the file of published weights, downloaded if it is missing. Use it if the option ``weights`` is not set.

    Args:
        published: a name that a plugin lists, or the address and file name of the weights.

    Raises:
        MissingResourceError: the file cannot be downloaded.
        GanzooError: the name is unknown, or the file is not the published one.
    """
    try:
        return find(published)
    except GanzooError as error:
        raise type(error)(f"{error}; or name any file of such weights, weights: FILE") from None


def timm_weights(model: str) -> WeightsFile:
    """Return the address and file name of the weights that timm publishes for a model, without a checksum.

    timm publishes no checksums. Raises GanzooError if timm has no weights for the model.
    """
    from timm.models import get_pretrained_cfg

    config: Any = get_pretrained_cfg(model)
    licence = (config and config.license) or ""
    if config and config.hf_hub_id:
        name = config.hf_hub_filename or "model.safetensors"
        address = f"https://huggingface.co/{config.hf_hub_id}/resolve/main/{name}"
        file = f"{config.hf_hub_id.replace('/', '-')}{Path(name).suffix}"  # every address ends with the same name
        return WeightsFile(config.hf_hub_id, address, file, licence=licence)
    if config and config.url:
        return WeightsFile(f"timm/{model}", config.url, licence=licence)
    raise GanzooError(f"timm has no weights for {model}: name a file, weights: FILE")


def torchvision_weights(model: str) -> str | WeightsFile:
    """Return where the ImageNet weights of a classifier, or the COCO weights of a detector, are published.

    This is the name ``torchvision/MODEL`` if a plugin lists it; else torchvision's address, with the digits in the
    file's name as checksum. Raises GanzooError if torchvision has no such weights for the model, and none are listed.

    Args:
        model: the name of a model of torchvision.
    """
    from torchvision.models import get_model_weights  # type: ignore[import-untyped]  # slow import: takes seconds

    name = f"torchvision/{model}"
    if name in listed():
        return name
    first = next(iter(get_model_weights(model)))  # later ones are other weights under the same name
    if first.name not in ("IMAGENET1K_V1", "COCO_V1"):
        raise GanzooError(f"torchvision has no ImageNet weights for {model}: name a file, weights: FILE")
    digits = re.search(r"-([0-9a-f]{8,64})\.pth$", first.url)
    return WeightsFile(name, first.url, sha256=digits[1] if digits else "")


def read_weights(file: Path) -> Weights:
    """Read a state dict from a ``.safetensors`` file or a file of ``torch.save``; return tensors by name, on the CPU.

    If it is under the key ``model`` or ``state_dict``, as many training scripts write it, it is taken from there. Old
    DenseNet layer names are updated.

    Raises:
        MissingResourceError: there is no such file.
        GanzooError: the file cannot be read, or it has no state dict of tensors only.
    """
    if not file.is_file():
        raise missing_file(file)
    try:
        state: Any
        if file.suffix == ".safetensors":
            state = load_file(file)
        else:
            state = torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise GanzooError(f"{file}: the weights cannot be read: {one_line(error)}; get the file again") from None
    except Exception:  # torch raises many classes for damaged files; its texts are about unpickling
        raise GanzooError(f"{file}: not a state dict of tensors only; save it again as safetensors") from None
    for wrapping in ("model", "state_dict"):
        if isinstance(state, Mapping) and isinstance(state.get(wrapping), Mapping):
            state = state[wrapping]
    if not isinstance(state, Mapping) or not state or not all(isinstance(one, Tensor) for one in state.values()):
        raise GanzooError(f"{file}: not a state dict, which holds only named tensors; save the network's state_dict()")
    return {OLD_DENSENET.sub(r"\1\2", name): one for name, one in state.items()}


def drop_parts(weights: Weights, parts: Sequence[str]) -> Weights:
    """Return the weights without those of the named parts of the network.

    >>> list(drop_parts({"head.bias": torch.ones(1), "norm.bias": torch.ones(1)}, ["head"]))
    ['norm.bias']
    """
    return {name: one for name, one in weights.items() if not name.startswith(tuple(f"{part}." for part in parts))}


def mismatch_error(file: Path, model: str, error: Exception) -> GanzooError:
    """Return the error for weights that do not fit a model, in one line, with the first difference in ``error``."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    first = (lines[1] if len(lines) > 1 and lines[0].startswith("Error(s) in loading") else lines[0]).strip()
    first = first if len(first) <= 160 else f"{first[:160]}…"
    return GanzooError(f"{file}: weights of another architecture than {model}: {first.rstrip('. ')}")
