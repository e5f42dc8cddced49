"""CUT and FastCUT: filters, features, contrast and steps, against plain code in float64."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.masks.roles import Roles
from ganzoo.step import Step
from ganzoo.testing import make_images
from ganzoo_baselines.antialiased import BlurDown, BlurUp, SmoothPatch, SmoothResNet
from ganzoo_baselines.cut import CUT, FastCUT, Projections, patch_nce
from tests.support.command_line import refusal
from tests.support.plain_steps import assert_trains_plainly, double_step, engine_of
from tests.support.stand_in_methods import Constant, batch_step

LAYERS = (0, 4, 8, 12)
SMALL: dict[str, Any] = {"layers": LAYERS, "patches": 20, "size": 6}


def count(network: nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def test_sizes_are_those_of_the_plain_networks() -> None:
    assert count(SmoothResNet(3, 3)) == 11_378_179
    assert count(SmoothPatch(3)) == 2_764_737


def test_the_filters() -> None:
    """A single bright pixel shows the kernel; a flat image stays as it is, at twice or half the size."""
    point = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    point[0, 0, 4, 4] = 16
    assert BlurDown()(point)[0, 0, 1:4, 1:4].tolist() == [[0, 0, 0], [0, 4, 0], [0, 0, 0]]
    point[0, 0, 4, 4], point[0, 0, 3, 4] = 0, 16
    assert BlurDown()(point)[0, 0, 1:4, 2].tolist() == [2, 2, 0]
    row = torch.tensor([1.0, 3, 3, 1], dtype=torch.float64)
    up = BlurUp()(point)
    torch.testing.assert_close(up[0, 0, 5:9, 7:11], 16 * 4 * row[:, None] * row / 64)
    assert up.sum() == 16 * 4
    flat = torch.full((2, 3, 6, 4), 0.7, dtype=torch.float64)
    torch.testing.assert_close(BlurDown()(flat), flat[:, :, :3, :2])
    torch.testing.assert_close(BlurUp()(flat), torch.full((2, 3, 12, 8), 0.7, dtype=torch.float64))
    image = torch.rand(1, 2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kernel = (4 * row[:, None] * row / 64).expand(2, 1, 4, 4)
    doubled = F.conv_transpose2d(F.pad(image, (1, 1, 1, 1), "replicate"), kernel, stride=2, groups=2)
    torch.testing.assert_close(BlurUp()(image), doubled[..., 3:-3, 3:-3])


def test_the_filters_keep_half_precision() -> None:
    maps = torch.rand(1, 2, 4, 4, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        assert [layer(maps).dtype for layer in (BlurDown(), BlurUp())] == [torch.bfloat16] * 2


def test_features_are_the_outputs_of_layers() -> None:
    network = SmoothResNet(3, 3, width=2, blocks=1).double()
    image = double_step()["real_A"]
    found = network.features(image, LAYERS)
    padded = F.pad(image, (3, 3, 3, 3), mode="reflect")
    torch.testing.assert_close(found[0], padded)
    first = network.model[1](padded)
    norm = (first - first.mean((2, 3), keepdim=True)) / (first.var((2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(found[1], network.model[4](norm.relu()))
    assert [maps.shape[1] for maps in found] == [3, 4, 8, 8]
    torch.testing.assert_close(network.features(image, (len(network.model) - 1,))[0], network(image))
    assert "smooth_resnet has the layers 0 … " in refusal(network.features, image, (99,))


def plain_nce(q: Tensor, k: Tensor, tau: float) -> Tensor:
    """The released code's loss, position by position: the diagonal of the negatives set to −10 before the division."""
    terms = []
    for queries, keys in zip(q, k, strict=True):
        for i in range(len(queries)):
            negatives = torch.stack([torch.tensor(-10.0).double() if i == j else queries[i] @ keys[j]
                                     for j in range(len(keys))])  # fmt: skip
            logits = torch.cat([(queries[i] @ keys[i])[None], negatives]) / tau
            terms.append(-torch.log_softmax(logits, 0)[0])
    return torch.stack(terms).mean()


def test_the_contrast_is_the_formula() -> None:
    drawn = torch.Generator().manual_seed(0)
    q, k = (F.normalize(torch.randn(2, 5, 4, generator=drawn).double(), dim=2) for _ in range(2))
    torch.testing.assert_close(patch_nce(q, k, 0.07), plain_nce(q, k, 0.07))
    assert patch_nce(k, k, 0.07) < patch_nce(q, k, 0.07)


def test_the_contrast_is_precise_under_autocast() -> None:
    q, k = (F.normalize(torch.randn(1, 9, 8, generator=torch.Generator().manual_seed(i)), dim=2) for i in (0, 1))
    with torch.autocast("cpu", torch.bfloat16):
        inside = patch_nce(q, k, 0.07)
    assert torch.equal(inside, patch_nce(q, k, 0.07))


def networks() -> dict[str, nn.Module]:
    generator = SmoothResNet(3, 3, width=2, blocks=1)
    with torch.no_grad():
        for one in generator.parameters():
            one.mul_(20)  # xavier's gain of 0.02 leaves float64 little to compare
    channels = [maps.shape[1] for maps in generator.features(torch.zeros(1, 3, 16, 16), LAYERS)]
    heads = Projections(channels, 6)
    for one in heads.parameters():
        nn.init.normal_(one, 0, 0.5)
    return {"G_AB": generator, "D_B": SmoothPatch(3, width=2, layers=1), "F": heads}


@pytest.mark.parametrize("width", [32, 30, 29])
def test_mirrored_translations_are_compared_at_the_same_places(width: int) -> None:
    """A copy of the source has the same contrast whether or not it is mirrored; layer 0 computes nothing."""
    method = CUT(**SMALL | {"layers": (0,)}, flip=True)
    built = networks()
    built["F"] = Projections([3], 6)
    engine_of(method, lambda: built)
    images = make_images(2, 3, (16, width)).double()
    found: dict[bool, float] = {}
    for index in range(12):
        step = double_step(index=index)
        step["real_A"] = step["fake_B"] = images
        places = method.is_mirrored(step)
        with torch.no_grad():
            queries, keys, _ = method.compared(step, "fake_B", "real_A")
        found[places] = max(found.get(places, 0.0), float((queries[0] - keys[0]).abs().max()))
    assert found.keys() == {True, False} and max(found.values()) < 1e-12


def plainly(method: Any, step: Step, phase: str, *, nce: float, temperature: float = 0.07) -> dict[str, Tensor]:
    method = method.cut if isinstance(method, FastCUT) else method
    G, D, heads = (method.networks[name] for name in ("G_AB", "D_B", "F"))
    x, y = step["real_A"], step["real_B"]
    mirrored = method.flip and step.common_rng("flip").random() < 0.5
    fake, idt = (G(one.flip(-1)) if mirrored else G(one) for one in (x, y))  # D and the encoder see them mirrored
    if phase == "discriminator":
        return {"D": (((D(y) - 1) ** 2).mean() + (D(fake.detach()) ** 2).mean()) / 2}

    def contrast(name: str, source: Tensor, image: Tensor) -> Tensor:
        keys = G.features(source, LAYERS)
        queries = [one.flip(-1) if mirrored else one for one in G.features(image, LAYERS)]
        terms = []
        for layer, head, q, k in zip(LAYERS, heads.heads, queries, keys, strict=True):
            order = step.common_rng(f"places/{phase}/{name}/{layer}").permutation(q.shape[2] * q.shape[3])[:20]
            vectors = [F.normalize(head(one.flatten(2)[:, :, order].transpose(1, 2)), dim=2) for one in (q, k)]
            terms.append(plain_nce(vectors[0], vectors[1].detach(), temperature))
        return torch.stack(terms).mean()

    weight = nce * (0.5 if method.identity else 1)
    losses = {"gan": ((D(fake) - 1) ** 2).mean(), "nce": weight * contrast("real_A", x, fake)}
    return losses | ({"nce_identity": weight * contrast("real_B", y, idt)} if method.identity else {})


@pytest.mark.parametrize(
    ("kind", "options", "weights"),
    [
        (CUT, {}, {}),
        (CUT, {"flip": True}, {"nce": 3.0, "temperature": 0.3}),
        (FastCUT, {}, {}),
        (FastCUT, {}, {"nce": 3.0, "temperature": 0.3}),
    ],
    ids=["cut", "mirrored", "fastcut", "fastcut-odd"],
)
def test_three_steps_are_the_formulas(kind: Any, options: dict[str, Any], weights: dict[str, Any]) -> None:
    mirrored = {CUT(flip=True).is_mirrored(double_step(seed=index, index=index)) for index in range(3)}
    assert mirrored == {True, False}
    method, mirror = (kind(**SMALL, **options, **weights) for _ in range(2))
    terms = partial(plainly, **{"nce": 10.0 if kind is FastCUT else 1.0, **weights})
    assert_trains_plainly(method, mirror, networks, terms, steps=3, betas=(0.5, 0.999))


def test_fastcut_mirrors_the_images_of_some_steps() -> None:
    cut = FastCUT(**SMALL).cut
    mirrored = {cut.is_mirrored(double_step(index=index)) for index in range(20)}
    assert mirrored == {True, False}
    assert not any(cut.is_mirrored(double_step(index=index, training=False)) for index in range(20))
    assert not CUT(**SMALL).is_mirrored(double_step())


def test_the_heads_are_built_at_setup_and_left_out_without_the_term() -> None:
    method = CUT(**SMALL)
    method.bind({"G_AB": networks()["G_AB"]}, Roles())
    made = method.setup(batch_step(size=16))["F"]
    assert isinstance(made, Projections)
    assert [head[0].in_features for head in made.heads] == [3, 4, 8, 8]  # type: ignore[index]
    plain = CUT(nce=0)
    assert "F" not in plain.slots and list(plain.tensors) == ["fake_B"]


def test_masks_reach_the_discriminator_and_composite() -> None:
    composited, masked = CUT(**SMALL), CUT(**SMALL)
    engine_of(composited, networks, composite=Constant(0.0))
    engine_of(masked, networks, discriminator=Constant(0.0))
    steps = {method: double_step() for method in (composited, masked)}
    for method, step in steps.items():
        method.forward(step)
    assert torch.equal(steps[composited]["fake_B"], steps[composited]["real_A"])
    assert torch.equal(steps[composited]["idt_B"], steps[composited]["real_B"])
    D, blank = masked.networks["D_B"], torch.zeros_like(steps[masked]["real_B"])
    torch.testing.assert_close(masked.generator_losses(steps[masked])["gan"], ((D(blank) - 1) ** 2).mean())
    expected = (((D(blank) - 1) ** 2).mean() + (D(blank) ** 2).mean()) / 2
    torch.testing.assert_close(masked.discriminator_losses(steps[masked])["D"], expected)
