"""A misspelt name of a timm model is an error that names the component and suggests the nearest name."""

from __future__ import annotations

import pytest

from ganzoo import GanzooError
from ganzoo.weights import require_timm_model


@pytest.mark.parametrize("model", ["resnet18", "resnet18.a1_in1k"])
def test_names_with_and_without_a_tag_are_known(model: str) -> None:
    require_timm_model(model, "projected")


def test_an_unknown_name() -> None:
    with pytest.raises(GanzooError, match=r"^projected: timm has no model 'resnet81' \(did you mean 'resnet18"):
        require_timm_model("resnet81", "projected")
    with pytest.raises(GanzooError, match=r"^a: timm has no model '§'; timm.list_models\(\) lists all$"):
        require_timm_model("§", "a")
