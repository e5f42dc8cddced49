"""The focal frequency loss: spectra of two images agree, above all where they differ most (Jiang et al. 2021)."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo.interfaces import Loss
from ganzoo_cyclegan.method import Weight
from ganzoo_losses.comparison import comparable


class Frequency(Loss):
    """The squared difference of two images' spectra, weighted by its own size (Jiang et al. 2021, eq. 8 and 9).

    ``losses: {spectrum: {loss: frequency, of: {image: rec_A, target: real_A}, weight: 1}}`` helps a reconstruction,
    or a translation with a true pair, to get the frequencies that it lacks most. The spectrum is that of the
    orthonormal Fourier transform of each channel. The weight of a frequency is |difference|^α, divided by the largest
    one of the image's channel; no gradient flows through it.

    Args:
        focus: α; 0 weights all frequencies alike, which is the mean squared error of the images.
    """

    def __init__(self, *, focus: Weight = 1.0) -> None:
        super().__init__()
        self.focus = focus

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        """Return the mean of w·|difference|² over frequencies, channels and images (B, C, H, W): a scalar.

        Raises GanzooError if the images differ in shape.
        """
        image, target = comparable("frequency", image, target)
        spectrum = torch.fft.fft2(image - target, norm="ortho")
        square = spectrum.real.square() + spectrum.imag.square()
        weight = square.detach() ** (self.focus / 2)
        weight = weight / weight.amax((2, 3), keepdim=True).clamp(min=torch.finfo(weight.dtype).tiny)
        return (weight * square).mean()
