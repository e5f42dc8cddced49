"""Make the class of tests for one component; list the contracts of each kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganzoo.errors import GanzooError, suggest
from ganzoo.testing.component import ComponentContracts
from ganzoo.testing.dataset import DatasetContracts
from ganzoo.testing.discriminator import DiscriminatorContracts
from ganzoo.testing.generator import GeneratorContracts
from ganzoo.testing.loss import LossContracts
from ganzoo.testing.masker import MaskerContracts
from ganzoo.testing.method import MethodContracts
from ganzoo.testing.metric import MetricContracts

CONTRACTS: Mapping[str, type[ComponentContracts]] = {
    one.kind: one
    for one in (
        MethodContracts,
        GeneratorContracts,
        DiscriminatorContracts,
        MaskerContracts,
        LossContracts,
        DatasetContracts,
        MetricContracts,
    )
}
"""Kind → the class with its contracts."""


def component_tests(
    kind: str, name: str, *, options: Mapping[str, Any] | None = None, recipe: Mapping[str, Any] | None = None
) -> type[ComponentContracts]:
    """Return a class with a test for each contract of a registered component; pytest collects it.

    Assign it to a name that starts with ``Test`` in a test module::

        TestTint = component_tests("loss", "tint", options={"strength": 0.5})

    Args:
        kind: the component's kind, such as ``loss``.
        name: the component's name.
        options: the component's options, as a recipe would write them.
        recipe: what is merged over the tiny recipe of the tests that train, and says how the component is used: for a
            loss the tensors that it reads, for a masker its role, for a method its networks.

    Raises GanzooError for an unknown kind. An unknown name fails each test.
    """
    if kind not in CONTRACTS:
        raise GanzooError(f"unknown kind {kind!r}{suggest(kind, CONTRACTS)}")
    values = {"name": name, "options": dict(options or {}), "recipe": dict(recipe or {})}
    label = "".join(word.capitalize() for word in f"{kind}_{name}".replace("-", "_").split("_"))
    return type(f"Test{label}", (CONTRACTS[kind],), values)


def contracts(kind: str) -> dict[str, str]:
    """Return the names of the tests of a kind, each with the contract in a sentence."""
    if kind not in CONTRACTS:
        raise GanzooError(f"unknown kind {kind!r}{suggest(kind, CONTRACTS)}")
    tests = {name: getattr(CONTRACTS[kind], name) for name in dir(CONTRACTS[kind]) if name.startswith("test_")}
    return {name: (test.__doc__ or "").strip() for name, test in tests.items()}
