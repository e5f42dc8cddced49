"""The Inception network against pytorch-fid's own, as clean-fid carries it, with the same drawn weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from ganzoo_metrics.inception import Inception
from tests.support.command_line import refusal

theirs = pytest.importorskip("cleanfid.inception_pytorch")


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    with torch.device("meta"):
        network = theirs._inception_v3(num_classes=1008, aux_logits=False, pretrained=False)
    drawn, found = torch.Generator().manual_seed(0), {}
    for name, one in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            found[name] = torch.tensor(1)
        elif one.dim() > 1:
            found[name] = torch.randn(one.shape, generator=drawn) * (2 / one[0].numel()) ** 0.5
        elif name.endswith(("weight", "running_var")):
            found[name] = torch.rand(one.shape, generator=drawn) + 0.5
        else:
            found[name] = torch.randn(one.shape, generator=drawn) * 0.1
    return found


def test_it_is_pytorch_fids(weights: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(theirs, "load_state_dict_from_url", lambda *_, **__: weights)
    reference: nn.Module = theirs.InceptionV3(resize_input=False).eval()
    images = torch.rand(2, 3, 299, 299, generator=torch.Generator().manual_seed(1)) * 255
    expected = reference(images / 255)[0].flatten(1)
    assert float(expected.std()) > 0.01
    torch.testing.assert_close(Inception(weights, "by_255")(images), expected, rtol=1e-4, atol=1e-5)
    by_128 = Inception(weights, "by_128")(images)
    torch.testing.assert_close(by_128, reference(((images - 128) / 128 + 1) / 2)[0].flatten(1), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(by_128, expected, rtol=1e-4, atol=1e-5)


def test_other_weights_are_refused(weights: dict[str, Tensor]) -> None:
    fewer = {name: one for name, one in weights.items() if name != "Mixed_7c.branch1x1.conv.weight"}
    message = refusal(Inception, fewer, origin=Path("other.pth"))
    assert "other.pth: weights of another architecture than the Fréchet distance's Inception" in message
