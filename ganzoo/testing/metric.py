"""Contracts of metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from ganzoo.contracts.metric import check_metric, check_rows, check_values
from ganzoo.evaluation.evaluator import Evaluation, Evaluator, evaluation_steps
from ganzoo.evaluation.runs import open_run
from ganzoo.interfaces import Metric, evaluation_rows
from ganzoo.recipe.reader import read_recipe
from ganzoo.testing.component import ComponentContracts, refusing
from ganzoo.testing.tiny_run import train_tiny, write_recipe


class MetricContracts(ComponentContracts):
    """Contracts of metrics, measured on the translations of an untrained method, that of the recipe."""

    kind: ClassVar[str] = "metric"

    def full_recipe(self) -> dict[str, Any]:
        """Return the recipe with the metric."""
        evaluate = dict(self.recipe.get("evaluate", {}))
        named = [one for one in evaluate.get("metrics", []) if isinstance(one, dict) and one.get("metric") == self.name]
        return {**self.recipe, "evaluate": {**evaluate, "metrics": named or [self.entry]}}

    def evaluator(self, folder: Path, batch: int = 4) -> Evaluator:
        """Return an evaluator with the metric alone, prepared, that reads this number of images at a time."""
        recipe = read_recipe(write_recipe(folder, self.full_recipe()))
        return open_run(replace(recipe, evaluate=replace(recipe.evaluate, batch=batch)), device="cpu")

    def measure(self, folder: Path, batch: int = 4) -> Evaluation:
        """Return the metric's values of the test images. Fail the test if it has none."""
        with refusing():
            result = self.evaluator(folder, batch).measure("test")
        if result.failed:
            pytest.fail(f"{self.origin}: it has no values: {next(iter(result.failed.values()))}", pytrace=False)
        return result

    def require_close(self, one: Mapping[str, Any], other: Mapping[str, Any], function: str, cause: str) -> None:
        """Fail the test unless two sets of values or rows are the same but for rounding."""
        for name in {*one, *other}:
            mine, theirs = (torch.as_tensor(values.get(name, float("nan"))).double() for values in (one, other))
            same = mine.shape == theirs.shape and torch.allclose(mine, theirs, rtol=1e-3, atol=1e-5)
            self.require(same, function, f"another {name!r} {cause}", "the same numbers")

    def test_it_is_built_from_its_options(self, tmp_path: Path) -> None:
        """The constructor accepts the options, and what the metric declares is known to ganzoo."""
        (calls,) = self.evaluator(tmp_path).calls.values()
        with refusing():
            check_metric(calls.metric, Metric, self.origin)

    def test_it_has_a_row_for_each_image(self, tmp_path: Path) -> None:
        """``rows`` returns tensors with a finite row for each image of a step, and leaves the step unchanged."""
        evaluator = self.evaluator(tmp_path)
        metric = next(iter(evaluator.calls.values())).metric
        rows = evaluation_rows(dict.fromkeys(evaluator.reader.dataset.channels, 3))
        with evaluator.engine.evaluating():
            for step in evaluation_steps(evaluator.engine, evaluator.reader, "test", rows, 0):
                before = {name: tensor.clone() for name, tensor in step.items()}
                for direction in set(metric.directions) & set(evaluator.directions):
                    result = metric.rows(step, direction)
                    with refusing():
                        check_rows(result, len(step.samples), self.origin)
                changed = [name for name, tensor in before.items() if not torch.equal(tensor, step[name])]
                self.require(not changed, "rows", f"a step with another {changed[:1]}", "an unchanged step")

    def test_its_rows_do_not_depend_on_the_batch(self, tmp_path: Path) -> None:
        """The row of an image is the same in a batch of one and in a batch of all."""
        alone, together = (self.evaluator(tmp_path, batch).collect("test") for batch in (1, 4))
        for owner, columns in together.rows.items():
            self.require_close(columns, alone.rows.get(owner, {}), "rows", "for an image in a batch than for it alone")

    def test_its_values_are_finite_numbers(self, tmp_path: Path) -> None:
        """``compute`` returns name → number: finite, so that a record is valid JSON."""
        values = self.measure(tmp_path).values
        with refusing():
            check_values(values, self.origin)
        json.dumps(values, allow_nan=False)

    def test_its_values_do_not_depend_on_the_batch(self, tmp_path: Path) -> None:
        """The values are the same for any number of images in a batch, and so for any number of processes."""
        one, other = (self.measure(tmp_path, batch).values for batch in (1, 3))
        self.require_close(one, other, "compute", "for other batches")

    def test_it_measures_the_same_twice(self, tmp_path: Path) -> None:
        """Two evaluations of the same networks give the same values, also with a new instance."""
        evaluator = self.evaluator(tmp_path)
        first, second = evaluator.measure("test").values, evaluator.measure("test").values
        self.require_close(first, second, "compute", "when it was called again")
        self.require_close(first, self.measure(tmp_path).values, "compute", "of a new instance")

    def test_it_is_recorded_in_a_tiny_run(self, tmp_path: Path) -> None:
        """A run with the metric ends with its values, and writes them to ``results.jsonl``."""
        with refusing():
            run = train_tiny(tmp_path, self.full_recipe())
        lines = (run.folder / "results.jsonl").read_text(encoding="utf-8").splitlines()
        assert run.values
        assert json.loads(lines[-1], parse_constant=pytest.fail)["values"] == run.values
