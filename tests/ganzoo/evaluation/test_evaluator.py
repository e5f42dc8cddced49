"""The evaluator measures each image once, in the data's order, for any batch size; grids show all tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganzoo.data.image_io import to_float
from ganzoo.data.loader import Reader
from ganzoo.data.transforms import scale
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.evaluation import evaluator
from ganzoo.evaluation.evaluator import Evaluation, Evaluator
from ganzoo.evaluation.sample_grid import columns, draw_grid
from ganzoo.interfaces import Direction, Metric, Output, Split
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_metrics.cycle_errors import CycleL1, IdentityL1
from tests.support.stand_in_methods import Noise, engine_of

SHAPES = {"test": {"A": 5, "B": 3}}


class Uneven(Noise):
    def count(self, split: Split, domain: str) -> int:
        return SHAPES["test"][domain] if split == "test" else 0


class Means(Metric):
    """The mean of each source image, in order."""

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        return {"mean": step[f"real_{direction[0]}"].mean(dim=(1, 2, 3))}

    def compute(self, rows: object, real: object) -> dict[str, float]:
        assert isinstance(rows, dict)
        return {f"mean{i}": float(value) for i, value in enumerate(rows["mean"])} | {"n": len(rows["mean"])}


def parts() -> tuple[Engine, Reader]:
    torch.manual_seed(0)
    networks = {name: nn.Conv2d(3, 3, 1) for name in ("G_AB", "G_BA", "D_A", "D_B")}
    return engine_of(CycleGAN(), networks), Reader(Uneven(size=8), ImageSettings(size=6))


@pytest.mark.parametrize("batch", [1, 2, 16])
def test_each_image_counts_once_in_the_datas_order(batch: int) -> None:
    engine, reader = parts()
    result = Evaluator(engine, reader, {"means": Means()}, seed=0, batch=batch).measure("test")
    values = result.values
    assert result.images == {"A": 5, "B": 3}
    assert (values["n_AB"], values["n_BA"]) == (5, 3)
    for domain, way in (("A", "AB"), ("B", "BA")):
        for index in range(SHAPES["test"][domain]):
            image = scale(reader.dataset.sample("test", domain, index), 6, "stretch").image
            assert values[f"mean{index}_{way}"] == pytest.approx(float(to_float(image).mean()), abs=1e-6)


def test_the_reason_of_a_failure_does_not_start_with_the_metrics_name() -> None:
    class Failing(Metric):
        def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
            raise GanzooError("evaluate.metrics: swd: images are too small")

    engine, reader = parts()
    result = Evaluator(engine, reader, {"swd": Failing(), "swd (2)": Failing()}, seed=0).measure("test")
    assert result.failed == {"swd": "images are too small", "swd (2)": "swd: images are too small"}


def test_a_limit_selects_the_first_images() -> None:
    engine, reader = parts()
    result = Evaluator(engine, reader, {"means": Means()}, seed=0).measure("test", limit=2)
    assert result.images == {"A": 2, "B": 2}
    assert result.values["n_AB"] == 2


def test_cycle_and_identity_errors_follow_their_formulas() -> None:
    engine, reader = parts()
    metrics = {"cycle": CycleL1(), "identity": IdentityL1()}
    values = Evaluator(engine, reader, metrics, seed=0).measure("test").values
    G, F = engine.networks["G_AB"], engine.networks["G_BA"]
    images = [scale(reader.dataset.sample("test", "A", i), 6, "stretch").image for i in range(5)]
    a = to_float(np.stack(images))
    with torch.no_grad():
        assert values["cycle_l1_AB"] == pytest.approx(float((F(G(a)) - a).abs().mean()), rel=1e-5)
        assert values["identity_l1_AB"] == pytest.approx(float((F(a) - a).abs().mean()), rel=1e-5)


def test_all_processes_get_the_result_of_the_main_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their own may differ, if a metric computes on a device or reads images at the end."""
    engine, reader = parts()
    of_main = Evaluation({"mean0_AB": 0.5}, {"A": 5, "B": 3}, failed={"means": "an image cannot be read"})
    sent: list[Evaluation] = []

    def broadcast(results: list[Evaluation]) -> list[Evaluation]:
        sent.extend(results)
        return [of_main]

    monkeypatch.setattr(type(engine.accelerator), "num_processes", property(lambda _: 2))
    monkeypatch.setattr(evaluator, "gather_object", lambda parts: parts)
    monkeypatch.setattr(evaluator, "broadcast_object_list", broadcast)
    assert Evaluator(engine, reader, {"means": Means()}, seed=0).measure("test") is of_main
    assert [one.values["n_AB"] for one in sent] == [5]


def test_an_empty_split_is_an_error() -> None:
    engine, reader = parts()
    with pytest.raises(GanzooError, match="'validation' has no images"):
        Evaluator(engine, reader, {"means": Means()}, seed=0).measure("validation")


class Dark(Metric):
    """The share of dark pixels: a comparison, which is false for NaN."""

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        return {"dark": (step[f"fake_{direction[1]}"] < 0).float().mean(dim=(1, 2, 3))}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_translations_that_are_not_finite_give_no_values(value: float) -> None:
    engine, reader = parts()
    metrics = {"dark": Dark(), "means": Means()}
    assert not Evaluator(engine, reader, metrics, seed=0).measure("test").failed
    with torch.no_grad():
        engine.networks["G_BA"].get_parameter("bias")[1] = value
    result = Evaluator(engine, reader, metrics, seed=0).measure("test")
    assert result.values == {}
    assert result.failed == dict.fromkeys(metrics, "fake_A is not finite, so it cannot be measured")


OUTPUTS = {"fake_B": Output("A", "B"), "rec_A": Output("A", "A")}


def test_a_grid_shows_every_column_and_mask() -> None:
    step = Step({f"real_{domain}": torch.full((2, 3, 4, 4), -1.0) for domain in "AB"}, samples=range(2))
    step["fake_B"], step["rec_A"] = torch.full((2, 3, 4, 4), 0.5), torch.full((2, 3, 4, 4), 3.0)
    step["discriminator_mask_real_A"], step["true_B"] = torch.ones(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    assert columns(step, "A", OUTPUTS) == ["real_A", "discriminator_mask_real_A", "fake_B", "true_B", "rec_A"]
    assert columns(step, "B", OUTPUTS) == ["real_B"]
    grid = draw_grid(step, OUTPUTS)
    assert grid.shape[1] == 2 * 4 + 2
    row = grid[0, 1]
    shown = [float(row[6 * i]) for i in range(5)]
    assert shown == [-1.0, 1.0, 0.5, 0.0, 1.0]  # 1 in a mask is white; image values above 1 are clamped
    assert float(row[-1]) == -1.0
