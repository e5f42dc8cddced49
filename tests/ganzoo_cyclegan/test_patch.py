from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo_cyclegan.patch import Patch


@pytest.mark.parametrize(
    ("channels", "options", "parameters"),
    [
        (3, {}, 2_764_737),
        (6, {"norm": "batch"}, 2_768_705),
        (22, {"norm": "batch"}, 2_785_089),
        (3, {"layers": 1}, 136_385),
        (3, {"layers": 2, "extra_layer": False}, 136_385),
    ],
)
def test_parameter_counts(channels: int, options: dict[str, Any], parameters: int) -> None:
    with torch.device("meta"):
        network = Patch(channels, **options)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_numbers_of_the_authors_checkpoints() -> None:
    with torch.device("meta"):
        names = set(Patch(3).state_dict())
    assert names == {f"model.{number}.{part}" for number in (0, 2, 5, 8, 11) for part in ("weight", "bias")}


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70)])
def test_receptive_field(layers: int, field: int) -> None:
    network = Patch(1, width=1, layers=layers, norm="none").double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.1)
    images = torch.ones(1, 1, 128, 128, dtype=torch.float64, requires_grad=True)
    logits = network(images)
    middle = logits.shape[-1] // 2
    (gradient,) = torch.autograd.grad(logits[0, 0, middle, middle], images)
    rows, columns = gradient[0, 0].nonzero().T
    assert rows.max() - rows.min() + 1 == field
    assert columns.max() - columns.min() + 1 == field


@pytest.mark.parametrize("size", [(24, 24), (25, 47), (33, 64)])
def test_map_of_odd_sizes(size: tuple[int, int]) -> None:
    logits = Patch(2, width=2)(torch.randn(3, 2, *size))
    assert logits.shape == (3, 1, size[0] // 8 - 2, size[1] // 8 - 2)


@pytest.mark.parametrize("size", [(8, 9), (15, 30)])
def test_map_without_the_extra_layer(size: tuple[int, int]) -> None:
    network = Patch(2, width=2, layers=2, extra_layer=False)
    assert network(torch.randn(3, 2, *size)).shape == (3, 1, size[0] // 4 - 1, size[1] // 4 - 1)
    with pytest.raises(GanzooError, match=r"layers: 2 needs images of at least 8×8 pixels, not 7×8"):
        network(torch.zeros(1, 2, 7, 8))


def test_widths_are_capped() -> None:
    with torch.device("meta"):
        network = Patch(3, width=2, layers=5)
    widths = [parameter.shape[0] for name, parameter in network.named_parameters() if name.endswith("weight")]
    assert widths == [2, 4, 8, 16, 16, 16, 1]


def test_too_small_images_are_refused_plainly() -> None:
    with pytest.raises(GanzooError, match=r"layers: 3 needs images of at least 24×24 pixels, not 23×40"):
        Patch(3, width=1)(torch.zeros(1, 3, 23, 40))


def transcription(images: Tensor, parameters: list[Tensor], strides: tuple[int, ...]) -> Tensor:
    """Convolutions in plain calls: the first of stride 2, those of some strides normed, the last of stride 1."""
    rest = iter(parameters)

    def norm(maps: Tensor) -> Tensor:
        mean = maps.mean((2, 3), keepdim=True)
        return (maps - mean) / ((maps - mean).square().mean((2, 3), keepdim=True) + 1e-5).sqrt()

    maps = F.leaky_relu(F.conv2d(images, next(rest), next(rest), stride=2, padding=1), 0.2)
    for stride in strides:
        maps = F.leaky_relu(norm(F.conv2d(maps, next(rest), next(rest), stride=stride, padding=1)), 0.2)
    return F.conv2d(maps, next(rest), next(rest), padding=1)


@pytest.mark.parametrize(
    ("options", "strides"), [({}, (2, 2, 1)), ({"layers": 1}, (1,)), ({"layers": 2, "extra_layer": False}, (2,))]
)
def test_forward_is_the_layer_list(options: dict[str, Any], strides: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    network = Patch(3, width=2, **options).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.3)
    images = torch.randn(2, 3, 33, 40, dtype=torch.float64)
    logits = network(images)
    assert logits.std() > 0.1
    torch.testing.assert_close(logits, transcription(images, list(network.parameters()), strides), rtol=1e-9, atol=1e-9)


def test_real_and_fake_may_share_a_batch() -> None:
    network = Patch(3, width=2).double()
    real, fake = torch.randn(2, 2, 3, 24, 24, dtype=torch.float64)
    together = network(torch.cat([real, fake]))
    torch.testing.assert_close(together, torch.cat([network(real), network(fake)]))


def test_the_padding_reaches_the_borders_and_the_borders_only() -> None:
    torch.manual_seed(0)
    zero, reflect = Patch(3, width=2, layers=1), Patch(3, width=2, layers=1, padding="reflect")
    reflect.load_state_dict(zero.state_dict())
    for network in (zero, reflect):
        network.model[3] = nn.Identity()  # the norm would carry the borders everywhere
    images = torch.rand(1, 3, 64, 64)
    different = (zero(images) != reflect(images))[0, 0]
    assert different[0].all()
    assert not different[8:-8, 8:-8].any()
