"""Errors about a component name it, its plugin, and the line of its author."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ganzoo.contracts.origin import Origin
from ganzoo.errors import ComponentError, GanzooError, OutOfMemoryError
from ganzoo.interfaces import Callback


class Tint:
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image.no_such_attribute  # type: ignore[attr-defined]


ORIGIN = Origin(Tint, "loss", "tint", "mine")
FIRST = inspect.getsourcelines(Tint.forward)[1]


def test_a_wrong_result_names_component_plugin_and_line() -> None:
    error = ORIGIN.refuse("forward", "a tensor of shape (2,)", "a scalar")
    expected = f"forward returned a tensor of shape (2,); expected a scalar ({__file__}:{FIRST})"
    assert str(error) == f"loss 'tint' of plugin 'mine': {expected}"
    assert type(error) is ComponentError and error.exit_code == 2


def test_an_error_of_the_author_names_the_line_that_raised() -> None:
    with pytest.raises(ComponentError) as caught, ORIGIN.catch("forward"):
        Tint().forward(torch.zeros(1))
    assert str(caught.value) == (
        "loss 'tint' of plugin 'mine': forward failed: AttributeError: 'Tensor' object has no attribute "
        f"'no_such_attribute' ({__file__}:{FIRST + 1}); GANZOO_STRICT=1 shows the traceback"
    )


def test_a_wrong_signature_names_the_function() -> None:
    """No code of the author's package runs, so its function is named, not the line of the caller."""
    call: Callable[..., object] = torch.nn.ReLU.forward
    place = f"{inspect.getsourcefile(call)}:{inspect.getsourcelines(call)[1]}"
    relu = Origin(torch.nn.ReLU, "generator", "relu", "mine")
    with pytest.raises(ComponentError, match="unexpected keyword argument 'rng'") as caught, relu.catch("forward"):
        call(None, None, rng=0)
    assert f"({place})" in str(caught.value)


@pytest.mark.parametrize("error", [GanzooError("of the user"), OutOfMemoryError("large"), KeyboardInterrupt()])
def test_errors_of_users_and_memory_stay(error: BaseException) -> None:
    with pytest.raises(type(error)) as caught, ORIGIN.catch("forward"):
        raise error
    assert caught.value is error


def test_a_path_that_is_too_long_is_the_users(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long"), ORIGIN.catch("__init__"):
        (tmp_path / ("x" * 300)).exists()


def test_in_strict_mode_the_error_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_STRICT", "1")
    with pytest.raises(AttributeError), ORIGIN.catch("forward"):
        Tint().forward(torch.zeros(1))


def test_without_a_recipe_the_class_is_named() -> None:
    assert str(Origin(Tint)) == f"{__name__}.Tint"
    assert Origin(dict).line() == "builtins"


class Tinted(Tint, Callback):
    pass


def test_a_function_of_the_interface_is_not_the_authors() -> None:
    """The function of a base class of the author is named; for one of the interface the author's class."""
    origin = Origin(Tinted)
    assert origin.line("forward") == f"{__file__}:{FIRST}"
    assert origin.line("on_step") == f"{__file__}:{inspect.getsourcelines(Tinted)[1]}" == origin.line()


def test_of_a_hook_the_module_is_named() -> None:
    origin = Origin(sys.modules[__name__], "hook", "ganzoo_commands", "mine")
    assert str(origin) == "hook 'ganzoo_commands' of plugin 'mine'"
    assert str(Origin(sys.modules[__name__])) == __name__
    assert (origin.line(), origin.line("Tint")) == (f"{__file__}:1", f"{__file__}:{FIRST - 1}")
    with pytest.raises(ComponentError) as caught, origin.catch("ganzoo_commands"):
        Tint().forward(torch.zeros(1))
    assert f"({__file__}:{FIRST + 1})" in str(caught.value)
