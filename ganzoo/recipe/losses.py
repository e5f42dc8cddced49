"""How a recipe attaches a loss: which tensors of the method it reads, and in which phase it counts."""

from __future__ import annotations

from collections.abc import Collection
from inspect import Parameter, signature
from typing import Any

from ganzoo.errors import suggest
from ganzoo.interfaces import Loss, Method, Phase
from ganzoo.masks.roles import mask_name
from ganzoo.recipe.options import Problem
from ganzoo.recipe.schema import Part
from ganzoo.recipe.yaml_document import KeyPath
from ganzoo.step import batch_tensors


def resolve_loss(
    part: Part, path: KeyPath, method: Method, roles: Collection[str] = ()
) -> tuple[dict[str, Any], list[Problem]]:
    """Check a loss's ``of`` against the tensors there are, and find its phase.

    Args:
        part: the loss, its use as the recipe gives it.
        path: where it stands.
        method: to which it is to attach.
        roles: those that have a masker, whose masks can be read as ``{role}_mask_{image}``.

    Returns:
        Its use in full, and every mistake.
    """
    problems: list[Problem] = []

    def problem(where: KeyPath, message: str) -> None:
        problems.append(Problem(where, message))

    made: type[Loss] = part.component.load()
    inputs = {name: one for name, one in signature(made.forward).parameters.items() if name != "self"}
    of = part.use["of"]
    if isinstance(of, str):
        of = {next(iter(inputs), ""): of}
    known = [
        *batch_tensors(),
        *(name for name, output in method.tensors.items() if output.for_losses),
        *mask_tensors(method, roles),
    ]
    for key, tensor in of.items():
        if key not in inputs:
            problem((*path, "of", key), f"the loss reads no {key!r}{suggest(key, inputs)}")
        if tensor not in known:
            problem((*path, "of", key), f"the method makes no tensor {tensor!r}{suggest(tensor, known)}")
    for key, parameter in inputs.items():
        if key not in of and parameter.default is Parameter.empty:
            problem((*path, "of"), f"the loss reads {key!r} too: which tensor is it?")
    phases: dict[str, Phase] = {one.name: one for one in method.phases}
    phase = part.use["phase"] or next((one.name for one in phases.values() if updates_generators(method, one)), "")
    if not phases:
        problem(path, "the method trains in no phase, so that no loss can attach to it")
    elif phase not in phases:
        problem((*path, "phase"), f"the method has no phase {phase!r}{suggest(phase, phases)}")
    elif not updates_generators(method, phases[phase]):
        problem((*path, "phase"), f"the phase {phase!r} trains discriminators alone, which no such loss reaches")
    return {"of": of, "weight": part.use["weight"], "phase": phase}, problems


def updates_generators(method: Method, phase: Phase) -> bool:
    """Return whether a phase trains what makes the images: some network that is no discriminator, with its graph."""
    trained = [slot for name in phase.steps for slot in method.optims[name].slots]
    return phase.forward != "detached" and any(method.slots[one].kind != "discriminator" for one in trained)


def mask_tensors(method: Method, roles: Collection[str]) -> list[str]:
    """Return the names of the masks that can be read: of the real images, and of what the method makes of them."""
    images = ["real_A", "real_B", *method.tensors]
    return [mask_name(role, image) for role in roles for image in images]
