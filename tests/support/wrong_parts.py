"""A plugin of small components: one of each kind is right, and the others are wrong in one way each."""

from __future__ import annotations

import sqlite3
import time
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import AfterValidator
from torch import Tensor, nn

from ganzoo import GanzooError, Registration, hookimpl
from ganzoo.interfaces import (
    Dataset,
    Direction,
    Draws,
    Loss,
    Masker,
    Method,
    Metric,
    Optim,
    Output,
    Phase,
    Sample,
    Slot,
    Split,
    Step,
)

GANZOO_INTERFACE = 1
Doubled = Annotated[float, AfterValidator(lambda value: 2 * value)]
"""A type that changes a value each time it is read."""


def tiny(images: Tensor) -> bool:
    """Whether images are those of a tiny run."""
    return images.shape[-1] == 16


class RightLoss(Loss):
    def __init__(self, *, strength: float = 1.0) -> None:
        super().__init__()
        self.strength = strength
        self.seen = 0

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return self.strength * (image - target).abs().mean()


class NoLoss(nn.Module):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return (image - target).abs().mean()


class DoublingLoss(RightLoss):
    def __init__(self, *, strength: Doubled = 1.0) -> None:
        super().__init__(strength=strength)


class SpreadLoss(RightLoss):
    """Not finite for a batch of one: it divides by the spread over the batch."""

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return super().forward(image, target) + 0 / (len(image) - 1 or float("nan"))


class EvenLoss(RightLoss):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        if image.shape[-1] % 2:
            raise GanzooError("the width must be even")
        return super().forward(image, target)


class SumLoss(RightLoss):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return super().forward(image, target) * len(image)


class FlatLoss(RightLoss):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return super().forward(image, target).detach() + 0 * image.sum()


class RootLoss(RightLoss):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return ((image - target) ** 2).flatten(1).sum(1).sqrt().mean()


class ClampingLoss(RightLoss):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        image.data.clamp_(-0.5, 0.5)
        return super().forward(image, target)


class CountingLoss(RightLoss):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        self.seen += 1
        return super().forward(image, target) * (1 + 1e-5 * self.seen)


class HidingLoss(RightLoss):
    def __init__(self) -> None:
        super().__init__(strength=float(torch.rand(())))


class LateLoss(RightLoss):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        if tiny(image):
            raise GanzooError("too small")
        return super().forward(image, target)


class CpuLoss(RightLoss):
    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.ones(3, 1, 1)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return (self.factor * (image - target)).abs().mean()


class RightMasker(Masker):
    def __init__(self, *, level: float = 0.0) -> None:
        super().__init__()
        self.level = level
        self.seen = 0

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return (image.mean(1, keepdim=True) - self.level).sigmoid().float()


class NamelessMasker(RightMasker):
    classes = ("sky", "ground")


class DoublingMasker(RightMasker):
    def __init__(self, *, level: Doubled = 1.0) -> None:
        super().__init__(level=level)


class SqueezingMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return super().forward(image, rng, given).squeeze(0)


class HalfMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        small = super().forward(image, rng, given)[..., ::2, ::2]
        return small.repeat_interleave(2, 2).repeat_interleave(2, 3)


class WideMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return 4 * super().forward(image, rng, given) - 2


class ComparingMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return super().forward(image - image.mean(0, keepdim=True), rng, given)


class ErasingMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        if given is not None:
            given.zero_()
        return super().forward(image, rng, given)


class HalfPrecisionMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        overflow = float("nan") if torch.is_autocast_enabled(image.device.type) else 0.0
        return super().forward(image, rng, given) + overflow


class DetachedMasker(RightMasker):
    trains: Literal["", "separate", "joint"] = "joint"

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.unused = nn.Conv2d(3, 1, 1), nn.Parameter(torch.ones(1))

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return self.layer(image).sigmoid()


class CountingMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        self.seen += 1
        return super().forward(image, rng, given) * (1 - 1e-6 * self.seen)


class HidingMasker(RightMasker):
    def __init__(self) -> None:
        super().__init__(level=float(torch.rand(())))


class LateMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        if tiny(image):
            raise GanzooError("too small")
        return super().forward(image, rng, given)


class RightNetwork(nn.Module):
    """A generator; and with one output channel a discriminator."""

    def __init__(self, in_channels: int, out_channels: int = 1, *, gain: float = 1.0) -> None:
        super().__init__()
        self.layer = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.gain = gain
        self.seen = 0

    def forward(self, images: Tensor) -> Any:
        return (self.gain * self.layer(images)).tanh()


class NoModule(RightNetwork):
    def __init__(self, in_channels: int, out_channels: int = 1) -> None:
        self.layer = nn.Conv2d(in_channels, out_channels, 3)


class DoublingNetwork(RightNetwork):
    def __init__(self, in_channels: int, out_channels: int = 1, *, gain: Doubled = 1.0) -> None:
        super().__init__(in_channels, out_channels, gain=gain)


class SqueezingNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        maps = super().forward(images)
        return maps.squeeze() if len(images) == 1 else maps


class ThreeChannels(RightNetwork):
    def __init__(self, in_channels: int, out_channels: int = 1) -> None:
        super().__init__(3, 3 if out_channels > 1 else out_channels)


class HalfNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        if images.shape[-1] % 2:
            raise RuntimeError("sizes of tensors must match")
        return super().forward(images)


class WideNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        return 3 * super().forward(images)


class ComparingNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        return super().forward(images - images.mean(0, keepdim=True))


class ScalingNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        images.data.mul_(0.5)
        return super().forward(images)


class HalfPrecisionNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        overflow = float("nan") if torch.is_autocast_enabled(images.device.type) else 0.0
        return super().forward(images) + overflow


class UnusedNetwork(RightNetwork):
    def __init__(self, in_channels: int, out_channels: int = 1) -> None:
        super().__init__(in_channels, out_channels)
        self.unused = nn.Conv2d(3, 3, 1)


class CountingNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        self.seen += 1
        return super().forward(images) * (1 - 1e-6 * self.seen)


class HidingNetwork(RightNetwork):
    def __init__(self, in_channels: int, out_channels: int = 1) -> None:
        super().__init__(in_channels, out_channels, gain=0.5 + float(torch.rand(())))


class LateNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        if tiny(images):
            raise GanzooError("too small")
        return super().forward(images)


class RightData(Dataset):
    def __init__(self, *, shade: float = 0.0) -> None:
        self.shade = shade

    def count(self, split: Split, domain: str) -> int:
        return 4

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        draws = np.random.default_rng([ord(split[1]), ord(domain), index])
        return Sample(draws.integers(0, 256, (20, 24, 3), dtype=np.uint8), f"{split}_{index}")


class UnequalData(RightData):
    paired = True

    def count(self, split: Split, domain: str) -> int:
        return 4 if domain == "A" else 3


class DoublingData(RightData):
    def __init__(self, *, shade: Doubled = 1.0) -> None:
        super().__init__(shade=shade)


class EmptyData(RightData):
    def count(self, split: Split, domain: str) -> int:
        return 0 if split == "train" else 4


class OtherMasks(RightData):
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        sample = super().sample(split, domain, index)
        return Sample(sample.image, sample.name, mask=np.zeros((5, 5), np.uint8))


class RandomData(RightData):
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        return Sample(np.random.default_rng().integers(0, 256, (20, 24, 3), dtype=np.uint8), f"{split}_{index}")


class NamelessData(RightData):
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        return Sample(super().sample(split, domain, index).image, split)


class LeakingData(RightData):
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        return super().sample("train", domain, index)


class SharingData(RightData):
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        self.place = (split, domain, index)
        time.sleep(0.002)
        return super().sample(*self.place)


class SomeMasks(RightData):
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        sample = super().sample(split, domain, index)
        return Sample(sample.image, sample.name, mask=sample.image[..., 0] if index % 2 else None)


class OneThreadData(RightData):
    """Its database may be used only by the thread that opened it."""

    def __init__(self) -> None:
        super().__init__()
        self.database = sqlite3.connect(":memory:")

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        self.database.execute("select 1")
        return super().sample(split, domain, index)


class RightMetric(Metric):
    def __init__(self, *, scale: float = 1.0) -> None:
        self.scale = scale
        self.seen = 0

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        return {"brightness": self.scale * step[f"fake_{direction[1]}"].mean(dim=(1, 2, 3))}


class DoublingMetric(RightMetric):
    def __init__(self, *, scale: Doubled = 1.0) -> None:
        super().__init__(scale=scale)


class KeylessMetric(RightMetric):
    cache_key: Any = 3


class ChangingMetric(RightMetric):
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        rows = super().rows(step, direction)
        step[f"fake_{direction[1]}"].zero_()
        return rows


class ComparingMetric(RightMetric):
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        rows = super().rows(step, direction)["brightness"]
        return {"brightness": rows - rows.mean()}


class InfiniteMetric(RightMetric):
    def compute(self, rows: Any, real: Any) -> dict[str, float]:
        return {"brightness": float("inf")}


class BatchMetric(RightMetric):
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        self.seen += 1
        return super().rows(step, direction)

    def compute(self, rows: Any, real: Any) -> dict[str, float]:
        return {"brightness": float(self.seen)}


class RightMethod(Method):
    def __init__(self, *, weight: float = 1.0) -> None:
        network = {"generator": "right", "gain": 1.0}
        self.weight = weight
        self.slots = {"G_AB": Slot("generator", ("A",), "B", default=network)}
        self.slots["G_BA"] = Slot("generator", ("B",), "A", default=network)
        self.optims = {"G": Optim(("G_AB", "G_BA"))}
        self.phases = [Phase("generator", ("G",), self.losses)]
        self.tensors = {"fake_B": Output("A", "B"), "fake_A": Output("B", "A")}
        self.kept: dict[str, Tensor] = {}
        self.seen = 0

    def forward(self, step: Step) -> None:
        for direction in ("AB", "BA"):
            step[f"fake_{direction[1]}"] = self.networks[f"G_{direction}"](step[f"real_{direction[0]}"])

    def losses(self, step: Step) -> dict[str, Tensor]:
        self.kept = {"mean": step["fake_B"].mean().detach()}
        return {f"l1_{one}": self.weight * (step[f"fake_{one}"] - step[f"real_{one}"]).abs().mean() for one in "AB"}

    def state_dict(self) -> dict[str, Tensor]:
        return self.kept

    def load_state_dict(self, state: Any) -> None:
        self.kept = dict(state)

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        return self.networks[f"G_{direction}"](images)


class DoublingMethod(RightMethod):
    def __init__(self, *, weight: Doubled = 1.0) -> None:
        super().__init__(weight=weight)


class IdleMethod(RightMethod):
    def __init__(self) -> None:
        super().__init__()
        self.optims = {**self.optims, "unused": Optim(("G_AB",))}


class MissingMethod(RightMethod):
    def __init__(self) -> None:
        super().__init__()
        self.tensors = {**self.tensors, "rec_A": Output("A", "A")}


class RandomMethod(RightMethod):
    def forward(self, step: Step) -> None:
        super().forward(step)
        step["fake_B"] = step["fake_B"] + 0.01 * torch.rand_like(step["fake_B"])


class LazyMethod(RightMethod):
    def losses(self, step: Step) -> dict[str, Tensor]:
        terms = super().losses(step)
        return {**terms, "l1_A": 0 * terms["l1_A"]}


class ForgetfulMethod(RightMethod):
    def load_state_dict(self, state: Any) -> None:
        self.kept = {}


class HalfPrecisionMethod(RightMethod):
    def forward(self, step: Step) -> None:
        super().forward(step)
        if step["fake_B"].dtype == torch.bfloat16:
            step["fake_B"] = step["fake_B"] + float("nan")


class CountingMethod(RightMethod):
    def losses(self, step: Step) -> dict[str, Tensor]:
        self.seen += 1
        return {name: term * self.seen for name, term in super().losses(step).items()}


class SumMethod(RightMethod):
    def losses(self, step: Step) -> dict[str, Tensor]:
        return {name: term * len(step["real_A"]) for name, term in super().losses(step).items()}


class CroppingMethod(RightMethod):
    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        height, width = (side // 2 * 2 for side in images.shape[-2:])
        return super().translate(images, direction, step)[..., :height, :width]


class ComparingMethod(RightMethod):
    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        return super().translate(images - images.mean(0, keepdim=True), direction, step)


class ShortStyles(RightMethod):
    def style_size(self, domain: str) -> int:
        return 4

    def draw_style(self, domain: str, draws: Draws) -> Tensor:
        return draws.normal(3)

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        return images.new_zeros(len(images), 4)


class OtherExport(RightMethod):
    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        translated = super().translate(images, direction, step)
        return translated * 0.5 if torch.compiler.is_exporting() else translated


class CpuMethod(RightMethod):
    def forward(self, step: Step) -> None:
        super().forward(step)
        step["fake_B"] = step["fake_B"] * torch.ones(3, 1, 1)


BUILT, RECIPE, ONE, TINY = (
    "test_it_is_built_from_its_options",
    "test_a_recipe_reads_back_the_same",
    "test_it_runs_on",
    "test_it_trains_in_a_tiny_run",
)
TWICE, STATE = "test_it_gives_the_same_result_twice", "test_its_state_fits_a_new_instance"
FORM, ODD, BATCH = (
    "test_its_results_have_the_right_form",
    "test_it_takes_images_of_odd_sizes",
    "test_its_results_do_not_depend_on_the_batch",
)
UNCHANGED = "test_it_leaves_its_input_unchanged"
NETWORKS: list[tuple[type, set[str]]] = [
    (NoModule, {BUILT}),
    (DoublingNetwork, {RECIPE}),
    (SqueezingNetwork, {FORM}),
    (HalfNetwork, {ODD}),
    (ComparingNetwork, {BATCH}),
    (ScalingNetwork, {UNCHANGED}),
    (HalfPrecisionNetwork, {"test_its_results_are_finite_in_bf16"}),
    (UnusedNetwork, {"test_its_gradient_reaches_input_and_weights"}),
    (CountingNetwork, {TWICE}),
    (HidingNetwork, {STATE}),
    (LateNetwork, {TINY}),
]
PLANTED: dict[str, list[tuple[type, set[str]]]] = {
    "loss": [
        (NoLoss, {BUILT}),
        (DoublingLoss, {RECIPE}),
        (SpreadLoss, {"test_it_returns_a_finite_float32_scalar", "test_it_is_a_mean_over_samples"}),
        (EvenLoss, {ODD}),
        (SumLoss, {"test_it_is_a_mean_over_samples"}),
        (FlatLoss, {"test_its_gradient_reaches_a_generated_image"}),
        (RootLoss, {"test_its_gradient_is_finite_for_equal_images"}),
        (ClampingLoss, {"test_it_leaves_its_inputs_unchanged"}),
        (CountingLoss, {TWICE}),
        (HidingLoss, {STATE}),
        (LateLoss, {TINY}),
    ],
    "masker": [
        (NamelessMasker, {BUILT}),
        (DoublingMasker, {RECIPE}),
        (SqueezingMasker, {"test_its_masks_have_its_planes"}),
        (HalfMasker, {"test_its_masks_have_the_size_of_odd_images"}),
        (WideMasker, {"test_its_masks_are_from_0_to_1", "test_its_masks_are_finite_in_bf16"}),
        (ComparingMasker, {"test_its_masks_do_not_depend_on_the_batch"}),
        (ErasingMasker, {"test_it_leaves_its_inputs_unchanged"}),
        (HalfPrecisionMasker, {"test_its_masks_are_finite_in_bf16"}),
        (DetachedMasker, {"test_its_gradient_reaches_its_weights"}),
        (CountingMasker, {TWICE}),
        (HidingMasker, {STATE}),
        (LateMasker, {TINY}),
    ],
    "generator": [
        *NETWORKS,
        (ThreeChannels, {"test_it_has_any_number_of_channels"}),
        (WideNetwork, {"test_its_images_are_from_minus_1_to_1"}),
    ],
    "discriminator": [*NETWORKS, (ThreeChannels, {"test_it_takes_any_number_of_channels"})],
    "dataset": [
        (UnequalData, {BUILT}),
        (DoublingData, {RECIPE}),
        (EmptyData, {"test_it_has_training_images", "test_a_batch_can_be_read"}),
        (OtherMasks, {"test_its_samples_have_the_right_form", "test_a_batch_can_be_read"}),
        (RandomData, {"test_an_image_is_the_same_when_it_is_read_again", "test_threads_can_read_it"}),
        (NamelessData, {"test_its_names_are_unique"}),
        (LeakingData, {"test_no_image_is_in_two_splits"}),
        (SharingData, {"test_threads_can_read_it"}),
        (SomeMasks, {"test_a_batch_can_be_read"}),
        (OneThreadData, {"test_threads_can_read_it", TINY}),
    ],
    "metric": [
        (KeylessMetric, {BUILT}),
        (DoublingMetric, {RECIPE}),
        (ChangingMetric, {"test_it_has_a_row_for_each_image"}),
        (ComparingMetric, {"test_its_rows_do_not_depend_on_the_batch"}),
        (InfiniteMetric, {"test_its_values_are_finite_numbers", "test_it_is_recorded_in_a_tiny_run"}),
        (BatchMetric, {"test_its_values_do_not_depend_on_the_batch", "test_it_measures_the_same_twice"}),
    ],
    "method": [
        (DoublingMethod, {RECIPE}),
        (IdleMethod, {"test_it_declares_what_fits_together"}),
        (MissingMethod, {"test_it_makes_its_tensors"}),
        (RandomMethod, {"test_its_tensors_are_the_same_twice"}),
        (LazyMethod, {"test_each_phase_changes_its_networks"}),
        (ForgetfulMethod, {"test_its_state_can_be_restored"}),
        (HalfPrecisionMethod, {"test_it_trains_in_bf16"}),
        (CountingMethod, {"test_it_resumes_bit_for_bit"}),
        (SumMethod, {"test_two_processes_train_as_one"}),
        (CroppingMethod, {"test_its_translations_are_images"}),
        (ComparingMethod, {"test_its_translations_do_not_depend_on_the_batch"}),
        (ShortStyles, {"test_its_styles_have_their_size"}),
        (OtherExport, {"test_it_can_be_exported"}),
    ],
}
"""Kind → each wrong component, with the contracts that it breaks."""
RIGHT: dict[str, type] = {
    "loss": RightLoss,
    "masker": RightMasker,
    "generator": RightNetwork,
    "discriminator": RightNetwork,
    "dataset": RightData,
    "metric": RightMetric,
    "method": RightMethod,
}
ON_ONE_DEVICE: dict[str, type] = {"loss": CpuLoss, "method": CpuMethod}
"""Kind → a component that fails on an accelerator only."""


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    for kind, target in RIGHT.items():
        registry.add(kind, "right", target)
    for kind, wrong in PLANTED.items():
        for target, _ in wrong:
            registry.add(kind, target.__name__, target)
    for kind, target in ON_ONE_DEVICE.items():
        registry.add(kind, target.__name__, target)
