"""The tiny vision transformer that timm ships for tests, with weights drawn here."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.plugins import plugins
from ganzoo.randomness import Draws
from ganzoo.recipe.options import build
from ganzoo_maskers.attention import Attention
from ganzoo_maskers.pretrained import timm_weights as published_by_timm
from tests.support.command_line import refusal
from tests.support.published_weights import Published

NONE = Draws([])


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state dict of test_vit at 48 px, its classifier with it, spread enough for attention to be uneven."""
    import timm

    torch.manual_seed(0)  # with some weights two places tie at a quantile's level, which a test would not forgive
    network = timm.create_model("test_vit", img_size=48)
    generator = torch.Generator().manual_seed(0)
    state = {
        name: one + 0.2 * torch.randn(one.shape, generator=generator) for name, one in network.state_dict().items()
    }
    assert "head.weight" in state
    file = tmp_path_factory.mktemp("weights") / "vit.safetensors"
    save_file(state, file)
    return file


@pytest.fixture
def make(weights: Path) -> Callable[..., Attention]:
    def made(**options: Any) -> Attention:
        given = {"model": "test_vit", "weights": weights, "size": 48, **options}
        return build(plugins().registry.get("masker", "attention"), **given)

    return made


def random_images(*shape: int, seed: int = 1) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def transcription(weights: Path, images: Tensor, block: int) -> Tensor:
    """The vision transformer up to a block's softmax(q·kᵀ/√d), in plain calls: (B, heads, tokens, tokens)."""
    from safetensors.torch import load_file
    from timm.models import get_pretrained_cfg

    w, width, heads = load_file(weights), 64, 2
    config = get_pretrained_cfg("test_vit")
    assert config is not None
    mean, std = (torch.tensor(one)[:, None, None] for one in (config.mean, config.std))
    x = F.conv2d(((images + 1) / 2 - mean) / std, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=16)
    x = torch.cat([w["cls_token"].expand(len(x), -1, -1), x.flatten(2).mT], 1) + w["pos_embed"]
    for index in range(block + 1):
        part = {
            key.removeprefix(f"blocks.{index}."): one for key, one in w.items() if key.startswith(f"blocks.{index}.")
        }

        def linear(values: Tensor, name: str, part: dict[str, Tensor] = part) -> Tensor:
            return values @ part[f"{name}.weight"].mT + part[f"{name}.bias"]

        def norm(values: Tensor, name: str, part: dict[str, Tensor] = part) -> Tensor:
            return F.layer_norm(values, (width,), part[f"{name}.weight"], part[f"{name}.bias"], 1e-6)

        qkv = linear(norm(x, "norm1"), "attn.qkv")
        q, k, v = (one.unflatten(2, (heads, width // heads)).transpose(1, 2) for one in qkv.split(width, dim=2))
        scores = q @ k.mT / (width // heads) ** 0.5
        attention = scores.exp() / scores.exp().sum(-1, keepdim=True)
        x = x + linear((attention @ v).transpose(1, 2).flatten(2), "attn.proj")
        x = x + linear(F.gelu(linear(norm(x, "norm2"), "mlp.fc1")), "mlp.fc2")
    return attention


@pytest.mark.parametrize("block", [0, 2, 5, -1, -6])
def test_attention_is_the_softmax_of_the_class_token(make: Callable[..., Attention], weights: Path, block: int) -> None:
    images = random_images(2, 3, 48, 48)
    found = make(block=block).attention(images)
    expected = transcription(weights, images, block % 6)[:, :, 0, 1:].mean(1).reshape(2, 1, 3, 3)
    assert expected.std() > 0.01
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("model", "size", "prefix"),
    [("deit_tiny_distilled_patch16_224", 32, 2), ("eva02_tiny_patch14_224", 28, 1)],
)
def test_other_kinds_of_transformers(
    model: str, size: int, prefix: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against the queries and keys that the untouched network hands to torch: a distilling token, rotary positions."""
    import timm

    torch.manual_seed(0)
    network = timm.create_model(model, img_size=size).eval()
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    handed: list[tuple[Tensor, Tensor]] = []
    plain = F.scaled_dot_product_attention

    def listen(q: Tensor, k: Tensor, *others: Any, **options: Any) -> Tensor:
        handed.append((q, k))
        return plain(q, k, *others, **options)

    masker = Attention(model=model, weights=tmp_path / "weights.pt", size=size, quantile=0.5)
    images = random_images(2, 3, size, size)
    monkeypatch.setattr(F, "scaled_dot_product_attention", listen)
    with torch.no_grad():
        network(masker.normalize(images))
    q, k = handed[-1]
    expected = (q @ k.mT / q.shape[-1] ** 0.5).softmax(-1)[:, :, 0, prefix:].mean(1).reshape(2, 1, 2, 2)
    torch.testing.assert_close(masker.attention(images), expected, rtol=1e-4, atol=1e-6)


def test_blocks_behind_the_chosen_one_are_not_run(make: Callable[..., Attention]) -> None:
    assert len(make(block=1).network.blocks) == 2


@pytest.mark.parametrize(("height", "width"), [(48, 48), (30, 70), (200, 96)])
def test_the_mask_is_the_map_enlarged_and_scaled(
    make: Callable[..., Attention], weights: Path, height: int, width: int
) -> None:
    images = random_images(3, 3, height, width)
    seen = F.interpolate(images, (48, 48), mode="bilinear", antialias=True)
    maps = transcription(weights, seen, 5)[:, :, 0, 1:].mean(1).reshape(3, 1, 3, 3)
    enlarged = F.interpolate(maps, (height, width), mode="bilinear", align_corners=False)
    mask = make()(images, NONE)
    assert mask.shape == (3, 1, height, width)
    for found, one in zip(mask, enlarged, strict=True):
        torch.testing.assert_close(found, (one - one.min()) / (one.max() - one.min()), rtol=0, atol=1e-3)


@pytest.mark.parametrize("quantile", [0.01, 0.25, 0.7, 0.99])
def test_a_quantile_fixes_the_share_of_each_image(make: Callable[..., Attention], quantile: float) -> None:
    masker, images = make(quantile=quantile), random_images(2, 3, 60, 40)
    mask = masker(images, NONE)
    maps = F.interpolate(masker.attention(images), (60, 40), mode="bilinear")
    for found, one in zip(mask, maps, strict=True):
        assert float(found.mean()) >= 1 - quantile - 1e-6
        assert float((one > one[found == 1].min()).float().mean()) <= 1 - quantile  # but for ties at the level
        assert one[found == 1].min() > one[found == 0].max()


def test_a_flat_map_is_no_foreground(make: Callable[..., Attention], monkeypatch: pytest.MonkeyPatch) -> None:
    masker = make()
    monkeypatch.setattr(masker, "attention", lambda image: torch.full((len(image), 1, 3, 3), 0.1))
    assert masker(random_images(1, 3, 24, 24), NONE).eq(0).all()


def test_autocast_and_training_mode_change_nothing(make: Callable[..., Attention]) -> None:
    masker, images = make(quantile=0.4), random_images(2, 3, 32, 32)
    plain = masker(images, NONE)
    assert not masker.train().network.training
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(masker(images, NONE), plain)
        assert masker.attention(images).dtype == torch.float32


def test_no_gradient(make: Callable[..., Attention]) -> None:
    masker = make()
    images = random_images(1, 3, 48, 48).requires_grad_()
    assert not masker(images, NONE).requires_grad
    assert not any(one.requires_grad for one in masker.parameters())


def test_each_image_by_itself(make: Callable[..., Attention]) -> None:
    masker, images = make(quantile=0.5), random_images(3, 3, 48, 48)
    assert torch.equal(masker(images, NONE), torch.cat([masker(one[None], NONE) for one in images]))


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_mask_is_of_the_images_type(make: Callable[..., Attention], dtype: torch.dtype) -> None:
    assert make()(random_images(1, 3, 16, 16).to(dtype), NONE).dtype == dtype


def test_grey_images_are_treated_as_coloured_ones(make: Callable[..., Attention]) -> None:
    masker, grey = make(), random_images(1, 1, 48, 48)
    torch.testing.assert_close(masker.attention(grey), masker.attention(grey.expand(-1, 3, -1, -1)))
    with pytest.raises(GanzooError, match="these have 19"):
        masker(torch.zeros(1, 19, 48, 48), NONE)


def test_positions_are_fitted_to_another_size(make: Callable[..., Attention]) -> None:
    assert make(size=96).attention(random_images(1, 3, 48, 48)).shape == (1, 1, 6, 6)
    assert make(size=0).attention(random_images(1, 3, 48, 48)).shape == (1, 1, 10, 10)


def test_a_torch_file_serves_as_well(make: Callable[..., Attention], weights: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    torch.save({"model": load_file(weights)}, tmp_path / "vit.pth")
    images = random_images(1, 3, 48, 48)
    assert torch.equal(make(weights=tmp_path / "vit.pth").attention(images), make().attention(images))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": "vit_smal_patch16_224"}, "did you mean 'vit_small_patch16_224'"),
        ({"model": "vit_small_patch16_224.din"}, "did you mean 'vit_small_patch16_224.dino'"),
        ({"model": "qqqqqqqq"}, "timm.list_models() lists all"),
        ({"model": "test_vit3", "size": 0}, "test_vit3 has no class token"),
        ({"model": "test_resnet", "size": 0}, "test_resnet has no class token"),
        ({"model": "test_resnet"}, "test_resnet takes no size"),
        ({"size": 50}, "uses patches of 16 pixels"),
        ({"block": 6}, "there is no block 6; test_vit has 6"),
        ({"weights": Path("nowhere.pt")}, "nowhere.pt: no such weights file"),
        ({"quantile": 1.0}, "quantile is 1.0"),
    ],
)
def test_mistakes_are_reported(make: Callable[..., Attention], options: dict[str, Any], message: str) -> None:
    assert message in refusal(make, **options)


def test_weights_of_another_architecture(make: Callable[..., Attention], weights: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    state = load_file(weights)
    cases = {
        "fewer": {name: one for name, one in state.items() if not name.startswith("blocks.5.")},
        "more": state | {"blocks.6.norm1.weight": torch.ones(64)},
        "wider": {name: torch.cat([one, one]) for name, one in state.items()},
        "other": {"conv.weight": torch.ones(1)},
    }
    for name, changed in cases.items():
        save_file(changed, tmp_path / f"{name}.safetensors")
        message = refusal(make, weights=tmp_path / f"{name}.safetensors")
        assert f"{name}.safetensors: weights of another architecture than test_vit" in message
        assert len(message) < 400


def test_files_that_are_no_weights(make: Callable[..., Attention], tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("nothing")
    assert "cannot be read" in refusal(make, weights=tmp_path / "text.safetensors")
    (tmp_path / "text.pt").write_text("nothing")
    assert "not a state dict of tensors only" in refusal(make, weights=tmp_path / "text.pt")
    torch.save({"here": Path("x")}, tmp_path / "objects.pt")
    assert "not a state dict of tensors only" in refusal(make, weights=tmp_path / "objects.pt")
    torch.save([torch.ones(1)], tmp_path / "list.pt")
    assert "not a state dict, which" in refusal(make, weights=tmp_path / "list.pt")


def test_without_a_network_the_error_names_the_alternatives(
    make: Callable[..., Attention], published: Published
) -> None:
    message = refusal(make, weights=None)
    assert message.startswith(
        "timm/test_vit.r160_in1k cannot be fetched: no connection (no route); bring it yourself: "
    )
    assert "https://huggingface.co/timm/test_vit.r160_in1k/resolve/main/model.safetensors (no sha256 is" in message
    assert ", as timm-test_vit.r160_in1k.safetensors, into " in message
    assert message.endswith("; or name any file of such weights, weights: FILE")
    assert published.untouched()


def test_the_published_weights_are_used(make: Callable[..., Attention], weights: Path, published: Published) -> None:
    shutil.copyfile(weights, published.own / "timm-test_vit.r160_in1k.safetensors")
    images = random_images(1, 3, 48, 48)
    assert torch.equal(make(weights=None).attention(images), make().attention(images))
    assert published.untouched() and published.asked == []


@pytest.mark.parametrize(
    ("model", "name", "address", "file"),
    [
        (
            "vit_small_patch16_224",
            "timm/vit_small_patch16_224.augreg_in21k_ft_in1k",
            "https://huggingface.co/timm/vit_small_patch16_224.augreg_in21k_ft_in1k/resolve/main/model.safetensors",
            "timm-vit_small_patch16_224.augreg_in21k_ft_in1k.safetensors",
        ),
        (
            "vit_small_patch16_224.dino",
            "timm/vit_small_patch16_224.dino",
            "https://huggingface.co/timm/vit_small_patch16_224.dino/resolve/main/model.safetensors",
            "timm-vit_small_patch16_224.dino.safetensors",
        ),
        (
            "vit_huge_patch14_gap_224.in1k_ijepa",  # timm has it from its authors
            "timm/vit_huge_patch14_gap_224.in1k_ijepa",
            "https://dl.fbaipublicfiles.com/ijepa/IN1K-vit.h.14-300e.pth.tar",
            "IN1K-vit.h.14-300e.pth.tar",
        ),
    ],
)
def test_where_timm_s_weights_lie(model: str, name: str, address: str, file: str) -> None:
    found = published_by_timm(model)
    assert (found.name, found.address, found.file, found.sha256) == (name, address, file, "")
    assert found.licence


def test_every_transformer_s_weights_have_a_place_of_their_own() -> None:
    import timm

    found = [published_by_timm(name) for name in timm.list_models("vit_*", pretrained=True)]
    assert len(found) > 100
    assert len({one.file for one in found}) == len({one.address for one in found})


def test_a_model_without_weights() -> None:
    assert "timm has no weights for test_vit4: name a file" in refusal(published_by_timm, "test_vit4")
