"""UNIT's textbook step (Liu et al. 2017; networks, terms and weights of the released code)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.speed.textbook.munit import MultiScale, Residual, all_squares, content_encoder, upsampler
from benchmarks.speed.textbook.step import TextbookStep, l1


class Autoencoder(nn.Module):
    """A domain's encoder and decoder."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.encode = nn.Sequential(*content_encoder(width))
        self.decode = nn.Sequential(*(Residual(4 * width) for _ in range(4)), *upsampler(width))


class TextbookUNIT(TextbookStep):
    """UNIT's step: reconstructions and cycles through codes with noise.

    Args:
        size: side of the images, in pixels.
        bf16: whether the networks run under autocast in bf16.
        width: number of channels of each network's first layer.
    """

    def __init__(self, size: int, *, bf16: bool = False, width: int = 64) -> None:
        super().__init__(size, bf16)
        self.networks = {name: Autoencoder(width) for name in ("G_A", "G_B")}
        self.networks |= {name: MultiScale(width) for name in ("D_A", "D_B")}
        self.add_adam("D", ("D_A", "D_B"), 1e-4, weight_decay=1e-4)
        self.add_adam("G", ("G_A", "G_B"), 1e-4, weight_decay=1e-4)

    def noisy(self, code: Tensor) -> Tensor:
        """Return a code with noise N(0, I)."""
        return code + self.normal(*code.shape).to(code.dtype)

    def __call__(self) -> None:
        """Train one step: first the discriminators, on fakes with noise of their own, then the generators."""
        a, b = self.real_a, self.real_b
        g_a, g_b, d_a, d_b = self.networks.values()
        self.train_only("D")
        with self.autocast():
            with torch.no_grad():
                fake_b, fake_a = g_b.decode(self.noisy(g_a.encode(a))), g_a.decode(self.noisy(g_b.encode(b)))
            loss = all_squares(d_a(a), 1) + all_squares(d_a(fake_a), 0)
            loss = loss + all_squares(d_b(b), 1) + all_squares(d_b(fake_b), 0)
        loss.backward()
        self.optimizers["D"].step()
        self.train_only("G")
        with self.autocast():
            code_a, code_b = g_a.encode(a), g_b.encode(b)
            noisy_a, noisy_b = self.noisy(code_a), self.noisy(code_b)
            fake_b, fake_a = g_b.decode(noisy_a), g_a.decode(noisy_b)
            same_a, same_b = g_a.decode(noisy_a), g_b.decode(noisy_b)
            code_fake_b, code_fake_a = g_b.encode(fake_b), g_a.encode(fake_a)
            rec_a, rec_b = g_a.decode(self.noisy(code_fake_b)), g_b.decode(self.noisy(code_fake_a))
            loss = all_squares(d_b(fake_b), 1) + all_squares(d_a(fake_a), 1)
            loss = loss + 10 * (l1(same_a, a) + l1(same_b, b) + l1(rec_a, a) + l1(rec_b, b))
            codes = (code_a, code_b, code_fake_a, code_fake_b)
            loss = loss + 0.01 * torch.stack([code.float().square().mean() for code in codes]).sum()
        loss.backward()
        self.optimizers["G"].step()
