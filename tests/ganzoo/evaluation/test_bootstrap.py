"""Bootstrap intervals against a plain transcription: the same for any batch, and refused where they would mislead."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import ganzoo as package
from ganzoo import create
from ganzoo.data.loader import Reader
from ganzoo.evaluation.bootstrap import intervals
from ganzoo.evaluation.evaluator import Evaluation, Evaluator
from ganzoo.evaluation.metric_calls import MetricCalls
from ganzoo.evaluation.printing import format_evaluation
from ganzoo.evaluation.runs import evaluate_targets
from ganzoo.interfaces import Direction, GanzooError, Metric, keyed
from ganzoo.plugins import plugins
from ganzoo.provenance.record import read_records
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_metrics.feature_metric import FeatureMetric
from ganzoo_metrics.overfitting import Overfitting
from tests.support.command_line import refusal
from tests.support.stand_in_methods import Noise, engine_of
from tests.support.tiny_run import write_recipe


class Means(Metric):
    """The mean of each translation, and of all of them."""

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        return {"mean": step[f"fake_{direction[1]}"].mean(dim=(1, 2, 3))}


class Gap(Means):
    """The mean of translations less that of real images."""

    reference, bootstrap = "measured", True

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        return {"mean": step[f"real_{domain}"].mean(dim=(1, 2, 3))}

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        return {"gap": float(rows["mean"].double().mean() - real["mean"].double().mean())}


def quantile(values: list[float], share: float) -> float:
    """Return a quantile, by linear interpolation between the two nearest values."""
    ordered, place = sorted(values), share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def drawn_means(values: list[float], side: str, draws: int, seed: int) -> list[float]:
    means = []
    for number in range(draws):
        picks = keyed(seed, "bootstrap", side, number).integers(len(values), size=len(values))
        means.append(sum(values[i] for i in picks) / len(values))
    return means


def test_the_interval_of_a_mean_is_that_of_the_drawn_means() -> None:
    values = np.random.default_rng(0).normal(size=9).astype(np.float32)
    (found,) = intervals(MetricCalls(Means()), {"mean": torch.from_numpy(values)}, {}, 50, seed=3).values()
    means = drawn_means(values.tolist(), "translated", 50, 3)
    assert found == pytest.approx((quantile(means, 0.025), quantile(means, 0.975)))
    assert found[0] < values.mean() < found[1]


def test_both_sets_are_drawn_for_a_metric_that_allows_it() -> None:
    fake, real = (np.random.default_rng(one).normal(size=7 + one).astype(np.float32) for one in (0, 1))
    rows, others = {"mean": torch.from_numpy(fake)}, {"mean": torch.from_numpy(real)}
    found = intervals(MetricCalls(Gap()), rows, others, 40, seed=0)["gap"]
    sides = (drawn_means(fake.tolist(), "translated", 40, 0), drawn_means(real.tolist(), "real", 40, 0))
    gaps = [one - other for one, other in zip(*sides, strict=True)]
    assert found == pytest.approx((quantile(gaps, 0.025), quantile(gaps, 0.975)))


def test_the_interval_covers_the_true_mean_nearly_as_often_as_it_says() -> None:
    rng, hits = np.random.default_rng(0), 0
    for seed in range(100):
        rows = {"mean": torch.from_numpy(rng.normal(1, 2, size=40))}
        low, high = intervals(MetricCalls(Means()), rows, {}, 100, seed)["mean"]
        hits += low <= 1 <= high
    assert 86 <= hits <= 99


def test_metrics_share_the_drawn_images() -> None:
    values = torch.arange(6.0)
    one = intervals(MetricCalls(Means()), {"mean": values}, {}, 20, 0)["mean"]
    other = intervals(MetricCalls(Means()), {"mean": values * 2, "more": values}, {}, 20, 0)
    assert other == {"mean": pytest.approx((2 * one[0], 2 * one[1])), "more": one}


class Unfit(Gap):
    bootstrap = None  # type: ignore[assignment]


class Picky(Means):
    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        if len(rows["mean"].unique()) < 2:
            raise GanzooError("all images are the same")
        return {"picky": 1.0}


def test_where_it_would_mislead_there_is_a_reason_instead() -> None:
    rows = {"mean": torch.arange(3.0)}
    assert "images that are drawn twice bias it" in refusal(intervals, MetricCalls(Unfit()), rows, rows, 5, 0)
    one = {"mean": torch.ones(1)}
    assert refusal(intervals, MetricCalls(Means()), one, {}, 5, 0) == "there is only one image"
    message = refusal(intervals, MetricCalls(Picky()), {"mean": torch.arange(2.0)}, {}, 50, 0)
    assert message == "the images of a draw have no value: all images are the same"


class Sometimes(Means):
    """A value that only draws with the last image have, beside one that all have."""

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        last = {"last": 2.0} if bool((rows["mean"] == 2).any()) else {}
        return {"mean": float(rows["mean"].mean()), **last}


def test_a_value_that_some_draws_lack_has_no_interval() -> None:
    assert list(intervals(MetricCalls(Sometimes()), {"mean": torch.arange(3.0)}, {}, 50, 0)) == ["mean"]


def test_a_single_translation_is_refused_beside_many_real_images() -> None:
    one, many = {"mean": torch.ones(1)}, {"mean": torch.arange(9.0)}
    assert refusal(intervals, MetricCalls(Gap()), one, many, 5, 0) == "there is only one image"


@pytest.mark.parametrize("name", ["fid", "kid", "fd", "kd", "cmmd", "precision_recall", "density_coverage"])
def test_distances_of_sets_have_no_intervals(name: str) -> None:
    component = plugins().registry.get("metric", name).load()
    assert issubclass(component, FeatureMetric)  # which always compares with real images
    assert component.bootstrap is None


def test_swd_and_overfitting_have_none_either() -> None:
    swd, rows = create("metric", "swd"), {"patches": torch.ones(3, 2)}
    assert "images that are drawn twice" in refusal(intervals, MetricCalls(swd), rows, rows, 5, 0)
    assert "images that are drawn twice" in refusal(intervals, MetricCalls(Overfitting()), rows, {}, 5, 0)


def measured(bootstrap: int, batch: int = 16) -> Evaluation:
    engine, reader = engine_of(CycleGAN()), Reader(Noise(size=8, test=6), ImageSettings(size=8))
    metrics = {"means": Means(), "gap": Gap(), "unfit": Renamed()}
    return Evaluator(engine, reader, metrics, seed=5, batch=batch).measure("test", bootstrap=bootstrap)


class Renamed(Unfit):
    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        return {"unfit": super().compute(rows, real)["gap"]}


def test_an_evaluation_has_an_interval_beside_each_value() -> None:
    result, plain, single = measured(30), measured(0), measured(30, batch=1)
    assert result.values == plain.values
    assert not any({"bootstrap", "interval", "no_interval"} & set(one) for one in plain.about.values())
    for name in ("mean_AB", "mean_BA", "gap_AB", "gap_BA"):
        low, high = result.about[name]["interval"]
        assert low <= result.values[name] <= high
        assert result.about[name]["bootstrap"] == 30
        assert single.about[name]["interval"] == pytest.approx([low, high], rel=1e-5)
    assert "interval" not in result.about["unfit_AB"]
    text = format_evaluation("run", result)
    low, high = result.about["mean_AB"]["interval"]
    assert f"[{low:.4g}, {high:.4g}]  6 translated" in text
    assert "  in brackets: 95 % bootstrap intervals of 30 draws of the images" in text
    assert "  no interval: unfit_AB, unfit_BA: it compares sets, and images that are drawn twice bias it" in text


def test_a_run_records_intervals_at_its_end_and_when_it_is_evaluated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 2}, evaluate={"bootstrap": 20, "every": 0, "best": None})
    package.run(recipe, root=tmp_path)
    run = tmp_path / "tiny/default"
    assert "95 % bootstrap intervals of 20 draws" in capsys.readouterr().out
    evaluate_targets([run])
    evaluate_targets([run], bootstrap=0)
    evaluate_targets([run], bootstrap=7)
    atend, again, without, fewer = read_records(run / "results.jsonl")
    about = atend.about["cycle_l1_AB"]
    assert about["interval"][0] <= atend.values["cycle_l1_AB"] <= about["interval"][1]
    assert again.about == atend.about
    assert "interval" not in without.about["cycle_l1_AB"]
    assert fewer.about["cycle_l1_AB"]["bootstrap"] == 7
    assert atend.recipe_key == fewer.recipe_key == without.recipe_key
