"""Input normalization and weights of pretrained networks, shared by maskers, metrics and losses."""

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
from ganzoo.interfaces import MissingResourceError, one_line
from ganzoo.weights import WeightsFile, find, listed

Weights = dict[str, Tensor]
OLD_DENSENET = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
"""Names in torchvision's published DenseNets, which are older than its code: ``norm.1.weight`` for ``norm1.weight``."""


class Normalize(nn.Module):
    """Bring images into the range that a network was trained on.

    Args:
        mean: of red, green and blue in [0, 1].
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
        """Return (B, 3, H, W) in float32 for (B, 1 or 3, H, W) in [−1, 1].

        Raises GanzooError for images of another number of channels.
        """
        if image.shape[1] not in (1, 3):
            raise GanzooError(f"a pretrained masker sees images of 1 or 3 channels; these have {image.shape[1]}")
        return ((image.float() + 1) / 2 - self.mean) / self.std


def fetched(published: str | WeightsFile) -> Path:
    """Return the file of published weights, for a part whose option ``weights`` names none. Raises GanzooError."""
    try:
        return find(published)
    except GanzooError as error:
        raise type(error)(f"{error}; or name any file of such weights, weights: FILE") from None


def of_timm(model: str) -> WeightsFile:
    """Return where a model's weights lie, as timm knows it; it knows no checksums. Raises GanzooError."""
    from timm.models import get_pretrained_cfg

    config: Any = get_pretrained_cfg(model)
    licence = (config and config.license) or ""
    if config and config.hf_hub_id:
        name = config.hf_hub_filename or "model.safetensors"
        address = f"https://huggingface.co/{config.hf_hub_id}/resolve/main/{name}"
        file = f"{config.hf_hub_id.replace('/', '-')}{Path(name).suffix}"  # the address of each ends the same
        return WeightsFile(config.hf_hub_id, address, file, licence=licence)
    if config and config.url:
        return WeightsFile(f"timm/{model}", config.url, licence=licence)
    raise GanzooError(f"timm knows no weights for {model}: name a file, weights: FILE")


def of_torchvision(model: str) -> str | WeightsFile:
    """Return where a classifier's ImageNet weights lie, or a detector's of COCO: as listed, or as torchvision knows.

    Of the checksum it knows the digits in the file's name. Raises GanzooError for a model without weights.
    """
    from torchvision.models import get_model_weights  # type: ignore[import-untyped]  # takes seconds to import

    name = f"torchvision/{model}"
    if name in listed():
        return name
    first = next(iter(get_model_weights(model)))  # later trainings of a classifier are others under the same name
    if first.name not in ("IMAGENET1K_V1", "COCO_V1"):
        raise GanzooError(f"torchvision has no ImageNet weights for {model}: name a file, weights: FILE")
    digits = re.search(r"-([0-9a-f]{8,64})\.pth$", first.url)
    return WeightsFile(name, first.url, sha256=digits[1] if digits else "")


def read_weights(file: Path) -> Weights:
    """Read a state dict: ``*.safetensors``, or any other name for what ``torch.save`` wrote, tensors alone.

    Training scripts wrap it as ``{"model": …}`` or ``{"state_dict": …}``: both are unwrapped. Old names of DenseNet's
    layers become today's. Raises GanzooError.
    """
    if not file.is_file():
        raise MissingResourceError(f"{file}: no weights file is there")
    try:
        read: Any
        if file.suffix == ".safetensors":
            read = load_file(file)
        else:
            read = torch.load(file, map_location="cpu", weights_only=True)
    except (SafetensorError, OSError) as error:
        raise GanzooError(f"{file}: the weights cannot be read: {one_line(error)}") from None
    except Exception:  # what torch raises depends on where a file is broken; its text speaks of unpickling anyway
        raise GanzooError(f"{file}: no state dict of tensors alone; save it again as safetensors") from None
    for wrapping in ("model", "state_dict"):
        if isinstance(read, Mapping) and isinstance(read.get(wrapping), Mapping):
            read = read[wrapping]
    if not isinstance(read, Mapping) or not read or not all(isinstance(one, Tensor) for one in read.values()):
        raise GanzooError(f"{file}: no state dict, which holds named tensors and nothing else")
    return {OLD_DENSENET.sub(r"\1\2", name): one for name, one in read.items()}


def without(weights: Weights, parts: Sequence[str]) -> Weights:
    """Leave out the parts of a network that a masker does not use, by their names.

    >>> list(without({"head.bias": torch.ones(1), "norm.bias": torch.ones(1)}, ["head"]))
    ['norm.bias']
    """
    return {name: one for name, one in weights.items() if not name.startswith(tuple(f"{part}." for part in parts))}


def misfit(file: Path, model: str, error: Exception) -> GanzooError:
    """Tell, in one line, why a file's weights do not fit a model: the first difference that was found."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    first = (lines[1] if len(lines) > 1 and lines[0].startswith("Error(s) in loading") else lines[0]).strip()
    first = first if len(first) <= 160 else f"{first[:160]}…"
    return GanzooError(f"{file}: weights of another architecture than {model}: {first.rstrip('. ')}")
