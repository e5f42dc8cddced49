"""Provide paired images, and metrics bound to a method and data, for the tests of metrics that compare images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from ganzoo import create
from ganzoo.data.loader import Reader
from ganzoo.interfaces import Direction, Method, Metric, Sample, Split
from ganzoo.masks.roles import Roles
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from tests.support.stand_in_methods import Noise, batch_step


class Pairs(Noise):
    """A data set in which image i of A and image i of B are a true pair."""

    paired = True

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        other = super().sample(split, "B" if domain == "A" else "A", index)
        return replace(super().sample(split, domain, index), target=other.image)


def bind_metric(
    name: str, method: Method | None = None, *, reader: Reader | None = None, roles: Roles | None = None, **options: Any
) -> Any:
    """Return a metric that is ready to measure; by default for CycleGAN on pairs of 12×12 pixels."""
    metric, method = create("metric", name, **options), method or CycleGAN()
    Method.bind(method, getattr(method, "networks", {}), roles or Roles())  # no networks are needed to measure
    metric.bind(method, reader or Reader(Pairs(), ImageSettings(size=12)))
    metric.prepare(0)
    return metric


def paired_step(batch: int = 3, size: int = 12) -> Step:
    """Return a step of random images with translations and true pairs."""
    step, drawn = batch_step(batch, size), torch.Generator().manual_seed(1)
    for name in ("fake_A", "fake_B", "true_A", "true_B"):
        step[name] = torch.rand(batch, 3, size, size, generator=drawn) * 2 - 1
    return step


def compute_values(metric: Metric, step: Step, direction: Direction = "AB") -> dict[str, float]:
    """Return a metric's values for the images of one step."""
    return metric.compute(metric.rows(step, direction), {})
