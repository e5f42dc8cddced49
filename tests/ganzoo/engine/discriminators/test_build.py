"""Which discriminators of a recipe see changed images, and which parts of these are label maps."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from torch import nn

from ganzoo.engine.discriminators.build import build_views
from ganzoo.interfaces import Slot


def test_parts_are_the_domains_that_a_discriminator_reads() -> None:
    slots = {
        "G_AB": Slot("generator", ("A",), "B"),
        "D_AB": Slot("discriminator", ("A", "B")),
        "D_B": Slot("discriminator", ("B",)),
        "D_A": Slot("discriminator", ("A",)),
    }
    options = {"D_AB": {"augment": "ada"}, "D_B": {"noise": 0.1}}
    networks = {name: SimpleNamespace(kind_options=options.get(name, {})) for name in slots}
    recipe: Any = SimpleNamespace(networks=networks)
    method: Any = SimpleNamespace(slots=slots, networks={name: nn.Identity() for name in slots})
    dataset: Any = SimpleNamespace(channels={"A": 5, "B": 3}, classes={"A": 5})
    views = build_views(recipe, method, dataset)
    assert {name: (one.parts, one.label_maps) for name, one in views.items()} == {
        "D_AB": ((5, 3), (0,)),
        "D_B": ((3,), ()),
    }
