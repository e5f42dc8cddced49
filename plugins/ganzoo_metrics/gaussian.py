"""The Gaussian kernel's distance between two sets of feature vectors, that of CMMD."""

from __future__ import annotations

from torch import Tensor

from ganzoo_metrics.distances import require_sets

BANDWIDTH, SCALE = 10, 1000
"""The bandwidth of the kernel, and the factor of the distance."""
AT_ONCE = 1000
"""Number of vectors whose kernels with a whole set are in memory at the same time."""


def gaussian_mmd(fake: Tensor, real: Tensor) -> float:
    """Return 1,000 times the squared maximum mean discrepancy of two sets of vectors, (n, d) and (m, d), in float64.

    The kernel is exp(−|x − y|² / (2 · 10²)). Means are over all pairs, each vector with itself included (Gretton et al.
    2012, eq. 5; Jayasumana et al. 2024). So equal sets give 0, and the value falls a little with the number of vectors.

    Raises GanzooError if a set has fewer than two vectors, or a vector is not finite.
    """
    require_sets(fake, real)
    one, other = fake.double(), real.double()
    same = _gaussian_mean(one, one) + _gaussian_mean(other, other)
    return max(0.0, SCALE * (same - 2 * _gaussian_mean(one, other)))


def _gaussian_mean(one: Tensor, other: Tensor) -> float:
    total = 0.0
    for part in one.split(AT_ONCE):
        squares = part.square().sum(1)[:, None] + other.square().sum(1) - 2 * part @ other.T
        total += float((-squares / (2 * BANDWIDTH**2)).exp().sum())
    return total / (len(one) * len(other))
