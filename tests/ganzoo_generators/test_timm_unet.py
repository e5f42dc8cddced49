"""The U-Net with a timm encoder, on the tiny networks that timm ships for tests; weights are drawn here."""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import ganzoo
from ganzoo import GanzooError
from ganzoo.interfaces import MissingResourceError
from ganzoo.testing import train_tiny
from ganzoo.weights import needs_initial_weights
from ganzoo.weights.initial import without_initial_weights
from ganzoo_generators.timm_unet import TimmUNet
from tests.support.command_line import Run
from tests.support.published_weights import Published

TINY: dict[str, Any] = {"model": "test_resnet", "width": 2}


def images(channels: int = 3, height: int = 40, width: int = 24) -> Tensor:
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict of the whole test_resnet, with its classifier."""
    torch.manual_seed(5)
    file = tmp_path_factory.mktemp("weights") / "resnet.safetensors"
    save_file(timm.create_model("test_resnet").state_dict(), file)
    return file


@pytest.fixture
def published(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Published:
    return Published(tmp_path, monkeypatch)


def test_the_size_of_the_network() -> None:
    network = TimmUNet(3, 3, pretrained=False)
    assert sum(one.numel() for one in network.parameters()) == 17_078_691
    assert sum(one.numel() for one in network.encoder.parameters()) == 11_176_512


def test_it_is_a_u_net(weights: Path) -> None:
    """With the encoder's maps of timm, on normalized images, and the decoder in plain calls."""
    network = TimmUNet(3, 2, **TINY, weights=weights, norm="none").eval()
    for parameter in network.stages.parameters():
        nn.init.normal_(parameter, std=0.1)
    padded = F.pad(images(height=64), (0, 40, 0, 0), mode="replicate")  # sides of at least twice the stride
    whole = timm.create_model("test_resnet", features_only=True).eval()
    state = load_file(weights)
    whole.load_state_dict({name: state[name] for name in whole.state_dict()})
    config = timm.get_pretrained_cfg("test_resnet")
    assert config is not None
    mean, std = (torch.tensor(one)[:, None, None] for one in (config.mean, config.std))
    maps = whole(((padded + 1) / 2 - mean) / std)
    x = maps.pop()
    own = network.state_dict()
    for number, beside in enumerate([*reversed(maps), padded]):

        def conv(x: Tensor, name: str, number: int = number) -> Tensor:
            weight, bias = own[f"stages.{number}.{name}.weight"], own[f"stages.{number}.{name}.bias"]
            return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), weight, bias).relu()

        x = torch.cat([conv(F.interpolate(x, scale_factor=2), "up.0.2"), beside], 1)
        x = conv(conv(x, "convs.1"), "convs.5")
    x = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), own["last.1.weight"], own["last.1.bias"]).tanh()
    torch.testing.assert_close(network(images(height=64)), x[..., :24])


@pytest.mark.parametrize(("channels", "levels"), [(3, 0), (1, 0), (5, 2)])
def test_a_file_of_weights_is_loaded(weights: Path, channels: int, levels: int) -> None:
    network = TimmUNet(channels, 3, **TINY, weights=weights, levels=levels)
    state, own = load_file(weights), network.encoder.network.state_dict()
    for name, one in own.items():
        if name != "conv1.0.weight" or channels == 3:
            assert torch.equal(one, state[name]), name
    if channels == 1:  # a grey image has three equal channels
        assert torch.equal(own["conv1.0.weight"], state["conv1.0.weight"].sum(1, keepdim=True))
    assert network.encoder.strides == [2, 4, 8, 16, 32][: levels or 5]
    assert network(images(channels)).shape == (2, 3, 40, 24)


def test_the_published_weights_are_used_or_their_address_named(weights: Path, published: Published) -> None:
    with pytest.raises(MissingResourceError, match=r"timm/test_resnet.r160_in1k cannot be fetched: no connection"):
        TimmUNet(3, 3, **TINY)
    copyfile(weights, published.own / "timm-test_resnet.r160_in1k.safetensors")
    network = TimmUNet(3, 3, **TINY)
    assert torch.equal(network.encoder.network.conv1[0].weight, load_file(weights)["conv1.0.weight"])
    assert published.untouched()


def test_a_frozen_encoder_keeps_weights_and_statistics(weights: Path) -> None:
    network = TimmUNet(3, 3, **TINY, weights=weights, freeze=True).train()
    before = {name: one.clone() for name, one in network.encoder.state_dict().items()}
    given = images().requires_grad_()
    network(given).square().mean().backward()
    assert given.grad is not None and given.grad.any()
    assert all(one.grad is None for one in network.encoder.parameters())
    assert all(one.grad is not None for one in network.stages.parameters())
    assert all(torch.equal(one, before[name]) for name, one in network.encoder.state_dict().items())
    trained = TimmUNet(3, 3, **TINY, weights=weights).train()
    trained(images()).square().mean().backward()
    assert all(one.grad is not None for one in trained.encoder.parameters())


def test_a_trained_run_works_without_the_weights(weights: Path, tmp_path: Path, run: Run) -> None:
    file = Path(copyfile(weights, tmp_path / "encoder.safetensors"))
    generator = {"generator": "timm_unet", **TINY, "levels": 2, "weights": str(file)}
    trained = train_tiny(tmp_path, {"method": "cyclegan", "networks": {"G": generator}})
    expected = ganzoo.load(trained.folder, device="cpu").translate(images())
    file.unlink()
    assert torch.equal(ganzoo.load(trained.folder, device="cpu").translate(images()), expected)
    code, _, error = run("evaluate", trained.folder, "--device", "cpu", "--metric", "cycle_l1")
    assert code == 0, error
    assert needs_initial_weights()
    with without_initial_weights():
        assert not needs_initial_weights()
    code, _, error = run("weights", "get", trained.recipe)
    assert code == 2 and str(file) in error


@pytest.mark.parametrize("model", ["test_convnext", "test_efficientnet", "mambaout_femto"])
def test_other_encoders(model: str) -> None:
    """Maps of a quarter of the size at first, of half, and with channels at the end."""
    network = TimmUNet(3, 3, model=model, pretrained=False, width=2, levels=2)
    assert network(images(height=33, width=17)).shape == (2, 3, 33, 17)


@pytest.mark.parametrize(
    ("norm", "padding", "upsample"), [("batch", "zero", "deconv"), ("none", "replicate", "pixelshuffle")]
)
def test_options_of_the_decoder(norm: Any, padding: Any, upsample: Any) -> None:
    network = TimmUNet(1, 2, **TINY, pretrained=False, norm=norm, padding=padding, upsample=upsample)
    assert network(images(1, 1, 5)).shape == (2, 2, 1, 5)
    assert any(isinstance(one, nn.ConvTranspose2d) for one in network.modules()) == (upsample == "deconv")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "resnet19"}, "timm_unet: timm has no model 'resnet19' (did you mean 'resnet18'?)"),
        ({"model": "test_vit"}, "timm_unet: the maps of test_vit are 1/16, 1/16, 1/16 of the image; a U-Net nee"),
        ({"model": "test_resnet", "levels": 6}, "timm_unet: levels is 6, but test_resnet has 5 maps: set it to"),
        ({"model": "coat_tiny"}, "timm_unet: timm gives no maps of coat_tiny (RuntimeError: features_only"),
        ({"model": "maxvit_pico_rw_256"}, "timm_unet: maxvit_pico_rw_256 does not take images of any size (Asser"),
        ({"weights": Path("x")}, "timm_unet: weights are given, but pretrained is false: remove one of the two"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GanzooError) as caught:
        TimmUNet(3, 3, pretrained=False, **options)
    assert str(caught.value).startswith(message)


def test_weights_of_another_network_are_refused(tmp_path: Path, weights: Path) -> None:
    with pytest.raises(GanzooError, match=r"resnet.safetensors: weights of another architecture than test_convnext: "):
        TimmUNet(3, 3, model="test_convnext", weights=weights)
    state = load_file(weights)
    save_file({name: one for name, one in state.items() if "layer4" not in name}, tmp_path / "part.safetensors")
    with pytest.raises(GanzooError, match=r"part.safetensors: weights of another architecture than test_resnet: Mi"):
        TimmUNet(3, 3, **TINY, weights=tmp_path / "part.safetensors")
