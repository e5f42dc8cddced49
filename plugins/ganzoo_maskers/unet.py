"""The U-Net that the method ``segmenter`` trains, as a masker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

import torch
import yaml
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo import GanzooError, find_network_file
from ganzoo.interfaces import Draws, Masker, MissingResourceError
from ganzoo_maskers.pretrained import Weights, misfit, read_weights

Count = Annotated[int, Field(ge=1)]


class UNet(Masker):
    """The probability of the foreground at each pixel, by a U-Net (Ronneberger et al. 2015, Fig. 1).

    On the way down ``depth`` times two 3×3 convolutions and a 2×2 max pooling, which double the channels; on the way
    up a 2×2 transposed convolution, which halves them, the maps from the way down beside it, and two 3×3 convolutions;
    a 1×1 convolution at the end. Unlike the paper's the convolutions pad, so that the mask is as large as the image,
    and each is followed by batch norm. Width 64 and depth 4 have 31,037,633 parameters.

    The mean and the deviation of the images that it was trained on are kept with its weights, and normalize what it
    sees. Weights without them, which were trained on some other range, are refused.

    Args:
        weights: the folder of a run of the method ``segmenter``, of which the checkpoint ``best`` is taken if there is
            one, else ``last``; or a safetensors file or a state dict. Without weights it is yet to be trained, and
            with them the next three are read off their shapes.
        width: channels of the outermost level; 64 where neither this nor the weights say.
        depth: poolings, 4 likewise; images are padded to multiples of 2**depth and the mask is cropped.
        channels: of the images; 3 likewise.
    """

    def __init__(
        self,
        *,
        weights: Path | None = None,
        width: Count | None = None,
        depth: Count | None = None,
        channels: Count | None = None,
    ) -> None:
        super().__init__()
        found = None if weights is None else _find(weights)
        wanted = {"width": width, "depth": depth, "channels": channels}
        sizes = {"width": 64, "depth": 4, "channels": 3} if found is None else _sizes_of(*found)
        for name, given in wanted.items():
            if found and given not in (None, sizes[name]):
                raise GanzooError(f"{found[0]}: its {name} is {sizes[name]}, not {given}: leave {name} out")
        self.trains = "" if found else "separate"
        self._build(**{name: given or sizes[name] for name, given in wanted.items()})
        if found:
            try:
                self.load_state_dict(found[1])
            except RuntimeError as error:
                raise misfit(found[0], "unet", error) from None

    def _build(self, width: int, depth: int, channels: int) -> None:
        self.channels = channels
        self.stride = 2**depth
        # Neither scale nor shift: in training a batch's own mean and deviation, later the mean of all batches'.
        self.normalize = nn.BatchNorm2d(channels, affine=False, momentum=None)
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            [_twice(entering, leaving) for entering, leaving in zip([channels, *widths], widths, strict=False)]
        )
        upward = [(2 * outer, outer) for outer in reversed(widths[:-1])]
        self.up = nn.ModuleList([nn.ConvTranspose2d(inner, outer, 2, 2) for inner, outer in upward])
        self.merge = nn.ModuleList([_twice(inner, outer) for inner, outer in upward])
        self.head = nn.Conv2d(width, 1, 1)

    def train(self, mode: bool = True) -> Self:
        """Set the mode; frozen, as it is in a role, it stays in evaluation mode, so that no statistics move."""
        return super().train(mode and any(one.requires_grad for one in self.parameters()))

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return (B, 1, H, W) in [0, 1], float32. Raises GanzooError for images of another number of channels."""
        return self.logits(image).float().sigmoid()

    def logits(self, image: Tensor) -> Tensor:
        """Return the log-odds of the foreground, (B, 1, H, W), of images (B, C, H, W) in [−1, 1], any H and W.

        Raises GanzooError for images of another number of channels.
        """
        if image.shape[1] != self.channels:
            told = f"channels: {image.shape[1]}" if self.trains else f"weights trained on {image.shape[1]}"
            raise GanzooError(f"unet: it takes images of {self.channels} channels, not {image.shape[1]}: take {told}")
        height, width = image.shape[-2:]
        extra = (0, -width % self.stride, 0, -height % self.stride)
        maps = self.normalize(F.pad(image.to(self.head.weight.dtype), extra, mode="replicate"))
        self._refuse_one_value(maps)
        passed: list[Tensor] = []
        for level, twice in enumerate(self.down):
            maps = twice(F.max_pool2d(maps, 2) if level else maps)
            passed.append(maps)
        for up, merge, beside in zip(self.up, self.merge, reversed(passed[:-1]), strict=True):
            maps = merge(torch.cat([beside, up(maps)], dim=1))
        logits: Tensor = self.head(maps)[..., :height, :width]
        return logits

    def _refuse_one_value(self, image: Tensor) -> None:
        if self.training and image[:, 0].numel() == self.stride**2:
            raise GanzooError(
                f"unet: one image of {image.shape[-2]}×{image.shape[-1]} pixels is one value at the innermost level, "
                "which batch norm cannot learn from: lower depth, or take larger images or batches"
            )


def _twice(entering: int, leaving: int) -> nn.Sequential:
    """Return two 3×3 convolutions with batch norm and ReLU, weights drawn as the paper says: N(0, 2 / fan-in)."""
    layers: list[nn.Module] = []
    for channels in (entering, leaving):
        convolution = nn.Conv2d(channels, leaving, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        layers += [convolution, nn.BatchNorm2d(leaving), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _find(place: Path) -> tuple[Path, Weights]:
    """Return the file that holds the weights, and the weights. Raises GanzooError."""
    if not place.exists():
        raise MissingResourceError(
            f"{place}: nothing is there; give a run's folder of the method segmenter, or a weights file"
        )
    file = _trained(place) if place.is_dir() else place
    return file, read_weights(file)


def _trained(folder: Path) -> Path:
    """Return the file of a run's weights, averaged if they were. Raises GanzooError when it trained no U-Net."""
    described = folder / "resolved.yaml"
    if not described.is_file():
        raise GanzooError(f"{folder}: not a run's folder; it would hold resolved.yaml and checkpoints/")
    try:
        recipe = yaml.safe_load(described.read_text(encoding="utf-8"))
        method = recipe["method"]["method"]
        slots = [name for name, part in recipe["networks"].items() if part.get("masker") == "unet"]
    except (OSError, ValueError, yaml.YAMLError, LookupError, TypeError, AttributeError):
        raise GanzooError(f"{described}: damaged; give the weights file below {folder / 'checkpoints'}") from None
    if not slots:
        raise GanzooError(f"{folder}: a run of the method {method!r}, which trains no unet: give one of segmenter")
    return find_network_file(folder, slots[0])


def _sizes_of(file: Path, weights: Weights) -> dict[str, int]:
    """Read the options off the weights' shapes. Raises GanzooError when they are no U-Net's."""
    first = weights.get("down.0.0.weight")
    depth = sum(name.startswith("up.") and name.endswith(".weight") for name in weights)
    if first is None or first.ndim != 4 or not depth:
        raise GanzooError(f"{file}: weights of another architecture than unet: they hold {next(iter(weights))!r}")
    return {"width": first.shape[0], "depth": depth, "channels": first.shape[1]}
