"""The textbook steps of CUT and FastCUT (Park et al. 2020, section 3, appendix C.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.speed.textbook.cyclegan import Block, normed
from benchmarks.speed.textbook.step import TextbookStep, squares

LAYERS = (0, 4, 8, 12, 16)
"""Layers of the generator whose outputs are compared."""
PLACES = 256
TEMPERATURE = 0.07


class BlurDown(nn.Module):
    """A layer that blurs maps and halves their size."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps, blurred with [1, 2, 1] in both directions, every second pixel."""
        row, channels = maps.new_tensor([1, 2, 1]) / 4, maps.shape[1]
        kernel = torch.outer(row, row)
        return F.conv2d(F.pad(maps, (1, 1, 1, 1), "reflect"), kernel.expand(channels, 1, 3, 3), None, 2, 0, 1, channels)


class BlurUp(nn.Module):
    """A layer that doubles the size of maps."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps, interpolated with [1, 3, 3, 1] in both directions."""
        row, channels = maps.new_tensor([1, 3, 3, 1]) / 4, maps.shape[1]
        kernel = torch.outer(row, row)
        padded = F.pad(maps, (1, 1, 1, 1), "replicate")
        doubled = F.conv_transpose2d(padded, kernel.expand(channels, 1, 4, 4), None, 2, 0, 0, channels)
        return doubled[..., 3:-3, 3:-3]


def smooth_generator(width: int = 64) -> nn.Sequential:
    """Return a ResNet generator of 9 blocks with anti-aliased resampling."""
    return nn.Sequential(
        nn.ReflectionPad2d(3),
        *normed(nn.Conv2d(3, width, 7), width),
        *normed(nn.Conv2d(width, 2 * width, 3, 1, 1), 2 * width),
        BlurDown(),
        *normed(nn.Conv2d(2 * width, 4 * width, 3, 1, 1), 4 * width),
        BlurDown(),
        *(Block(4 * width) for _ in range(9)),
        BlurUp(),
        *normed(nn.Conv2d(4 * width, 2 * width, 3, 1, 1), 2 * width),
        BlurUp(),
        *normed(nn.Conv2d(2 * width, width, 3, 1, 1), width),
        nn.ReflectionPad2d(3),
        nn.Conv2d(width, 3, 7),
        nn.Tanh(),
    )


def smooth_discriminator(width: int = 64) -> nn.Sequential:
    """Return a PatchGAN discriminator with anti-aliased resampling."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 1, 1), nn.LeakyReLU(0.2), BlurDown()]
    for factor in (2, 4, 8):
        conv = nn.Conv2d(width * factor // 2, width * factor, 4, 1, 1)
        layers += [conv, nn.InstanceNorm2d(width * factor), nn.LeakyReLU(0.2)]
        layers += [BlurDown()] if factor < 8 else []
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))


def projections(width: int = 64) -> nn.ModuleList:
    """Return a perceptron of two layers for each of the compared layers."""
    channels = (3, 2 * width, 4 * width, 4 * width, 4 * width)
    return nn.ModuleList(nn.Sequential(nn.Linear(many, 256), nn.ReLU(), nn.Linear(256, 256)) for many in channels)


class TextbookCUT(TextbookStep):
    """CUT's step: least squares and the contrast of patches, the discriminator first.

    Args:
        size: side of the images, in pixels.
        bf16: whether the networks run under autocast in bf16.
        width: number of channels of each network's first layer.
        fast: whether it is FastCUT: no identity term, ten times the contrast, half of the steps with mirrored images.
    """

    def __init__(self, size: int, *, bf16: bool = False, width: int = 64, fast: bool = False) -> None:
        super().__init__(size, bf16)
        self.fast = fast
        self.networks = {"G_AB": smooth_generator(width), "D_B": smooth_discriminator(width), "F": projections(width)}
        self.add_adam("D", ("D_B",))
        self.add_adam("G", ("G_AB",))
        self.add_adam("F", ("F",))

    def features(self, image: Tensor) -> list[Tensor]:
        """Return the outputs of the compared layers of the generator."""
        outputs, maps = [], image
        for number, layer in enumerate(self.networks["G_AB"][: LAYERS[-1] + 1]):
            maps = layer(maps)
            if number in LAYERS:
                outputs.append(maps)
        return outputs

    def contrast(self, translated: Tensor, source: Tensor, *, mirrored: bool) -> Tensor:
        """Return the mean over layers of the cross-entropy of matching positions; features are mirrored back."""
        with torch.no_grad():
            keys = self.features(source)
        queries = self.features(translated)
        terms = []
        for head, query, key in zip(self.networks["F"], queries, keys, strict=True):
            query = query.flip(-1) if mirrored else query
            chosen = torch.randperm(key.shape[2] * key.shape[3])[:PLACES]
            ours = F.normalize(head(query.flatten(2)[0, :, chosen].T).float(), dim=1)
            with torch.no_grad():
                theirs = F.normalize(head(key.flatten(2)[0, :, chosen].T).float(), dim=1)
            with torch.autocast("cpu", enabled=False):
                similarity = ours @ theirs.T / TEMPERATURE
            terms.append(F.cross_entropy(similarity, torch.arange(len(chosen))))
        return torch.stack(terms).mean()

    def __call__(self) -> None:
        """Train one step."""
        mirrored = self.fast and self.tosses_heads()
        g, d, _ = self.networks.values()
        self.train_only("G", "F")
        with self.autocast():
            fake = g(self.real_a.flip(-1) if mirrored else self.real_a)  # D sees it mirrored, too
        self.train_only("D")
        with self.autocast():
            loss = (squares(d(self.real_b), 1) + squares(d(fake.detach()), 0)) / 2
        loss.backward()
        self.optimizers["D"].step()
        self.train_only("G", "F")
        with self.autocast():
            loss = squares(d(fake), 1)
            contrast = self.contrast(fake, self.real_a, mirrored=mirrored)
            if self.fast:
                loss = loss + 10 * contrast
            else:
                same = g(self.real_b)
                loss = loss + (contrast + self.contrast(same, self.real_b, mirrored=False)) / 2
        loss.backward()
        self.optimizers["G"].step()
        self.optimizers["F"].step()

    def tosses_heads(self) -> bool:
        """Return True with probability ½."""
        return bool(torch.rand(()) < 0.5)
