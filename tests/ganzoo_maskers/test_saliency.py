"""The spectral residual, against the paper's formulas with numpy's transforms in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ganzoo.randomness import Draws
from ganzoo_maskers.saliency import Saliency, spectral_residual
from tests.support.command_line import refusal

NONE = Draws([])


def scene(batch: int = 2, height: int = 24, width: int = 32, channels: int = 1) -> Tensor:
    """Weak stripes everywhere, and a strong square in a place of its own in each image."""
    image = 0.1 * torch.rand(batch, channels, height, width, generator=torch.Generator().manual_seed(0))
    image += 0.2 * torch.sin(torch.arange(width) * 1.3)
    for place, one in enumerate(image):
        one[:, 4 + 8 * place : 8 + 8 * place, 20 : 24 - place] = 1
    return ((image.clamp(-1, 1) + 1) * 127.5).round() / 127.5 - 1


def residual_map(grey: np.ndarray) -> np.ndarray:
    """Equations 1 to 5 of the paper for one image (H, W)."""
    spectrum = np.fft.fft2(grey)
    log, phase = np.log(np.abs(spectrum)), np.angle(spectrum)
    padded = np.pad(log, 1, mode="edge")
    mean = sum(padded[y : y + log.shape[0], x : x + log.shape[1]] for y in range(3) for x in range(3)) / 9
    return np.abs(np.fft.ifft2(np.exp(log - mean + 1j * phase))) ** 2


def test_the_map_is_the_papers() -> None:
    grey = torch.rand(2, 1, 15, 20, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = np.stack([residual_map(one[0].numpy()) for one in grey])[:, None]
    torch.testing.assert_close(spectral_residual(grey), torch.tensor(expected), rtol=1e-9, atol=1e-12)
    torch.testing.assert_close(spectral_residual(grey.float()), torch.tensor(expected).float(), rtol=1e-3, atol=1e-6)


def test_the_mask_is_the_blurred_map_scaled_to_0_and_1() -> None:
    image = scene()
    mask = Saliency(size=24, blur=1.0)(image, NONE)  # the images' own size: nothing is resized
    kernel = np.exp(-(np.arange(-3, 4) ** 2) / 2)
    for one, found in zip(image, mask, strict=True):
        values = np.pad(residual_map((one[0].double().numpy() + 1) / 2), 3, mode="reflect")
        for axis in (0, 1):
            values = np.apply_along_axis(np.convolve, axis, values, kernel / kernel.sum(), mode="valid")
        expected = (values - values.min()) / np.ptp(values)
        assert np.abs(found[0].numpy() - expected).max() < 1e-3


def test_it_finds_what_stands_out() -> None:
    image = scene(channels=3)
    mask = Saliency(size=24)(image, NONE)
    for place, one in enumerate(mask):
        row, column = divmod(int(one.argmax()), 32)
        assert 2 + 8 * place <= row <= 9 + 8 * place and 18 <= column <= 26
    binary = Saliency(size=24, quantile=0.9)(image, NONE)
    assert set(binary.unique().tolist()) == {0, 1} and abs(binary.mean().item() - 0.1) < 0.01
    assert torch.equal(binary, (mask >= mask.flatten(1).quantile(0.9, dim=1).reshape(-1, 1, 1, 1)).float())


@pytest.mark.parametrize("level", [-1.0, 0.0, 1.0])
@pytest.mark.parametrize("shape", [(8, 8), (5, 70)])
def test_an_image_without_structure_has_an_empty_mask(level: float, shape: tuple[int, int]) -> None:
    for masker in (Saliency(), Saliency(quantile=0.9)):
        assert torch.equal(masker(torch.full((1, 3, *shape), level), NONE), torch.zeros(1, 1, *shape))


def test_an_image_is_masked_alike_alone_and_in_a_batch() -> None:
    image = scene(channels=3)
    together = Saliency()(image, NONE)
    for number in range(2):
        torch.testing.assert_close(Saliency()(image[number : number + 1], NONE)[0], together[number])


def test_size_is_the_length_of_the_shorter_side() -> None:
    image = scene()
    small = F.interpolate((image + 1) / 2, (12, 16), mode="bilinear", antialias=True)
    maps = F.interpolate(spectral_residual(small), (24, 32), mode="bilinear").flatten(1)
    low, high = maps.amin(1, keepdim=True), maps.amax(1, keepdim=True)
    expected = ((maps - low) / (high - low)).reshape(2, 1, 24, 32)
    torch.testing.assert_close(Saliency(size=12, blur=0.0)(image, NONE), expected, rtol=1e-3, atol=1e-3)


def test_types_follow_the_image() -> None:
    mask = Saliency()(scene().to(torch.bfloat16), NONE)
    assert mask.dtype == torch.bfloat16 and mask.shape == (2, 1, 24, 32)
    assert not Saliency().state_dict()


def test_images_without_luminance_are_refused() -> None:
    assert "saliency: images of 4 channels have no luminance" in refusal(Saliency(), torch.zeros(1, 4, 8, 8), NONE)
