import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo_cyclegan.layers import (
    InstanceNorm,
    Pad,
    Padding,
    Upsample,
    crop_to,
    decode_together,
    init_weights,
    make_norm,
    pad_to_stride,
    upsampling,
)

PADDINGS: tuple[Padding, ...] = ("reflect", "replicate", "zero")
RESAMPLERS: tuple[Upsample, ...] = ("resize", "pixelshuffle")


FORMATS = (torch.contiguous_format, torch.channels_last)
each_format = pytest.mark.parametrize("layout", FORMATS, ids=("contiguous", "channels_last"))
each_batch = pytest.mark.parametrize("batch", [1, 3])


def plain_instance_norm(images: Tensor) -> Tensor:
    mean = images.mean((2, 3), keepdim=True)
    return (images - mean) / ((images - mean).square().mean((2, 3), keepdim=True) + 1e-5).sqrt()


@each_format
@each_batch
@pytest.mark.parametrize(("dtype", "close"), [(torch.float64, 1e-10), (torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
def test_instance_norm_and_its_gradient_in_every_format(
    layout: torch.memory_format, batch: int, dtype: torch.dtype, close: float
) -> None:
    draws = torch.Generator().manual_seed(0)
    images, weights = (torch.randn(batch, 5, 7, 6, generator=draws, dtype=torch.float64) for _ in range(2))
    images = (images * 4 + 2).to(dtype)
    exact = images.double().clone().requires_grad_()
    (plain_instance_norm(exact) * weights).sum().backward()
    mine = images.clone(memory_format=layout).requires_grad_()
    normed = InstanceNorm()(mine)
    assert normed.dtype == dtype and normed.is_contiguous(memory_format=layout)
    (normed * weights.to(dtype)).sum().backward()
    assert mine.grad is not None and mine.grad.is_contiguous(memory_format=layout)
    torch.testing.assert_close(normed.double(), plain_instance_norm(exact), rtol=close, atol=close)
    torch.testing.assert_close(mine.grad.double(), exact.grad, rtol=close, atol=close)


@each_format
def test_instance_norm_of_half_precision_has_statistics_in_float32(layout: torch.memory_format) -> None:
    """Statistics in bf16 would give a gradient whose sum over the pixels is far from 0."""
    draws = torch.Generator().manual_seed(0)
    images, weights = (torch.randn(4, 16, 16, 16, generator=draws) for _ in range(2))
    images = (images + 5).bfloat16().clone(memory_format=layout).requires_grad_()
    (InstanceNorm()(images) * weights.bfloat16().clone(memory_format=layout)).sum().backward()
    assert images.grad is not None
    assert images.grad.double().sum((2, 3)).abs().mean() < 0.05


def test_instance_norm_equals_torchs() -> None:
    images = torch.randn(3, 5, 7, 6, dtype=torch.float64) * 4 + 2
    torch.testing.assert_close(InstanceNorm()(images), nn.InstanceNorm2d(5)(images), rtol=1e-10, atol=1e-10)


def test_instance_norm_takes_one_pixel_in_training() -> None:
    with pytest.raises(ValueError, match="more than 1"):
        nn.InstanceNorm2d(4)(torch.ones(1, 4, 1, 1))
    for images in (torch.randn(1, 4, 1, 1), torch.randn(4, 1, 1, 1).permute(1, 0, 2, 3)):
        assert InstanceNorm().train()(images).eq(0).all()


@each_format
@pytest.mark.parametrize("value", [0.0, -1.0, 0.7, 1e4])
def test_instance_norm_of_a_flat_image_is_finite(value: float, layout: torch.memory_format) -> None:
    images = torch.full((1, 3, 8, 8), value).contiguous(memory_format=layout).requires_grad_()
    normed = InstanceNorm()(images)
    normed.square().sum().backward()
    assert images.grad is not None
    assert normed.abs().max() < 1
    assert images.grad.isfinite().all()


@each_format
@each_batch
def test_instance_norm_agrees_with_finite_differences_twice(layout: torch.memory_format, batch: int) -> None:
    images = torch.randn(batch, 2, 2, 3, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    assert torch.autograd.gradcheck(InstanceNorm(), (images,))
    assert torch.autograd.gradgradcheck(InstanceNorm(), (images,))


def test_norm_by_name() -> None:
    images = torch.randn(4, 3, 5, 5)
    assert isinstance(make_norm("instance", 3), InstanceNorm)
    assert make_norm("none", 3)(images) is images
    torch.testing.assert_close(make_norm("batch", 3)(images), F.batch_norm(images, None, None, training=True, eps=1e-5))


@pytest.mark.parametrize("padding", PADDINGS)
def test_padding_keeps_half_precision_under_autocast(padding: Padding) -> None:
    maps = torch.rand(1, 2, 4, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        padded = Pad(padding, 1)(maps)
    assert padded.dtype == torch.bfloat16
    assert torch.equal(padded.float(), Pad(padding, 1)(maps.float()))


def test_padding_by_name() -> None:
    images = torch.arange(9.0).view(1, 1, 3, 3)
    corners = {name: Pad(name, 1)(images)[0, 0, 0, 0].item() for name in PADDINGS}
    assert corners == {"reflect": 4.0, "replicate": 0.0, "zero": 0.0}
    edges = {name: Pad(name, 1)(images)[0, 0, 2, 4].item() for name in PADDINGS}
    assert edges == {"reflect": 4.0, "replicate": 5.0, "zero": 0.0}


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("upsample", RESAMPLERS)
def test_upsampling_doubles(upsample: Upsample, padding: Padding) -> None:
    layer = upsampling(upsample, 4, 2, padding, bias=False)
    assert layer(torch.randn(2, 4, 3, 5)).shape == (2, 2, 6, 10)
    assert all(name.endswith("weight") for name, _ in layer.named_parameters())
    assert any(name.endswith("bias") for name, _ in upsampling(upsample, 4, 2, padding, bias=True).named_parameters())


def test_resize_is_nearest_and_a_convolution() -> None:
    layer = upsampling("resize", 2, 3, "replicate", bias=True)
    weight, bias = layer.parameters()
    images = torch.randn(1, 2, 3, 3)
    large = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(layer(images), F.conv2d(F.pad(large, (1, 1, 1, 1), mode="replicate"), weight, bias))


def test_pixelshuffle_interleaves_four_convolutions() -> None:
    layer = upsampling("pixelshuffle", 2, 1, "zero", bias=False)
    (weight,) = layer.parameters()
    images = torch.randn(1, 2, 3, 3)
    four = F.conv2d(images, weight, padding=1)
    torch.testing.assert_close(layer(images)[0, 0, 1::2, 0::2], four[0, 2])


def test_init_statistics() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(32, 64, 3),
        nn.BatchNorm2d(4096),
        nn.ConvTranspose2d(64, 32, 3),
        nn.Conv2d(2, 2, 1, bias=False),
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(7)
    init_weights(network)
    for number in (0, 2):
        weight = network.get_parameter(f"{number}.weight")
        assert weight.std().item() == pytest.approx(0.02, rel=0.03)
        assert weight.mean().item() == pytest.approx(0, abs=6e-4)
    scale = network.get_parameter("1.weight")
    assert scale.mean().item() == pytest.approx(1, abs=2e-3)
    assert scale.std().item() == pytest.approx(0.02, rel=0.05)
    assert network.get_parameter("3.weight").abs().max() < 0.2
    assert all(network.get_parameter(f"{number}.bias").eq(0).all() for number in range(3))


@pytest.mark.parametrize(
    ("height", "width", "padded"),
    [(8, 12, (8, 12)), (9, 7, (12, 8)), (1, 2, (8, 8)), (5, 16, (8, 16))],
)
def test_pad_to_stride_and_back(height: int, width: int, padded: tuple[int, int]) -> None:
    images = torch.randn(2, 3, height, width)
    result = pad_to_stride(images, 4, min_size=8)
    assert result.shape[-2:] == padded
    assert crop_to(result, images).equal(images)


@pytest.mark.parametrize(("sizes", "calls"), [([(8, 12), (8, 12)], 1), ([(8, 12), (5, 16)], 2)])
def test_inputs_of_one_size_are_decoded_together(sizes: list[tuple[int, int]], calls: int) -> None:
    counted = []

    def decode(content: Tensor, style: Tensor) -> Tensor:
        counted.append(len(content))
        return content + style

    images = [torch.randn(2, 3, height - 1, width - 3) for height, width in sizes]  # the result is cropped to these
    inputs = [(torch.randn(2, 3, *size), torch.randn(2, 3, 1, 1)) for size in sizes]
    decoded = decode_together(decode, inputs, images)
    assert len(counted) == calls
    for result, (content, style), image in zip(decoded, inputs, images, strict=True):
        assert torch.equal(result, crop_to(content + style, image))


def test_pad_to_stride_reflects_where_it_can() -> None:
    images = torch.arange(5.0).view(1, 1, 1, 5)
    assert pad_to_stride(images, 4)[0, 0].tolist() == [[0, 1, 2, 3, 4, 3, 2, 1]] * 4
    assert pad_to_stride(images[..., :2], 4)[0, 0, 0].tolist() == [0, 1, 1, 1]


class PaddedAndBack(nn.Module):
    """Shows its padded image beside a cropped one."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        padded = pad_to_stride(images, 4, min_size=8)
        return padded, crop_to(padded * 2, images)


def test_padding_is_traced_for_any_size() -> None:
    height, width = (torch.export.Dim(name, min=1) for name in ("height", "width"))
    shapes = {"images": {2: height, 3: width}}
    traced = torch.export.export(PaddedAndBack(), (torch.rand(1, 1, 13, 17),), dynamic_shapes=shapes).module()
    for size in range(1, 20):
        images = torch.rand(1, 1, size, 20 - size)
        for made, expected in zip(traced(images), PaddedAndBack()(images), strict=True):
            assert torch.equal(made, expected)


def test_what_fits_is_not_copied() -> None:
    images = torch.randn(1, 1, 8, 8)
    assert pad_to_stride(images, 4, min_size=8) is images
