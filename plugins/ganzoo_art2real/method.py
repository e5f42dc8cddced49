"""Art2Real: CycleGAN whose photographs are pulled, patch by patch, towards real ones of the same class."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import Adversarial, MethodWrapper, Reader, Step
from ganzoo_art2real.loss import Contextual, Count, Scales
from ganzoo_art2real.retrieval import Way
from ganzoo_cyclegan.method import CycleGAN, Weight

Refresh = dict[Literal["after", "every"], Count]

REFRESH: Refresh = {"after": 40, "every": 20}
SNAPSHOT, TAKEN = "snapshot.", "taken"


class Art2Real(MethodWrapper):
    """Paintings (A) to photographs (B) by memory banks (Tomei et al., CVPR 2019, eq. 7): CycleGAN + λ · L_CXMS(fake_B).

    The loss is ``contextual``; which class a place of fake_B belongs to says the masker in the role ``labels``: of the
    painting at first, later of what the generator makes of it, by a copy of the generator that is renewed now and then,
    so that the classes hold still in between. Without the masker everything is background.

    Args:
        bank: the folder that ``ganzoo bank build`` made.
        contextual: λ; 0 leaves the term out, and the method is CycleGAN.
        scales: as the loss's: ``first``, ``all`` (the paper's three), or [[patch, stride], …].
        neighbours: as the loss's.
        search: as the loss's.
        refresh: the epoch ``after`` which classes come from generated images, and ``every`` how many epochs the copy
            is renewed; null: always from the paintings, as in the released code.
        gan: the adversarial loss.
        cycle: λ of the cycle terms.
        identity: in units of that (the released code: 0.5).
        pool: earlier images that a discriminator may be shown.
    """

    accepts: ClassVar[tuple[str, ...]] = ("labels", "discriminator", "composite")

    def __init__(
        self,
        *,
        bank: Path,
        contextual: Weight = 0.1,
        scales: Scales = "first",
        neighbours: Count = 5,
        search: Way = "auto",
        refresh: Refresh | None = REFRESH,
        gan: Adversarial = "lsgan",
        cycle: Weight = 10.0,
        identity: Weight = 0.0,
        pool: Annotated[int, Field(ge=0)] = 50,
    ) -> None:
        self.cyclegan = CycleGAN(gan=gan, cycle=cycle, identity=identity, pool=pool)
        super().__init__(self.cyclegan)
        if refresh is not None and set(refresh) != {"after", "every"}:
            raise GanzooError("refresh is {after: 40, every: 20}, in epochs, or null")
        self.weight = contextual
        self.refresh = refresh
        self.options: dict[str, Any] = {"bank": bank, "scales": scales, "neighbours": neighbours, "search": search}
        self.loss: Contextual | None = None
        self.snapshot: nn.Module | None = None
        self.taken = 0
        """The epoch for which the snapshot was taken."""
        losses = {"generator": self.generator_losses}
        self.phases = [replace(phase, losses=losses.get(phase.name, phase.losses)) for phase in self.phases]

    def prepare(self, reader: Reader) -> None:
        """Open the bank, which translating does not need."""
        if self.weight:
            try:
                self.loss = Contextual(**self.options)
                self.loss.bind(self, reader)
            except GanzooError as error:
                raise GanzooError(f"method: {error}") from None
            self.sources = self.loss.sources

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return CycleGAN's terms and the contextual one."""
        losses = self.cyclegan.generator_losses(step)
        if self.loss is not None:
            labels = self.labels(step)
            with torch.autocast(step["fake_B"].device.type, enabled=False):
                losses["contextual"] = self.weight * self.loss(step["fake_B"].float(), labels)
        return losses

    def labels(self, step: Step) -> Tensor | None:
        """Return the classes of fake_B's places, (B, K, H, W), or None without a masker."""
        if "labels" not in self.masks:
            return None
        wanted = self.snapshot_epoch(step.epoch)
        if not wanted:
            return self.masks.labels(step, "real_A")
        if self.taken != wanted or self.snapshot is None:
            self.snapshot = deepcopy(self.networks["G_AB"]).eval().requires_grad_(False)
            self.taken = wanted
        seen = step.inputs()
        with torch.no_grad():
            seen["fake_B"] = self.masks.composite(seen, "real_A", self.snapshot(step["real_A"]))
        return self.masks.labels(seen, "fake_B")

    def snapshot_epoch(self, epoch: int) -> int:
        """Return the epoch whose generator makes the classes in an epoch, counted from 0; 0: the paintings do.

        >>> method = Art2Real.__new__(Art2Real)
        >>> method.refresh = {"after": 40, "every": 20}
        >>> [method.snapshot_epoch(epoch) for epoch in (0, 39, 40, 59, 60, 85)]
        [0, 0, 40, 40, 60, 80]
        """
        if self.refresh is None or epoch < self.refresh["after"]:
            return 0
        after, every = self.refresh["after"], self.refresh["every"]
        return after + (epoch - after) // every * every

    def state_dict(self) -> dict[str, Tensor]:
        """Return the pools, and the generator's copy with its epoch."""
        kept = super().state_dict()
        if self.snapshot is not None:
            kept |= {SNAPSHOT + name: tensor for name, tensor in self.snapshot.state_dict().items()}
            kept[TAKEN] = torch.tensor(self.taken)
        return kept

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take back what ``state_dict`` gave."""
        ours = {name for name in state if name == TAKEN or name.startswith(SNAPSHOT)}
        super().load_state_dict({name: one for name, one in state.items() if name not in ours})
        if TAKEN in state:
            self.taken = int(state[TAKEN])
            self.snapshot = deepcopy(self.networks["G_AB"]).eval().requires_grad_(False)
            weights = {name: one for name, one in state.items() if name.startswith(SNAPSHOT)}
            self.snapshot.load_state_dict({name.removeprefix(SNAPSHOT): one for name, one in weights.items()})
