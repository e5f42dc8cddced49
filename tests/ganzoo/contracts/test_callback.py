"""What a plugin's callbacks must be: each planted mistake is one line with the author's file."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from ganzoo.contracts.callback import check_callback, check_stop, events_of
from ganzoo.contracts.origin import Origin
from ganzoo.errors import ComponentError
from ganzoo.interfaces import Callback, RunInfo

HOOK = Origin(sys.modules[__name__], "hook", "ganzoo_callbacks", "mine")


class Good(Callback):
    on = True

    def on_step(self, run: RunInfo, step: int, losses: Mapping[str, float]) -> None:
        pass

    def on_end(self, *everything: object) -> None:
        pass


class Misspelt(Good):
    def on_steps(self, run: RunInfo, step: int, losses: Mapping[str, float]) -> None:
        pass


class NoEvent(Good):
    def on_epoch(self, run: RunInfo) -> None:
        pass


class TooFew(Good):
    def on_checkpoint(self, run: RunInfo) -> None:  # type: ignore[override]
        pass


class TooMany(Good):
    def on_start(self, run: RunInfo, step: int) -> None:  # type: ignore[override]
        pass


class NoFunction(Good):
    on_start = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("callback", "expected"),
    [
        (
            [Good()],
            "hook 'ganzoo_callbacks' of plugin 'mine': ganzoo_callbacks returned a list of 1 values; expected one "
            "Callback",
        ),
        (Good, "ganzoo_callbacks returned the class Good; expected an instance: Good()"),
        (
            "wandb",
            "ganzoo_callbacks returned the text 'wandb'; expected an instance of a subclass of Callback, or None",
        ),
        (object(), "ganzoo_callbacks returned an object; expected an instance of a subclass of Callback"),
        (Misspelt(), "it has a function 'on_steps', which no event of a run calls (did you mean 'on_step'?)"),
        (NoEvent(), "callback 'NoEvent' of plugin 'mine': it has a function 'on_epoch', which no event of a run calls"),
        (TooFew(), "expected on_checkpoint(self, run, step)"),
        (TooMany(), "on_start cannot be called with its 1 arguments (missing a required argument: 'step')"),
        (NoFunction(), "callback 'NoFunction' of plugin 'mine': on_start is None; expected a function"),
    ],
)
def test_callbacks(callback: Any, expected: str) -> None:
    with pytest.raises(ComponentError) as caught:
        check_callback(callback, Callback, HOOK, "mine")
    (line,) = str(caught.value).splitlines()
    assert expected in line and __file__ in line


def test_a_right_callback_passes() -> None:
    assert str(check_callback(Good(), Callback, HOOK, "mine")) == "callback 'Good' of plugin 'mine'"
    assert events_of(Callback)["on_step"] == ["run", "step", "losses"]
    assert list(events_of(Callback)) == ["on_start", "on_step", "on_evaluation", "on_checkpoint", "on_end"]


def test_what_ends_the_training() -> None:
    assert [check_stop(one, HOOK) for one in (None, False, np.bool_(False), True, np.bool_(True))] == [0, 0, 0, 1, 1]
    with pytest.raises(ComponentError, match="on_evaluation returned the text 'no'; expected True to end the training"):
        check_stop("no", HOOK)
