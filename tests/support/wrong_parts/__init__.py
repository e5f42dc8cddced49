"""A plugin of small components: one of each kind is right, and the others are wrong in one way each."""

from __future__ import annotations

from ganzoo import Registration, hookimpl
from tests.support.wrong_parts import datasets, losses, maskers, methods, metrics, networks
from tests.support.wrong_parts.shared import Planted

GANZOO_INTERFACE = 1
PLANTED: dict[str, Planted] = {
    "loss": losses.WRONG,
    "masker": maskers.WRONG,
    "generator": networks.GENERATORS,
    "discriminator": networks.DISCRIMINATORS,
    "dataset": datasets.WRONG,
    "metric": metrics.WRONG,
    "method": methods.WRONG,
}
"""Kind → each wrong component, with the contracts that it breaks."""
UNBUILT = ("NoModule", "NamelessMasker")
"""Components that cannot be made, so that they break every contract that makes one."""
RIGHT: dict[str, type] = {
    "loss": losses.RightLoss,
    "masker": maskers.RightMasker,
    "generator": networks.RightNetwork,
    "discriminator": networks.RIGHT_DISCRIMINATOR,
    "dataset": datasets.RightData,
    "metric": metrics.RightMetric,
    "method": methods.RightMethod,
}
ALSO_RIGHT: dict[str, tuple[type, ...]] = {
    "loss": (losses.MaskLoss, losses.StaticLoss, losses.StepLoss),
    "method": (methods.StylesOfOneDomain,),
}
"""Kind → components that are right, and do not have what most have."""
ON_ONE_DEVICE: dict[str, type] = {"loss": losses.CpuLoss, "method": methods.CpuMethod}
"""Kind → a component that fails on an accelerator only."""


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    for kind, target in RIGHT.items():
        registry.add(kind, "right", target)
    for kind, wrong in PLANTED.items():
        for target, _ in wrong:
            registry.add(kind, target.__name__, target)
    for kind, others in ALSO_RIGHT.items():
        for target in others:
            registry.add(kind, target.__name__, target)
    for kind, target in ON_ONE_DEVICE.items():
        registry.add(kind, target.__name__, target)
