"""Contracts of callbacks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ganzoo.contracts.callback import check_callback, check_stop
from ganzoo.contracts.origin import Origin
from ganzoo.interfaces import Callback
from ganzoo.testing.component import refusing
from ganzoo.testing.tiny_run import write_recipe
from ganzoo.training.run import Run


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

    def observe(self, folder: Path, *events: tuple[Any, ...]) -> list[Any]:
        """Call functions of a new callback, each ``(name, arguments after the run)``; return what they returned."""
        run = Run.prepare(write_recipe(folder, self.recipe), root=folder / "runs", device="cpu")
        callback = self.make()
        try:
            return [getattr(callback, name)(run, *arguments) for name, *arguments in events]
        finally:
            run.files.close()

    def test_its_functions_are_events(self) -> None:
        """Each function whose name begins with ``on_`` is one that ganzoo calls, with the right parameters."""
        with refusing():
            check_callback(self.make(), Callback, self.origin, self.origin.plugin)

    def test_it_observes_a_run(self, tmp_path: Path) -> None:
        """A whole run, with an evaluation and a checkpoint, raises no error."""
        self.observe(
            tmp_path,
            ("on_start",),
            ("on_step", 1, {"generator/gan_AB": 0.5}),
            ("on_evaluation", 1, {"cycle_l1_AB": 0.25}),
            ("on_checkpoint", 1),
            ("on_step", 2, {"generator/gan_AB": 0.25}),
            ("on_end",),
        )

    def test_it_observes_a_resumed_run(self, tmp_path: Path) -> None:
        """A new callback on the folder of an earlier session, with later steps, raises no error."""
        self.observe(tmp_path, ("on_start",), ("on_checkpoint", 2), ("on_end",))
        self.observe(tmp_path, ("on_start",), ("on_step", 3, {"generator/gan_AB": 0.5}), ("on_end",))

    def test_it_observes_a_run_without_steps(self, tmp_path: Path) -> None:
        """A run that ends before its first step, such as a stopped one, raises no error."""
        self.observe(tmp_path, ("on_start",), ("on_end",))

    def test_it_says_whether_training_ends(self, tmp_path: Path) -> None:
        """``on_evaluation`` returns True to end the training, else False or None."""
        for answer in self.observe(tmp_path, ("on_start",), ("on_evaluation", 1, {"cycle_l1_AB": 0.25}))[1:]:
            with refusing():
                check_stop(answer, self.origin)


def callback_tests(make: Callable[[], Callback], *, recipe: Mapping[str, Any] | None = None) -> type[CallbackContracts]:
    """Return a class with a test for each contract of a callback; pytest collects it.

    Assign it to a name that starts with ``Test`` in a test module: ``TestEarlyStop = callback_tests(EarlyStop)``.

    Args:
        make: the callback's class, or a function without parameters that returns a new callback.
        recipe: what is merged over the tiny recipe, whose run the callback observes.
    """
    label = getattr(make, "__name__", "Callback").strip("<>").title().replace("_", "")
    values = {"make": lambda self: make(), "recipe": dict(recipe or {})}
    return type(f"Test{label}", (CallbackContracts,), values)
