"""The method ``gatys``: neural style transfer by optimizing an image's pixels; it trains nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import OTHER, Direction, Draws, Method, Optim, Output, Reader, Row, Slot, Step
from ganzoo_baselines.neural_style import Objective, mean_activations
from ganzoo_cyclegan.method import Weight
from ganzoo_losses.vgg import VGG, Input, Pool, read_vgg, require_layers, weights_sources

CONTENT = {"relu4_2": 1.0}
STYLE = {f"relu{block}_1": 0.2 for block in range(1, 6)}
MAX_AVERAGED = 16
"""Maximum number of paintings of each domain over which features are averaged."""
Positive = Annotated[int, Field(ge=1)]
Layers = Annotated[dict[str, Weight], Field(min_length=1)]


class Paintings(nn.Module):
    """Images of a domain whose styles are drawn at random; they are saved with the run, like a network.

    Args:
        count: number of images.
        channels: number of channels of the images.
        shape: height and width of the images, in pixels.
    """

    images: Tensor

    def __init__(self, count: int, channels: int, shape: Sequence[int]) -> None:
        super().__init__()
        self.register_buffer("images", torch.zeros(count, channels, *shape, dtype=torch.uint8))

    def forward(self, numbers: Tensor) -> Tensor:
        """Return the images (B, C, H, W) in [−1, 1] with these numbers, (B,)."""
        return self.images[numbers.to(self.images.device)].float() / 127.5 - 1


class Means(nn.Module):
    """Divisors of the layers' features, which are saved with the run: for each layer a buffer (N,) with its name.

    Args:
        network: the VGG with these layers.
        layers: names of the layers.
    """

    def __init__(self, network: VGG, layers: Iterable[str]) -> None:
        super().__init__()
        for layer in layers:
            self.register_buffer(layer, torch.ones(network.width(layer)))


class Gatys(Method):
    """Neural style transfer (Gatys et al., CVPR 2016): VGG-19 features of an image, Gram matrices of a painting.

    For each image, L-BFGS minimizes α·Σ w/2·Σ (F − P)² + β·Σ w·E, with F and P the features of the result and the
    image, E = 1/(4N²M²)·Σ (G − A)² and G, A the Gram matrices of the result and the painting (eq. 1 to 7). A style is a
    painting's Gram matrices: of a random training image of the target domain, or of any image (``ganzoo translate
    --style``). A run saves some of the paintings, evenly spaced, to translate without the data set.

    Args:
        weights: a file with VGG-19's weights, safetensors or a torch state dict, with torchvision's names,
            ``features.0.weight``, or by layer, ``conv1_1.weight``; by default torchvision's weights are downloaded.
        input: normalization of the images for which the weights were trained: ``torchvision``, or ``caffe`` (paper).
        content: α.
        style: β. The paper reports ratios α/β of 5e-4 to 5e-3; the terms of the code that its author released later
            correspond to a β/α of about 1e5 at 256 pixels a side, and grow with the number of pixels (docs/gatys.md).
        content_layers: weights w of the content's layers, such as ``{relu4_2: 1}``.
        style_layers: weights w of the style's layers, such as ``{relu1_1: 0.2}``.
        pool: kind of pooling: ``avg`` as in the paper, or VGG's own ``max``.
        normalize: whether to divide each feature by its mean over some of the paintings. The paper scales its network
            so that each filter's mean activation is 1; α and β then mean the same with any weights.
        start: the image with which the optimization starts: ``content``, the image itself, or ``noise``.
        steps: maximum number of L-BFGS steps.
        paintings: number of saved paintings of each target domain, from which styles are drawn.
        direction: the direction to translate, or ``both``.

    Raises GanzooError if α and β are both 0, for an unknown layer, and for weights that are missing or do not fit.
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
            raise GanzooError("gatys: content and style are both 0: there is nothing to optimize")
        require_layers(19, [*content_layers, *style_layers])
        self.network = read_vgg(19, weights, input, pool=pool)
        self.weights, self.layers = (content, style), (content_layers, style_layers)
        self.sources = weights_sources(weights)
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
        """Return the modules that the run saves: ``Paintings`` of each target domain, and ``Means`` with ``normalize``.

        They are filled by ``prepare``. Raises GanzooError unless the images of both domains have the same size and
        channels, 1 or 3.
        """
        shapes = [tuple(example[f"real_{domain}"].shape[1:]) for domain in "AB"]
        if shapes[0] != shapes[1] or shapes[0][0] not in (1, 3):
            counts = " and ".join(str(channels) for channels, _, _ in shapes)
            raise GanzooError(f"gatys: images of both domains must have 1 channel, or 3; these have {counts}")
        channels, *shape = shapes[0]
        built: dict[str, nn.Module] = {}
        for name in self.slots:
            means = name == "means"
            built[name] = Means(self.network, self.used) if means else Paintings(self.count, channels, shape)
        return built

    def prepare(self, reader: Reader) -> None:
        """Fill the paintings with evenly spaced training images; with ``normalize``, compute their features' means.

        Raises GanzooError if the data set has label maps, or if the images keep their sizes.
        """
        if reader.images.fit == "none":
            raise GanzooError("gatys: its paintings must have one size: set images.fit to stretch, cover or crop")
        if reader.dataset.classes:
            raise GanzooError("gatys: label maps have no style; use another method")
        averaged = []
        for _, domain in self.directions:
            total = reader.dataset.count("train", domain)
            rows = [Row(i, i, {domain: i * total // self.count}) for i in range(self.count)]
            planes = reader.evaluation_batch("train", rows).planes[f"real_{domain}"]
            paintings: Paintings = self.networks[f"paintings_{domain}"]  # type: ignore[assignment]
            paintings.images.copy_(torch.from_numpy(planes).permute(0, 3, 1, 2))
            few = min(self.count, MAX_AVERAGED)
            averaged.append(paintings(torch.arange(few) * self.count // few))
        if "means" in self.slots:
            means = mean_activations(self.network, torch.cat(averaged), self.used)
            self.networks["means"].load_state_dict(means)

    @property
    def used(self) -> list[str]:
        """Names of all content and style layers, sorted."""
        return sorted({layer for layers in self.layers for layer in layers})

    def objective(self, device: torch.device) -> Objective:
        """Return the objective on a device, to which the VGG is moved."""
        means = dict(self.networks["means"].named_buffers()) if "means" in self.slots else {}
        return Objective(self.network.to(device), *self.weights, *self.layers, means)

    def forward(self, step: Step) -> None:
        """Add the translations ``fake_…`` of all directions to the step, each with the style of a random painting."""
        for direction in self.directions:
            source, target = direction
            step[f"fake_{target}"] = self.translate(step[f"real_{source}"], direction, step)

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return translations of images with the step's ``style`` (B, numbers), or with styles of random paintings.

        Images are optimized one by one, and added to the step as ``real_A`` or ``real_B``. Raises GanzooError if images
        are too small for VGG's layers, or if a result is not finite.
        """
        source, target = direction
        name = f"real_{source}"
        step[name] = images
        styles = step.get("style")
        if styles is None:
            styles = self.draw_style(target, step.rng(f"style_{target}"))
        start = images
        if self.start == "noise":
            start = step.rng(f"noise_{direction}").uniform(*images.shape[1:], low=-1.0, high=1.0).to(images)
        objective = self.objective(images.device)
        with torch.autocast(images.device.type, enabled=False):
            results = [
                objective.minimize(start[i : i + 1], images[i : i + 1], styles[i : i + 1], self.steps)
                for i in range(len(images))
            ]
        return self.masks.composite(step, name, torch.cat(results).to(images))

    def style_size(self, domain: str) -> int:
        """Return the length of a style: the number of values of the Gram matrices of all style layers."""
        return self.objective(self.network.mean.device).style_size

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        """Return the styles of images (B, C, H, W): their Gram matrices as vectors, (B, numbers)."""
        objective = self.objective(images.device)
        with torch.autocast(images.device.type, enabled=False):
            return torch.cat([objective.style_of(one[None]) for one in images])

    def draw_style(self, domain: str, draws: Draws) -> Tensor:
        """Return the style of a random painting of a domain for each sample, (B, numbers), as ``style_of`` does."""
        return self.style_of(self.networks[f"paintings_{domain}"](draws.integers(0, self.count)), domain)
