"""Gatys: an image painted like another, by optimizing its pixels. There is nothing to train."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import OTHER, Direction, Draws, Method, Optim, Output, Reader, Row, Slot, Step
from ganzoo_baselines.neural_style import Objective, mean_activations
from ganzoo_cyclegan.method import Weight
from ganzoo_losses.vgg import VGG, Input, Pool, read_vgg, require_layers, sources_of

CONTENT = {"relu4_2": 1.0}
STYLE = {f"relu{block}_1": 0.2 for block in range(1, 6)}
LOOKED_AT = 16
"""Paintings of a domain over which features are averaged, at the most."""
Positive = Annotated[int, Field(ge=1)]
Layers = Annotated[dict[str, Weight], Field(min_length=1)]


class Paintings(nn.Module):
    """Images of a domain to draw styles from; they are kept with the run, as networks are.

    Args:
        count: how many.
        channels: theirs.
        size: of their sides.
    """

    images: Tensor

    def __init__(self, count: int, channels: int, size: int) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(count, channels, size, size, dtype=torch.uint8))

    def forward(self, numbers: Tensor) -> Tensor:
        """Return images (B, C, H, W) in [−1, 1] by their numbers, (B,)."""
        return self.images[numbers.to(self.images.device)].float() / 127.5 - 1


class Means(nn.Module):
    """What the features of layers are divided by, kept with the run: a buffer (N,) for each layer.

    Args:
        network: whose layers they are.
        layers: which.
    """

    def __init__(self, network: VGG, layers: Iterable[str]) -> None:
        super().__init__()
        for layer in layers:
            self.register_buffer(layer, torch.ones(network.width(layer)))


class Gatys(Method):
    """Neural style transfer (Gatys et al., CVPR 2016): VGG-19's features of an image, Gram matrices of a painting.

    For each image by itself, L-BFGS minimizes α·Σ w/2·Σ (F − P)² + β·Σ w·E, F and P the features of the result and
    the image, E = 1/(4N²M²)·Σ (G − A)² with the Gram matrices of the result and the painting (eq. 1 to 7). A style is
    a painting's Gram matrices: of a random training image of the target domain, or of any image that is given
    (``ganzoo translate --style``). So that a run has its paintings at hand, it keeps some of them, evenly spaced.

    Args:
        weights: a file with VGG-19's weights, safetensors or a torch state dict, named as torchvision does,
            ``features.0.weight``, or by layer, ``conv1_1.weight``; without it torchvision's own are fetched, once.
        input: what images the weights were trained on: ``torchvision``'s, or ``caffe``'s, those of the paper.
        content: α.
        style: β. The paper tells ratios α/β of 5e-4 to 5e-3; the terms of the code that its author released later come
            to a β/α of about 1e5 at 256 pixels a side, and grow with their number (docs/gatys.md).
        content_layers: layer → w.
        style_layers: layer → w.
        pool: ``avg`` in the paper, in place of VGG's own ``max``.
        normalize: divide each feature by its mean over some of the paintings. The paper scales its network so that
            each filter's mean activation is 1; α and β then mean the same with any weights.
        start: from the image itself, or from noise.
        steps: of L-BFGS.
        paintings: of each target domain, from which styles are drawn.
        direction: which way, or ``both``.
    """

    accepts: ClassVar[tuple[str, ...]] = ("composite",)

    def __init__(
        self,
        *,
        weights: Path | None = None,
        input: Input = "torchvision",
        content: Weight = 1.0,
        style: Weight = 1e5,
        content_layers: Layers = CONTENT,
        style_layers: Layers = STYLE,
        pool: Pool = "avg",
        normalize: bool = True,
        start: Literal["content", "noise"] = "content",
        steps: Positive = 500,
        paintings: Positive = 64,
        direction: Literal["AB", "BA", "both"] = "both",
    ) -> None:
        if not content and not style:
            raise GanzooError("gatys: content and style are both 0: nothing would be optimized")
        require_layers(19, [*content_layers, *style_layers])
        self.network = read_vgg(19, weights, input, pool=pool)
        self.weights, self.layers = (content, style), (content_layers, style_layers)
        self.sources = sources_of(weights)
        self.start, self.steps, self.count = start, steps, paintings
        if direction != "both":
            self.directions = (direction,)  # type: ignore[misc]
        targets = [target for _, target in self.directions]
        self.slots = {f"paintings_{target}": Slot("", ("A", "B")) for target in targets}
        self.slots |= {"means": Slot("")} if normalize else {}
        self.optims: dict[str, Optim] = {}
        self.phases = []
        self.tensors = {f"fake_{target}": Output(OTHER[target], target) for target in targets}

    def setup(self, example: Step) -> dict[str, nn.Module]:
        """Make room for the paintings. Raises GanzooError for domains that VGG does not see, or that differ."""
        shapes = [tuple(example[f"real_{domain}"].shape[1:]) for domain in "AB"]
        if shapes[0] != shapes[1] or shapes[0][0] not in (1, 3):
            said = " and ".join(str(channels) for channels, _, _ in shapes)
            raise GanzooError(f"gatys: images of both domains have 1 channel, or 3; these have {said}")
        channels, size, _ = shapes[0]
        made: dict[str, nn.Module] = {}
        for name in self.slots:
            made[name] = Means(self.network, self.used) if name == "means" else Paintings(self.count, channels, size)
        return made

    def prepare(self, reader: Reader) -> None:
        """Take the paintings out of the training images. Raises GanzooError for label maps."""
        if reader.dataset.classes:
            raise GanzooError("gatys: label maps have no style; take another method")
        looked_at = []
        for _, domain in self.directions:
            many = reader.dataset.count("train", domain)
            rows = [Row(i, i, {domain: i * many // self.count}) for i in range(self.count)]
            planes = reader.evaluation_batch("train", rows).planes[f"real_{domain}"]
            kept: Paintings = self.networks[f"paintings_{domain}"]  # type: ignore[assignment]
            kept.images.copy_(torch.from_numpy(planes).permute(0, 3, 1, 2))
            few = min(self.count, LOOKED_AT)
            looked_at.append(kept(torch.arange(few) * self.count // few))
        if "means" in self.slots:
            found = mean_activations(self.network, torch.cat(looked_at), self.used)
            self.networks["means"].load_state_dict(found)

    @property
    def used(self) -> list[str]:
        """The layers that are looked at."""
        return sorted({layer for layers in self.layers for layer in layers})

    def objective(self, device: torch.device) -> Objective:
        """Return what is minimized, on a device."""
        means = dict(self.networks["means"].named_buffers()) if "means" in self.slots else {}
        return Objective(self.network.to(device), *self.weights, *self.layers, means)

    def forward(self, step: Step) -> None:
        """Translate what the step has, each image in the style of a painting that is drawn for it."""
        for direction in self.directions:
            source, target = direction
            step[f"fake_{target}"] = self.translate(step[f"real_{source}"], direction, step)

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Paint images in the styles ``style`` of the step, (B, numbers), or of drawn paintings, one by one."""
        source, target = direction
        name = f"real_{source}"
        step[name] = images
        styles = step.get("style")
        if styles is None:
            styles = self.draw_style(target, step.rng(f"style_{target}"))
        begin = images
        if self.start == "noise":
            begin = step.rng(f"noise_{direction}").uniform(*images.shape[1:], low=-1.0, high=1.0).to(images)
        objective = self.objective(images.device)
        with torch.autocast(images.device.type, enabled=False):
            made = [
                objective.minimize(begin[i : i + 1], images[i : i + 1], styles[i : i + 1], self.steps)
                for i in range(len(images))
            ]
        return self.masks.composite(step, name, torch.cat(made).to(images))

    def style_size(self, domain: str) -> int:
        """Return how many numbers tell a style: those of all Gram matrices."""
        return self.objective(self.network.mean.device).style_size

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        """Return the Gram matrices of images, (B, numbers)."""
        objective = self.objective(images.device)
        with torch.autocast(images.device.type, enabled=False):
            return torch.cat([objective.style_of(one[None]) for one in images])

    def draw_style(self, domain: str, draws: Draws) -> Tensor:
        """Return the Gram matrices of a random painting for each generator, (B, numbers)."""
        return self.style_of(self.networks[f"paintings_{domain}"](draws.integers(0, self.count)), domain)
