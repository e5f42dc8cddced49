"""Contracts of every component, and what the contracts of all kinds are written with."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from ganzoo.contracts.origin import Origin
from ganzoo.errors import ComponentError
from ganzoo.plugins import plugins
from ganzoo.recipe.options import build
from ganzoo.recipe.reader import read_recipe
from ganzoo.registry import Component
from ganzoo.testing.tiny_run import write_recipe
from ganzoo.utils.core_yaml import dump_yaml
from ganzoo.utils.device import default_device
from ganzoo.utils.jsonl import differences, to_plain

SIZE = (24, 20)
ODD_SIZES = ((24, 20), (17, 23), (33, 19))
"""Heights and widths: not square, and odd."""
ACCELERATOR = default_device().type
DEVICES = pytest.mark.parametrize(
    "device",
    [
        "cpu",
        pytest.param(
            ACCELERATOR if ACCELERATOR != "cpu" else "accelerator",
            marks=pytest.mark.skipif(ACCELERATOR == "cpu", reason="this machine has no accelerator"),
        ),
    ],
)


@contextmanager
def refusing() -> Iterator[None]:
    """Fail the test, in one line, for a ComponentError that is raised in a ``with`` block."""
    problem = ""
    try:
        yield
    except ComponentError as error:
        problem = str(error)
    if problem:  # outside of the except block, so that pytest shows this line alone
        pytest.fail(problem, pytrace=False)


class ComponentContracts(ABC):
    """Contracts of components of every kind; a subclass for each kind adds its own.

    ``component_tests`` makes the class for one component, and sets the attributes.
    """

    kind: ClassVar[str] = ""
    name: ClassVar[str] = ""
    """The component's name."""
    options: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """The component's options."""
    recipe: ClassVar[Mapping[str, Any]] = MappingProxyType({})
    """What is merged over the tiny recipe."""

    @property
    def component(self) -> Component:
        """The registered component."""
        return plugins().registry.get(self.kind, self.name)

    @property
    def origin(self) -> Origin:
        """Where the component comes from, for messages."""
        return self.component.origin

    def make(self, *args: Any, seed: int = 0) -> Any:
        """Return a new component with the options.

        Args:
            args: the values that ganzoo passes to this kind, such as numbers of channels.
            seed: the seed of random weights.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return build(self.component, *args, **self.options)

    def refuse(self, function: str, returned: str, expected: str) -> None:
        """Fail the test in one line: component, function, what it returned, what is expected, file and line."""
        pytest.fail(str(self.origin.refuse(function, returned, expected)), pytrace=False)

    def require(self, holds: bool, function: str, returned: str, expected: str) -> None:
        """Fail the test as ``refuse`` does, unless ``holds``."""
        if not holds:
            self.refuse(function, returned, expected)

    def require_equal(self, one: Any, other: Any, function: str, returned: str, expected: str) -> None:
        """Fail the test as ``refuse`` does, unless two results have equal tensors."""
        pairs = zip(tensors_of(one), tensors_of(other), strict=True)
        self.require(all(torch.equal(a, b) for a, b in pairs), function, returned, expected)

    @property
    def entry(self) -> dict[str, Any]:
        """The component with its options, as a recipe writes it."""
        return {self.kind: self.name, **to_plain(dict(self.options))}

    @abstractmethod
    def full_recipe(self) -> dict[str, Any]:
        """Return ``recipe`` with the component added to it, unless it has the component."""

    def test_a_recipe_reads_back_the_same(self, tmp_path: Path) -> None:
        """A resolved recipe with the component means the same when it is read again."""
        first = read_recipe(write_recipe(tmp_path, self.full_recipe())).resolved()
        file = tmp_path / "resolved.yaml"
        file.write_text(dump_yaml(first), encoding="utf-8")
        changes = differences(first, read_recipe(file).resolved())
        shown = ", ".join(f"{path}: {before!r} → {after!r}" for path, before, after in changes)
        self.require(not changes, "__init__", f"options that change in resolved.yaml ({shown})", "the same values")


class ModuleContracts(ComponentContracts):
    """Contracts of components that are torch modules."""

    def build_module(self, seed: int = 0) -> nn.Module:
        """Return a new module in eval mode."""
        module: nn.Module = self.make(seed=seed).eval()
        return module

    @abstractmethod
    def call(self, module: nn.Module, count: int = 2) -> Any:
        """Return what the module computes for ``count`` samples, with the same inputs each time."""

    def test_it_gives_the_same_result_twice(self) -> None:
        """The result depends only on weights, inputs and keyed draws; evaluation changes nothing in the module."""
        module = self.build_module()
        with torch.no_grad():
            first, second = self.call(module), self.call(module)
        self.require_equal(first, second, "forward", "other values for the same inputs", "the same values")

    def test_its_state_fits_a_new_instance(self) -> None:
        """The state dict of one instance, loaded into another, gives the same result."""
        module, other = self.build_module(), self.build_module(seed=1)
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.01)
            expected = self.call(module)
            other.load_state_dict(module.state_dict())
            result = self.call(other)
        self.require_equal(result, expected, "state_dict", "a state without all of its values", "its whole state")


def tensors_of(value: Any) -> list[Tensor]:
    """Return the tensors in a tensor, a list or a mapping, in order.

    >>> [len(tensors_of(one)) for one in (torch.zeros(1), [torch.zeros(1)] * 2, {"a": [torch.zeros(1)]})]
    [1, 2, 1]
    """
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, Mapping):
        return [tensor for one in value.values() for tensor in tensors_of(one)]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [tensor for one in value for tensor in tensors_of(one)]
    return []
