"""CoGAN's networks: each domain's generator and discriminator, which share layers with those of the other domain."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_cyclegan.layers import LogitConv2d, Norm, init_weights, make_norm

START = 4
"""Side of a generator's first map, in pixels."""
MAX_WIDTH = 1024


class NoiseGenerator(nn.Module):
    """A domain's generator of images from noise (B, latent): a linear layer, upsampling layers, a convolution and tanh.

    Args:
        layers: its layers, in order: the first returns a vector for a map of 4×4 pixels; each further one but the last
            doubles the size.
    """

    def __init__(self, layers: list[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)
        init_weights(self)

    def forward(self, noise: Tensor, height: int, width: int) -> Tensor:
        """Return images (B, C, height, width) in [−1, 1].

        The first map is stretched to a 2**levels-th of this size, rounded up; the images are cropped.
        """
        first, *others = self.layers
        stride = 2 ** (len(others) - 1)
        maps = first(noise)
        size = [-(-side // stride) for side in (height, width)]
        if size != [START, START]:
            maps = F.interpolate(maps, size, mode="bilinear", align_corners=False)
        for layer in others:
            maps = layer(maps)
        images: Tensor = maps[..., :height, :width]
        return images


class NoiseMap(nn.Sequential):
    """The first layer of a generator: noise (B, latent) → maps (B, C, 4, 4)."""

    def __init__(self, latent: int, channels: int, norm: Norm) -> None:
        linear = nn.Linear(latent, channels * START**2)
        nn.init.normal_(linear.weight, 0.0, 0.02)
        nn.init.zeros_(linear.bias)
        super().__init__(
            linear, nn.Unflatten(1, (channels, START, START)), make_norm(norm, channels), nn.PReLU(channels)
        )


class SmallLogits(nn.Sequential):
    """The last layer of a discriminator: maps (B, C, h, w) → logits (B, 1, 1, 1), by an average over all pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), LogitConv2d(channels, 1, 1))


def coupled_generators(
    channels: Mapping[str, int], *, width: int, levels: int, latent: int, own: int, norm: Norm
) -> dict[str, NoiseGenerator]:
    """Return each domain's generator; they share all layers but the last ones.

    Layers: the linear one, ``levels`` transposed 4×4 convolutions of stride 2, and a 3×3 convolution; norm and PReLU
    follow each but the last. With width 32, 5 levels and a norm with weights these are the released networks for faces
    of 128 pixels.

    Args:
        channels: domain → number of channels of its images.
        width: number of channels at full size; it doubles at each level downwards, up to 1024.
        levels: number of upsampling layers; images of 4 · 2**levels pixels need no stretching.
        latent: length of the noise.
        own: number of last layers that each domain has for itself.
        norm: the norm of all layers but the last.
    """
    widths = [min(width * 2**level, MAX_WIDTH) for level in reversed(range(levels + 1))]

    def up(before: int, after: int) -> nn.Module:
        return nn.Sequential(nn.ConvTranspose2d(before, after, 4, 2, 1), make_norm(norm, after), nn.PReLU(after))

    def layers(domain: str) -> list[nn.Module]:
        last = nn.Sequential(nn.Conv2d(width, channels[domain], 3, padding=1), nn.Tanh())
        return [NoiseMap(latent, widths[0], norm), *(up(a, b) for a, b in pairwise(widths)), last]

    first, *others = channels
    built = {first: layers(first)}
    for domain in others:
        built[domain] = [*built[first][:-own], *layers(domain)[-own:]]
    return {domain: NoiseGenerator(parts) for domain, parts in built.items()}


def coupled_discriminators(
    channels: Mapping[str, int], *, width: int, layers: int, own: int
) -> dict[str, nn.Sequential]:
    """Return each domain's discriminator, images (B, C, H, W) → logits (B, 1, 1, 1); the last layers are shared.

    Layers: convolutions of stride 2, the first three of 5×5 and the others of 3×3, each with a PReLU, as in the
    released networks for faces; an average over all pixels and a 1×1 convolution in place of their two linear layers.

    Args:
        channels: domain → number of channels of its images.
        width: number of channels of the first convolution; it doubles at each one, up to 1024.
        layers: number of convolutions of stride 2.
        own: number of first layers that each domain has for itself.
    """
    widths = [min(width * 2**layer, MAX_WIDTH) for layer in range(layers)]

    def down(before: int, layer: int) -> nn.Module:
        size = 5 if layer < 3 else 3
        return nn.Sequential(nn.Conv2d(before, widths[layer], size, 2, size // 2), nn.PReLU(widths[layer]))

    def parts(domain: str) -> list[nn.Module]:
        inputs = [channels[domain], *widths]
        return [*(down(inputs[layer], layer) for layer in range(layers)), SmallLogits(widths[-1])]

    first, *others = channels
    built = {first: parts(first)}
    for domain in others:
        built[domain] = [*parts(domain)[:own], *built[first][own:]]
    built_networks = {domain: nn.Sequential(*one) for domain, one in built.items()}
    for network in built_networks.values():
        init_weights(network)
    return built_networks


def closest_noise(
    generator: NoiseGenerator, images: Tensor, starts: Tensor, *, steps: int, lr: float
) -> tuple[Tensor, Tensor]:
    """Return the noise (B, latent) whose images are closest to given ones, and the mean squared errors (B,).

    Adam moves all starting points of all images at once, each by its own error; the closest one of an image is kept.

    Args:
        generator: the generator, in eval mode, so that images do not depend on each other.
        images: images (B, C, H, W) in [−1, 1].
        starts: noise from which the search begins, (B, starts, latent).
        steps: number of steps.
        lr: the learning rate.
    """
    count = starts.shape[1]
    with torch.inference_mode(False), torch.enable_grad(), torch.autocast(images.device.type, enabled=False):
        dtype = next(generator.parameters()).dtype
        targets = images.detach().clone().to(dtype).repeat_interleave(count, 0)
        noise = starts.detach().clone().to(targets).flatten(0, 1).requires_grad_()
        optimizer = torch.optim.Adam([noise], lr=lr)

        def errors() -> Tensor:
            return (generator(noise, *targets.shape[2:]) - targets).square().mean((1, 2, 3))

        for _ in range(steps):
            (noise.grad,) = torch.autograd.grad(errors().sum(), [noise])
            optimizer.step()
        final = errors().detach().view(-1, count)
    best = final.argmin(1)
    rows = torch.arange(len(best), device=best.device)
    return noise.detach().view(len(best), count, -1)[rows, best], final[rows, best]
