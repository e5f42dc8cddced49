"""Spectral norm: every convolution and linear layer of a discriminator has the largest singular value 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
START = 15
"""Power iterations before training; afterwards there is one for each use of a weight in training."""


def add_spectral_norm(network: nn.Module) -> None:
    """Divide the weight of each convolution and linear layer by its largest singular value (Miyato et al. 2018, eq. 8).

    Frozen layers stay as they are. A convolution's weight is seen as a matrix of one row for each output channel. In
    the network's ``state_dict`` each weight is called ``….parametrizations.weight.original`` then, and ``….0.left``
    beside it is its left singular vector. Uses torch's global random generator.
    """
    layers = [one for one in network.modules() if isinstance(one, LAYERS) and one.weight.requires_grad]
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", SpectralNorm(layer.weight))


class SpectralNorm(nn.Module):
    """Weight → weight / σ, with σ = uᵀ W v by power iteration (Miyato et al. 2018, algorithm 1).

    The buffer ``left`` is u. σ is computed in the weight's own precision, also under autocast.

    Args:
        weight: the weight at the start, (out, …).
    """

    left: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("left", nn.functional.normalize(torch.randn(weight.shape[0]).to(weight), dim=0))
        with torch.no_grad():
            for _ in range(START):
                self._iterate(weight.flatten(1))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the weight divided by its largest singular value, of the same shape."""
        with torch.autocast(weight.device.type, enabled=False):
            matrix = weight.flatten(1)
            with torch.no_grad():
                if self.training:
                    self._iterate(matrix)
                left = self.left.clone()  # a later use in the same step changes the buffer
                right = nn.functional.normalize(left @ matrix, dim=0)
            return weight / (left @ (matrix @ right))

    def _iterate(self, matrix: Tensor) -> None:
        right = nn.functional.normalize(self.left @ matrix, dim=0)
        self.left.copy_(nn.functional.normalize(matrix @ right, dim=0))
