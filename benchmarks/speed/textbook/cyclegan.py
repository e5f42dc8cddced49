"""CycleGAN's textbook step (Zhu et al. 2017, section 4, appendix 7), which SMCycleGAN's and Art2Real's extend."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from benchmarks.speed.textbook.step import TextbookStep, l1, squares


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


def normed(conv: nn.Module, channels: int) -> list[nn.Module]:
    """Return a convolution, instance norm and ReLU."""
    return [conv, nn.InstanceNorm2d(channels), nn.ReLU()]


def discriminator(width: int = 64) -> nn.Sequential:
    """Return a PatchGAN discriminator whose logits see 70×70 pixels."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2)]
    for factor, stride in ((2, 2), (4, 2), (8, 1)):
        conv = nn.Conv2d(width * factor // 2, width * factor, 4, stride, 1)
        layers += [conv, nn.InstanceNorm2d(width * factor), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))


class TextbookCycleGAN(TextbookStep):
    """CycleGAN's step: least squares, cycle and identity terms.

    There is no image pool: until it is full it returns the new images anyway.

    Args:
        size: side of the images, in pixels.
        bf16: whether the networks run under autocast in bf16.
        width: number of channels of each network's first layer.
        identity: weight of the identity terms; 0: no identity images.
        seen: what the discriminators see of an image; by default the image.
        extra: a further term of the generators' loss, for fake_B.
    """

    def __init__(
        self,
        size: int,
        *,
        bf16: bool = False,
        width: int = 64,
        identity: float = 5.0,
        seen: Callable[[Tensor], Tensor] = lambda image: image,
        extra: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__(size, bf16)
        self.identity, self.seen, self.extra = identity, seen, extra
        self.networks = {name: generator(width) for name in ("G_AB", "G_BA")}
        self.networks |= {name: discriminator(width) for name in ("D_A", "D_B")}
        self.add_adam("G", ("G_AB", "G_BA"))
        self.add_adam("D", ("D_A", "D_B"))

    def __call__(self) -> None:
        """Train one step: first the generators, then the discriminators."""
        a, b = self.real_a, self.real_b
        g_ab, g_ba, d_a, d_b = self.networks.values()
        self.train_only("G")
        with self.autocast():
            fake_b, fake_a = g_ab(a), g_ba(b)
            loss = 10 * (l1(g_ba(fake_b), a) + l1(g_ab(fake_a), b))
            if self.identity:
                loss = loss + self.identity * (l1(g_ba(a), a) + l1(g_ab(b), b))
            seen_b, seen_a = self.seen(fake_b), self.seen(fake_a)
            loss = loss + squares(d_b(seen_b), 1) + squares(d_a(seen_a), 1)
            if self.extra is not None:
                loss = loss + self.extra(fake_b)
        loss.backward()
        self.optimizers["G"].step()
        self.train_only("D")
        for network, real, fake in ((d_a, a, seen_a), (d_b, b, seen_b)):
            with self.autocast():
                loss = (squares(network(self.seen(real)), 1) + squares(network(fake.detach()), 0)) / 2
            loss.backward()
        self.optimizers["D"].step()
