"""Mask CycleGAN's textbook step (Wang): masked generators, and a second discriminator of the masked region."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.speed.textbook.cyclegan import discriminator, generator
from benchmarks.speed.textbook.step import TextbookStep, l1, squares

MASKED, INSIDE = 0.7, 0.3
"""Share of the masked discriminators in the GAN terms, and of the masked region in the cycle terms."""


class MaskEncoder(nn.Module):
    """Two 1×1 convolutions, of the masked image and of its context."""

    def __init__(self) -> None:
        super().__init__()
        self.masked, self.context = nn.Conv2d(6, 3, 1), nn.Conv2d(6, 3, 1)


class TextbookMaskCycleGAN(TextbookStep):
    """Mask CycleGAN's step, with one mask: a square in the middle.

    Args:
        size: side of the images, in pixels.
        bf16: whether the networks run under autocast in bf16.
        width: number of channels of each network's first layer.
    """

    def __init__(self, size: int, *, bf16: bool = False, width: int = 64) -> None:
        super().__init__(size, bf16)
        self.mask = torch.zeros(1, 1, size, size)
        self.mask[..., size // 4 : -size // 4, size // 4 : -size // 4] = 1
        discriminators = ("D_A", "D_B", "D_masked_A", "D_masked_B")
        self.networks = {name: generator(width) for name in ("G_AB", "G_BA")}
        self.networks |= {name: MaskEncoder() for name in ("E_AB", "E_BA")}
        self.networks |= {name: discriminator(width) for name in discriminators}
        self.add_adam("G", ("G_AB", "G_BA", "E_AB", "E_BA"))
        self.add_adam("D", discriminators)

    def translate(self, direction: str, image: Tensor) -> Tensor:
        """Return G(E_m([x⊙m, m])) + E_c([x⊙(1 − m), 1 − m])."""
        encoder, inside = self.networks[f"E_{direction}"], self.mask.expand_as(image)
        masked = torch.cat([image * inside, inside], dim=1)
        context = torch.cat([image * (1 - inside), 1 - inside], dim=1)
        return self.networks[f"G_{direction}"](encoder.masked(masked)) + encoder.context(context)

    def cycle_error(self, image: Tensor, real: Tensor) -> Tensor:
        """Return the weighted sum of the errors inside and outside of the mask, both means over all pixels."""
        error = (image.float() - real).abs()
        return INSIDE * (error * self.mask).mean() + (1 - INSIDE) * (error * (1 - self.mask)).mean()

    def __call__(self) -> None:
        """Train one step: first the generators, then the four discriminators."""
        a, b, mask = self.real_a, self.real_b, self.mask
        d_a, d_b, d_masked_a, d_masked_b = list(self.networks.values())[4:]
        self.train_only("G")
        with self.autocast():
            fake_b, fake_a = self.translate("AB", a), self.translate("BA", b)
            rec_a, rec_b = self.translate("BA", fake_b), self.translate("AB", fake_a)
            same_b, same_a = self.translate("AB", b), self.translate("BA", a)
            whole = squares(d_b(fake_b), 1) + squares(d_a(fake_a), 1)
            masked = squares(d_masked_b(fake_b * mask), 1) + squares(d_masked_a(fake_a * mask), 1)
            loss = MASKED * masked + (1 - MASKED) * whole
            loss = loss + 10 * (self.cycle_error(rec_a, a) + self.cycle_error(rec_b, b))
            loss = loss + 5 * (l1(same_a, a) + l1(same_b, b))
        loss.backward()
        self.optimizers["G"].step()
        self.train_only("D")
        for network, masked_network, real, fake in (
            (d_a, d_masked_a, a, fake_a.detach()),
            (d_b, d_masked_b, b, fake_b.detach()),
        ):
            with self.autocast():
                whole = squares(network(real), 1) + squares(network(fake), 0)
                masked = squares(masked_network(real * mask), 1) + squares(masked_network(fake * mask), 0)
                loss = (MASKED * masked + (1 - MASKED) * whole) / 2
            loss.backward()
        self.optimizers["D"].step()
