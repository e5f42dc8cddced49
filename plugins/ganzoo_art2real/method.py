"""The method ``art2real``: CycleGAN plus a loss that pulls each generated patch towards real ones of its class."""

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
from ganzoo.interfaces import AdversarialOption, MethodWrapper, Reader, Step
from ganzoo_art2real.loss import Contextual, Count, Scales
from ganzoo_art2real.retrieval import SearchKind
from ganzoo_cyclegan.method import CycleGAN, Weight

Refresh = dict[Literal["after", "every"], Count]

REFRESH: Refresh = {"after": 40, "every": 20}
SNAPSHOT, TAKEN = "snapshot.", "taken"


class Art2Real(MethodWrapper):
    """Paintings (A) to photographs (B) by memory banks (Tomei et al., CVPR 2019, eq. 7): CycleGAN + λ · L_CXMS(fake_B).

    L_CXMS is the loss ``contextual``. The masker in the role ``labels`` gives the class of each pixel of fake_B: at
    first from the painting, later from the image that a snapshot of the generator makes of it. The snapshot is renewed
    every few epochs, so the classes do not change in between. Without the masker every pixel is background.

    Args:
        bank: folder of the bank, from ``ganzoo bank build``.
        contextual: λ; 0 leaves the term out, and the method is CycleGAN.
        scales: patch sizes and strides of the loss: ``first``, ``all`` (the paper's three), or [[patch, stride], …].
        neighbours: number of nearest patches that are retrieved for each window.
        search: kind of search: ``exact``, ``approximate``, or ``auto``: chosen by the bank's size and the device.
        refresh: epochs of the snapshots: ``after`` is the first epoch in which classes come from generated images,
            ``every`` the number of epochs until the snapshot is renewed; null: always from the paintings, as in the
            released code.
        gan: the adversarial loss, or ``{loss: …}`` with label smoothing and gradient penalties (``AdversarialLoss``).
        cycle: weight of the cycle terms.
        identity: weight of the identity terms, in units of ``cycle`` (the released code: 0.5).
        pool: size of each discriminator's image pool, for each position in the batch; 0: no pool.

    Raises GanzooError if ``refresh`` lacks one of its two numbers.
    """

    accepts: ClassVar[tuple[str, ...]] = ("labels", "discriminator", "composite")

    def __init__(
        self,
        *,
        bank: Path,
        contextual: Weight = 0.1,
        scales: Scales = "first",
        neighbours: Count = 5,
        search: SearchKind = "auto",
        refresh: Refresh | None = REFRESH,
        gan: AdversarialOption = "lsgan",
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
        """The epoch for which the snapshot was taken; 0 without a snapshot."""
        losses = {"generator": self.generator_losses}
        self.phases = [replace(phase, losses=losses.get(phase.name, phase.losses)) for phase in self.phases]

    def prepare(self, reader: Reader) -> None:
        """Open the bank for training (translating does not need it); do nothing if λ is 0.

        Raises GanzooError if the bank is missing or damaged, or does not fit images, scales or classes.
        """
        if self.weight:
            try:
                self.loss = Contextual(**self.options)
                self.loss.bind(self, reader)
            except GanzooError as error:
                raise GanzooError(f"method: {error}") from None
            self.sources = self.loss.sources

    def generator_losses(self, step: Step) -> dict[str, Tensor]:
        """Return CycleGAN's terms and the weighted term ``contextual``, scalars by name."""
        losses = self.cyclegan.generator_losses(step)
        if self.loss is not None:
            labels = self.labels(step)
            with torch.autocast(step["fake_B"].device.type, enabled=False):
                losses["contextual"] = self.weight * self.loss(step["fake_B"].float(), labels)
        return losses

    def labels(self, step: Step) -> Tensor | None:
        """Return the classes of fake_B's pixels, (B, K, H, W) in [0, 1], or None if the role ``labels`` has no masker.

        Takes a new snapshot of the generator if the step's epoch needs one.
        """
        if "labels" not in self.masks:
            return None
        epoch = self.snapshot_epoch(step.epoch)
        if not epoch:
            return self.masks.labels(step, "real_A")
        if self.taken != epoch or self.snapshot is None:
            self.snapshot = deepcopy(self.networks["G_AB"]).eval().requires_grad_(False)
            self.taken = epoch
        other = step.inputs()
        with torch.no_grad():
            other["fake_B"] = self.masks.composite(other, "real_A", self.snapshot(step["real_A"]))
        return self.masks.labels(other, "fake_B")

    def snapshot_epoch(self, epoch: int) -> int:
        """Return the epoch whose snapshot gives an epoch (from 0) its classes; 0 if they come from the paintings.

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
        """Return the images of the pools, and the snapshot's weights and epoch if there is a snapshot."""
        state = super().state_dict()
        if self.snapshot is not None:
            state |= {SNAPSHOT + name: tensor for name, tensor in self.snapshot.state_dict().items()}
            state[TAKEN] = torch.tensor(self.taken)
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Restore the pools, and the snapshot if one was saved."""
        own = {name for name in state if name == TAKEN or name.startswith(SNAPSHOT)}
        super().load_state_dict({name: tensor for name, tensor in state.items() if name not in own})
        if TAKEN in state:
            self.taken = int(state[TAKEN])
            self.snapshot = deepcopy(self.networks["G_AB"]).eval().requires_grad_(False)
            weights = {name: tensor for name, tensor in state.items() if name.startswith(SNAPSHOT)}
            self.snapshot.load_state_dict({name.removeprefix(SNAPSHOT): tensor for name, tensor in weights.items()})
