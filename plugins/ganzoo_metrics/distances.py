"""Fréchet and kernel distances between two sets of feature vectors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import keyed

SUBSETS = 100
"""Number of random subsets for the kernel distance (clean-fid's default)."""
ROUNDING = 1e-12
"""Share of the spread below which a Fréchet distance is only rounding, of equal sets."""
LARGEST = 1000
"""Largest number of vectors of each set in a subset (clean-fid's default)."""


def frechet(fake: Tensor, real: Tensor) -> float:
    """Return the Fréchet distance of two sets of vectors, (n, d) and (m, d), in float64 (Heusel et al. 2017, eq. 6).

    It is |μ₁ − μ₂|² + tr(C₁ + C₂ − 2 √(C₁C₂)), with the means μ and covariances C. With A the centred vectors over
    √(n − 1), C is AᵀA, and tr √(C₁C₂) is the sum of the singular values of A₁A₂ᵀ, whose squares are the eigenvalues of
    C₁C₂. So no matrix root is needed, nor a small number on the diagonal. Equal sets give 0.

    Raises GanzooError if a set has fewer than two vectors, or a vector is not finite.
    """
    require_sets(fake, real)
    (one, spread), (other, spread_real) = _factor(fake), _factor(real)
    middle = (fake.double().mean(0) - real.double().mean(0)).square().sum()
    total = float(middle + spread + spread_real)
    distance = total - 2 * float(torch.linalg.svdvals(one @ other.T).sum())
    return distance if distance > ROUNDING * total else 0.0


def frechet_caution(name: str, fake: Tensor, real: Tensor) -> str:
    """Return what a reader of a Fréchet distance should know about vectors (n, d) and (m, d); empty if nothing.

    With fewer vectors than features the covariances have not their full rank, and the distance is much too large.
    """
    count, width = min(len(fake), len(real)), fake.shape[1]
    if count >= width:
        return ""
    return (
        f"{name} is too high: it has {count:,} images, fewer than the {width:,} features of its network; compare it "
        "only with values from as many images"
    )


def _factor(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Return a matrix A with AᵀA = C, the covariance, that has at most as many rows as columns; and tr C."""
    vectors = vectors.double()
    centred = (vectors - vectors.mean(0)) / (len(vectors) - 1) ** 0.5
    if len(vectors) > vectors.shape[1]:
        centred = torch.linalg.qr(centred, mode="r").R
    return centred, centred.square().sum()


def kernel(fake: Tensor, real: Tensor, seed: int) -> tuple[float, float]:
    """Return the kernel distance of two sets of vectors, (n, d) and (m, d), and its deviation over random draws.

    Computed in float64, it is the unbiased estimate of the squared maximum mean discrepancy with the kernel
    (⟨x, y⟩/d + 1)³, a mean over 100 draws of min(n, m, 1000) vectors of each set without replacement (Bińkowski et al.
    2018, section 4; clean-fid). The result depends on the vectors and the seed, not on the order of the vectors. If
    every draw takes all vectors, the deviation is 0.

    Raises GanzooError if a set has fewer than two vectors, or a vector is not finite.
    """
    require_sets(fake, real)
    one, other = _ordered(fake.double()), _ordered(real.double())
    size = min(len(one), len(other), LARGEST)
    distances = []
    for draw in range(SUBSETS):
        rng = keyed(seed, "kernel distance", draw)
        x, y = (side[torch.from_numpy(rng.permutation(len(side))[:size])] for side in (other, one))
        distances.append(_mmd(x, y))
        if len(one) == len(other) == size:
            break  # every draw takes all
    values = torch.tensor(distances, dtype=torch.float64)
    return float(values.mean()), float(values.std()) if len(distances) > 1 else 0.0


def _mmd(x: Tensor, y: Tensor) -> float:
    size, width = x.shape
    xx, yy, xy = ((a @ b.T / width + 1) ** 3 for a, b in ((x, x), (y, y), (x, y)))
    within = xx.sum() - xx.diagonal().sum() + yy.sum() - yy.diagonal().sum()
    return float(within / (size * (size - 1)) - 2 * xy.mean())


def _ordered(vectors: Tensor) -> Tensor:
    """Return vectors in lexicographic order.

    >>> _ordered(torch.tensor([[0.0, 2.0], [1.0, 0.0], [0.0, 1.0]])).tolist()
    [[0.0, 1.0], [0.0, 2.0], [1.0, 0.0]]
    """
    return vectors[torch.from_numpy(np.lexsort(vectors.numpy().T[::-1]))]


def require_sets(fake: Tensor, real: Tensor) -> None:
    """Raise GanzooError if one of two sets has fewer than two vectors, or a vector is not finite."""
    for side, vectors in (("translated", fake), ("real", real)):
        if len(vectors) < 2:
            raise GanzooError(f"a distance between sets needs at least two {side} images; there are {len(vectors)}")
        if not bool(torch.isfinite(vectors).all()):
            raise GanzooError(f"features of {side} images are not finite: check the images, they may be damaged")
