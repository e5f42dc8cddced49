"""What styles do: against plain sums of squares and pairs, and methods whose styles do all or nothing."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganzoo import GanzooError, create
from ganzoo.data.loader import Reader
from ganzoo.interfaces import Direction, Method, Source
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_metrics.styles import StyleMetric, StyleRecovery, StyleShare
from tests.support.stand_in_methods import Noise, batch_step

TRUNK = Source(Path("alex.pth"), "its checksum")


class Fixed(Method):
    """Knows two styles and draws either, whatever the numbers of a draw would be."""

    def __init__(self) -> None:
        self.slots, self.optims, self.phases, self.tensors = {}, {}, [], {}

    def forward(self, step: Step) -> None:
        """Make nothing: only its styles are asked for."""

    def style_size(self, domain: str) -> int:
        return 2

    def draw_style(self, domain: str, draws: Draws) -> Tensor:
        return torch.eye(2)[draws.integers(0, 2)]


class Tinted(Method):
    """Adds a style of three numbers, the tint, and the image, each by its share."""

    def __init__(self, tint: float, image: float) -> None:
        self.tint, self.image = tint, image
        self.slots, self.optims, self.phases, self.tensors = {}, {}, [], {}

    def forward(self, step: Step) -> None:
        pass

    def style_size(self, domain: str) -> int:
        return 3

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        return images.mean((2, 3)) / self.tint if self.tint else torch.zeros(len(images), 3)

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        return self.image * images + self.tint * step["style"][:, :, None, None].to(images)


def bind_metric(metric: StyleMetric, method: Method) -> Any:
    method.bind({}, Roles())
    metric.bind(method, Reader(Noise(), ImageSettings(size=8)))
    metric.prepare(3)
    return metric


def random_images(count: int = 4) -> Step:
    """Return images of different means."""
    step = batch_step(count, size=8)
    for i in range(count):
        step["real_A"][i] = step["real_A"][i] * 0.1 + 0.2 * i - 0.3
    return step


def test_shares_are_those_of_a_two_way_table() -> None:
    metric = bind_metric(StyleShare(styles=5), Tinted(0.1, 0.5))
    step = random_images()
    rows = metric.rows(step, "AB")
    assert rows["statistics"].shape == (4, 5, 6)
    made = [one.numpy() for one in metric.translations(step, "AB")]
    looks = np.array([[[*one[i].mean((1, 2)), *one[i].std((1, 2), ddof=1)] for one in made] for i in range(4)])
    np.testing.assert_allclose(rows["statistics"], looks, rtol=1e-4, atol=1e-6)
    grand = looks.mean((0, 1))
    total = sum(((looks[i, j] - grand) ** 2).sum() for i in range(4) for j in range(5))
    style = sum(4 * ((looks[:, j].mean(0) - grand) ** 2).sum() for j in range(5))
    content = sum(5 * ((looks[i].mean(0) - grand) ** 2).sum() for i in range(4))
    expected = {"style_share": style / total, "content_share": content / total}
    assert metric.compute(rows, {}) == pytest.approx(expected, rel=1e-4)
    assert 0.01 < expected["style_share"] < 0.99


@pytest.mark.parametrize(
    ("tint", "image", "expected"), [(0.1, 0.0, (1, 0)), (0.0, 0.5, (0, 1)), (0.0, 0.0, (0, 0)), (0.1, 0.5, None)]
)
def test_styles_that_do_all_or_nothing(tint: float, image: float, expected: tuple[float, float] | None) -> None:
    metric = bind_metric(StyleShare(), Tinted(tint, image))
    found = metric.compute(metric.rows(random_images(), "AB"), {})
    shares = (found["style_share"], found["content_share"])
    if expected is None:
        assert sum(shares) == pytest.approx(1, abs=0.01)  # a tint is added, so nothing is of both
    else:
        assert shares == pytest.approx(expected, abs=1e-5)


def test_the_styles_are_the_same_for_all_images_and_keyed() -> None:
    metric = bind_metric(StyleShare(styles=3), Tinted(0.2, 0.0))
    one, other = metric.translations(random_images(), "AB"), metric.translations(random_images(2), "AB")
    assert all(torch.equal(mine[:2], theirs) for mine, theirs in zip(one, other, strict=True))
    assert all(torch.equal(made[0], made[1]) for made in one)
    assert not torch.equal(one[0], one[1])
    metric.prepare(4)
    assert not torch.equal(metric.translations(random_images(), "AB")[0], one[0])


def test_diversity_is_the_mean_over_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    class Distance(nn.Module):
        def forward(self, one: Tensor, other: Tensor) -> Tensor:
            return (one - other).square().mean((1, 2, 3), keepdim=True)

    monkeypatch.setattr("ganzoo_metrics.styles.make_lpips", lambda net, weights: (Distance(), TRUNK))
    metric = bind_metric(create("metric", "lpips_diversity", styles=4, net="squeeze"), Tinted(0.1, 0.5))
    step = batch_step(2, size=20)
    made = metric.translations(step, "AB")
    expected = [((a - b) ** 2).mean((1, 2, 3)) for a, b in combinations(made, 2)]
    assert len(expected) == 6
    torch.testing.assert_close(metric.rows(step, "AB")["lpips_diversity"], torch.stack(expected).mean(0))
    still = bind_metric(create("metric", "lpips_diversity", net="squeeze"), Tinted(0.0, 0.5))
    assert not still.rows(step, "AB")["lpips_diversity"].any()
    with pytest.raises(GanzooError, match=r"lpips_diversity: images of 8×8 pixels are too small for the net 'squeeze'"):
        metric.rows(batch_step(2, size=8), "AB")


def test_diversity_leaves_label_maps_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ganzoo_metrics.styles.make_lpips", lambda net, weights: (nn.Identity(), TRUNK))
    metric, data = create("metric", "lpips_diversity"), Noise()
    data.channels = {"A": 19, "B": 3}
    metric.bind(Tinted(0.1, 0.5), Reader(data, ImageSettings(size=8)))
    assert metric.directions == ("AB",)
    assert metric.about == {"network": "lpips/alex", "weights": "its checksum"}
    assert metric.sources == {"weights": TRUNK}
    assert bind_metric(create("metric", "lpips_diversity"), Tinted(0.1, 0.5)).directions == ("AB", "BA")
    data.channels, data.classes = {"A": 3, "B": 3}, {"A": 3, "B": 3}
    metric.bind(Tinted(0.1, 0.5), Reader(Noise(), ImageSettings(size=8)))
    assert metric.directions == ("AB", "BA")  # what an earlier call left out counts again
    with pytest.raises(GanzooError, match="lpips_diversity: no domain has images of 1 or 3 channels"):
        metric.bind(Tinted(0.1, 0.5), Reader(data, ImageSettings(size=8)))


def test_recovery_is_r_squared() -> None:
    """A tint can be read off an image that is tint alone; of one with an image in it, the image is the error."""
    whole = bind_metric(StyleRecovery(), Tinted(0.1, 0.0))
    assert whole.compute(whole.rows(random_images(), "AB"), {})["style_r2"] == pytest.approx(1, abs=1e-5)
    none = bind_metric(StyleRecovery(), Tinted(0.0, 0.5))
    asked = none.draw_styles("AB").double()
    spread = (asked - asked.mean(0)).square().sum()
    expected = 1 - asked.square().sum() / spread
    assert none.compute(none.rows(random_images(), "AB"), {})["style_r2"] == pytest.approx(float(expected), rel=1e-5)
    with pytest.raises(GanzooError, match="all requested styles are the same"):
        whole.compute({"error": torch.ones(2), "spread": torch.zeros(2)}, {})
    part = bind_metric(StyleRecovery(), Tinted(0.1, 0.1))
    step = random_images()
    error = sum(
        ((one.mean((2, 3)) / 0.1 - style) ** 2).sum()
        for one, style in zip(part.translations(step, "AB"), part.draw_styles("AB"), strict=True)
    )
    found = part.compute(part.rows(step, "AB"), {})["style_r2"]
    assert found == pytest.approx(float(1 - error / (4 * spread)), rel=1e-4)
    assert found < 1


def test_methods_without_styles_are_refused(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="makes one translation of each image: it has no styles"):
        bind_metric(StyleShare(), CycleGAN())


def test_only_directions_with_styles_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """A method may have styles in one domain only."""
    method = Tinted(0.1, 0.5)
    assert bind_metric(StyleShare(), method).directions == ("AB", "BA")
    monkeypatch.setattr(method, "style_size", lambda domain: 3 if domain == "B" else 0)
    metric = bind_metric(StyleRecovery(), method)
    assert metric.directions == ("AB",)
    assert set(metric.rows(random_images(), "AB")) == {"error", "spread"}


def test_a_method_may_draw_its_styles_itself() -> None:
    measure = StyleShare(styles=20)
    measure.bind(Fixed(), Reader(Noise(), ImageSettings(size=8)))
    measure.prepare(0)
    drawn = measure.draw_styles("AB")
    assert {tuple(one) for one in drawn.tolist()} == {(1.0, 0.0), (0.0, 1.0)} and len(drawn) == 20
    assert torch.equal(drawn, measure.draw_styles("AB"))
