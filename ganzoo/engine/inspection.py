"""Call every component of a training step once, before a run is created, and check what each of them returns.

What only happens here, such as reading values from the device, costs nothing in the training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.contracts import method_results as results
from ganzoo.contracts.blame import catch_component_errors, raised_by
from ganzoo.contracts.discriminator import check_logit_values
from ganzoo.contracts.generator import check_generated, check_generated_values
from ganzoo.contracts.masker import check_mask, check_mask_values
from ganzoo.contracts.origin import Origin
from ganzoo.contracts.values import check_independent
from ganzoo.engine.attached_loss import AttachedLoss
from ganzoo.errors import ComponentError, GanzooError
from ganzoo.interfaces import Direction, Method, Phase
from ganzoo.masks.roles import is_label_map
from ganzoo.step import Step


def inspect_components(
    method: Method,
    losses: Sequence[AttachedLoss],
    origins: Mapping[str, Origin],
    step: Step,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> dict[str, str]:
    """Run a method's forward, the losses of all phases, its maskers and translations; check what each of them returns.

    No optimizer steps, but the method's state and the networks' running statistics may change.

    Args:
        method: the method, with its networks on the step's device.
        losses: the recipe's auxiliary losses.
        origins: place in the recipe → where the component comes from: ``method``, ``networks.G_AB``, ….
        step: a step with the tensors of a training batch.
        autocast: returns the context in which networks run at the run's precision.

    Returns:
        The input and output shape of each network's first call in the training step: name → ``3×16×16 → 1×6×6``,
        without the batch axis; a network whose ``forward`` is not called is left out.

    Raises ComponentError if a component fails or returns something wrong, and GanzooError as the components do.
    """
    inspection = _Inspection(method, losses, origins, step, autocast)
    with inspection.watching():
        inspection.train()
        shapes = dict(inspection.shapes)
        with inspection.evaluating():
            inspection.try_odd_sizes()
            inspection.mask()
            inspection.draw_styles()
            inspection.translate()
            inspection.forward_in_evaluation()
    return shapes


class _Inspection:
    """The arguments are those of ``inspect_components``."""

    def __init__(
        self,
        method: Method,
        losses: Sequence[AttachedLoss],
        origins: Mapping[str, Origin],
        step: Step,
        autocast: Callable[[], AbstractContextManager[Any]],
    ) -> None:
        self.method, self.losses, self.origins, self.step = method, losses, origins, step
        self.autocast = autocast
        self.origin = origins["method"]
        self.channels = {domain: step[f"real_{domain}"].shape[1] for domain in "AB" if f"real_{domain}" in step}
        self.device = next(iter(step.values())).device
        self.shapes: dict[str, str] = {}
        self.seen: dict[str, Tensor] = {}
        """Slot of a generator → the first image of its first input."""
        self.pair = _pair_of(step)

    def calling(self, function: str, caller: Origin | None = None) -> AbstractContextManager[None]:
        """Return a context for a call of a component's function; by default the method's."""
        return catch_component_errors(self.origins.values(), caller or self.origin, function)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Check what networks and maskers return in a ``with`` block, by forward hooks that exist only in it."""
        joint = self.method.masks.joint_slots()
        handles = [
            network.register_forward_hook(self._network_hook(name))
            for name, network in self.method.networks.items()
            if name not in joint
        ]
        maskers = self.method.masks.maskers
        handles += [maskers[role].register_forward_hook(self._masker_hook(role)) for role in maskers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _network_hook(self, name: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        slot, origin = self.method.slots[name], self.origins.get(f"networks.{name}")

        def check(network: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            if not inputs:
                return
            if origin is not None and isinstance(inputs[0], Tensor):
                self._check_output(name, slot.kind, origin, network, inputs, output)
            self.shapes.setdefault(name, f"{_shape(inputs[0])} → {_shape(output)}")

        return check

    def _check_output(
        self, name: str, kind: str, origin: Origin, network: nn.Module, inputs: tuple[Any, ...], output: Any
    ) -> None:
        images: Tensor = inputs[0]
        if kind == "generator":
            check_generated(output, images, self.channels[self.method.slots[name].writes], origin)
            check_generated_values(output, origin)
            if len(inputs) == 1:
                self.seen.setdefault(name, images[:1].detach())
        elif kind == "discriminator":
            check_logit_values(output, images, origin)
        elif kind == "masker":
            check_mask(output, images, network.planes, origin)  # type: ignore[arg-type]
            check_mask_values(output, origin)

    def _masker_hook(self, role: str) -> Callable[[nn.Module, tuple[Any, ...], Any], None]:
        origin = self.method.masks.origins[role]

        def check(masker: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
            labels = role == "labels" and isinstance(output, Tensor) and is_label_map(output)
            if not masker.shared_role and not labels:
                check_mask(output, inputs[0], masker.planes, origin)  # type: ignore[arg-type]
                check_mask_values(output, origin)
            for name, trained in self.method.masks.joint_slots().items():
                if trained == role:
                    self.shapes.setdefault(name, f"{_shape(inputs[0])} → {_shape(output)}")

        return check

    def train(self) -> None:
        """Run the forward of a training step and the losses of all phases, and check tensors, terms and gradients."""
        complete = self._forward(self.step.inputs())
        for phase in self.method.phases:
            with self._frozen(phase):
                self._check_phase(phase, complete)

    def _check_phase(self, phase: Phase, complete: Step) -> None:
        step = complete.detached() if phase.forward == "detached" else complete
        if phase.forward == "fresh":
            step = self.step.inputs()
            step.phase = phase.name
            self._forward(step, every=False)
        step.phase = phase.name
        function = f"losses of the phase {phase.name!r}"
        with self.autocast():
            with self.calling(function):
                returned = phase.losses(step)
            terms = results.check_terms(returned, self.origin, phase.name, self.device)
            for name, term in terms.items():
                results.check_term_values({name: term}, self._origin_of(name), phase.name)
            for loss in self.losses:
                if loss.phase == phase.name:
                    terms[loss.name] = loss.term(step, terms, self.method.masks, first=True)

    def _origin_of(self, term: str) -> Origin:
        """Return the component of a loss term: a masker that is trained with the generators, or the method."""
        for slot, role in self.method.masks.joint_slots().items():
            if term.startswith(f"{slot}_"):
                return self.method.masks.origins[role]
        return self.origin

    def _forward(self, step: Step, *, every: bool = True) -> Step:
        """Run the method's forward, and check the tensors; for a phase of its own it need not add every tensor."""
        with self.autocast(), self.calling("forward"):
            returned: object = self.method.forward(step)
        if returned is not None:
            raise self.origin.refuse("forward", "a value", "None: it adds its tensors to the step")
        results.check_tensors(step, self.method.tensors, self.channels, self.origin, training=every and step.training)
        return step

    @contextmanager
    def _frozen(self, phase: Phase) -> Iterator[None]:
        """Freeze all networks that a phase does not train, as a training step does."""
        trained = {slot for name in phase.steps for slot in self.method.optims[name].slots}
        networks = self.method.networks
        kept = {id(one) for name in trained for one in networks[name].parameters()}
        others = [one for network in networks.values() for one in network.parameters()]
        frozen = [one for one in others if one.requires_grad and id(one) not in kept]
        for one in frozen:
            one.requires_grad_(False)
        try:
            yield
        finally:
            for one in frozen:
                one.requires_grad_(True)

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Run a ``with`` block without gradients, with all networks and maskers in eval mode."""
        parts = [*self.method.networks.values(), *self.method.masks.maskers.values()]
        modes = [(module, module.training) for part in parts for module in part.modules()]
        for part in parts:
            part.eval()
        try:
            with torch.no_grad(), self.autocast():
                yield
        finally:
            for module, training in modes:
                module.training = training

    def try_odd_sizes(self) -> None:
        """Call each generator with an image of odd height and width: users translate images of any size."""
        for name, image in self.seen.items():
            odd = F.pad(image.float(), (0, 1 - image.shape[3] % 2, 0, 1 - image.shape[2] % 2), mode="replicate")
            size = "×".join(map(str, odd.shape[2:]))
            with self.origins[f"networks.{name}"].catch(f"forward, for images of {size} pixels,"):
                self.method.networks[name](odd)

    def mask(self) -> None:
        """Compute the masks of two images in each role: the mask of one must not depend on the other."""
        masks = self.method.masks
        for role in masks.maskers:
            whole, alone = self.pair.inputs(), self.pair.inputs().halve()
            name = next(one for one in whole if one.startswith("real_"))
            pair, one = masks.mask(role, whole, name), masks.mask(role, alone, name)
            check_independent(pair, one, masks.origins[role], "forward", draws=True)

    def draw_styles(self) -> None:
        """Draw styles, and find those of images, in each domain that is translated into."""
        for domain in sorted({direction[1] for direction in self.method.directions}):
            with self.calling("style_size"):
                size = results.check_style_size(self.method.style_size(domain), domain, self.origin)
            if not size:
                continue
            with self.calling("draw_style"):
                drawn = self.method.draw_style(domain, self.pair.rng(f"style_{domain}"))
            results.check_styles(drawn, 2, size, "draw_style", self.origin)
            if f"real_{domain}" not in self.pair:
                continue
            try:
                with self.calling("style_of"):
                    found = self.method.style_of(self.pair[f"real_{domain}"], domain)
            except GanzooError as error:
                if not raised_by(error, Method.style_of):
                    raise
            else:
                results.check_styles(found, 2, size, "style_of", self.origin)

    def translate(self) -> None:
        """Translate two images in each direction: the translation of one must not depend on the other.

        A method that does not translate single images is left out.
        """
        for direction in self.method.directions:
            images = self.pair.get(f"real_{direction[0]}")
            if images is None:
                continue
            whole, alone = self._for_translation(), self._for_translation().halve()
            try:
                with self.calling("translate"):
                    pair = self.method.translate(images, direction, whole)
            except GanzooError as error:
                if raised_by(error, Method.translate):
                    return
                raise
            results.check_translation(pair, images, direction, self.channels, self.origin)
            results.check_translation_values(pair, direction, self.origin)
            with self.calling("translate"):
                one = self.method.translate(images[1:], direction, alone)
            check_independent(pair, one, self.origin, f"translate ({direction})")

    def _for_translation(self) -> Step:
        """Return a step for the translation of the two images, with no tensors but the masks of the data set."""
        step = self.pair.inputs()
        for name in [one for one in step if not one.startswith("given_")]:
            del step[name]
        return step

    def forward_in_evaluation(self) -> None:
        """Run the forward of an evaluation, and look for the translations of each direction, as metrics do."""
        step = self._forward(self.pair.inputs())
        for direction in self.method.directions:
            if direction[0] != direction[1]:
                self._find_translations(step, direction)

    def _find_translations(self, step: Step, direction: Direction) -> None:
        try:
            with self.calling("translated"):
                name = self.method.translated(direction)
        except GanzooError as error:
            if isinstance(error, ComponentError):
                raise
            raise ComponentError(f"{self.origin}: {error} ({self.origin.line('__init__')})") from error
        results.check_translated(name, self.method.tensors, direction, self.origin)
        if name not in step and f"real_{direction[0]}" in step:
            expected = f"{name!r}, the translations {direction}, also in evaluations (step.training is False)"
            raise self.origin.refuse("forward", f"without a tensor {name!r} in the step", expected)


def _pair_of(step: Step) -> Step:
    """Return a step of an evaluation with two images of each domain: a batch's first, and its mirrored negative."""
    tensors = {}
    for name in step.batch:
        one = step[name][:1]
        negative = name.startswith("real_") and name[-1] not in step.classes
        tensors[name] = torch.cat([one, -one.flip(-1) if negative else one.flip(-1)])
    return Step(tensors, seed=step.seed, index=-1, samples=(0, 1), training=False, classes=step.classes)


def _shape(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_shape, value))
    return "×".join(map(str, value.shape[1:])) if isinstance(value, Tensor) else type(value).__name__
