"""The textbook CycleGAN step: plain torch layers, one call for each use of a network, fp32, default layout.

Networks and losses are those of Zhu et al. 2017 (section 4, appendix 7): ResNet generators with 9 blocks of width 64,
70×70 PatchGAN discriminators, least squares, cycle and identity terms, Adam with β₁ = 0.5.
"""

from __future__ import annotations

from itertools import chain

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """A residual block of two 3×3 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(2):
            layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels), nn.ReLU()]
        self.layers = nn.Sequential(*layers[:-1])

    def forward(self, maps: Tensor) -> Tensor:
        """Return the sum of the maps and what the convolutions make of them."""
        return maps + self.layers(maps)


def generator(width: int = 64, blocks: int = 9) -> nn.Sequential:
    """Return a ResNet generator."""

    def normed(conv: nn.Module, channels: int) -> list[nn.Module]:
        return [conv, nn.InstanceNorm2d(channels), nn.ReLU()]

    return nn.Sequential(
        nn.ReflectionPad2d(3),
        *normed(nn.Conv2d(3, width, 7), width),
        *normed(nn.Conv2d(width, 2 * width, 3, 2, 1), 2 * width),
        *normed(nn.Conv2d(2 * width, 4 * width, 3, 2, 1), 4 * width),
        *(Block(4 * width) for _ in range(blocks)),
        *normed(nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, 1), 2 * width),
        *normed(nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1), width),
        nn.ReflectionPad2d(3),
        nn.Conv2d(width, 3, 7),
        nn.Tanh(),
    )


def discriminator(width: int = 64) -> nn.Sequential:
    """Return a PatchGAN discriminator whose logits see 70×70 pixels."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for factor, stride in ((2, 2), (4, 2), (8, 1)):
        conv = nn.Conv2d(width * factor // 2, width * factor, 4, stride, 1)
        layers += [conv, nn.InstanceNorm2d(width * factor), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))


class TextbookCycleGAN:
    """Trains on the same two random images over and over; each call is a step.

    Args:
        size: side of the images, in pixels.
        bf16: whether the networks run under autocast in bf16, as anyone would add it.
    """

    def __init__(self, size: int, *, bf16: bool = False) -> None:
        torch.manual_seed(0)
        self.g_ab, self.g_ba, self.d_a, self.d_b = generator(), generator(), discriminator(), discriminator()
        self.discriminators = [*self.d_a.parameters(), *self.d_b.parameters()]
        self.optimizer_g = torch.optim.Adam(chain(self.g_ab.parameters(), self.g_ba.parameters()), 2e-4, (0.5, 0.999))
        self.optimizer_d = torch.optim.Adam(self.discriminators, 2e-4, (0.5, 0.999))
        self.real_a, self.real_b = (torch.rand(1, 3, size, size) * 2 - 1 for _ in range(2))
        self.bf16 = bf16

    def __call__(self) -> None:
        """Train one step: first the generators, then the discriminators."""
        a, b = self.real_a, self.real_b
        for parameter in self.discriminators:
            parameter.requires_grad_(False)
        self.optimizer_g.zero_grad()
        with self._autocast():
            fake_b, fake_a = self.g_ab(a), self.g_ba(b)
            rec_a, rec_b = self.g_ba(fake_b), self.g_ab(fake_a)
            same_b, same_a = self.g_ab(b), self.g_ba(a)
            loss = _squares(self.d_b(fake_b), 1) + _squares(self.d_a(fake_a), 1)
            loss = loss + 10 * (_l1(rec_a, a) + _l1(rec_b, b)) + 5 * (_l1(same_a, a) + _l1(same_b, b))
        loss.backward()
        self.optimizer_g.step()
        for parameter in self.discriminators:
            parameter.requires_grad_(True)
        self.optimizer_d.zero_grad()
        for network, real, fake in ((self.d_a, a, fake_a), (self.d_b, b, fake_b)):
            with self._autocast():
                loss = 0.5 * (_squares(network(real), 1) + _squares(network(fake.detach()), 0))
            loss.backward()
        self.optimizer_d.step()

    def _autocast(self) -> torch.autocast:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.bf16)


def _squares(logits: Tensor, target: float) -> Tensor:
    return F.mse_loss(logits.float(), torch.full_like(logits, target, dtype=torch.float32))


def _l1(image: Tensor, real: Tensor) -> Tensor:
    return F.l1_loss(image.float(), real)
