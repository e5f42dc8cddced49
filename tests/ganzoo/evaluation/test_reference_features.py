"""Features of real images: computed once per image for any batch size, cached by content; and metrics that fail."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganzoo.data.loader import Reader
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import Evaluator
from ganzoo.interfaces import Direction, Metric, Split
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from tests.support.stand_in_methods import Noise, engine_of

COUNTS: dict[Split, dict[str, int]] = {"train": {"A": 4, "B": 6}, "test": {"A": 5, "B": 3}, "validation": {}}


class Counted(Noise):
    """Noise, optionally in reversed order."""

    reversed = False

    def count(self, split: Split, domain: str) -> int:
        return COUNTS[split].get(domain, 0)

    def sample(self, split: Split, domain: str, index: int):  # type: ignore[no-untyped-def]
        return super().sample(split, domain, self.count(split, domain) - 1 - index if self.reversed else index)


class Gap(Metric):
    """The sums of translated and of real images."""

    batches: ClassVar[list[int]] = []
    """Numbers of real images in each call of ``reference_rows``."""

    def __init__(self, real: str = "measured", key: str = "") -> None:
        self.reference, self.cache_key = real, key  # type: ignore[assignment]
        self.about = {"implementation": "plain sums"}

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        return {"sum": step[f"real_{direction[0]}"].double().sum(dim=(1, 2, 3))}

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        Gap.batches.append(len(step[f"real_{domain}"]))
        return {"sum": step[f"real_{domain}"].double().sum(dim=(1, 2, 3))}

    def compute(self, rows: dict[str, Tensor], real: dict[str, Tensor]) -> dict[str, float]:  # type: ignore[override]
        return {"fakes": len(rows["sum"]), "reals": len(real["sum"]), "sum": float(real["sum"].double().sum())}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path))
    Gap.batches.clear()
    return tmp_path


def parts(**images: object) -> tuple[Engine, Reader]:
    torch.manual_seed(0)
    networks = {name: nn.Conv2d(3, 3, 1) for name in ("G_AB", "G_BA", "D_A", "D_B")}
    return engine_of(CycleGAN(), networks), Reader(Counted(size=8), ImageSettings(size=8, **images))  # type: ignore[arg-type]


def total(reader: Reader, split: Split, domain: str, count: int) -> float:
    images = [reader.dataset.sample(split, domain, i).image for i in range(count)]
    return float((np.stack(images).astype(np.float32) / np.float32(127.5) - 1).astype(np.float64).sum())


@pytest.mark.parametrize("batch", [1, 2, 16])
def test_real_images_of_the_target_count_once_each(batch: int) -> None:
    engine, reader = parts()
    result = Evaluator(engine, reader, {"gap": Gap()}, seed=0, batch=batch).measure("test")
    assert {name: result.values[name] for name in ("fakes_AB", "reals_AB", "fakes_BA", "reals_BA")} == {
        "fakes_AB": 5, "reals_AB": 3, "fakes_BA": 3, "reals_BA": 5,
    }  # fmt: skip
    assert result.values["sum_AB"] == pytest.approx(total(reader, "test", "B", 3), rel=1e-4)
    assert result.about["sum_AB"] == {
        "metric": "gap", "implementation": "plain sums", "n_fake": 5, "n_real": 3, "real": "B of test",
    }  # fmt: skip


def test_training_images_can_be_the_reference_and_a_limit_applies_to_measured_images_only() -> None:
    engine, reader = parts()
    metrics: dict[str, Metric] = {"measured": Gap(), "train": Renamed("train")}
    values = Evaluator(engine, reader, metrics, seed=0).measure("test", limit=2).values
    assert (values["reals_AB"], values["reals_BA"]) == (2, 2)
    assert (values["train_reals_AB"], values["train_reals_BA"]) == (6, 4)


class Renamed(Gap):
    def compute(self, rows: dict[str, Tensor], real: dict[str, Tensor]) -> dict[str, float]:  # type: ignore[override]
        return {f"train_{name}": value for name, value in super().compute(rows, real).items()}


def test_features_are_computed_once_and_cached_by_content(cache: Path) -> None:
    engine, reader = parts()
    evaluator = Evaluator(engine, reader, {"gap": Gap(key="sums")}, seed=0)
    first = evaluator.measure("test").values
    assert sum(Gap.batches) == 5 + 3
    assert evaluator.measure("test").values == first
    assert sum(Gap.batches) == 5 + 3  # in memory
    assert Evaluator(engine, reader, {"gap": Gap(key="sums")}, seed=0).measure("test").values == first
    assert sum(Gap.batches) == 5 + 3  # on disk
    reordered = Counted(size=8)
    reordered.reversed = True
    other = Reader(reordered, ImageSettings(size=8))
    assert Evaluator(engine, other, {"gap": Gap(key="sums")}, seed=0).measure("test").values == pytest.approx(first)
    assert sum(Gap.batches) == 5 + 3  # in another order
    smaller = parts()[0], Reader(Counted(size=8), ImageSettings(size=6))
    Evaluator(*smaller, {"gap": Gap(key="sums")}, seed=0).measure("test")
    assert sum(Gap.batches) == 2 * (5 + 3)  # other images
    Evaluator(engine, reader, {"gap": Gap(key="other")}, seed=0).measure("test")
    assert sum(Gap.batches) == 3 * (5 + 3)  # another network
    files = sorted((cache / "real").iterdir())
    assert len(files) == 6
    files[0].write_bytes(b"broken")
    assert Evaluator(engine, reader, {"gap": Gap(key="other")}, seed=0).measure("test").values == first


def test_features_are_computed_again_after_a_change_of_code(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, reader = parts()
    for code, computed in (("unchanged", 1), ("unchanged", 1), ("changed", 2)):
        monkeypatch.setattr("ganzoo.evaluation.reference_features.code_key", {Gap.__module__: code}.__getitem__)
        assert not Evaluator(engine, reader, {"gap": Gap(key="sums")}, seed=0).measure("test").failed
        assert sum(Gap.batches) == computed * (5 + 3)


class Broken(Gap):
    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        if self.where == "rows":
            raise ZeroDivisionError("planted")
        return super().rows(step, direction)

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        if self.where == "real":
            raise GanzooError("planted: a line for users")
        return super().reference_rows(step, domain)

    def compute(self, rows: dict[str, Tensor], real: dict[str, Tensor]) -> dict[str, float]:  # type: ignore[override]
        raise KeyError("planted")


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("rows", f"{__name__}.Broken: rows failed: ZeroDivisionError: planted ({__file__}:"),
        ("real", "planted: a line for users"),
        ("compute", f"{__name__}.Broken: compute failed: KeyError: 'planted' ({__file__}:"),
    ],
)
def test_a_failing_metric_is_reported_and_the_others_continue(where: str, why: str) -> None:
    engine, reader = parts()
    metrics: dict[str, Metric] = {"broken": Broken(where), "gap": Gap()}
    result = Evaluator(engine, reader, metrics, seed=0).measure("test")
    assert list(result.failed) == ["broken"] and result.failed["broken"].startswith(why)
    assert {name.rpartition("_")[0] for name in result.values} == {"fakes", "reals", "sum"}


class TwoProcesses:
    """Stands in for the accelerator of the first of two processes."""

    num_processes, process_index, is_main_process = 2, 0, True


def test_an_image_that_one_process_cannot_read_is_reported_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []

    def gather(parts: list[tuple[str, object]]) -> list[tuple[str, object]]:
        sent.extend(parts)
        return [*parts, ("", [])]

    monkeypatch.setattr("ganzoo.evaluation.reference_features.gather_object", gather)
    engine, reader = parts()

    def unreadable(split: Split, rows: object) -> object:
        raise GanzooError("trainB/3.png: cannot be read")

    monkeypatch.setattr(reader, "evaluation_batches", unreadable)
    references = Evaluator(engine, reader, {"gap": Gap()}, seed=0, batch=2).references
    monkeypatch.setattr(references, "accelerator", TwoProcesses())
    with pytest.raises(GanzooError, match="cannot be read"):
        references.content("train", "B", 6)
    assert sent == [("trainB/3.png: cannot be read", [])]  # before the error: the other process waits for it


def test_real_images_are_read_for_each_direction_also_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process may not have failed, and all must take part when features of real images are gathered."""

    class Failing(Gap):
        def compute(self, rows: object, real: object) -> dict[str, float]:
            raise RuntimeError("on this process only")

    engine, reader = parts()
    evaluator = Evaluator(engine, reader, {"gap": Failing()}, seed=0, batch=8)
    result = evaluator.measure("test")
    assert set(result.failed) == {"gap"} and not result.values
    assert Gap.batches == [3, 5]  # of B for AB, of A for BA
