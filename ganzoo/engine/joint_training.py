"""Train a masker, or the network of a loss, in a phase of the method."""

from __future__ import annotations

from dataclasses import replace

from ganzoo.errors import GanzooError
from ganzoo.interfaces import Method, Phase, Slot
from ganzoo.recipe.losses import updates_generators


def train_masker(method: Method, name: str) -> None:
    """Change the method so that its first phase that updates generators also trains a masker, in the new slot ``name``.

    Raises GanzooError if the method has no such phase.
    """
    phase = next((phase for phase in method.phases if updates_generators(method, phase)), None)
    if phase is None:
        raise GanzooError(f"{name.replace('_', '.')}: it is trained with the generators, but the method trains none")
    train_jointly(
        method,
        name,
        Slot("masker"),
        replace(phase, losses=lambda step: {**phase.losses(step), **method.masks.joint_terms(step)}),
    )


def train_jointly(method: Method, name: str, slot: Slot, phase: Phase) -> None:
    """Change the method so that a phase also trains the network of a new slot ``name``.

    The phase ``phase`` takes the place of the one that has its name.
    """
    method.slots = {**method.slots, name: slot}
    method.optims = {**method.optims, name: replace(method.optims[phase.steps[0]], slots=(name,))}
    joint = replace(phase, steps=(*phase.steps, name))
    method.phases = [joint if one.name == phase.name else one for one in method.phases]
