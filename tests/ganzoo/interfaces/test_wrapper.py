"""A method that passes every call to another one."""

from __future__ import annotations

import inspect

from ganzoo.interfaces import Direction, Method, MethodWrapper, Output
from ganzoo.step import Step


class TwoStages(Method):
    """Translates coarsely first, so that not the first tensor is the translation."""

    def __init__(self) -> None:
        self.slots, self.optims, self.phases = {}, {}, []
        self.tensors = {"coarse_B": Output("A", "B"), "fake_B": Output("A", "B")}

    def forward(self, step: Step) -> None:
        """Do nothing."""

    def translated(self, direction: Direction) -> str:
        return "fake_B"


def test_metrics_read_the_translation_that_the_base_names() -> None:
    base = TwoStages()
    assert MethodWrapper(base).translated("AB") == base.translated("AB") == "fake_B"


def test_every_function_of_methods_is_passed_on() -> None:
    functions = {name for name, one in vars(Method).items() if inspect.isfunction(one) and not name.startswith("_")}
    assert functions <= set(vars(MethodWrapper))
