"""The sliced Wasserstein distance against plain sorting and another library, and what it may not depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance
from torch import Tensor, nn

from ganzoo.data.image_io import to_float, to_uint8
from ganzoo.data.loader import Reader
from ganzoo.interfaces import Split
from ganzoo.randomness import Draws, keyed
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_metrics.laplacian import patches, pyramid
from ganzoo_metrics.sliced import SWD, descriptors, sliced, wasserstein
from tests.support.command_line import refusal
from tests.support.image_pairs import bind_metric
from tests.support.stand_in_methods import Noise, engine_of, values_of

SIZE = 32


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n", "m"), [(5, 5), (4, 6), (7, 3), (1, 4), (12, 35)])
def test_the_distance_on_a_line(n: int, m: int) -> None:
    one, other = drawn(3, n), drawn(3, m, seed=1) + 0.5
    expected = [wasserstein_distance(a, b) for a, b in zip(one.double(), other.double(), strict=True)]
    assert wasserstein(one, other).tolist() == pytest.approx(expected, rel=1e-5)
    if n == m:
        plain = [np.mean([abs(x - y) for x, y in zip(sorted(a), sorted(b), strict=True)])
                 for a, b in zip(one.tolist(), other.tolist(), strict=True)]  # fmt: skip
        assert plain == pytest.approx(expected, rel=1e-5)


def plainly(fake: Tensor, real: Tensor, directions: Tensor) -> float:
    """Return the distance of patches (N, P, C, 7, 7), direction by direction, in float64."""
    sets = []
    for some in (fake, real):
        flat = some.double().flatten(0, 1).numpy()
        for channel in range(flat.shape[1]):
            plane = flat[:, channel]
            flat[:, channel] = (plane - plane.mean()) / plane.std()
        sets.append(flat.reshape(len(flat), -1))
    found = []
    for direction in directions.double().numpy():
        unit = direction / np.sqrt((direction**2).sum())
        found.append(wasserstein_distance(*([sum(x * u for x, u in zip(one, unit, strict=True)) for one in some]
                                            for some in sets)))  # fmt: skip
    return float(np.mean(found))


@pytest.mark.parametrize("count", [3, 2])
def test_the_formula(count: int) -> None:
    fake, real = drawn(count, 4, 2, 7, 7).exp(), drawn(3, 4, 2, 7, 7, seed=1) * torch.tensor([1.0, 5])[:, None, None]
    directions = drawn(300, 98, seed=2)
    found = sliced(descriptors(fake), descriptors(real), directions)
    assert found == pytest.approx(plainly(fake, real, directions), rel=1e-5)
    assert found > 0.05


def test_each_set_is_normalized_by_itself() -> None:
    """Light and contrast alone are no difference; a flat set lies apart from any, and from itself not at all."""
    real = drawn(3, 8, 3, 7, 7)
    assert sliced(descriptors(real * 0.2 - 0.5), descriptors(real), drawn(50, 147, seed=2)) == pytest.approx(
        0, abs=1e-5
    )
    flat = 0.3 + 1e-7 * drawn(3, 8, 3, 7, 7, seed=3)
    assert descriptors(flat).abs().max() < 0.01
    assert sliced(descriptors(flat), descriptors(real), drawn(50, 147, seed=2)) == pytest.approx(0.8, abs=0.1)


def metric(size: int = SIZE, seed: int = 0, **options: Any) -> SWD:
    made: SWD = bind_metric("swd", reader=Reader(Noise(size=size), ImageSettings(size=size)), **options)
    made.prepare(seed)
    return made


def test_the_values() -> None:
    """Of each level, ×10³, and their mean; places and directions as they are keyed."""
    measure = metric(seed=5, patches=3, projections=4)
    step = Step({name: drawn(2, 3, SIZE, SIZE, seed=i) for i, name in enumerate(("fake_B", "real_B"))}, samples=(4, 9))
    step["real_B"] = to_float(to_uint8(step["real_B"]))  # as all data are; translations count as files hold them
    rows, real = measure.rows(step, "AB"), measure.reference_rows(step, "B")
    assert {side: one.shape for side, one in rows.items()} == dict.fromkeys(("32", "16"), (2, 3, 3, 7, 7))
    found = measure.compute(rows, real)
    expected = {}
    for purpose, made, name in (("fake/AB", rows, "fake_B"), ("real/B", real, "real_B")):
        for side, level in zip(("32", "16"), pyramid(to_float(to_uint8(step[name]))), strict=True):
            places = Draws([keyed(5, sample, f"swd/{purpose}/{side}") for sample in (4, 9)])
            torch.testing.assert_close(made[side], patches(level, places, 3))
    for side in ("32", "16"):
        directions = keyed(5, f"swd/directions/{side}").standard_normal((4, 147), dtype=np.float32)
        expected[f"swd_{side}"] = 1000 * plainly(rows[side], real[side], torch.from_numpy(directions))
    assert found == pytest.approx({"swd": sum(expected.values()) / 2, **expected}, rel=1e-5)


def test_draws_are_keyed_by_seed_image_level_and_side() -> None:
    step = Step({name: drawn(2, 3, SIZE, SIZE) for name in ("fake_B", "real_B")}, samples=(4, 9))
    step["real_B"] = step["fake_B"] = to_float(to_uint8(step["fake_B"]))
    rows = metric().rows(step, "AB")["32"]
    alone = Step({name: one[1:] for name, one in step.items()}, samples=(9,))
    torch.testing.assert_close(metric().rows(alone, "AB")["32"], rows[1:])
    for other in (metric(seed=1).rows(step, "AB"), metric().reference_rows(step, "B")):
        assert not torch.isclose(other["32"], rows).all(2).all(2).all(2).any(1).all()
    same = metric().compute(metric().rows(step, "AB"), metric().reference_rows(step, "B"))
    assert metric(seed=1).compute(metric().rows(step, "AB"), metric().reference_rows(step, "B")) != same


@pytest.mark.parametrize("channels", [2, 3])
def test_translations_count_as_files_hold_them(channels: int) -> None:
    measure, fake = metric(), 0.5 * drawn(2, channels, SIZE, SIZE)
    held = to_float(to_uint8(fake))
    assert not torch.equal(fake, held)
    rows = [measure.rows(Step({"fake_B": one}, samples=(0, 1)), "AB") for one in (fake, held)]
    assert all(torch.equal(one, rows[1][side]) for side, one in rows[0].items())
    real = {side: one.flip(0).exp() for side, one in rows[0].items()}
    assert measure.compute(rows[0], real) == measure.compute(rows[1], real)


def test_the_order_of_images_does_not_matter() -> None:
    measure = metric(patches=20)
    fake, real = ({"16": drawn(5, 20, 3, 7, 7, seed=seed).exp() * (1 + seed)} for seed in (0, 1))
    mixed = {"16": fake["16"][[3, 0, 4, 1, 2]]}, {"16": real["16"].flip(0)}
    assert measure.compute(*mixed) == pytest.approx(measure.compute(fake, real), rel=1e-5)


class Uneven(Noise):
    def count(self, split: Split, domain: str) -> int:
        return super().count(split, domain) if split == "train" else {"A": 5, "B": 3}[domain]


@pytest.mark.parametrize("real", ["measured", "train"])
def test_an_evaluation_does_not_depend_on_its_batches(real: str) -> None:
    torch.manual_seed(0)
    networks = {name: nn.Conv2d(3, 3, 3, padding=1) for name in ("G_AB", "G_BA", "D_A", "D_B")}
    engine, reader = engine_of(CycleGAN(), networks), Reader(Uneven(size=SIZE), ImageSettings(size=SIZE))
    measure = bind_metric("swd", reader=reader, patches=16, projections=32, real=real)
    found = [values_of(engine, reader, measure, batch=batch) for batch in (1, 2, 16)]
    assert set(found[0]) == {f"{name}_{way}" for name in ("swd", "swd_32", "swd_16") for way in ("AB", "BA")}
    for one in found[1:]:
        assert one == pytest.approx(found[0], rel=1e-4)
    rows: dict[str, list[Tensor]] = {"fake": [], "real": []}
    with torch.no_grad():
        for i in range(5):
            image = reader.dataset.sample("test", "A", i).image
            a = torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1
            step = Step({"fake_B": networks["G_AB"](a)}, samples=(i,))
            rows["fake"].append(measure.rows(step, "AB")["32"])
        for i in range(3 if real == "measured" else 10):
            image = reader.dataset.sample("test" if real == "measured" else "train", "B", i).image
            step = Step({"real_B": torch.from_numpy(image).permute(2, 0, 1)[None] / 127.5 - 1}, samples=(i,))
            rows["real"].append(measure.reference_rows(step, "B")["32"])
    expected = measure.compute(*({"32": torch.cat(some)} for some in rows.values()))
    assert found[0]["swd_32_AB"] == pytest.approx(expected["swd_32"], rel=1e-4)


def test_it_falls_as_translations_come_nearer() -> None:
    """The more images are blurred, the more unlike are their finest details."""
    reader = Reader(Noise(size=SIZE, test=12), ImageSettings(size=SIZE))
    measure = bind_metric("swd", reader=reader)
    found = []
    for blur in (0.0, 0.5, 1.0):
        images = [reader.dataset.sample("test", "B", i).image for i in range(12)]
        sharp = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 127.5 - 1
        step = Step({"fake_B": (1 - blur) * sharp + blur * nn.functional.avg_pool2d(sharp, 3, 1, 1)}, samples=range(12))
        step["real_B"] = sharp
        found.append(measure.compute(measure.rows(step, "AB"), measure.reference_rows(step, "B"))["swd_32"])
    assert found == sorted(found) and found[2] > 1.4 * found[0]


def test_what_cannot_be_compared_is_reported() -> None:
    measure = metric()
    one, two = {"16": drawn(1, 4, 3, 7, 7)}, {"16": drawn(2, 4, 3, 7, 7)}
    assert measure.compute(two, two)
    for sets in ((one, two), (two, one)):
        assert "swd: each set needs at least two images, and one has 1" in refusal(measure.compute, *sets)
    several = {**two, "20": drawn(1, 4, 3, 7, 7)}
    for sets in ((two, several), (several, two), (several, several), (two, {"20": two["16"]})):
        message = refusal(measure.compute, *sets)
        assert message.startswith("swd: ")
        assert message.endswith(
            "their levels cannot be compared: scale all to one size (ganzoo translate --scale-back "
            "gives translations the size of their sources)"
        )
    assert "the images of a set differ in size" in refusal(measure.compute, several, several)
    sizes = "the translations have shorter sides of up to 16 pixels, the real images of up to 20"
    assert sizes in refusal(measure.compute, two, several)
    metric(16)
    small = Step({"fake_B": torch.zeros(1, 3, 40, 15)})
    assert "swd: images of 15 pixels a side are smaller" in refusal(measure.rows, small, "AB")
    message = refusal(metric, 15)
    assert "swd: images of 15 pixels a side are smaller than its lowest level, 16: increase images.size" in message
    data = Noise()
    data.classes = {"A": 3, "B": 3}
    message = refusal(bind_metric, "swd", reader=Reader(data, ImageSettings(size=SIZE)))
    assert "swd measures translated images, but the method makes none" in message
