"""Contracts of callbacks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ganzoo.contracts.callback import check_callback, check_stop
from ganzoo.contracts.origin import Origin
from ganzoo.interfaces import Callback
from ganzoo.recipe.reader import read_recipe
from ganzoo.testing.component import refusing
from ganzoo.testing.tiny_run import write_recipe
from ganzoo.training.callbacks import Callbacks
from ganzoo.training.loop import train
from ganzoo.training.run import Run

METRIC = {"metric": "swd", "patches": 8, "projections": 8}
"""What the run measures unless the recipe has metrics: it is quick, and needs neither weights nor a certain method."""


class SingleCallback(Callbacks):
    """Calls one callback, and none of plugins and trackers; its errors end the run.

    Args:
        run: the run.
        callback: the callback.
    """

    def __init__(self, run: Run, callback: Callback) -> None:
        super().__init__(run)
        self.callback = callback
        self.answers: list[Any] = []
        """What its ``on_evaluation`` returned."""

    def gather(self, trackers: Sequence[str | Mapping[str, Any]]) -> None:
        """Do nothing."""

    def call(self, name: str, *args: Any) -> bool:
        """Call ``on_<name>`` of the callback; return whether the training shall end."""
        answer = getattr(self.callback, f"on_{name}")(self.run, *args)
        if name == "evaluation":
            self.answers.append(answer)
        return name == "evaluation" and answer is True


class CallbackContracts(ABC):
    """Contracts of callbacks. ``callback_tests`` makes the class for one callback."""

    recipe: Mapping[str, Any] = MappingProxyType({})
    """What is merged over the tiny recipe."""

    @abstractmethod
    def make(self) -> Callback:
        """Return a new callback."""

    @property
    def origin(self) -> Origin:
        """Where the callback comes from, for messages."""
        target = type(self.make())
        return Origin(target, "callback", target.__name__, target.__module__.partition(".")[0])

    def observe(self, folder: Path, callback: Callback, *, more_steps: bool = False) -> list[Any]:
        """Train the tiny recipe, or resume its run, with a callback; return what its ``on_evaluation`` returned.

        With ``more_steps`` the run is longer than the recipe says, so that a finished one goes on.
        """
        recipe = {**self.recipe, "evaluate": {"metrics": [METRIC], **self.recipe.get("evaluate", {})}}
        file = write_recipe(folder, recipe)
        length = read_recipe(file).train
        unit, number = ("epochs", length.epochs) if length.epochs else ("steps", length.steps)
        longer = [f"train.{unit}={number + 1}"] if more_steps and number else []
        run = Run.prepare(file, longer, root=folder / "runs", device="cpu")
        run.callbacks = callbacks = SingleCallback(run, callback)
        train(run)
        return callbacks.answers

    def test_its_functions_are_events(self) -> None:
        """Each function whose name begins with ``on_`` is one that ganzoo calls, with the right parameters."""
        with refusing():
            check_callback(self.make(), Callback, self.origin, self.origin.plugin)

    def test_it_observes_a_run(self, tmp_path: Path) -> None:
        """A whole run, with an evaluation and a checkpoint, raises no error."""
        self.observe(tmp_path, self.make())

    def test_it_observes_a_resumed_run(self, tmp_path: Path) -> None:
        """A new callback on the folder of an earlier session, with later steps, raises no error."""
        self.observe(tmp_path, self.make())
        self.observe(tmp_path, self.make(), more_steps=True)

    def test_it_observes_a_run_without_steps(self, tmp_path: Path) -> None:
        """A session without a step, as when a finished run is started again, raises no error."""
        self.observe(tmp_path, Callback())
        self.observe(tmp_path, self.make())

    def test_it_says_whether_training_ends(self, tmp_path: Path) -> None:
        """``on_evaluation`` returns True to end the training, else False or None."""
        for answer in self.observe(tmp_path, self.make()):
            with refusing():
                check_stop(answer, self.origin)


def callback_tests(make: Callable[[], Callback], *, recipe: Mapping[str, Any] | None = None) -> type[CallbackContracts]:
    """Return a class with a test for each contract of a callback; pytest collects it.

    Assign it to a name that starts with ``Test`` in a test module: ``TestEarlyStop = callback_tests(EarlyStop)``.

    Args:
        make: the callback's class, or a function without parameters that returns a new callback.
        recipe: what is merged over the tiny recipe, whose run the callback observes; without metrics of its own, the
            run measures ``swd``.
    """
    label = getattr(make, "__name__", "Callback").strip("<>").title().replace("_", "")
    values = {"make": lambda self: make(), "recipe": dict(recipe or {})}
    return type(f"Test{label}", (CallbackContracts,), values)
