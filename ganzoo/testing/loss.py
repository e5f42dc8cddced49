"""Contracts of losses."""

from __future__ import annotations

import json
import math
from inspect import Parameter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from ganzoo.build import Experiment
from ganzoo.contracts.describe import describe
from ganzoo.contracts.loss import check_loss_value
from ganzoo.interfaces import Loss, Method
from ganzoo.interfaces.loss import STEP, inputs_of
from ganzoo.recipe.reader import read_recipe
from ganzoo.step import Step
from ganzoo.testing.component import DEVICES, ODD_SIZES, SIZE, ModuleContracts, refusing
from ganzoo.testing.factories import make_images
from ganzoo.testing.tiny_run import method_of, train_tiny, write_recipe

IMAGES = ("fake_B", "real_B", "real_A")
"""The tensors that a loss reads in its order of parameters, if no recipe says otherwise; then ``rec_A`` and so on."""

REALS = ("real_A", "real_B")
MOST = 3
"""The largest number of samples in a test."""


class LossContracts(ModuleContracts):
    """Contracts of losses. ``of`` comes from the recipe's ``losses``, or the parameters' names say what they read."""

    kind: ClassVar[str] = "loss"
    method: Method | None = None
    """The method that the latest loss was bound to, if it has ``bind``."""

    @property
    def attachment(self) -> tuple[str, dict[str, Any]]:
        """The loss's name in the recipe, and its entry, with ``of``; an entry of the loss's name need not name it."""
        for label, entry in dict(self.recipe.get("losses", {})).items():
            if entry == self.name or (isinstance(entry, dict) and entry.get("loss", label) == self.name):
                found = {} if isinstance(entry, str) else entry
                return label, {**self.entry, "of": self.default_of(), **found}
        return self.name, {**self.entry, "of": self.default_of()}

    @property
    def parameters(self) -> dict[str, Parameter]:
        """The loss's inputs: the parameters of ``forward`` that get tensors."""
        return inputs_of(self.component.load())

    def default_of(self) -> dict[str, str]:
        """Return input → tensor: a mask for an input with this word in its name, a label map, or else an image."""
        images = iter(IMAGES)
        of = {}
        for name, parameter in self.parameters.items():
            if parameter.default is Parameter.empty:
                of[name] = (
                    "given_mask_A" if "mask" in name else "given_labels_A" if "label" in name else next(images, "rec_A")
                )
        return of

    @property
    def of(self) -> dict[str, str]:
        """Input of the loss → name of the tensor that it reads."""
        of: dict[str, str] | str = self.attachment[1]["of"]
        return {next(iter(self.parameters)): of} if isinstance(of, str) else of

    def build_module(self, seed: int = 0) -> nn.Module:
        """Return a new loss in eval mode; one with ``bind`` is bound to the method and data of the tiny recipe."""
        module = super().build_module(seed)
        if not isinstance(module, Loss):  # another contract refuses it
            return module
        module.of = self.of
        if type(module).bind is not Loss.bind:
            with TemporaryDirectory() as folder, torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                experiment = Experiment(read_recipe(write_recipe(Path(folder), self.full_recipe())))
                module.bind(experiment.method, experiment.reader)
                self.method = experiment.method
        return module

    def inputs(self, count: int = 2, size: tuple[int, int] = SIZE) -> dict[str, Tensor]:
        """Return name → tensor for each of the loss's inputs, as ``of`` names it."""
        return {name: self.tensor(tensor, count, size) for name, tensor in self.of.items()}

    def run(self, module: nn.Module, inputs: dict[str, Tensor], first: int = 0, count: int = 2) -> Any:
        """Return the loss of these inputs; if it reads the step, of a step that also has them by their names.

        ``first`` is the index of the first sample, ``count`` the number of samples of a step without inputs.
        """
        if not isinstance(module, Loss) or not module.reads_step():
            return module(**inputs)
        one = next(iter(inputs.values()), self.tensor(REALS[0], count, SIZE))
        samples = range(first, first + len(one))
        whole = {name: self.tensor(name, MOST, (one.shape[2], one.shape[3])).to(one.device) for name in REALS}
        tensors = {name: images[first : first + len(one)] for name, images in whole.items()}
        step = Step(tensors | {self.of[name]: tensor for name, tensor in inputs.items()}, samples=samples)
        return module(**inputs, **{STEP: step})

    def tensor(self, name: str, count: int, size: tuple[int, int], seed: int | None = None) -> Tensor:
        """Return a tensor as a step has it under this name: a label map, a mask, or images of noise.

        The method that the recipe names says which of its tensors are masks, with values from 0 to 1. The noise depends
        on the seed; by default it differs between names.
        """
        seed = sum(map(ord, name)) if seed is None else seed
        method = method_of(self.recipe)
        if method and name in method.tensors:
            shows_images = bool(method.tensors[name].shows)
            return make_images(count, 3, size, seed) if shows_images else make_images(count, 1, size, seed) / 2 + 0.5
        if "labels" in name and "mask" not in name:
            return (make_images(count, 1, size, seed) > 0).long()
        if "mask" in name:
            return (make_images(count, 1, size, seed) > 0).float()
        return make_images(count, 3, size, seed)

    def differentiable(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the inputs that a gradient may reach: images, or masks without images; without both skip the test."""
        floats = {name: one for name, one in inputs.items() if one.is_floating_point()}
        images = {name: one for name, one in floats.items() if one.shape[1] == 3}
        if not floats:
            pytest.skip("it reads neither images nor masks")
        return images or floats

    def call(self, module: nn.Module, count: int = 2) -> Any:
        """Return the loss of ``count`` samples."""
        return self.run(module, self.inputs(count), count=count)

    def full_recipe(self) -> dict[str, Any]:
        """Return the recipe with the loss attached."""
        label, entry = self.attachment
        return {**self.recipe, "losses": {**self.recipe.get("losses", {}), label: entry}}

    def require_scalar(self, value: Any) -> None:
        """Fail the test unless a value is a finite float32 scalar."""
        with refusing():
            check_loss_value(value, self.origin)
        self.require(value.dtype == torch.float32, "forward", describe(value), "a float32 scalar")

    def test_it_is_built_from_its_options(self) -> None:
        """The constructor accepts the options, and the result is a Loss."""
        made = self.make()
        self.require(isinstance(made, Loss), "__init__", describe(made), "a subclass of ganzoo.interfaces.Loss")

    def test_it_returns_a_finite_float32_scalar(self) -> None:
        """The value is a finite float32 scalar, for batches of 1, 2 and 3."""
        module = self.build_module()
        for count in (1, 2, 3):
            self.require_scalar(self.call(module, count))

    def test_it_takes_images_of_odd_sizes(self) -> None:
        """Height and width need not be even or equal."""
        module = self.build_module()
        for size in ODD_SIZES:
            self.require_scalar(self.run(module, self.inputs(2, size)))

    def test_it_is_a_mean_over_samples(self) -> None:
        """The loss of a batch is the mean of its samples' losses, so that any number of processes trains alike."""
        module = self.build_module()
        whole = float(self.call(module, 3).detach())
        parts = [{name: tensor[k : k + 1] for name, tensor in self.inputs(3).items()} for k in range(3)]
        mean = sum(float(self.run(module, part, k, 1).detach()) for k, part in enumerate(parts)) / 3
        close = math.isclose(whole, mean, rel_tol=1e-3, abs_tol=1e-5)
        self.require(close, "forward", f"{whole:.6g} for 3 samples", f"the mean of their own losses, {mean:.6g}")

    def test_its_gradient_reaches_a_generated_image(self) -> None:
        """A finite gradient, not 0, reaches at least one of the images that it reads, or of the masks without images.

        Skipped for a loss that reads nothing but label maps or the step.
        """
        module, inputs = self.build_module(), self.inputs()
        images = [one.requires_grad_() for one in self.differentiable(inputs).values()]
        value = self.run(module, inputs)
        self.require(value.requires_grad, "forward", "a value without a gradient", "one that depends on an image")
        value.backward()
        found = [one.grad for one in images if one.grad is not None]
        self.require(
            all(bool(one.isfinite().all()) for one in found), "forward", "a gradient not finite", "a finite one"
        )
        self.require(any(bool(one.any()) for one in found), "forward", "a value whose gradient is 0", "a gradient")

    def test_it_leaves_its_inputs_unchanged(self) -> None:
        """The tensors that it reads are not changed in place."""
        module, inputs = self.build_module(), self.inputs()
        with torch.no_grad():
            self.run(module, inputs)
        self.require_equal(inputs, self.inputs(), "forward", "its inputs, changed in place", "unchanged inputs")

    def test_its_gradient_is_finite_for_equal_images(self) -> None:
        """The gradient is finite also where the images are equal, which the root of a difference makes infinite.

        Without images: the masks. Skipped for a loss that reads nothing but label maps or the step.
        """
        module, inputs = self.build_module(), self.inputs()
        for name in self.differentiable(inputs):
            inputs[name] = self.tensor(self.of[name], 2, SIZE, seed=0).requires_grad_()
        self.run(module, inputs).backward()
        found = [one.grad for one in inputs.values() if one.grad is not None]
        finite = all(bool(one.isfinite().all()) for one in found)
        self.require(finite, "forward", "a value with a NaN gradient for equal images", "a finite gradient")

    @DEVICES
    def test_it_runs_on(self, device: str) -> None:
        """The value is computed on the device of its inputs."""
        module = self.build_module().to(device)
        for network in self.method.networks.values() if self.method else ():
            network.to(device)
        value = self.run(module, {name: tensor.to(device) for name, tensor in self.inputs().items()})
        self.require_scalar(value)
        self.require(value.device.type == device, "forward", f"a value on {value.device}", f"one on {device}")

    def test_it_trains_in_a_tiny_run(self, tmp_path: Path) -> None:
        """A run with the loss trains two steps, and logs its finite value in each."""
        with refusing():
            run = train_tiny(tmp_path, self.full_recipe())
        lines = [json.loads(line) for line in (run.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
        label, terms = self.attachment[0], [line["losses"] for line in lines if "losses" in line]
        logged = [value for one in terms for name, value in one.items() if name.rpartition("/")[2] == label]
        finite = len(logged) == len(terms) > 0 and all(math.isfinite(value) for value in logged)
        self.require(finite, "forward", f"{logged} in {len(terms)} steps of a run", "a finite value in each step")
