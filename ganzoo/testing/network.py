"""Contracts that generators and discriminators have in common."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo.contracts.values import check_independent, check_module
from ganzoo.testing.component import DEVICES, ODD_SIZES, SIZE, ModuleContracts, refusing, tensors_of
from ganzoo.testing.factories import make_images


class NetworkContracts(ModuleContracts):
    """Contracts of networks, which are called with images (B, C, H, W)."""

    slot: str = ""
    """The name in a recipe's ``networks`` that the network gets, unless the recipe uses it elsewhere."""

    @abstractmethod
    def build_module(self, seed: int = 0) -> nn.Module:
        """Return a new network for images of 3 channels, in eval mode."""

    def full_recipe(self) -> dict[str, Any]:
        """Return the recipe with the network in its slots."""
        networks = dict(self.recipe.get("networks", {}))
        own = [slot for slot, entry in networks.items() if self.names_it(entry)] or [self.slot]
        for slot in own:
            given = networks.get(slot, {})
            networks[slot] = {**self.entry, **(given if isinstance(given, dict) else {})}
        return {**self.recipe, "networks": networks}

    def names_it(self, entry: object) -> bool:
        """Return whether an entry of a recipe's ``networks`` is this network."""
        return entry == self.name or (isinstance(entry, dict) and entry.get(self.kind) == self.name)

    def call(self, module: nn.Module, count: int = 2) -> Any:
        """Return what the network computes for ``count`` images of noise."""
        self.skip_without_forward(module)
        return module(make_images(count))

    def skip_without_forward(self, module: nn.Module) -> None:
        """Skip the test if the network has other functions instead of ``forward``."""
        if type(module).forward is nn.Module.forward:
            pytest.skip("it has no forward: the methods that call its functions test it")

    @abstractmethod
    def check_form(self, module: nn.Module, images: Tensor) -> Any:
        """Return the network's result for images; fail the test if it has a wrong form."""

    def test_it_is_built_from_its_options(self) -> None:
        """The constructor accepts the channels and the options, and the result is a torch module."""
        with refusing():
            check_module(self.build_module(), self.origin)

    def test_its_results_have_the_right_form(self) -> None:
        """The result has the form that the interface demands, for batches of 1, 2 and 3."""
        module = self.build_module()
        self.skip_without_forward(module)
        for count in (1, 2, 3):
            self.check_form(module, make_images(count))

    def test_it_takes_images_of_odd_sizes(self) -> None:
        """Height and width need not be even, equal or a multiple of a stride."""
        module = self.build_module()
        self.skip_without_forward(module)
        for size in ODD_SIZES:
            self.check_form(module, make_images(2, size=size))

    def test_its_results_do_not_depend_on_the_batch(self) -> None:
        """In eval mode, the result for an image is the same beside other images as alone."""
        module, images = self.build_module(), make_images(3)
        self.skip_without_forward(module)
        with torch.no_grad(), refusing():
            whole = tensors_of(module(images.clone()))
            for k in (2, 0, 1):
                for batch, alone in zip(whole, tensors_of(module(images[k : k + 1].clone())), strict=True):
                    check_independent(batch[k : k + 1], alone, self.origin, "forward")

    def test_it_leaves_its_input_unchanged(self) -> None:
        """The images are not changed in place."""
        module, images = self.build_module(), make_images()
        self.skip_without_forward(module)
        with torch.no_grad():
            module(images)
        self.require_equal(images, make_images(), "forward", "its input, changed in place", "an unchanged input")

    def test_its_results_are_finite_in_bf16(self) -> None:
        """Under autocast the result has the same form, and its values are finite."""
        module = self.build_module()
        self.skip_without_forward(module)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            result = self.check_form(module, make_images())
        finite = all(bool(one.isfinite().all()) for one in tensors_of(result))
        self.require(finite, "forward", "values that are not finite under autocast", "finite values")

    def test_its_gradient_reaches_input_and_weights(self) -> None:
        """In training mode, a finite gradient reaches the images, and each weight that is trained."""
        module, images = self.build_module().train(), make_images().requires_grad_()
        self.skip_without_forward(module)
        results = tensors_of(module(images))
        torch.stack([(one * torch.linspace(-1, 1, one.numel()).view_as(one)).sum() for one in results]).sum().backward()
        gradients = {"the images": images.grad}
        gradients |= {name: one.grad for name, one in module.named_parameters() if one.requires_grad}
        for name, gradient in gradients.items():
            fine = gradient is not None and bool(gradient.isfinite().all())
            self.require(fine, "forward", f"a result without a finite gradient to {name}", "such a gradient")
        reached = bool(gradients["the images"].any())  # type: ignore[union-attr]
        self.require(reached, "forward", "a result whose gradient to the images is 0", "another gradient")

    @DEVICES
    def test_it_runs_on(self, device: str) -> None:
        """The result is computed on the device of the images."""
        module = self.build_module().to(device)
        self.skip_without_forward(module)
        with torch.no_grad():
            result = tensors_of(module(make_images(size=SIZE).to(device)))
        places = {one.device.type for one in result}
        self.require(places == {device}, "forward", f"a result on {', '.join(sorted(places))}", f"one on {device}")
