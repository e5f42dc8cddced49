"""NEGCUT's steps against plain code in float64, its generated negatives, and its exact reduction to CUT."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.interfaces import Method
from ganzoo.masks.roles import Roles
from ganzoo.step import Step
from ganzoo_baselines.antialiased import SmoothPatch, SmoothResNet
from ganzoo_baselines.cut import CUT, Projections, patch_nce
from ganzoo_baselines.negcut import NEGCUT, NegativeGenerator
from tests.ganzoo_baselines.test_cut import LAYERS
from tests.support.plain_steps import assert_trains_plainly, double_step, engine_of
from tests.support.stand_in_methods import batch_step, gradients

SMALL: dict[str, Any] = {"layers": LAYERS, "patches": 10, "size": 6}
COUNT = 4


def networks(*, generated: bool = True) -> dict[str, nn.Module]:
    generator = SmoothResNet(3, 3, width=2, blocks=1)
    with torch.no_grad():
        for one in generator.parameters():
            one.mul_(20)  # xavier's gain of 0.02 leaves float64 little to compare
    heads = Projections([maps.shape[1] for maps in generator.features(torch.zeros(1, 3, 16, 16), LAYERS)], 6)
    nets: dict[str, nn.Module] = {"G_AB": generator, "D_B": SmoothPatch(3, width=2, layers=1), "F": heads}
    for one in heads.parameters():
        nn.init.normal_(one, 0, 0.5)
    if generated:
        nets["N"] = NegativeGenerator(heads, 6)
        for one in nets["N"].heads.parameters():  # type: ignore[union-attr]
            nn.init.normal_(one, 0, 0.5)
    return nets


def plain_nce(q: Tensor, k: Tensor, negatives: Tensor, tau: float) -> Tensor:
    """Query by query: −log of the softmax at the key, against the generated negatives of the image."""
    terms = []
    for queries, keys, others in zip(q, k, negatives, strict=True):
        for query, key in zip(queries, keys, strict=True):
            logits = torch.stack([query @ key, *(query @ other for other in others)]) / tau
            terms.append(-torch.log_softmax(logits, 0)[0])
    return torch.stack(terms).mean()


def unit(vectors: Tensor) -> Tensor:
    return vectors / vectors.square().sum(-1, keepdim=True).sqrt()


class Plain:
    """Terms of a step; the average of the projections is a copy of its own."""

    def __init__(self) -> None:
        self.average: Any = None

    def __call__(self, method: Any, step: Step, phase: str) -> dict[str, Tensor]:
        G, D, heads, N = (method.networks[name] for name in ("G_AB", "D_B", "F", "N"))
        x, y = step["real_A"], step["real_B"]
        mirrored = method.cut.flip and step.common_rng("flip").random() < 0.5
        fake, idt = (G(one.flip(-1)) if mirrored else G(one) for one in (x, y))
        if phase == "discriminator":  # the first phase of a step
            self.average = self.average or deepcopy(heads)
            with torch.no_grad():
                for mean, current in zip(self.average.parameters(), heads.parameters(), strict=True):
                    mean.copy_(0.9 * mean + 0.1 * current)
            return {"D": (((D(y) - 1) ** 2).mean() + (D(fake.detach()) ** 2).mean()) / 2}
        made: list[Tensor] = []

        def nce(name: str, source: Tensor, image: Tensor) -> Tensor:
            keys, terms = G.features(source, LAYERS), []
            queries = [m.flip(-1) if mirrored else m for m in G.features(image, LAYERS)]
            made.clear()
            for i, (layer, q, k) in enumerate(zip(LAYERS, queries, keys, strict=True)):
                order = step.common_rng(f"places/{phase}/{name}/{layer}").permutation(q.shape[2] * q.shape[3])[:10]
                a, b = (unit(heads.heads[i](one.flatten(2)[:, :, order].transpose(1, 2))) for one in (q, k))
                mean = unit(self.average.heads[i](k.flatten(2).transpose(1, 2))).mean(1)
                z = step.rng(f"noise/{phase}/{name}/{layer}").normal(COUNT, 64).double()
                made.append(unit(N.heads[i](torch.cat([mean[:, None].repeat(1, COUNT, 1), z], 2))))
                terms.append(plain_nce(a, b.detach(), made[-1], 0.07))
            return torch.stack(terms).mean()

        share = method.cut.nce * (0.5 if method.cut.identity else 1)
        pairs = {"nce": ("real_A", x, fake)} | ({"nce_identity": ("real_B", y, idt)} if method.cut.identity else {})
        if phase == "generator":
            return {"gan": ((D(fake) - 1) ** 2).mean()} | {key: share * nce(*of) for key, of in pairs.items()}
        terms = {key: -share * nce(*of) for key, of in pairs.items()}
        spread = [(one[:, : COUNT // 2] - one[:, COUNT // 2 :]).abs().mean() for one in made]
        return terms | {"diversity": -method.diversity * torch.stack(spread).mean()}


@pytest.mark.parametrize("options", [{}, {"identity": False, "flip": True, "nce": 3.0, "diversity": 0.3}])
def test_three_steps_are_the_formulas(options: dict[str, Any]) -> None:
    def made() -> NEGCUT:
        return NEGCUT(**SMALL, **options, negatives=COUNT)

    method, plain = made(), Plain()
    assert_trains_plainly(method, made(), networks, plain, steps=3, betas=(0.5, 0.999))
    N: Any = method.networks["N"]
    for mean, expected in zip(N.average.buffers(), plain.average.parameters(), strict=True):
        torch.testing.assert_close(mean, expected, rtol=1e-4, atol=1e-6)


def three_steps(method: Method, *, generated: bool) -> tuple[Any, ...]:
    engine = engine_of(method, lambda: networks(generated=generated))
    taken = gradients(engine)
    losses = [engine.step([double_step(seed=i, index=i)])[0] for i in range(3)]
    return losses, taken, [one for net in engine.networks.values() for one in net.parameters()]


@pytest.mark.parametrize("flip", [False, True])
def test_without_negatives_it_is_cut_exactly(flip: bool) -> None:
    mine = three_steps(NEGCUT(**SMALL, negatives=0, flip=flip), generated=False)
    theirs = three_steps(CUT(**SMALL, flip=flip), generated=False)
    for ours, plain in zip([*mine[0], *mine[1]], [*theirs[0], *theirs[1]], strict=True):
        assert ours.keys() == plain.keys()
        assert all(torch.equal(ours[name], plain[name]) for name in plain)
    assert all(torch.equal(a, b) for a, b in zip(mine[2], theirs[2], strict=True))


def test_negatives_belong_to_their_image_and_differ() -> None:
    method = NEGCUT(**SMALL, negatives=COUNT)
    engine_of(method, networks)
    step = double_step()
    G: Any = method.networks["G_AB"]
    first = method.negatives(step, "real_A", G.features(step["real_A"], LAYERS))
    changed = step["real_A"].clone()
    changed[1] = -changed[1]
    second = method.negatives(step, "real_A", G.features(changed, LAYERS))
    for one, other in zip(first, second, strict=True):
        assert one.shape == (2, COUNT, 6)
        torch.testing.assert_close(one.norm(dim=2), torch.ones(2, COUNT, dtype=torch.float64))
        assert torch.equal(one[0], other[0]) and not torch.equal(one[1], other[1])
        assert (one[:, 0] - one[:, 1]).abs().max() > 1e-3


def test_n_learns_to_make_the_task_hard() -> None:
    """A few steps of N alone raise the contrast of unchanged queries and keys."""
    method = NEGCUT(**SMALL, negatives=COUNT, identity=False, diversity=0)
    engine = engine_of(method, networks)
    step = double_step()
    with torch.no_grad():
        method.forward(step)
    optimizer = torch.optim.Adam([one for one in engine.networks["N"].parameters() if one.requires_grad], lr=1e-2)
    values = []
    for _ in range(20):
        loss = method.negative_losses(step)["nce"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(-loss.item())
    assert values[-1] > values[0] + 0.5


def test_the_average_follows_once_a_step_and_again_after_an_undo() -> None:
    method = NEGCUT(**SMALL, negatives=COUNT)
    engine_of(method, networks)
    N: Any = method.networks["N"]
    with torch.no_grad():
        for one in method.networks["F"].parameters():
            one.fill_(1)
        for one in N.average.buffers():
            one.fill_(0)

    def value(index: int, **about: Any) -> float:
        with torch.no_grad():
            method.forward(double_step(index=index, **about))
        return float(next(N.average.buffers()).mean())

    assert value(0) == pytest.approx(0.1) == value(0) == value(1, training=False)
    assert value(1) == pytest.approx(0.19)
    method.undo()
    assert value(1) == pytest.approx(0.271)


def test_networks_are_built_at_setup_and_left_out_without_negatives() -> None:
    method = NEGCUT(**SMALL, negatives=COUNT)
    method.bind({"G_AB": networks()["G_AB"]}, Roles())
    made = method.setup(batch_step(size=16))
    assert set(made) == {"F", "N"}
    average = made["N"].average
    for mean, current in zip(average.buffers(), made["F"].parameters(), strict=True):  # type: ignore[union-attr]
        assert torch.equal(mean, current) and not mean.requires_grad
    for off in ({"negatives": 0}, {"nce": 0}):
        plain = NEGCUT(**SMALL | off)
        assert "N" not in plain.slots and [phase.name for phase in plain.phases] == ["discriminator", "generator"]


def test_generated_negatives_enter_the_contrast_precisely_under_autocast() -> None:
    q, k, n = (F.normalize(torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(i)), dim=2) for i in range(3))
    torch.testing.assert_close(patch_nce(q, k, 0.07, n), plain_nce(q, k, n, 0.07))
    with torch.autocast("cpu", torch.bfloat16):
        inside = patch_nce(q, k, 0.07, n)
    assert torch.equal(inside, patch_nce(q, k, 0.07, n))
