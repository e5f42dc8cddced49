"""DISTS between a translation and its true pair, or its source (Ding et al. 2020)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_maskers.pretrained import Weights, drop_parts, fetch_weights, mismatch_error, read_weights
from ganzoo_metrics.background import source_and_fake
from ganzoo_metrics.directions import accepted_directions
from ganzoo_metrics.networks import weights_source
from ganzoo_metrics.pairs import TruePair

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
STAGES = ((0, 4), (4, 9), (9, 16), (16, 23), (23, 30))
"""The layers of VGG-16 of each stage; all stages but the first begin with a pool."""
WIDTHS = (3, 64, 128, 256, 512, 512)
"""The number of maps of the image and of each stage."""
SMALL = 1e-6
"""The constants c₁ and c₂ of the similarities."""


class DISTS(Metric):
    """DISTS between a translation and the true pair of its source, or the source itself; mean over images.

    0 means the same structure and texture; unlike LPIPS it hardly changes if a texture is replaced by another sample of
    it (Ding et al. 2020, eq. 5 to 8). Against the true pair the value is ``dists``, lower is better, and the data must
    have pairs. Against the source it is ``dists_source``; it measures how much the translation changed.

    Translations are clamped to [−1, 1], as when they are saved, and images keep their size; the authors advise a
    shorter side of 256 pixels. Images of one channel are repeated to three.

    Args:
        of: the image that the translation is compared with: ``pair``, the true pair, or ``source``.
        weights: a file with the authors' weights of the similarities, ``alpha`` and ``beta``; by default the published
            file is downloaded once.
        trunk: a file with VGG-16's weights as torchvision names them; by default torchvision's are downloaded once.
    """

    def __init__(
        self, *, of: Literal["pair", "source"] = "pair", weights: Path | None = None, trunk: Path | None = None
    ) -> None:
        self.pair = TruePair("dists") if of == "pair" else None
        files = {"weights": weights or fetch_weights("dists"), "trunk": trunk or fetch_weights("torchvision/vgg16")}
        self.distance = DISTSNetwork(read_weights(files["weights"]), read_weights(files["trunk"]), files)
        self.sources = {name: weights_source(file) for name, file in files.items()}
        self.about = {"network": "dists/vgg16", **{name: one.key for name, one in self.sources.items()}}

    def bind(self, method: Method, reader: Reader) -> None:
        """Select the directions that can be measured. Raises GanzooError if there are none."""
        directions = accepted_directions("dists", method, reader, source=self.pair is None)
        self.directions = self.pair.with_pairs(directions, reader) if self.pair else directions

    @torch.no_grad()
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the distance of each image, (B,), under ``dists`` or ``dists_source``.

        Raises GanzooError if the true pair or the source is missing, or if source and translation differ in channels.
        """
        if self.pair:
            name, (fake, other) = "dists", self.pair.of(step, direction)
        else:
            name, (other, fake) = "dists_source", source_and_fake("dists_source", step, direction)
        with torch.autocast(fake.device.type, enabled=False):
            return {name: self.distance.to(fake.device)(fake, other)}


class DISTSNetwork(nn.Module):
    """DISTS, frozen: two batches of images (B, 1 or 3, H, W) in [−1, 1] → their distances, (B,) float32.

    Args:
        weights: the weights of the similarities, ``alpha`` of the means and ``beta`` of the structures, (1, 1475, 1, 1)
            each.
        trunk: the state dict of VGG-16; its classifier is ignored.
        files: the files of both, for error messages.

    Raises GanzooError for weights of another network.
    """

    alpha: Tensor
    beta: Tensor
    mean: Tensor
    std: Tensor

    def __init__(self, weights: Weights, trunk: Weights, files: dict[str, Path]) -> None:
        super().__init__()
        from torchvision.models import vgg16  # type: ignore[import-untyped]  # slow import: takes seconds

        with torch.device("meta"):  # without weights, which would be drawn
            layers: Any = vgg16().features
        try:
            state = drop_parts(trunk, ["classifier"])
            nn.ModuleDict({"features": layers}).load_state_dict(state, assign=True)
        except RuntimeError as error:
            raise mismatch_error(files["trunk"], "vgg16", error) from None
        for start, _ in STAGES[1:]:
            layers[start] = L2Pool()
        self.stages = nn.ModuleList(layers[start:end] for start, end in STAGES)
        shapes = {name: tuple(one.shape) for name, one in weights.items()}
        if shapes != dict.fromkeys(("alpha", "beta"), (1, sum(WIDTHS), 1, 1)):
            raise mismatch_error(files["weights"], "DISTS", ValueError(f"it has {', '.join(shapes) or 'nothing'}"))
        for name, one in weights.items():
            self.register_buffer(name, one.float())
        for name, values in (("mean", MEAN), ("std", STD)):
            self.register_buffer(name, torch.tensor(values)[:, None, None])
        self.eval().requires_grad_(False)

    def forward(self, one: Tensor, other: Tensor) -> Tensor:
        """Return the distance of each image of ``one`` from that of ``other``, (B,)."""
        total = self.alpha.sum() + self.beta.sum()
        alphas, betas = ((weights / total).split(WIDTHS, dim=1) for weights in (self.alpha, self.beta))
        similarity = one.new_zeros(len(one))
        for x, y, alpha, beta in zip(self.maps(one), self.maps(other), alphas, betas, strict=True):
            x_mean, y_mean = (maps.mean((2, 3), keepdim=True) for maps in (x, y))
            x, y = x - x_mean, y - y_mean
            means = (2 * x_mean * y_mean + SMALL) / (x_mean**2 + y_mean**2 + SMALL)
            covariance, spread = (x * y).mean((2, 3), keepdim=True), (x * x + y * y).mean((2, 3), keepdim=True)
            structures = (2 * covariance + SMALL) / (spread + SMALL)
            similarity = similarity + (alpha * means + beta * structures).sum((1, 2, 3))
        return 1 - similarity

    def maps(self, images: Tensor) -> list[Tensor]:
        """Return images in [0, 1], (B, 3, H, W), and the maps of each stage of the network."""
        images = (images.float().expand(-1, 3, -1, -1) + 1) / 2
        found, maps = [images], (images - self.mean) / self.std
        for stage in self.stages:
            maps = stage(maps)
            found.append(maps)
        return found


class L2Pool(nn.Module):
    """Halve the size of maps (B, C, H, W): the root of the squares' mean under a Hann window of 3 × 3."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return the pooled maps, (B, C, ⌈H / 2⌉, ⌈W / 2⌉)."""
        window = torch.from_numpy(np.hanning(5)[1:-1]).to(maps)
        kernel = torch.outer(window, window) / window.sum() ** 2
        channels = maps.shape[1]
        squares = F.conv2d(maps**2, kernel.expand(channels, 1, 3, 3), stride=2, padding=1, groups=channels)
        return (squares + 1e-12).sqrt()
