"""Measure the matrix of a table on a run: the metric reads each set of images once, then compares each set with each.

``ganzoo.bench.runner`` uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from ganzoo.bench.matrix import Matrix, distance_name
from ganzoo.bench.staleness import SetSource
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import Evaluation, Evaluator
from ganzoo.evaluation.metric_calls import Columns
from ganzoo.evaluation.records import load_for_evaluation
from ganzoo.evaluation.reference_features import failure_reason
from ganzoo.evaluation.runs import open_run, run_recipe
from ganzoo.inference.options import with_masker
from ganzoo.interfaces import Split
from ganzoo.masks.roles import mask_role
from ganzoo.provenance.record import Record


def with_distances(record: Record, folder: Path, matrix: Matrix, sets: Mapping[str, SetSource]) -> Record:
    """Return a copy of a run's record, with the values of a matrix added to its own values.

    If some or all values are missing, the copy has the status ``failed`` and the reasons; no error is raised.

    Args:
        record: the record of the run.
        folder: the run's folder.
        matrix: the metric and the sets that it compares.
        sets: the sources of the sets' images, by name.
    """
    try:
        result = distances(folder, record.checkpoint, cast("Split", record.split), matrix, sets)
    except Exception as error:  # a plugin may raise anything; the other cells must not be lost
        return record.model_copy(update={"status": "failed", "why": failure_reason(error)})
    return record.model_copy(
        update={
            "status": "failed" if result.failed else "ok",
            "why": "; ".join(dict.fromkeys(result.failed.values())),
            "values": {**record.values, **result.values},
            "about": {**record.about, **result.about},
            "failed": result.failed,
        }
    )


def distances(folder: Path, checkpoint: str, split: Split, matrix: Matrix, sets: Mapping[str, SetSource]) -> Evaluation:
    """Return the values of a matrix by ``distance_name``, and the reasons for missing ones.

    Args:
        folder: the folder of a run whose only metric is the matrix's.
        checkpoint: ``last`` or ``best``.
        split: the split whose images are translated.
        matrix: the metric and the sets that it compares.
        sets: the sources of the sets' images, by name.

    Raises GanzooError if the run or its checkpoint cannot be opened.
    """
    evaluator = open_run(run_recipe(folder))
    load_for_evaluation(folder, checkpoint, evaluator)
    ((name, calls),) = evaluator.calls.items()
    result = Evaluation()
    rows: dict[str, dict[str, Columns]] = {}
    failures: dict[str, str] = {}
    for label, source in sets.items():
        try:
            rows[label] = _rows(evaluator, source, matrix, split)
        except Exception as error:  # a plugin's masker or metric may raise anything; the other sets must not be lost
            failures[label] = f"{label}: {failure_reason(error)}"
    for domain, first, second in matrix.pairs():
        key = distance_name(domain, first, second)
        if reasons := [failures[one] for one in dict.fromkeys((first, second)) if one in failures]:
            result.failed[key] = "; ".join(reasons)
            continue
        fakes, real = rows[first][domain], rows[second][domain]
        try:
            (value_name, value), *_ = calls.compute(fakes, real)[0].items()
        except Exception as error:  # as above
            result.failed[key] = failure_reason(error)
            continue
        counts = [len(next(iter(columns.values()))) for columns in (fakes, real)]
        compared = [sets[first].described, sets[second].described]
        result.values[key] = value
        result.about[key] = {"metric": name, "value": value_name, **calls.metric.about}
        result.about[key] |= {"n_fake": counts[0], "n_real": counts[1], "sets": compared}
    return result


def _rows(evaluator: Evaluator, source: SetSource, matrix: Matrix, split: Split) -> dict[str, Columns]:
    """Return the metric's rows of a set, one for each image, by domain.

    Raises GanzooError if a domain has no images, or the rows cannot be computed.
    """
    ((name, calls),) = evaluator.calls.items()
    if source.split:
        for domain in matrix.domains:
            if not evaluator.reader.dataset.count(source.split, domain):
                raise GanzooError(f"there are no images of {domain} in {source.split}")
        return {domain: evaluator.references.of(calls, source.split, domain) for domain in matrix.domains}
    assert source.masker is not None
    method = evaluator.engine.method
    own_masks = method.masks
    masks = with_masker(own_masks, source.masker, mask_role(own_masks), evaluator.seed, source.masker.component.name)
    for masker in masks.maskers.values():
        masker.to(evaluator.engine.device)
    method.masks = masks
    try:
        collected = evaluator.collect(split)
    finally:
        method.masks = own_masks
    if name in collected.failed:
        raise GanzooError(collected.failed[name])
    into = {direction[1]: direction for direction in evaluator.directions}
    if absent := [domain for domain in matrix.domains if domain not in into]:
        raise GanzooError(f"the checkpoint lacks {', '.join(evaluator.lacks)}, so it cannot translate into {absent[0]}")
    return {domain: collected.rows[name, into[domain]] for domain in matrix.domains}
