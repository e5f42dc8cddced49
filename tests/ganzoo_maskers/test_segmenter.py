"""torchvision's smallest segmentation network, with weights drawn here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.plugins import plugins
from ganzoo.randomness import Draws
from ganzoo.recipe.options import build
from ganzoo_maskers.segmenter import Segmenter
from tests.support.command_line import refusal
from tests.support.published_weights import Published

NONE = Draws([])
SMALLEST = "lraspp_mobilenet_v3_large"
PERSON, CAT, DOG = 15, 8, 12


def bare(model: str = SMALLEST, count: int = 21, **options: Any) -> nn.Module:
    from torchvision.models import get_model  # type: ignore[import-untyped]

    network: nn.Module = get_model(model, weights=None, weights_backbone=None, num_classes=count, **options)
    return network.eval()


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights whose classes differ visibly from each other and from place to place."""
    torch.manual_seed(0)
    network = bare().train()
    for _ in range(20):  # an untrained network's maps are flat until its batch norms know their spread
        network(torch.randn(4, 3, 48, 40))
    with torch.no_grad():
        for name, one in network.named_parameters():
            if name.endswith("classifier.weight"):
                one.normal_()
        logits = network.eval()(random_images(2, 3, 48, 40))["out"]
        network.get_parameter("classifier.low_classifier.bias").sub_(logits.mean((0, 2, 3)))  # several classes win
    file = tmp_path_factory.mktemp("weights") / "lraspp.safetensors"
    save_file(network.state_dict(), file)
    return file


@pytest.fixture(scope="module")
def make(weights: Path) -> Callable[..., Segmenter]:
    def made(**options: Any) -> Segmenter:
        given = {"model": SMALLEST, "weights": weights, **options}
        return build(plugins().registry.get("masker", "segmenter"), **given)

    return made


def random_images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


@pytest.fixture(scope="module")
def shares(weights: Path) -> Tensor:
    """The softmax over classes of two images, from the network itself and ImageNet's numbers."""
    network = bare()
    network.load_state_dict(load_file(weights))
    mean, std = (torch.tensor(one)[:, None, None] for one in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    with torch.no_grad():
        logits = network(((random_images(2, 3, 48, 40) + 1) / 2 - mean) / std)["out"]
    found = logits.exp() / logits.exp().sum(1, keepdim=True)
    assert found.std((2, 3)).max() > 1e-3
    return found


@pytest.mark.parametrize("classes", [["person"], ["cat", "dog"], ["__background__", "person", "dog"]])
def test_a_union_is_the_sum_of_the_classes(make: Callable[..., Segmenter], shares: Tensor, classes: list[str]) -> None:
    masker = make(classes=classes)
    mask = masker(random_images(2, 3, 48, 40), NONE)
    indices = {"person": PERSON, "cat": CAT, "dog": DOG, "__background__": 0}
    expected = sum(shares[:, indices[one]] for one in classes)
    assert masker.planes == 1
    assert mask.shape == (2, 1, 48, 40)
    torch.testing.assert_close(mask[:, 0], expected, rtol=1e-4, atol=1e-6)


def test_person_is_what_is_looked_for_by_default(make: Callable[..., Segmenter]) -> None:
    assert make().chosen == [PERSON]


def test_per_class_planes_keep_the_order_of_the_names(make: Callable[..., Segmenter], shares: Tensor) -> None:
    masker = make(classes=["person", "dog"], planes="per_class")
    assert masker.planes == 2
    mask = masker(random_images(2, 3, 48, 40), NONE)
    torch.testing.assert_close(mask, shares[:, [PERSON, DOG]], rtol=1e-4, atol=1e-6)


def test_all_is_a_plane_for_each_class(make: Callable[..., Segmenter], shares: Tensor) -> None:
    masker = make(classes="all")
    assert masker.planes == 21
    torch.testing.assert_close(masker(random_images(2, 3, 48, 40), NONE), shares, rtol=1e-4, atol=1e-6)


def test_hard_is_the_likeliest_class(make: Callable[..., Segmenter], shares: Tensor) -> None:
    mask = make(classes="all", soft=False)(random_images(2, 3, 48, 40), NONE)
    assert torch.equal(mask.argmax(1), shares.argmax(1))
    assert mask.sum(1).eq(1).all()
    assert len(mask.argmax(1).unique()) > 1
    union = make(classes=["cat", "dog", "person"], soft=False)(random_images(2, 3, 48, 40), NONE)
    assert torch.equal(union, mask[:, [CAT, DOG, PERSON]].sum(1, keepdim=True))


@pytest.mark.parametrize(("height", "width"), [(8, 8), (17, 31), (64, 33)])
@pytest.mark.parametrize("size", [0, 40])
def test_any_size(make: Callable[..., Segmenter], height: int, width: int, size: int) -> None:
    mask = make(classes="all", size=size)(random_images(1, 3, height, width), NONE)
    assert mask.shape == (1, 21, height, width)
    torch.testing.assert_close(mask.sum(1), torch.ones(1, height, width))
    assert mask.ge(0).all()
    assert mask.le(1).all()


def test_size_scales_the_shorter_side(make: Callable[..., Segmenter]) -> None:
    images = random_images(1, 3, 24, 36)
    scaled = F.interpolate(images, (48, 72), mode="bilinear", antialias=True)
    expected = F.interpolate(make().logits(scaled), (24, 36), mode="bilinear")
    torch.testing.assert_close(make(size=48).logits(images), expected, rtol=1e-3, atol=1e-4)


def test_autocast_and_training_mode_change_nothing(make: Callable[..., Segmenter]) -> None:
    masker, images = make(classes="all"), random_images(1, 3, 32, 32)
    plain = masker(images, NONE)
    assert not masker.train().network.training
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(masker(images, NONE), plain)


def test_a_gradient_may_flow_into_the_image_and_never_into_the_weights(make: Callable[..., Segmenter]) -> None:
    soft, hard = make(), make(soft=False)
    images = random_images(2, 3, 48, 40).requires_grad_()
    (gradient,) = torch.autograd.grad(soft(images, NONE).sum(), images)
    assert gradient.any()
    assert not hard(images, NONE).requires_grad
    assert not any(one.requires_grad for one in soft.parameters())


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_mask_is_of_the_images_type(make: Callable[..., Segmenter], dtype: torch.dtype) -> None:
    assert make()(random_images(1, 3, 16, 16).to(dtype), NONE).dtype == dtype


def test_grey_images_are_treated_as_coloured_ones(make: Callable[..., Segmenter]) -> None:
    masker, grey = make(), random_images(1, 1, 32, 32)
    torch.testing.assert_close(masker(grey, NONE), masker(grey.expand(-1, 3, -1, -1), NONE))


def test_the_auxiliary_classifier_of_a_file_is_left_out(make: Callable[..., Segmenter], tmp_path: Path) -> None:
    name = "deeplabv3_mobilenet_v3_large"
    torch.save(bare(name, aux_loss=True).state_dict(), tmp_path / "aux.pth")
    masker = make(model=name, weights=tmp_path / "aux.pth")
    assert masker(random_images(1, 3, 32, 32), NONE).shape == (1, 1, 32, 32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "deeplabv3_mobilenet_v3"}, "did you mean 'deeplabv3_mobilenet_v3_large'"),
        ({"model": "resnet18"}, "no segmentation model 'resnet18'"),
        ({"classes": ["persn"]}, "did you mean 'person'"),
        ({"classes": ["cat", "cat"]}, "'cat' is named twice"),
        ({"classes": []}, "classes is"),
        ({"planes": "each"}, "planes is 'each'"),
        ({"weights": Path("nowhere.pt")}, "nowhere.pt: no such weights file"),
        ({"model": "fcn_resnet50"}, "weights of another architecture than fcn_resnet50"),
    ],
)
def test_mistakes_are_reported(make: Callable[..., Segmenter], options: dict[str, Any], message: str) -> None:
    assert message in refusal(make, **options)


def test_weights_for_other_classes_are_refused(make: Callable[..., Segmenter], tmp_path: Path) -> None:
    save_file(bare(count=3).state_dict(), tmp_path / "three.safetensors")
    message = refusal(make, weights=tmp_path / "three.safetensors")
    assert f"three.safetensors: weights of another architecture than {SMALLEST}" in message
    assert "size mismatch" in message


def test_without_a_network_the_error_names_the_alternatives(
    make: Callable[..., Segmenter], published: Published
) -> None:
    message = refusal(make, weights=None)
    assert message.startswith(
        f"torchvision/{SMALLEST} cannot be fetched: no connection (no route); bring it yourself: "
    )
    assert "https://download.pytorch.org/models/" in message
    assert message.endswith("; or name any file of such weights, weights: FILE")
    assert published.untouched()


def test_the_published_weights_are_used(
    make: Callable[..., Segmenter], weights: Path, published: Published, tmp_path: Path
) -> None:
    torch.save(load_file(weights) | {"aux_classifier.0.weight": torch.zeros(1)}, tmp_path / "lraspp.pth")
    published.put(tmp_path / "lraspp.pth", f"torchvision/{SMALLEST}")
    images = random_images(1, 3, 32, 32)
    assert torch.equal(make(weights=None)(images, NONE), make()(images, NONE))
    assert published.untouched() and published.asked == []
