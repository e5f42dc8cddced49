"""The files of a run's folder: written for imported networks, locked and described for runs that train."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import save_file
from torch import Tensor

from ganzoo.engine.checkpoint import PROGRESS
from ganzoo.recipe.reader import read_recipe
from ganzoo.utils.atomic import flush_to_disk


def write_run(
    folder: Path,
    recipe: Mapping[str, Any],
    networks: Mapping[str, Mapping[str, Tensor]],
    progress: Mapping[str, Any],
) -> None:
    """Write the folder of a run that was trained elsewhere: recipe, and one checkpoint ``last``.

    Args:
        folder: it is created.
        recipe: as a YAML file would hold it.
        networks: slot → state dict.
        progress: ``step``, ``channels`` and ``classes`` of the domains, as in a checkpoint's progress.json.

    Raises GanzooError with every mistake of the recipe.
    """
    weights = folder / "checkpoints/last/networks"
    weights.mkdir(parents=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(dict(recipe), sort_keys=False), encoding="utf-8")
    resolved = read_recipe(folder / "recipe.yaml").resolved()
    (folder / "resolved.yaml").write_text(yaml.safe_dump(resolved, sort_keys=False), encoding="utf-8")
    for slot, state in networks.items():
        file = weights / f"{slot}.safetensors"
        save_file({name: tensor.detach().clone().contiguous() for name, tensor in state.items()}, file)
        flush_to_disk(file)
    (weights.parent / PROGRESS).write_text(json.dumps(dict(progress)), encoding="utf-8")
