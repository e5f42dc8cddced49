"""DRIT's textbook steps (Lee et al. 2018, section 3; as released with DRIT++)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from benchmarks.speed.textbook.drit_networks import ATTRIBUTES, AttributeEncoder, Generator, content_discriminator
from benchmarks.speed.textbook.munit import MultiScale
from benchmarks.speed.textbook.step import TextbookStep, cross_entropy, l1

DISCRIMINATORS = ("D_A", "D_B", "D_A2", "D_B2")


def all_entropies(maps: list[Tensor], target: float) -> Tensor:
    """Return the vanilla GAN loss, summed over the scales."""
    return torch.stack([cross_entropy(logits, target) for logits in maps]).sum()


class TextbookDRIT(TextbookStep):
    """DRIT's cycle of three steps: two train the discriminator of contents, the third trains all networks.

    Two images of each domain make a batch: the first is translated, the second is real for D_A2 and D_B2.

    Args:
        size: side of the images, in pixels, at least 212.
        bf16: whether the networks run under autocast in bf16.
        width: number of channels of each network's first layer.
    """

    def __init__(self, size: int, *, bf16: bool = False, width: int = 64) -> None:
        super().__init__(size, bf16, images=2)
        self.networks = {"G": Generator(width), "E": nn.ModuleDict({one: AttributeEncoder(width) for one in "AB"})}
        self.networks |= {name: MultiScale(width, slope=0.01) for name in DISCRIMINATORS}
        self.networks["D_content"] = content_discriminator(width)
        for name, networks in {"D": DISCRIMINATORS, "G": ("G",), "E": ("E",)}.items():
            self.add_adam(name, networks, 1e-4, weight_decay=1e-4)
        self.add_adam("content", ("D_content",), 4e-5, weight_decay=1e-4)

    def __call__(self) -> None:
        """Train the three steps."""
        firsts = {"A": self.real_a[:1], "B": self.real_b[:1]}
        seconds = {"A": self.real_a[1:], "B": self.real_b[1:]}
        for _ in range(2):
            with torch.no_grad(), self.autocast():
                contents = {one: self.content(firsts[one], one) for one in "AB"}
            self.train_contents(contents)
        self.train_all(firsts, seconds)

    def content(self, image: Tensor, domain: str) -> Tensor:
        """Return the content of an image, with noise."""
        content = self.networks["G"].encode(image, domain)
        return content + self.normal(*content.shape).to(content.dtype)

    def train_contents(self, contents: dict[str, Tensor]) -> None:
        """Train the discriminator of contents: 0 for A, 1 for B."""
        network = self.networks["D_content"]
        self.train_only("content")
        with self.autocast():
            loss = cross_entropy(network(contents["A"]), 0) + cross_entropy(network(contents["B"]), 1)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5)
        self.optimizers["content"].step()

    def train_all(self, firsts: dict[str, Tensor], seconds: dict[str, Tensor]) -> None:
        """Train the discriminators, then encoders and decoders with two losses at the same weights.

        Args:
            firsts: the first image of each domain.
            seconds: the second image of each domain.
        """
        g, e = self.networks["G"], self.networks["E"]
        self.train_only("G", "E")
        with self.autocast():
            content = {one: self.content(firsts[one], one) for one in "AB"}
            spread = {one: e[one](firsts[one]) for one in "AB"}
            attributes = {one: self.sample(*spread[one]) for one in "AB"}
            draws = self.two_draws()
            guided, fakes, rec = {}, {}, {}
            for source, target in ("AB", "BA"):
                guided[target] = g.decode(content[source], attributes[target], target)
                fakes[target] = [g.decode(content[source], draw, target) for draw in draws]
            again = {one: self.content(guided[one], one) for one in "AB"}
            exchanged = {one: self.sample(*e[one](guided[one])) for one in "AB"}
            for source, target in ("AB", "BA"):
                rec[source] = g.decode(again[target], exchanged[source], source)
        self.train_only("D")
        for one in "AB":
            with self.autocast():
                loss = self.discriminator_loss(f"D_{one}", firsts[one], [guided[one]])
                loss = loss + self.discriminator_loss(f"D_{one}2", seconds[one], fakes[one])
            loss.backward()
        self.optimizers["D"].step()
        self.train_contents({one: content[one].detach() for one in "AB"})
        self.train_only("G", "E")
        with self.autocast():
            loss = random_loss = torch.zeros(())
            for source, target in ("AB", "BA"):
                loss = loss + all_entropies(self.networks[f"D_{target}"](guided[target]), 1)
                loss = loss + cross_entropy(self.networks["D_content"](content[source]), 0.5)
                same = g.decode(content[source], attributes[source], source)
                loss = loss + 10 * (l1(same, firsts[source]) + l1(rec[source], firsts[source]))
                mean, log_variance = spread[source]
                divergence = mean.square() + log_variance.exp() - log_variance - 1
                loss = loss + 0.01 * (divergence.sum() / 2 + content[source].float().square().mean())
                for fake in fakes[target]:
                    random_loss = random_loss + all_entropies(self.networks[f"D_{target}2"](fake), 1)
                random_loss = random_loss + 10 * l1(e[target](fakes[target][0])[0], draws[0])
                ratio = l1(*fakes[target]) / l1(*draws)
                random_loss = random_loss + 1 / (ratio + 1e-5)
        self.step_twice(loss, random_loss)

    def two_draws(self) -> list[Tensor]:
        """Return two vectors of random attributes."""
        return [self.normal(1, ATTRIBUTES) for _ in range(2)]

    def sample(self, mean: Tensor, log_variance: Tensor) -> Tensor:
        """Return random attributes from a normal distribution."""
        return mean + (log_variance / 2).exp() * self.normal(*mean.shape)

    def discriminator_loss(self, name: str, real: Tensor, fakes: list[Tensor]) -> Tensor:
        """Return the sum of the real and the fake term of each fake."""
        network, loss = self.networks[name], torch.zeros(())
        real_logits = network(real)
        for fake in fakes:
            loss = loss + all_entropies(real_logits, 1) + all_entropies(network(fake.detach()), 0)
        return loss

    def step_twice(self, loss: Tensor, random_loss: Tensor) -> None:
        """Compute the gradients of both losses, then step: all encoders and decoders, then those of contents again."""
        weights = list(self.networks["G"].parameters())
        loss.backward(retain_graph=True)
        gradients = torch.autograd.grad(random_loss, weights)
        self.optimizers["G"].step()
        self.optimizers["E"].step()
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        self.optimizers["G"].step()
