import pytest
import torch
from torch.nn import functional as F

from ganzoo_cyclegan.layers import Norm
from ganzoo_cyclegan.pixel import Pixel


@pytest.mark.parametrize(
    ("norm", "parameters"), [("instance", 8_576), ("batch", 8_576 + 128 + 1 + 256), ("none", 8_576 + 128 + 1)]
)
def test_parameter_counts(norm: Norm, parameters: int) -> None:
    with torch.device("meta"):
        network = Pixel(3, norm=norm)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_numbers_of_the_authors_checkpoints() -> None:
    with torch.device("meta"):
        names = set(Pixel(3).state_dict())
    assert names == {"net.0.weight", "net.0.bias", "net.2.weight", "net.5.weight"}


def test_forward_is_the_layer_list() -> None:
    torch.manual_seed(0)
    network = Pixel(3, width=4).double()
    images = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    first, bias, second, third = network.parameters()
    maps = F.conv2d(F.leaky_relu(F.conv2d(images, first, bias), 0.2), second)
    mean = maps.mean((2, 3), keepdim=True)
    maps = (maps - mean) / ((maps - mean).square().mean((2, 3), keepdim=True) + 1e-5).sqrt()
    logits = network(images)
    assert logits.shape == (2, 1, 5, 7)
    torch.testing.assert_close(logits, F.conv2d(F.leaky_relu(maps, 0.2), third), rtol=1e-9, atol=1e-9)


def test_each_pixel_is_discriminated_by_itself() -> None:
    network = Pixel(3, width=4, norm="none")
    images = torch.randn(1, 3, 4, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(images)[0, 0, 1, 2], images)
    assert gradient.abs().sum(1)[0].nonzero().tolist() == [[1, 2]]
