"""Every component of a step is called once and checked: each wrong one is refused, a right one is left as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo.contracts.origin import Origin
from ganzoo.engine.attached_loss import AttachedLoss
from ganzoo.engine.inspection import inspect_components
from ganzoo.errors import ComponentError
from ganzoo.interfaces import Loss, Masker, Method, MethodWrapper, Output
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.step import Step
from tests.support.stand_in_methods import Constant, TwoPlayers, batch_step

ORIGINS = {
    "method": Origin(TwoPlayers, "method", "two", "mine"),
    "networks.G": Origin(nn.Conv2d, "generator", "conv", "mine"),
    "networks.D": Origin(nn.Conv2d, "discriminator", "conv", "mine"),
}


class Right(TwoPlayers):
    """Translates A to B, with a style of two numbers."""

    directions = ("AB",)

    def translate(self, images: Tensor, direction: str, step: Step) -> Tensor:
        translated: Tensor = self.networks["G"](images)
        return translated

    def style_size(self, domain: str) -> int:
        return 2

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        return images.mean((2, 3))[:, :2]


class Network(nn.Module):
    """A convolution and tanh; a test changes its result."""

    def __init__(self, change: Callable[[Tensor], Any] | None = None) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 3, 1)
        self.change = change

    def forward(self, image: Tensor) -> Any:
        result = self.body(image).tanh()
        return self.change(result) if self.change else result


class Changed(Masker):
    """A masker that a test defines."""

    def __init__(self, compute: Callable[[Tensor, Draws], Any]) -> None:
        super().__init__()
        self.compute = compute

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Any:
        return self.compute(image, rng)


class Trained(Masker):
    """A masker that is trained with the generators; a test chooses its terms."""

    trains = "joint"

    def __init__(self, terms: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.made, self.body = terms, nn.Conv2d(3, 1, 1)

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return torch.as_tensor(self.body(image).sigmoid())

    def terms(self, mask: Tensor) -> Any:
        return self.made(mask)


class Mean(Loss):
    """A loss that a test defines."""

    def __init__(self, change: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.change = change

    def forward(self, image: Tensor) -> Any:
        return self.change(image)


def inspect(
    method: Method | None = None,
    *,
    networks: Mapping[str, nn.Module] | None = None,
    maskers: Mapping[str, Any] | None = None,
    loss: Loss | None = None,
    size: int = 8,
) -> dict[str, str]:
    method = method or Right()
    torch.manual_seed(0)
    origins = {role: Origin(type(masker), "masker", role, "mine") for role, masker in (maskers or {}).items()}
    method.bind({"G": Network(), "D": Network(), **(networks or {})}, Roles(maskers, {}, origins))
    origin = Origin(Mean, "loss", "mean", "mine")
    losses = [AttachedLoss("mean", loss, {"image": "fake_B"}, 1.0, "generator", origin)] if loss else []
    return inspect_components(method, losses, ORIGINS, batch_step(size=size))


def refused(**wrong: Any) -> str:
    with pytest.raises(ComponentError) as caught:
        inspect(**wrong)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_right_method_passes_and_is_left_as_it_was() -> None:
    method = Right()
    networks = {"G": Network().train(), "D": Network().eval()}
    frozen = networks["D"].body.weight.requires_grad_(False)
    shapes = inspect(method, networks=networks, maskers={"discriminator": Constant(0.5)}, loss=Mean(torch.mean))
    assert shapes == {"G": "3×8×8 → 3×8×8", "D": "3×8×8 → 3×8×8"}
    assert networks["G"].training and not networks["D"].training
    assert not frozen.requires_grad and networks["G"].body.weight.requires_grad
    for module in (*networks.values(), method.masks.maskers["discriminator"]):
        assert not module._forward_hooks


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda image: image[:, :2], "expected images (2, 3, 8, 8) for an input of shape (2, 3, 8, 8)"),
        (lambda image: image[..., : image.shape[-1] // 2 * 2], "returned a tensor of shape (1, 3, 9, 8)"),
        (lambda image: [image], "forward returned a list of 1 values"),
        (lambda image: image[:1], "forward returned a tensor of shape (1, 3, 8, 8)"),
        (lambda image: image * 255, "images with values up to"),
        (lambda image: image / 0, "not finite"),
        (lambda image: image.long(), "int64"),
        (lambda image: image.no, "AttributeError: 'Tensor' object has no attribute 'no'"),
    ],
)
def test_a_wrong_generator_is_refused(change: Callable[[Tensor], Any], words: str) -> None:
    """The second one is right for even sizes only."""
    text = refused(networks={"G": Network(change)})
    assert words in text
    assert text.startswith("generator 'conv' of plugin 'mine': ") or "AttributeError" in words


@pytest.mark.parametrize(
    "change",
    [lambda x: {"x": x}, lambda x: [], lambda x: x.mean(), lambda x: x[:1], lambda x: [x, None], lambda x: x / 0],
)
def test_a_wrong_discriminator_is_refused(change: Callable[[Tensor], Any]) -> None:
    assert refused(networks={"D": Network(change)}).startswith("discriminator 'conv' of plugin 'mine': forward ")


class Masked(Right):
    """Reads masks in all its calls."""

    accepts = ("composite",)

    def forward(self, step: Step) -> None:
        step["fake_B"] = self.masks.composite(step, "real_A", self.networks["G"](step["real_A"]))


@pytest.mark.parametrize(
    ("compute", "words"),
    [
        (lambda image, rng: torch.rand(len(image), 1, 8, 8), "random draws from rng alone"),
        (lambda image, rng: (image - image.mean())[:, :1].sigmoid().round(), "do not depend on the other images"),
        (lambda image, rng: image[:, :1] * 5, "a mask with values from"),
        (lambda image, rng: image[:, 0].sigmoid(), "expected a mask (B, K, H, W) = (2, 1, 8, 8)"),
        (lambda image, rng: image[:, :1] > 0, "bool"),
        (lambda image, rng: image[:, :1].sigmoid() / 0, "not finite"),
        (lambda image, rng: rng.nothing, "forward failed: AttributeError"),
    ],
)
def test_a_wrong_masker_is_refused(compute: Callable[[Tensor, Draws], Any], words: str) -> None:
    text = refused(method=Masked(), maskers={"composite": Changed(compute)})
    assert words in text and text.startswith("masker 'composite' of plugin 'mine': forward ")


def test_draws_from_rng_pass() -> None:
    drawn = Changed(lambda image, rng: rng.uniform(1, *image.shape[2:]).to(image))
    assert inspect(Masked(), maskers={"composite": drawn})


@pytest.mark.parametrize("terms", [lambda mask: {"size": mask}, lambda mask: [mask.mean()], lambda mask: mask.nothing])
def test_wrong_terms_of_a_trained_masker_are_refused(terms: Callable[[Tensor], Any]) -> None:
    roles = Roles({"composite": Trained(terms)}, {}, {"composite": Origin(Trained, "masker", "soft", "mine")})
    step = batch_step(size=8)
    roles.mask("composite", step, "real_A")
    with pytest.raises(ComponentError, match=r"^masker 'soft' of plugin 'mine': terms"):
        roles.joint_terms(step)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda image: image.mean().detach(), "a scalar without gradient"),
        (lambda image: image.mean().item(), "returned the float"),
        (lambda image: image.mean() / 0, "not finite"),
        (lambda image: image.mean().to("meta"), "a tensor on meta"),
        (lambda image: image.mean((1, 2, 3)), "expected a scalar tensor"),
    ],
)
def test_a_wrong_loss_is_refused(change: Callable[[Tensor], Any], words: str) -> None:
    text = refused(loss=Mean(change))
    assert words in text and text.startswith("loss 'mean' of plugin 'mine': forward returned")


METHODS: dict[str, tuple[dict[str, Any], str]] = {
    "None": ({"translate": lambda self, images, direction, step: None}, "translate (AB) returned None"),
    "channels": ({"translate": lambda self, images, direction, step: images[:, :1]}, "translate (AB) returned"),
    "size": ({"translate": lambda self, images, direction, step: images[..., 1:]}, "translate (AB) returned"),
    "range": ({"translate": lambda self, images, direction, step: images * 99 + 99}, "translate (AB) returned"),
    "neighbours": (
        {"translate": lambda self, images, direction, step: images + images.mean() + images.flip(0)},
        "do not depend on the other images",
    ),
    "draw_style": ({"draw_style": lambda self, domain, draws: draws.normal(3)}, "draw_style returned"),
    "style_of": ({"style_of": lambda self, images, domain: images}, "style_of returned"),
    "style_size": ({"style_size": lambda self, domain: None}, "style_size('B') returned None"),
    "translated": ({"translated": lambda self, direction: "fake_C"}, "translated('AB') returned"),
    "no tensor of BA": ({"directions": ("AB", "BA")}, "lists no tensor with translations BA"),
    "value of forward": ({"forward": lambda self, step: step}, "forward returned a value"),
    "raw error": ({"translate": lambda self, images, direction, step: step["x"]}, "failed: KeyError: "),
}


@pytest.mark.parametrize("name", METHODS)
def test_a_wrong_method_is_refused(name: str) -> None:
    attributes, words = METHODS[name]
    assert words in refused(method=type("Wrong", (Right,), attributes)())


class Forgetful(Right):
    """Makes its tensor in training only."""

    def forward(self, step: Step) -> None:
        if step.training:
            super().forward(step)


def test_translations_are_wanted_in_evaluations_too() -> None:
    assert "also in evaluations" in refused(method=Forgetful())


def test_a_tensor_that_losses_may_read_must_be_there() -> None:
    method = Right()
    method.tensors = {**method.tensors, "rec_A": Output("A", "A")}
    assert "forward returned without a tensor 'rec_A'" in refused(method=method)


def test_a_method_that_does_not_translate_single_images_passes() -> None:
    method = type("Whole", (TwoPlayers,), {"directions": ("AB",)})()
    assert inspect(method)


def test_a_wrapper_of_a_method_that_finds_no_styles_in_images_passes() -> None:
    class Drawing(Right):
        style_of = Method.style_of

    class Wrapped(MethodWrapper):
        directions = ("AB",)

    assert inspect(Wrapped(Drawing()))
