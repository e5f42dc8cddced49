"""The contrast of patches against its formula; the networks that it takes and refuses."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.testing import make_images, make_step
from ganzoo_losses.convolutions import entering_maps
from tests.support.bound_losses import bound_loss

ENTRY: dict[str, Any] = {
    "loss": "patch_nce",
    "of": {"image": "fake_B", "target": "real_A"},
    "layers": [0, 1, 3],
    "size": 4,
    "patches": 5,
}


def nce(queries: Tensor, keys: Tensor, temperature: float) -> float:
    """Park et al. 2020, eq. 3, of one image's vectors (n, d), one query after the other."""
    total = 0.0
    for i, query in enumerate(queries):
        exponents = [math.exp(float(query @ key) / temperature) for key in keys]
        total -= math.log(exponents[i] / sum(exponents)) / len(queries)
    return total


def test_it_is_the_formula_on_the_generators_maps(tmp_path: Path) -> None:
    loss, method = bound_loss(tmp_path, {**ENTRY, "temperature": 0.5})
    step = make_step({"real_A": make_images(size=(12, 16)), "fake_B": make_images(seed=1, size=(12, 16))}, seed=3)
    heads = loss.trained()
    assert heads is not None
    for one in heads.parameters():  # far from 0, where projections are almost alike
        torch.nn.init.normal_(one, generator=torch.Generator().manual_seed(one.numel()))
    found = loss(step["fake_B"], step["real_A"], step)
    values = []
    with torch.no_grad():
        maps, others = (entering_maps(method.networks["G_AB"], step[name], [0, 1, 3]) for name in ("fake_B", "real_A"))
        for number, layer in enumerate((0, 1, 3)):
            places = step.common_rng(f"patch_nce/fake_B/{layer}").permutation(maps[number][0, 0].numel())[:5]
            head: Any = heads.heads[number]  # type: ignore[index]
            for one, other in zip(maps[number], others[number], strict=True):
                vectors = [F.normalize(head(plane.flatten(1)[:, places].T).double()) for plane in (one, other)]
                values.append(nce(vectors[0], vectors[1], 0.5))
    assert float(found) == pytest.approx(sum(values) / len(values), rel=1e-5)


def test_gradients_reach_generator_translation_and_projections_but_not_the_source(tmp_path: Path) -> None:
    loss, method = bound_loss(tmp_path, ENTRY)
    image, target = make_images().requires_grad_(), make_images(seed=1).requires_grad_()
    loss(image, target, make_step()).backward()
    assert image.grad is not None and image.grad.any() and target.grad is None
    heads = loss.trained()
    assert heads is not None and any(one.grad is not None and one.grad.any() for one in heads.parameters())
    assert any(one.grad is not None for one in method.networks["G_AB"].parameters())


def test_the_maps_are_those_that_enter_the_convolutions(tmp_path: Path) -> None:
    _, method = bound_loss(tmp_path, ENTRY)
    network, image = method.networks["G_AB"].eval(), make_images(1)
    layers = list(network.model)  # type: ignore[arg-type]
    first, second = entering_maps(network, image, [0, 1])
    torch.testing.assert_close(first, F.pad(image, (3, 3, 3, 3), "reflect"))
    torch.testing.assert_close(second, torch.nn.Sequential(*layers[:4])(image))


def test_it_attaches_to_other_methods(tmp_path: Path) -> None:
    networks = {
        "G": {"generator": "smooth_resnet", "width": 2, "blocks": 1},
        "D": {"discriminator": "smooth_patch", "width": 2, "layers": 1},
    }
    cut = {"method": "cut", "layers": [0, 4], "size": 4}
    loss, method = bound_loss(tmp_path, ENTRY, method=cut, networks=networks)
    assert method.slots["loss_x"].kind == "" and "loss_x" in method.networks
    assert float(loss(make_images(), make_images(seed=1), make_step())) > 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "G_BB"}, "losses.x: the method has no network 'G_BB'"),
        ({"layers": [0, 12]}, "losses.x: G_AB has the convolutions 0 … 7, not 12: set layers"),
        ({"of": {"image": "rec_A", "target": "real_A"}}, "patch_nce reads a translation (fake_B, fake_A), and 'rec_A'"),
    ],
)
def test_what_it_refuses(tmp_path: Path, changes: Any, message: str) -> None:
    with pytest.raises(GanzooError) as caught:
        bound_loss(tmp_path, {**ENTRY, **changes})
    assert message in str(caught.value)
