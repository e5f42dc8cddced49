"""Contracts of methods."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from ganzoo.build import Experiment
from ganzoo.contracts.blame import raised_by
from ganzoo.contracts.method import check_method, check_trained
from ganzoo.contracts.method_results import (
    check_restored,
    check_state,
    check_style_size,
    check_styles,
    check_tensors,
    check_translation,
    check_translation_values,
)
from ganzoo.contracts.values import check_finite, check_independent, refuse_by
from ganzoo.data.loader import micro_steps
from ganzoo.engine.distributed import start_accelerator
from ganzoo.errors import ComponentError, GanzooError
from ganzoo.inference.export_files import export
from ganzoo.inference.translator import Translator
from ganzoo.interfaces import Direction, Method, Step
from ganzoo.masks.roles import ROLES
from ganzoo.recipe.reader import read_recipe
from ganzoo.testing.component import ACCELERATOR, ODD_SIZES, SIZE, ComponentContracts, refusing
from ganzoo.testing.factories import make_draws, make_images
from ganzoo.testing.tiny_run import TinyRun, train_tiny, write_recipe
from ganzoo.testing.two_processes import logged_losses, train_in_float64, train_with_two_processes

TOLERANCE = 1e-3
"""Largest difference of an exported file's translations, whose values are in [−1, 1]."""


class MethodContracts(ComponentContracts):
    """Contracts of methods. The recipe should name narrow networks, or the tests take the method's own defaults."""

    kind: ClassVar[str] = "method"

    def full_recipe(self) -> dict[str, Any]:
        """Return the recipe with the method; one that trains nothing has no length."""
        own = self.recipe.get("method", {})
        length = {} if self.make().phases else {"steps": 0}
        return {
            **self.recipe,
            "method": {**self.entry, **(own if isinstance(own, dict) else {})},
            "train": {**length, **self.recipe.get("train", {})},
        }

    def experiment(self, folder: Path) -> Experiment:
        """Return the parts of the tiny recipe with the method, on the CPU."""
        recipe = read_recipe(write_recipe(folder, self.full_recipe()))
        return Experiment(recipe, start_accelerator(device="cpu"), training=True)

    def first_step(self, experiment: Experiment) -> Step:
        """Return a step of training images, in which each phase is due."""
        engine, reader = experiment.engine, experiment.reader
        batch = reader.training_batch(experiment.sampler.micro_batches(0)[0], 0, 0)
        images, index = experiment.recipe.images, engine.cycle - 1
        (step,) = micro_steps([batch], engine.device, images, reader.paired, index=index)
        return step

    def train(self, folder: Path, **settings: Any) -> TinyRun:
        """Train the tiny recipe with the method, and these settings of ``train``."""
        recipe = self.full_recipe()
        with refusing():
            return train_tiny(folder, {**recipe, "train": {**recipe["train"], **settings}})

    def skip_without_phases(self) -> None:
        """Skip the test if the method trains nothing."""
        if not self.make().phases:
            pytest.skip("it has no phases, so nothing is trained")

    def translations(self, folder: Path) -> Translator:
        """Return a translator of a run of the method. Skip the test if the method does not translate single images."""
        translator = Translator(self.train(folder).folder, device="cpu")
        direction = translator.method.directions[0]
        try:
            self.translate(translator, make_images(3, translator.channels[direction[0]]), direction)
        except GanzooError as error:  # the tests report any other
            if raised_by(error, Method.translate):
                pytest.skip("it does not translate single images")
        return translator

    def translate(
        self, translator: Translator, images: Tensor, direction: Direction, samples: Sequence[int] = (0, 1, 2)
    ) -> Tensor:
        """Return the translations of images, with masks and label maps for methods that read them."""
        domain = direction[0]
        planes = torch.cat([make_images(1, 1, (images.shape[2], images.shape[3]), seed=10 + k) for k in samples]) > 0

        def prepare(step: Step, images: Tensor) -> None:
            step[f"given_mask_{domain}"], step[f"given_labels_{domain}"] = planes.float(), planes.long()

        step = translator.translate_step(images, direction, sample=samples, prepare=prepare)
        return step["translated"]

    def test_it_declares_what_fits_together(self) -> None:
        """Slots, optims, phases, tensors, directions and roles name each other and what ganzoo knows."""
        with refusing():
            check_method(self.make(), self.origin, ROLES)

    def test_it_makes_its_tensors(self, tmp_path: Path) -> None:
        """``forward`` adds every declared tensor to a training step, of the right shape, with finite values."""
        self.skip_without_phases()
        experiment = self.experiment(tmp_path)
        step, method = self.first_step(experiment), experiment.method
        with refusing():
            method.forward(step)
            check_tensors(step, method.tensors, experiment.dataset.channels, self.origin)
            for name in [one for one in method.tensors if one in step]:
                check_finite(step[name], refuse_by(self.origin, f"forward: {name}"))

    def test_its_tensors_are_the_same_twice(self, tmp_path: Path) -> None:
        """A second forward of the same step gives the same tensors, and leaves the batch unchanged."""
        experiment = self.experiment(tmp_path)
        first = self.first_step(experiment)
        batch = [(name, tensor, tensor.clone()) for name, tensor in first.items()]
        second, method = first.inputs(), experiment.method
        with experiment.engine.evaluating():
            method.forward(first)
            method.forward(second)
        for name in method.tensors:
            if name in first:
                same = torch.equal(first[name], second[name])
                self.require(same, "forward", f"another {name} for the same step", "the same one, with keyed draws")
        for name, tensor, before in batch:
            same = torch.equal(tensor, before)
            self.require(same, "forward", f"a batch whose {name} was changed in place", "an unchanged batch")

    def test_each_phase_changes_its_networks(self, tmp_path: Path) -> None:
        """A step, in which each phase is due, has finite terms, and changes each network that a phase trains."""
        self.skip_without_phases()
        experiment = self.experiment(tmp_path)
        engine, step = experiment.engine, self.first_step(experiment)
        before = {name: [one.clone() for one in network.parameters()] for name, network in engine.networks.items()}
        with refusing():
            check_trained(engine.method, [name for name, own in engine.trainable.items() if own], self.origin)
            terms, flags = engine.step([step])
        for name, term in terms.items():
            self.require(bool(term.isfinite()), "losses", f"{name} = {float(term)}", "finite terms")
        self.require(not bool(flags.any()), "losses", "gradients that are not finite", "finite gradients")
        for name in {slot for optim in engine.optims.values() for slot in optim.slots}:
            after = list(engine.networks[name].parameters())
            changed = not after or any(not torch.equal(one, old) for one, old in zip(after, before[name], strict=True))
            self.require(changed, "losses", f"terms without an effect on the network {name!r}", "a gradient for it")

    def test_its_state_can_be_restored(self, tmp_path: Path) -> None:
        """``load_state_dict`` restores what ``state_dict`` returned after a step; an empty one restores a new run's."""
        self.skip_without_phases()
        experiment = self.experiment(tmp_path)
        engine, step = experiment.engine, self.first_step(experiment)
        new = copy_state(engine.method)
        engine.step([step])
        with refusing():
            later = {name: one.clone() for name, one in check_state(engine.method.state_dict(), self.origin).items()}
            for state in ({}, later):
                engine.method.load_state_dict(state)
                check_restored(state or new, engine.method.state_dict(), self.origin)

    def test_it_trains_in_bf16(self, tmp_path: Path) -> None:
        """A run in bf16 has finite terms in each step."""
        self.skip_without_phases()
        losses = logged_losses(self.train(tmp_path, precision="bf16").folder)
        values = [value for one in losses for value in one.values()]
        finite = bool(values) and all(value is not None and math.isfinite(value) for value in values)
        self.require(finite, "losses", "terms that are not finite in bf16", "finite terms")

    @pytest.mark.skipif(ACCELERATOR == "cpu", reason="this machine has no accelerator")
    def test_it_trains_on_the_accelerator(self, tmp_path: Path) -> None:
        """A run on the accelerator trains two steps."""
        train_tiny(tmp_path, self.full_recipe(), device=ACCELERATOR)

    def test_it_resumes_bit_for_bit(self, tmp_path: Path) -> None:
        """Four steps give the same checkpoint as two steps, a new start from their checkpoint, and two more."""
        self.skip_without_phases()
        run = self.train(tmp_path, steps=4, save=2, keep=2)
        last, expected = run.folder / "checkpoints/last", tmp_path / "expected"
        losses = logged_losses(run.folder)
        last.rename(expected)
        shutil.copytree(run.folder / "checkpoints/step-2", last)
        self.train(tmp_path, steps=4, save=2, keep=2)
        once, resumed = checkpoint_tensors(expected), checkpoint_tensors(last)
        different = sorted(name for name in {*once, *resumed} if not same_bits(once.get(name), resumed.get(name)))
        same = not different and logged_losses(run.folder) == losses
        returned = f"a resumed run that differs ({', '.join(different[:3]) or 'in its losses'})"
        self.require(
            same, "state_dict", returned, "the bits of a run without a stop: keyed draws, and all kept tensors"
        )

    def test_two_processes_train_as_one(self, tmp_path: Path) -> None:
        """Two processes with batch n have the losses of one with batch 2 n, in float64, over three steps.

        Skipped with batch norm, which torch cannot compute over several processes on a CPU.
        """
        self.skip_without_phases()
        networks = self.experiment(tmp_path).method.networks.values()
        if any(isinstance(part, _BatchNorm) for network in networks for part in network.modules()):
            pytest.skip("it has batch norm, which torch cannot compute over several processes on a CPU")
        recipe = self.full_recipe()
        group = self.make().group
        batch = group if group % 2 == 0 else 2 * group
        recipe["train"] = {**recipe["train"], "steps": 3, "save": 3}
        file = write_recipe(tmp_path, recipe)
        one = logged_losses(train_in_float64(file, tmp_path / "one", f"train.batch={2 * batch}"))
        two = logged_losses(train_with_two_processes(file, tmp_path / "two", f"train.batch={batch}"))
        for number, (mine, theirs) in enumerate(zip(one, two, strict=True), 1):
            for name, value in mine.items():
                same = math.isclose(value, theirs[name], rel_tol=1e-4, abs_tol=1e-7)
                returned = f"{name} = {theirs[name]:.8g} in step {number} with two processes"
                self.require(same, "losses", returned, f"{value:.8g}, as with one: means over samples and keyed draws")

    def test_its_translations_are_images(self, tmp_path: Path) -> None:
        """In each direction, translations have the form of images, also for odd sizes; the input stays unchanged."""
        translator = self.translations(tmp_path)
        for direction in translator.method.directions:
            for size in ODD_SIZES:
                images = make_images(3, translator.channels[direction[0]], size)
                given = images.clone()
                translated = self.translate(translator, images, direction)
                with refusing():
                    check_translation(translated, images, direction, translator.channels, self.origin)
                    check_translation_values(translated, direction, self.origin)
                self.require(
                    torch.equal(images, given), "translate", "its input, changed in place", "an unchanged input"
                )

    def test_its_translations_do_not_depend_on_the_batch(self, tmp_path: Path) -> None:
        """The translation of an image is the same beside other images as alone, and the same twice."""
        translator = self.translations(tmp_path)
        for direction in translator.method.directions:
            images = make_images(3, translator.channels[direction[0]], SIZE)
            whole = self.translate(translator, images, direction)
            again = self.translate(translator, images, direction)
            self.require_equal(whole, again, "translate", "another translation for the same image", "the same one")
            for k in (2, 0, 1):
                alone = self.translate(translator, images[k : k + 1], direction, [k])
                with refusing():
                    check_independent(whole[k : k + 1], alone, self.origin, f"translate ({direction})", draws=True)

    def test_its_styles_have_their_size(self, tmp_path: Path) -> None:
        """``draw_style`` and ``style_of`` return (B, ``style_size``) for each domain that has styles."""
        translator = self.translations(tmp_path)
        method = translator.method
        targets = sorted({direction[1] for direction in method.directions})
        with refusing():
            sizes = {domain: check_style_size(method.style_size(domain), domain, self.origin) for domain in targets}
        if not any(sizes.values()):
            pytest.skip("its translations have no styles")
        for domain, size in [(domain, size) for domain, size in sizes.items() if size]:
            with refusing(), torch.no_grad():
                check_styles(method.draw_style(domain, make_draws(3)), 3, size, "draw_style", self.origin)
                try:
                    found = method.style_of(make_images(3, translator.channels[domain]), domain)
                except GanzooError as error:
                    if not raised_by(error, Method.style_of):
                        raise
                else:
                    check_styles(found, 3, size, "style_of", self.origin)

    @pytest.mark.parametrize("suffix", [".pt2", ".onnx"])
    def test_it_can_be_exported(self, tmp_path: Path, suffix: str) -> None:
        """An exported file translates as the run does. Skipped, with ganzoo's reason, if it cannot be exported."""
        if suffix == ".onnx" and not all(map(importlib.util.find_spec, ("onnx", "onnxruntime", "onnxscript"))):
            pytest.skip("the extra 'export' is not installed")
        folder = self.translations(tmp_path).folder
        try:
            about = export(folder, tmp_path / f"exported{suffix}", tolerance=math.inf, size=(16, 16), batch=1)
        except GanzooError as error:
            if isinstance(error, ComponentError):  # a mistake of the method's author is no reason to skip
                pytest.fail(str(error), pytrace=False)
            if "it differs from the run by nan" in str(error):  # the only difference that is not within inf
                self.require(False, "translate", "NaN in an exported file", "the values of the run")
            pytest.skip(str(error))
        difference = about["difference"]
        returned = f"images that differ by {difference:.2g} in an exported file"
        self.require(difference <= TOLERANCE, "translate", returned, f"a difference of at most {TOLERANCE:g}")


def copy_state(method: Method) -> dict[str, Tensor]:
    """Return a copy of a method's state."""
    return {name: one.clone() for name, one in method.state_dict().items()}


def checkpoint_tensors(checkpoint: Path) -> dict[str, Tensor]:
    """Return all tensors of a checkpoint, by file and name, and its step."""
    found: dict[str, Tensor] = {
        f"{file.relative_to(checkpoint)}: {name}": tensor
        for file in sorted(checkpoint.rglob("*.safetensors"))
        for name, tensor in load_file(file).items()
    }
    progress: Mapping[str, Any] = json.loads((checkpoint / "progress.json").read_text(encoding="utf-8"))
    return found | {"step": torch.tensor(progress["step"])}


def same_bits(one: Tensor | None, other: Tensor | None) -> bool:
    """Return whether two tensors are equal bit for bit; None equals nothing."""
    if one is None or other is None or one.shape != other.shape or one.dtype != other.dtype:
        return False
    return torch.equal(one.reshape(-1).view(torch.uint8), other.reshape(-1).view(torch.uint8))
