"""DINOv2 and CLIP as their papers' definers use them, with drawn weights of timm's smallest vision transformer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from ganzoo.interfaces import Step
from ganzoo_maskers.pretrained import read_weights, timm_weights
from ganzoo_metrics.embeddings import EMBEDDINGS, Embedding, resize_positions
from ganzoo_metrics.feature_networks import feature_network
from ganzoo_metrics.resizing import resize
from tests.support.command_line import refusal
from tests.support.feature_networks import SMALL_EMBEDDINGS, save_embedding


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, settings in SMALL_EMBEDDINGS.items():
        monkeypatch.setitem(EMBEDDINGS, name, settings)


def images(height: int, width: int, count: int = 2) -> Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("old", [10, 37])
def test_position_embeddings_are_resized_as_dinov2_does(old: int) -> None:
    """Point i of the new grid is taken at (i + 0.5) · n / (grid + 0.1) − 0.5, with the cubic kernel of a = −0.75."""
    grid, drawn = old // 2, np.random.default_rng(0).normal(size=(1, 1 + old**2, 3))

    def cubic(x: float) -> float:
        x, a = abs(x), -0.75
        return (a + 2) * x**3 - (a + 3) * x**2 + 1 if x <= 1 else a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0

    weights = np.zeros((grid, old))
    for i in range(grid):
        place = (i + 0.5) * old / (grid + 0.1) - 0.5
        for j in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            weights[i, min(max(j, 0), old - 1)] += cubic(place - j)
    expected = np.einsum("ip,jq,pqd->ijd", weights, weights, drawn[0, 1:].reshape(old, old, 3)).reshape(-1, 3)
    found = resize_positions(torch.from_numpy(drawn), grid)
    torch.testing.assert_close(found[0, 1:].double().numpy(), expected, rtol=1e-4, atol=1e-5)
    assert torch.equal(found[:, :1], torch.from_numpy(drawn[:, :1]).float())


def test_embeddings_of_the_right_size_and_of_no_square_are_left_alone() -> None:
    for positions in (torch.rand(1, 10, 2), torch.rand(1, 8, 2), torch.rand(1, 1, 2)):
        assert resize_positions(positions, 3) is positions


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["dinov2", "clip"])
def test_features_are_those_of_the_class_token(name: str, tmp_path: Path) -> None:
    made = feature_network(name, "torchvision", save_embedding(tmp_path))
    given = images(40, 24)
    found = made.features(Step({"fake_B": given}, samples=range(2)), "fake_B")
    plain: Any = timm.create_model("test_vit", img_size=32).eval()
    state = read_weights(save_embedding(tmp_path))
    plain.load_state_dict(state | {"pos_embed": resize_positions(state["pos_embed"], 2)})
    seen = []
    for one in ((given + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy():
        part = one[8:32] if name == "clip" else one  # the square in the centre
        small = np.asarray(Image.fromarray(part).resize((32, 32), Image.Resampling.BICUBIC))
        seen.append(torch.from_numpy(small / 127.5 - 1).permute(2, 0, 1).float())
    with torch.no_grad():
        tokens = plain.forward_features(torch.stack(seen))[:, 0]
        expected = tokens if name == "dinov2" else plain.head(tokens)
    if name == "clip":
        expected = expected / expected.square().sum(1, keepdim=True).sqrt()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert found.shape == ((2, 64) if name == "dinov2" else (2, 1000))


@pytest.mark.usefixtures("small")
def test_features_are_computed_once_for_a_step(tmp_path: Path) -> None:
    made, step = feature_network("dinov2", "timm", save_embedding(tmp_path)), Step({"real_A": images(16, 16)})
    assert made.features(step, "real_A") is made.features(step, "real_A")
    assert made.about == {"network": "timm/test_vit", "weights": made.source.key, "resizing": "pillow"}
    assert all(part in made.cache_key for part in ("timm/test_vit", "pillow", "32", made.source.key))


@pytest.mark.parametrize("how", ["pillow", "pillow_crop"])
def test_images_are_resized_in_whole_numbers(how: Any) -> None:
    given = torch.randint(0, 256, (1, 3, 9, 21)).float()
    found = resize(given, 12, how)
    assert found.shape == (1, 3, 12, 12)
    assert torch.equal(found, found.round()) and found.min() >= 0 and found.max() <= 255
    part = given[..., 6:15] if how == "pillow_crop" else given
    assert torch.equal(found, resize(part, 12, "pillow"))


@pytest.mark.parametrize("name", sorted(EMBEDDINGS))
def test_the_networks_of_papers_are_known_to_timm_with_published_weights(name: str) -> None:
    settings = EMBEDDINGS[name]
    about: Any = timm.models.get_pretrained_cfg(settings.model)
    published = timm_weights(settings.model)
    assert published.address.startswith("https://huggingface.co/timm/vit_")
    assert published.licence == "apache-2.0"
    if settings.projected:
        assert about.num_classes > 0 and about.input_size[-1] == settings.side and "quickgelu" in settings.model
    else:
        assert (about.num_classes, settings.side % 14) == (0, 0)


def test_the_authors_names_of_clips_weights_are_read() -> None:
    """CLIP's own file also holds the text encoder; its image encoder is under ``visual``."""
    plain = timm.create_model("test_vit", img_size=32)
    state = {name: torch.randn_like(one) for name, one in plain.state_dict().items()}
    state["head.bias"].zero_()
    theirs = {f"visual.{_clip_name(name)}": one for name, one in state.items() if not name.startswith("head.")}
    theirs |= {"logit_scale": torch.ones(()), "visual.proj": state["head.weight"].T}
    for name in ("positional_embedding", "class_embedding"):
        theirs[f"visual.{name}"] = theirs[f"visual.{name}"].flatten(0, 1).squeeze()
    made = Embedding(SMALL_EMBEDDINGS["clip"], theirs)
    for name, one in made.network.state_dict().items():
        assert torch.equal(one, state[name]), name


def _clip_name(name: str) -> str:
    """Return CLIP's own name of a part of timm's vision transformer."""
    for ours, clips in (
        ("pos_embed", "positional_embedding"), ("cls_token", "class_embedding"), ("patch_embed.proj", "conv1"),
        ("blocks.", "transformer.resblocks."), ("attn.qkv.", "attn.in_proj_"),
        ("attn.proj", "attn.out_proj"), ("mlp.fc1", "mlp.c_fc"), ("mlp.fc2", "mlp.c_proj"),
        (".norm1", ".ln_1"), (".norm2", ".ln_2"),
    ):  # fmt: skip
        name = name.replace(ours, clips)
    return name.replace("norm.", "ln_post.") if name.startswith("norm.") else name


@pytest.mark.usefixtures("small")
def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "a.safetensors")
    message = refusal(feature_network, "dinov2", "timm", tmp_path / "a.safetensors")
    assert message.startswith(f"{tmp_path / 'a.safetensors'}: weights of another architecture than test_vit")
    state = read_weights(save_embedding(tmp_path)) | {"pos_embed": torch.zeros(1, 8, 64)}
    assert "size mismatch" in refusal(Embedding, SMALL_EMBEDDINGS["clip"], state)
