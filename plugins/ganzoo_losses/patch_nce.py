"""CUT's contrast between patches as a loss for any method: each patch of a translation resembles its source's most."""

from __future__ import annotations

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import Loss, Method, Reader, Step, suggest
from ganzoo_baselines.cut import Layers, Projections
from ganzoo_baselines.cut import patch_nce as contrast
from ganzoo_losses.comparison import comparable, translation_domains
from ganzoo_losses.convolutions import convolutions, entering_maps


class PatchNCE(Loss):
    """NCE of a translation and its source, as CUT's (Park et al. 2020, eq. 3 and 4), for a method that has a generator.

    ``losses: {content: {loss: patch_nce, of: {image: fake_B, target: real_A}, weight: 1}}``. At random positions, the
    translation's feature (the query) has to match the source's feature at the same position (the key), and not those at
    the image's other positions. Features come from the generator that made the translation. Perceptrons project them;
    they are a network of the loss, which the loss's phase trains, with one optimizer.

    Unlike CUT's, which takes outputs of layers of its own generator, the features are the maps that enter convolutions,
    so that any convolutional generator will do; there is no second term with the target domain's images. Maps that are
    padded by reflection have copies of some positions at their borders, which cannot be told apart: few in large
    images, a third of the positions of ``resnet``'s blocks at 32 pixels.

    Args:
        network: the slot of the network that gives the features; by default the generator from the source's to the
            translation's domain.
        layers: numbers of the network's convolutions, from 0 in the order of their definition, whose inputs are
            compared. The default has the image and the inputs of the second halving, and of the first three blocks of
            ``resnet``.
        patches: number of compared positions of each layer; smaller maps are compared at all positions.
        temperature: τ, which divides the similarities.
        size: length of the compared vectors.
    """

    full_precision = False

    def __init__(
        self,
        *,
        network: str = "",
        layers: Layers = (0, 2, 3, 5, 7),
        patches: Annotated[int, Field(ge=2)] = 256,
        temperature: Annotated[float, Field(gt=0)] = 0.07,
        size: Annotated[int, Field(ge=1)] = 256,
    ) -> None:
        super().__init__()
        self.slot, self.layers, self.patches = network, layers, patches
        self.temperature, self.size = temperature, size

    def bind(self, method: Method, reader: Reader) -> None:
        """Find the generator, and build the projections for its layers.

        Raises GanzooError if there is no such network, if it lacks a layer or cannot be called with an image alone, and
        if the domains differ in channels.
        """
        source, target = translation_domains("patch_nce", method, self.of["image"])
        channels = reader.dataset.channels
        if channels[source] != channels[target]:
            raise GanzooError("the domains differ in channels, but one network computes the features of both")
        generators = {name: one for name, one in method.slots.items() if one.kind == "generator"}
        fitting = [name for name, one in generators.items() if (one.reads, one.writes) == ((source,), target)]
        slot = self.slot or next(iter(fitting), "")
        if slot not in method.networks:
            named = f"no network {slot!r}{suggest(slot, method.networks)}" if slot else "no generator of that direction"
            raise GanzooError(f"the method has {named}: name one of {', '.join(generators)}, network: NAME")
        network = method.networks[slot]
        count = len(convolutions(network))
        if max(self.layers) >= count:
            known = f"the convolutions 0 … {count - 1}" if count else "no convolutions"
            raise GanzooError(f"{slot} has {known}, not {max(self.layers)}: set layers, or name another network")
        self.heads = Projections(self._channels(network, slot, channels[source], reader), self.size)
        self.method, self.slot = method, slot

    def _channels(self, network: nn.Module, slot: str, channels: int, reader: Reader) -> list[int]:
        """Return the number of channels of each layer. Raises GanzooError if the network does not take an image."""
        training = network.training
        try:
            with torch.no_grad():
                example = torch.zeros(1, channels, *reader.images.shape)
                maps = entering_maps(network.eval(), example, self.layers)
        except (TypeError, NotImplementedError):  # its forward needs further arguments, or it has none
            raise GanzooError(
                f"{slot} is not called with an image alone, as it needs a style or gives a code: name another network, "
                "or leave the loss out"
            ) from None
        finally:
            network.train(training)
        return [one.shape[1] for one in maps]

    def trained(self) -> nn.Module:
        """Return the projections."""
        return self.heads

    def forward(self, image: Tensor, target: Tensor, step: Step) -> Tensor:
        """Return the NCE, a mean over positions, layers and images (B, C, H, W) in [−1, 1]: a scalar.

        No gradient flows through the features of ``target``. Raises GanzooError if the images differ in shape.
        """
        comparable("patch_nce", image, target)
        network = self.method.networks[self.slot]
        queries = entering_maps(network, image, self.layers)
        with torch.no_grad():
            keys = entering_maps(network, target, self.layers)
        positions = []
        for layer, maps in zip(self.layers, keys, strict=True):
            order = step.common_rng(f"patch_nce/{self.of['image']}/{layer}").permutation(maps[0, 0].numel())
            positions.append(torch.from_numpy(order[: self.patches]).to(maps.device))
        pairs = zip(self.heads(queries, positions), self.heads(keys, positions), strict=True)
        return torch.stack([contrast(ours, theirs.detach(), self.temperature) for ours, theirs in pairs]).mean()
