"""DCLGAN's steps against plain code in float64; each direction's contrast is CUT's."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo.masks.roles import Roles
from ganzoo.step import Step
from ganzoo_baselines.antialiased import SmoothPatch, SmoothResNet
from ganzoo_baselines.cut import CUT, Projections
from ganzoo_baselines.dclgan import DCLGAN
from tests.ganzoo_baselines.test_cut import LAYERS, plain_nce
from tests.support.command_line import refusal
from tests.support.plain_steps import assert_trains_plainly, double_step, engine_of, l1
from tests.support.stand_in_methods import Constant, batch_step

SMALL: dict[str, Any] = {"layers": LAYERS, "patches": 10, "size": 6}


def networks(**also: nn.Module) -> dict[str, nn.Module]:
    made: dict[str, nn.Module] = {}
    for domain, direction in (("A", "AB"), ("B", "BA")):
        generator = SmoothResNet(3, 3, width=2, blocks=1)
        with torch.no_grad():
            for one in generator.parameters():
                one.mul_(20)  # xavier's gain of 0.02 leaves float64 little to compare
        heads = Projections([maps.shape[1] for maps in generator.features(torch.zeros(1, 3, 16, 16), LAYERS)], 6)
        for one in heads.parameters():
            nn.init.normal_(one, 0, 0.5)
        made |= {f"G_{direction}": generator, f"F_{domain}": heads, f"D_{domain}": SmoothPatch(3, width=2, layers=1)}
    return made | also


def plainly(
    method: Any, step: Step, phase: str, *, nce: float = 2.0, identity: float = 1.0, temperature: float = 0.07
) -> dict[str, Tensor]:
    G1, G2, D1, D2, F1, F2 = (method.networks[name] for name in ("G_AB", "G_BA", "D_B", "D_A", "F_A", "F_B"))
    x, y = step["real_A"], step["real_B"]
    fake_B, fake_A = G1(x), G2(y)
    if phase == "discriminator":
        pairs = {"D_A": (D2, x, fake_A), "D_B": (D1, y, fake_B)}
        return {k: ((D(r) - 1) ** 2).mean() / 2 + (D(f.detach()) ** 2).mean() / 2 for k, (D, r, f) in pairs.items()}

    def contrast(keys: Any, key_head: Any, queries: Any, query_head: Any, key: str) -> Tensor:
        terms = []
        for i, layer in enumerate(LAYERS):
            count = keys[i].shape[2] * keys[i].shape[3]
            order = step.common_rng(f"places/{phase}/{key}/{layer}").permutation(count)[:10]
            projected = []
            for maps, head in ((queries[i], query_head.heads[i]), (keys[i], key_head.heads[i])):
                vectors = head(maps.flatten(2)[:, :, order].transpose(1, 2))
                projected.append(vectors / vectors.square().sum(2, keepdim=True).sqrt())
            terms.append(plain_nce(projected[0], projected[1].detach(), temperature))
        return torch.stack(terms).mean()

    forth = contrast(G1.features(x, LAYERS), F1, G2.features(fake_B, LAYERS), F2, "real_A")
    back = contrast(G2.features(y, LAYERS), F2, G1.features(fake_A, LAYERS), F1, "real_B")
    return {
        "gan_AB": 0.5 * ((D1(fake_B) - 1) ** 2).mean(),
        "gan_BA": 0.5 * ((D2(fake_A) - 1) ** 2).mean(),
        "nce_A": nce / 2 * forth,
        "nce_B": nce / 2 * back,
        "identity_A": identity / 2 * l1(G2(x), x),
        "identity_B": identity / 2 * l1(G1(y), y),
    }


@pytest.mark.parametrize("options", [{}, {"nce": 3.0, "identity": 0.7, "temperature": 0.3}])
def test_two_steps_are_the_formulas(options: dict[str, Any]) -> None:
    method, mirror = (DCLGAN(**SMALL, **options) for _ in range(2))
    assert_trains_plainly(method, mirror, networks, partial(plainly, **options), betas=(0.5, 0.999))


def test_with_one_encoder_a_direction_has_cuts_terms_exactly() -> None:
    """If both generators and both projections are the same network, A to B is CUT with λ = 1 and no identity term."""
    dual, cut = DCLGAN(**SMALL), CUT(**SMALL, identity=False)
    nets = networks()
    one = {name: network.double() for name, network in nets.items()}
    one |= {"G_BA": one["G_AB"], "F_B": one["F_A"]}
    dual.bind(one, Roles())
    cut.bind({"G_AB": one["G_AB"], "D_B": one["D_B"], "F": one["F_A"]}, Roles())
    mine, theirs = double_step(), double_step()
    dual.forward(mine)
    cut.forward(theirs)
    ours, plain = dual.generator_losses(mine), cut.generator_losses(theirs)
    torch.testing.assert_close(mine["fake_B"], theirs["fake_B"])
    torch.testing.assert_close(ours["nce_A"], plain["nce"], rtol=1e-12, atol=0)
    torch.testing.assert_close(2 * ours["gan_AB"], plain["gan"], rtol=1e-12, atol=0)
    mine["fake_B"] = theirs["fake_B"]  # of the same bits: the contrast is of the same bits, too
    assert torch.equal(dual.contrast(mine, "A", "B"), cut.contrast(theirs, "fake_B", "real_A"))


@pytest.mark.parametrize("swapped", ["G_BA", "F_B"])
def test_each_domain_has_an_encoder_and_projections_of_its_own(swapped: str) -> None:
    dual = DCLGAN(**SMALL)
    engine_of(dual, networks)
    step = double_step()
    dual.forward(step)
    before = dual.contrast(step, "A", "B")
    twin = {"G_BA": "G_AB", "F_B": "F_A"}[swapped]
    dual.bind({**dual.networks, swapped: dual.networks[twin]}, Roles())
    assert dual.contrast(step, "A", "B") != before


def test_the_heads_are_built_at_setup_and_left_out_without_the_term() -> None:
    method = DCLGAN(**SMALL)
    method.bind({name: networks()[name] for name in ("G_AB", "G_BA")}, Roles())
    made = method.setup(batch_step(size=16))
    assert set(made) == {"F_A", "F_B"}
    assert all([head[0].in_features for head in one.heads] == [3, 4, 8, 8] for one in made.values())  # type: ignore[union-attr]
    plain = DCLGAN(nce=0, identity=0)
    assert set(plain.slots) == {"G_AB", "G_BA", "D_A", "D_B"} and set(plain.optims) == {"D", "G"}
    assert not any(plain.tensors[f"idt_{domain}"].for_losses for domain in "AB")


def test_without_identity_the_domains_may_differ_in_channels() -> None:
    step = Step({"real_A": torch.zeros(1, 1, 16, 16), "real_B": torch.zeros(1, 3, 16, 16)})
    nets = networks(G_AB=SmoothResNet(1, 3, width=2, blocks=1), G_BA=SmoothResNet(3, 1, width=2, blocks=1))
    for identity in (0.0, 1.0):
        method = DCLGAN(**SMALL, identity=identity)
        method.bind(nets, Roles())
        if identity:
            assert "method.identity: the domains differ in channels" in refusal(method.forward, step)
        else:
            method.forward(step)
            assert step["fake_A"].shape[1] == 1 and "idt_A" not in step


def test_masks_reach_the_discriminators_and_composite() -> None:
    composited, masked = DCLGAN(**SMALL), DCLGAN(**SMALL)
    engine_of(composited, networks, composite=Constant(0.0))
    engine_of(masked, networks, discriminator=Constant(0.0))
    one, other = double_step(), double_step()
    composited.forward(one)
    masked.forward(other)
    assert torch.equal(one["fake_B"], one["real_A"]) and torch.equal(one["idt_A"], one["real_A"])
    D, blank = masked.networks["D_A"], torch.zeros_like(other["real_A"])
    torch.testing.assert_close(masked.generator_losses(other)["gan_BA"], ((D(blank) - 1) ** 2).mean() / 2)
    expected = (((D(blank) - 1) ** 2).mean() + (D(blank) ** 2).mean()) / 2
    torch.testing.assert_close(masked.discriminator_losses(other)["D_A"], expected)
