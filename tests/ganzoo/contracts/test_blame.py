"""Of several components, the one whose code was running is blamed; an error of ganzoo itself stays as it is."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from ganzoo.contracts.blame import catch_component_errors
from ganzoo.contracts.origin import Origin
from ganzoo.errors import ComponentError, OutOfMemoryError


class Network(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return self.unknown(image)  # type: ignore[operator]


class Small(nn.Module):
    def forward(self, image: Tensor) -> Tensor:
        return image @ image.new_zeros(5, 5)


class Scheme:
    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def forward(self, *images: Tensor) -> Tensor:
        result: Tensor = self.network(*images)
        return result

    def losses(self) -> None:
        raise KeyError("fake_B")


NETWORK, SMALL = Origin(Network, "generator", "net", "a"), Origin(Small, "generator", "small", "a")
SCHEME = Origin(Scheme, "method", "scheme", "b")
IMAGE = torch.zeros(1, 3, 4, 4)


def blamed(call: Callable[[], object]) -> str:
    with pytest.raises(ComponentError) as caught, catch_component_errors([NETWORK, SMALL], SCHEME, "forward"):
        call()
    return str(caught.value)


def line_of(function: Callable[..., object], offset: int = 0) -> str:
    return f"({__file__}:{inspect.getsourcelines(function)[1] + offset})"


def test_the_network_is_blamed_that_a_method_called() -> None:
    text = blamed(lambda: Scheme(Network()).forward(IMAGE))
    assert text.startswith("generator 'net' of plugin 'a': forward failed: AttributeError: ")
    assert line_of(Network.forward, 1) in text and "images.size" not in text


def test_the_method_is_blamed_for_its_own_error() -> None:
    text = blamed(lambda: Scheme(Network()).losses())
    assert text.startswith("method 'scheme' of plugin 'b': losses failed: KeyError: 'fake_B' ")
    assert line_of(Scheme.losses, 1) in text


def test_a_network_with_another_signature_is_blamed_not_its_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Origin, "wrote", lambda self, file: False)  # as if each were in a package of its own
    text = blamed(lambda: Network()(IMAGE, IMAGE))
    assert text.startswith("generator 'net' of plugin 'a': forward failed: TypeError: ")
    assert line_of(Network.forward) in text


def test_an_error_of_torch_about_sizes_has_advice() -> None:
    assert "change images.size or the options of the networks" in blamed(lambda: Scheme(Small()).forward(IMAGE))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("element 0 of tensors does not require grad"),
        NotImplementedError("no size yet"),
        RecursionError("maximum size exceeded"),
    ],
)
def test_an_error_about_anything_else_has_no_such_advice(error: Exception) -> None:
    class Wrong(Scheme):
        def losses(self) -> None:
            raise error

    assert "images.size" not in blamed(Wrong(Network()).losses)


def test_without_a_component_on_the_stack_the_error_stays() -> None:
    foreign = Origin(nn.Conv2d, "generator", "conv", "c")
    with pytest.raises(ZeroDivisionError), catch_component_errors([foreign], None, "forward"):
        _ = 1 / 0


@pytest.mark.parametrize("error", [OutOfMemoryError("large"), RuntimeError("out of memory")])
def test_a_lack_of_memory_stays(error: Exception) -> None:
    with pytest.raises(type(error)) as caught, catch_component_errors([NETWORK], SCHEME, "forward"):
        raise error
    assert caught.value is error


def test_in_strict_mode_the_error_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_STRICT", "1")
    with pytest.raises(KeyError), catch_component_errors([NETWORK], SCHEME, "forward"):
        Scheme(Network()).losses()
