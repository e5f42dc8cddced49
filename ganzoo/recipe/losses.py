"""Check how a recipe attaches a loss to a method: which tensors the loss reads, and in which phase it counts."""

from __future__ import annotations

from collections.abc import Collection
from inspect import Parameter
from typing import Any

from ganzoo.errors import suggest
from ganzoo.interfaces import Loss, Method, Phase
from ganzoo.masks.roles import ROLES, mask_name
from ganzoo.recipe.options import Problem
from ganzoo.recipe.schema import Part
from ganzoo.recipe.yaml_document import KeyPath
from ganzoo.step import batch_tensors


def resolve_loss(
    part: Part, path: KeyPath, method: Method, roles: Collection[str] = ()
) -> tuple[dict[str, Any], list[Problem]]:
    """Check that a loss can be attached to a method: its tensors exist, and its phase trains generators.

    Args:
        part: the loss, with ``of``, ``weight`` and ``phase`` as the recipe writes them.
        path: the loss's place in the recipe.
        method: the method to attach the loss to.
        roles: the roles that have a masker; a loss can read their masks as ``{role}_mask_{image}``.

    Returns:
        The loss's ``of`` (input of the loss → name of a tensor), ``weight`` and ``phase`` (by default the first phase
        that trains generators), and a list of every mistake.
    """
    problems: list[Problem] = []

    def add_problem(where: KeyPath, message: str) -> None:
        problems.append(Problem(where, message))

    loss: type[Loss] = part.component.load()
    inputs = loss.inputs()
    of = part.kind_options["of"]
    if isinstance(of, str):
        of = {next(iter(inputs), ""): of}
    known = [
        *batch_tensors(),
        *(name for name, output in method.tensors.items() if output.for_losses),
        *mask_tensors(method, roles),
    ]
    for key, tensor in of.items():
        if key not in inputs:
            add_problem((*path, "of", key), f"the loss has no input {key!r}{suggest(key, inputs)}")
        if tensor not in known:
            hint = suggest(tensor, known)
            role = tensor.partition("_mask_")[0]
            if role in ROLES and role not in roles and tensor in mask_tensors(method, [role]):
                hint = f" without a masker in this role: maskers: {{{role}: …}}"
            add_problem((*path, "of", key), f"the method makes no tensor {tensor!r}{hint}")
    for key, parameter in inputs.items():
        if key not in of and parameter.default is Parameter.empty:
            add_problem((*path, "of"), f"the loss also reads {key!r}: add it to 'of'")
    phases = {phase.name: phase for phase in method.phases}
    phase = part.kind_options["phase"] or _default_phase(method)
    if not phases:
        add_problem(path, "the method has no training phases, so no loss can be attached to it")
    elif phase not in phases:
        add_problem((*path, "phase"), f"the method has no phase {phase!r}{suggest(phase, phases)}")
    elif not updates_generators(method, phases[phase]):
        add_problem((*path, "phase"), f"the phase {phase!r} trains no generators, so a loss has no effect in it")
    return {"of": of, "weight": part.kind_options["weight"], "phase": phase}, problems


def loss_slot(name: str) -> str:
    """Return the slot of the network that the loss ``name`` of a recipe trains, if it has one (``Loss.trained``)."""
    return f"loss_{name}"


def _default_phase(method: Method) -> str:
    """Return the name of the first phase that updates the generators, or ``""`` if there is none."""
    return next((phase.name for phase in method.phases if updates_generators(method, phase)), "")


def updates_generators(method: Method, phase: Phase) -> bool:
    """Return whether a phase trains a network other than a discriminator, with gradients of the forward pass."""
    trained = [slot for name in phase.steps for slot in method.optims[name].slots]
    return phase.forward != "detached" and any(method.slots[slot].kind != "discriminator" for slot in trained)


def mask_tensors(method: Method, roles: Collection[str]) -> list[str]:
    """Return the names of the masks that a loss can read: of the real images and of the method's tensors, by role."""
    images = ["real_A", "real_B", *method.tensors]
    return [mask_name(role, image) for role in roles for image in images]
