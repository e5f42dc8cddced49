"""Measure a matrix on a run: the metric reads every set once, then compares each with each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from ganzoo.bench.matrix import Matrix, distance_name
from ganzoo.bench.staleness import SetSource
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import Evaluation, Evaluator
from ganzoo.evaluation.records import load_for_evaluation
from ganzoo.evaluation.reference_features import Columns, failure_reason
from ganzoo.evaluation.runs import open_run, run_recipe
from ganzoo.inference.options import with_masker
from ganzoo.interfaces import Split
from ganzoo.masks.roles import mask_role
from ganzoo.provenance.record import Record


def with_distances(record: Record, folder: Path, matrix: Matrix, sets: Mapping[str, SetSource]) -> Record:
    """Return the record of a run with the values of a matrix beside its own, or with the reason why there are none."""
    try:
        found = distances(folder, record.checkpoint, cast("Split", record.split), matrix, sets)
    except Exception as error:  # as below
        return record.model_copy(update={"status": "failed", "why": failure_reason(error)})
    return record.model_copy(
        update={
            "status": "failed" if found.failed else "ok",
            "why": "; ".join(dict.fromkeys(found.failed.values())),
            "values": {**record.values, **found.values},
            "about": {**record.about, **found.about},
            "failed": found.failed,
        }
    )


def distances(folder: Path, checkpoint: str, split: Split, matrix: Matrix, sets: Mapping[str, SetSource]) -> Evaluation:
    """Return the values of a matrix, and the reasons for missing ones.

    Args:
        folder: of a run whose only metric is the matrix's.
        checkpoint: ``last`` or ``best``.
        split: whose images are translated.
        matrix: what to measure.
        sets: its sets.

    Raises GanzooError where the run cannot be opened.
    """
    evaluator = open_run(run_recipe(folder))
    load_for_evaluation(folder, checkpoint, evaluator.engine)
    ((name, metric),) = evaluator.metrics.items()
    found = Evaluation()
    seen: dict[str, dict[str, Columns]] = {}
    lost: dict[str, str] = {}
    for label, source in sets.items():
        try:
            seen[label] = _rows(evaluator, source, matrix, split)
        except Exception as error:  # a plugin's masker or metric may do anything; the other sets must not be lost
            lost[label] = f"{label}: {failure_reason(error)}"
    for domain, first, second in matrix.pairs():
        key = distance_name(domain, first, second)
        if why := [lost[one] for one in dict.fromkeys((first, second)) if one in lost]:
            found.failed[key] = "; ".join(why)
            continue
        fakes, real = seen[first][domain], seen[second][domain]
        try:
            (called, value), *_ = metric.compute(fakes, real).items()
        except Exception as error:  # as above
            found.failed[key] = failure_reason(error)
            continue
        counts = [len(next(iter(columns.values()))) for columns in (fakes, real)]
        found.values[key] = value
        found.about[key] = {"metric": name, "value": called, **metric.about}
        found.about[key] |= {"n_fake": counts[0], "n_real": counts[1], "sets": [sets[first].given, sets[second].given]}
    return found


def _rows(evaluator: Evaluator, source: SetSource, matrix: Matrix, split: Split) -> dict[str, Columns]:
    """Return the metric's rows of a set: domain → rows. Raises GanzooError where the set has no images."""
    ((name, metric),) = evaluator.metrics.items()
    if source.split:
        for domain in matrix.domains:
            if not evaluator.reader.dataset.count(source.split, domain):
                raise GanzooError(f"there are no images of {domain} in {source.split}")
        return {domain: evaluator.references.of(metric, source.split, domain) for domain in matrix.domains}
    assert source.masker is not None
    method = evaluator.engine.method
    own = method.masks
    masks = with_masker(own, source.masker, mask_role(own), evaluator.seed, source.masker.component.name)
    for masker in masks.maskers.values():
        masker.to(evaluator.engine.device)
    method.masks = masks
    try:
        collected = evaluator.collect(split)
    finally:
        method.masks = own
    if name in collected.failed:
        raise GanzooError(collected.failed[name])
    ways = {way[1]: way for way in method.directions}
    return {domain: collected.rows[name, ways[domain]] for domain in matrix.domains}
