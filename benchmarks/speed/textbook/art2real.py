"""Art2Real's textbook step (Tomei et al. 2019, section 3): CycleGAN's with the contextual loss of patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.textbook.cyclegan import TextbookCycleGAN

Banks = Mapping[tuple[int, int], Sequence[Tensor]]
"""(patch size, stride) → the patches (N, 3·patch²) of each class, the background's first."""


class TextbookArt2Real(TextbookCycleGAN):
    """CycleGAN's step without identity terms, with the contextual loss of fake_B at all scales.

    Args:
        size: side of the images, in pixels.
        banks: all patches of the photographs.
        labels: the classes of the painting's pixels, (1, K, size, size) of 0 and 1, as read from a file.
        bf16: whether the networks run under autocast in bf16.
        width: number of channels of each network's first layer.
    """

    def __init__(self, size: int, banks: Banks, labels: Tensor, *, bf16: bool = False, width: int = 64) -> None:
        super().__init__(size, bf16=bf16, width=width, identity=0, extra=self.contextual)
        self.banks = {
            scale: [(patches, patches.mean(0)) for patches in of_classes] for scale, of_classes in banks.items()
        }
        self.planes = torch.cat([1 - labels.amax(1, keepdim=True), labels], dim=1)

    def contextual(self, fake: Tensor) -> Tensor:
        """Return 0.1 times the loss, summed over scales and classes, in float32."""
        total = torch.zeros(())
        with torch.autocast("cpu", enabled=False):
            for (patch, stride), banks in self.banks.items():
                windows = F.unfold(fake.float(), patch, stride=stride)[0].T
                shares = F.avg_pool2d(self.planes, patch, stride).flatten(2)[0]
                for share, (bank, mean) in zip(shares, banks, strict=True):
                    chosen = windows[share >= 0.5]
                    if len(chosen) and len(bank):
                        total = total + contextual_loss(chosen, bank, mean)
        return 0.1 * total


def contextual_loss(windows: Tensor, bank: Tensor, mean: Tensor) -> Tensor:
    """Return −log(mean_i max_j A_ij) of windows i and those patches j that are among the 5 nearest of any window."""
    with torch.no_grad():
        nearest = torch.cdist(windows, bank).topk(min(5, len(bank)), largest=False).indices
    ours, theirs = F.normalize(windows - mean, dim=1), F.normalize(bank[nearest.unique()] - mean, dim=1)
    distances = (1 - ours @ theirs.T).clamp(min=0)
    relative = distances / (distances.amin(1, keepdim=True) + 1e-5)
    return -(1 - relative).softmax(1).amax(1).mean().log()
