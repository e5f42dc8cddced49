"""The U-Net that the method ``segmenter`` trains, as a masker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo import GanzooError, find_network_file
from ganzoo.interfaces import Draws, Masker, MissingResourceError, guard_content, parse_mapping, read_sealed_text
from ganzoo_maskers.pretrained import Weights, mismatch_error, read_weights

Count = Annotated[int, Field(ge=1)]


class UNet(Masker):
    """The probability of foreground at each pixel, from a U-Net (Ronneberger et al. 2015, Fig. 1).

    The encoder has ``depth`` + 1 levels of two 3×3 convolutions, with a 2×2 max pooling between two levels; each
    further level doubles the channels. Each of the ``depth`` levels of the decoder has a 2×2 transposed convolution,
    which halves the channels, a skip connection and two 3×3 convolutions; a 1×1 convolution ends it. Unlike the
    paper's, convolutions are padded, so that the mask is as large as the image, and followed by batch norm. Width 64
    and depth 4 have 31,037,633 parameters.

    The weights include the mean and deviation of the training images, which normalize the input. Weights without them
    are refused.

    Args:
        weights: the folder of a run of the method ``segmenter`` (its checkpoint ``best`` if any, else ``last``), a
            safetensors file or a torch state dict. With weights, the next three options are read from their shapes;
            without weights, the U-Net is untrained.
        width: the number of channels of the outermost level; 64 by default.
        depth: the number of poolings; 4 by default. Images are padded to multiples of 2**depth, and the mask is
            cropped.
        channels: the number of channels of the images; 3 by default.
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
        loaded = None if weights is None else _load(weights)
        wanted = {"width": width, "depth": depth, "channels": channels}
        sizes = {"width": 64, "depth": 4, "channels": 3} if loaded is None else _sizes_of(*loaded)
        for name, option in wanted.items():
            if loaded and option not in (None, sizes[name]):
                raise GanzooError(f"{loaded[0]}: its {name} is {sizes[name]}, not {option}: remove {name}")
        self.trains = "" if loaded else "separate"
        self._build(**{name: option or sizes[name] for name, option in wanted.items()})
        if loaded:
            try:
                self.load_state_dict(loaded[1])
            except RuntimeError as error:
                raise mismatch_error(loaded[0], "unet", error) from None

    def _build(self, width: int, depth: int, channels: int) -> None:
        self.channels = channels
        self.stride = 2**depth
        # No scale or shift: the batch's mean and deviation in training, the mean over all batches after that.
        self.normalize = nn.BatchNorm2d(channels, affine=False, momentum=None)
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList(
            [_double_conv(entering, leaving) for entering, leaving in zip([channels, *widths], widths, strict=False)]
        )
        upward = [(2 * outer, outer) for outer in reversed(widths[:-1])]
        self.up = nn.ModuleList([nn.ConvTranspose2d(inner, outer, 2, 2) for inner, outer in upward])
        self.merge = nn.ModuleList([_double_conv(inner, outer) for inner, outer in upward])
        self.head = nn.Conv2d(width, 1, 1)

    def train(self, mode: bool = True) -> Self:
        """Set training or evaluation mode.

        A frozen network, such as a masker in a role, stays in evaluation mode, so that its statistics do not change.
        """
        return super().train(mode and any(one.requires_grad for one in self.parameters()))

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the masks, (B, 1, H, W) in [0, 1], float32.

        Raises GanzooError in the cases of ``logits``.
        """
        return self.logits(image).float().sigmoid()

    def logits(self, image: Tensor) -> Tensor:
        """Return the log-odds of the foreground, (B, 1, H, W), of images (B, C, H, W) in [−1, 1] of any size.

        Raises GanzooError for images of another number of channels, and in training for a batch of one image that is a
        single value at the innermost level, which batch norm cannot train on.
        """
        if image.shape[1] != self.channels:
            fix = f"channels: {image.shape[1]}" if self.trains else f"weights trained on {image.shape[1]}"
            raise GanzooError(f"unet: it takes images of {self.channels} channels, not {image.shape[1]}: use {fix}")
        height, width = image.shape[-2:]
        extra = (0, -width % self.stride, 0, -height % self.stride)
        maps = self.normalize(F.pad(image.to(self.head.weight.dtype), extra, mode="replicate"))
        self._refuse_one_value(maps)
        skips: list[Tensor] = []
        for level, twice in enumerate(self.down):
            maps = twice(F.max_pool2d(maps, 2) if level else maps)
            skips.append(maps)
        for up, merge, beside in zip(self.up, self.merge, reversed(skips[:-1]), strict=True):
            maps = merge(torch.cat([beside, up(maps)], dim=1))
        logits: Tensor = self.head(maps)[..., :height, :width]
        return logits

    def _refuse_one_value(self, image: Tensor) -> None:
        if self.training and image[:, 0].numel() == self.stride**2:
            raise GanzooError(
                f"unet: one image of {image.shape[-2]}×{image.shape[-1]} pixels is one value at the innermost level, "
                "which batch norm cannot train on: lower depth, or use larger images or batches"
            )


def _double_conv(entering: int, leaving: int) -> nn.Sequential:
    """Return two 3×3 convolutions with batch norm and ReLU, with the paper's initialization: N(0, 2 / fan-in)."""
    layers: list[nn.Module] = []
    for channels in (entering, leaving):
        convolution = nn.Conv2d(channels, leaving, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
        layers += [convolution, nn.BatchNorm2d(leaving), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


def _load(place: Path) -> tuple[Path, Weights]:
    """Return the file of the weights, and the weights.

    Raises GanzooError if they are missing or cannot be read.
    """
    if not place.exists():
        raise MissingResourceError(
            f"{place}: no such file or folder; give the folder of a run of the method segmenter, or a weights file"
        )
    file = _run_weights(place) if place.is_dir() else place
    return file, read_weights(file)


def _run_weights(folder: Path) -> Path:
    """Return the file of the weights of a run's U-Net, of the averaged network if the run averaged it.

    Raises GanzooError if the folder is not a run's, is damaged or has no checkpoint, or if the run trained no U-Net.
    """
    described = folder / "resolved.yaml"
    if not described.exists():
        raise GanzooError(f"{folder}: not a run's folder: it lacks resolved.yaml; check the path")
    text, advice = read_sealed_text(described), f"give the weights file below {folder / 'checkpoints'}"
    recipe = parse_mapping(text, described, "a recipe", advice)
    with guard_content(described, "a recipe", advice):
        method = recipe["method"]["method"]
        slots = [name for name, part in recipe["networks"].items() if part.get("masker") == "unet"]
    if not slots:
        raise GanzooError(
            f"{folder}: a run of the method {method!r}, which trains no unet: give a run of the method segmenter"
        )
    return find_network_file(folder, slots[0])


def _sizes_of(file: Path, weights: Weights) -> dict[str, int]:
    """Return the options ``width``, ``depth`` and ``channels`` that the weights' shapes imply.

    Raises GanzooError if the weights are not a U-Net's.
    """
    first = weights.get("down.0.0.weight")
    depth = sum(name.startswith("up.") and name.endswith(".weight") for name in weights)
    if first is None or first.ndim != 4 or not depth:
        raise GanzooError(f"{file}: weights of another architecture than unet: they contain {next(iter(weights))!r}")
    return {"width": first.shape[0], "depth": depth, "channels": first.shape[1]}
