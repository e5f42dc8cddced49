"""A method that is right, and others that are wrong in one way each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ganzoo.interfaces import Direction, Draws, Method, Optim, Output, Phase, Slot, Step
from tests.support.wrong_parts.shared import RECIPE, Doubled, Planted


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


class StylesOfOneDomain(RightMethod):
    """Right: only translations into B have styles."""

    def style_size(self, domain: str) -> int:
        return 4 if domain == "B" else 0

    def style_of(self, images: Tensor, domain: str) -> Tensor:
        return images.mean((1, 2, 3))[:, None].expand(-1, {"B": 4}[domain])


class OtherExport(RightMethod):
    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        translated = super().translate(images, direction, step)
        return translated * 0.5 if torch.compiler.is_exporting() else translated


class NanExport(RightMethod):
    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        translated = super().translate(images, direction, step)
        return translated * torch.nan if torch.compiler.is_exporting() else translated


class CpuMethod(RightMethod):
    def forward(self, step: Step) -> None:
        super().forward(step)
        step["fake_B"] = step["fake_B"] * torch.ones(3, 1, 1)


WRONG: Planted = [
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
    (NanExport, {"test_it_can_be_exported"}),
]
