"""LPIPS of translations against the package's own value, with drawn weights and with published ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from ganzoo.data.image_io import read_image, to_float
from ganzoo.data.loader import Reader
from ganzoo.interfaces import Direction, Method, Sample, Split
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_baselines.pix2pix import Pix2Pix
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_metrics.background_lpips import Net
from ganzoo_metrics.lpips import LPIPS
from tests.support.command_line import refusal
from tests.support.image_pairs import Pairs, bind_metric, compute_values, paired_step
from tests.support.lpips_trunks import PHOTOGRAPHS, PUBLISHED, package_lpips, save_trunk
from tests.support.stand_in_methods import Noise

SIZE = 40


@pytest.fixture(scope="module")
def build_lpips(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., LPIPS]:
    """Make the metric with drawn weights."""
    folder = tmp_path_factory.mktemp("weights")

    def make(net: Net = "squeeze", method: Method | None = None, data: Noise | None = None, **options: Any) -> LPIPS:
        reader = Reader(data or Pairs(), ImageSettings(size=options.pop("size", SIZE)))
        found: LPIPS = bind_metric("lpips", method, reader=reader, net=net, weights=save_trunk(folder, net), **options)
        return found

    return make


@pytest.mark.filterwarnings("ignore:The parameter 'pretrained'", "ignore:Arguments other than a weight enum")
@pytest.mark.parametrize(
    ("net", "of", "direction"),
    [("alex", "pair", "AB"), *(("squeeze", of, way) for of in ("pair", "source") for way in ("AB", "BA"))],
)
def test_it_is_the_package_s_own_values(
    build_lpips: Callable[..., LPIPS], tmp_path: Path, net: Net, direction: Direction, of: str
) -> None:
    step, (source, target) = paired_step(2, SIZE), direction
    step[f"fake_{target}"][0, :, :5] = 1.5  # saved as 1
    other = step[f"true_{target}"] if of == "pair" else step[f"real_{source}"]
    reference = package_lpips(net, load_file(save_trunk(tmp_path, net)))
    with torch.no_grad():
        expected = reference(step[f"fake_{target}"].clamp(-1, 1), other).flatten()
    assert expected.gt(1e-3).all()
    name = "lpips" if of == "pair" else "lpips_source"
    measure = build_lpips(net, of=of)
    torch.testing.assert_close(measure.rows(step, direction)[name], expected, rtol=1e-5, atol=0)
    assert compute_values(measure, step, direction) == {name: pytest.approx(float(expected.double().mean()), rel=1e-5)}


@pytest.mark.skipif(
    not (PUBLISHED.is_file() and PHOTOGRAPHS.is_dir()),
    reason=f"published weights and photographs are not here: {PUBLISHED}, {PHOTOGRAPHS} (set GANZOO_DATA)",
)
@pytest.mark.filterwarnings("ignore:The parameter 'pretrained'", "ignore:Arguments other than a weight enum")
def test_published_weights_give_the_package_s_own_values() -> None:
    reference = package_lpips("squeeze", torch.load(PUBLISHED, map_location="cpu", weights_only=True))
    files = sorted(PHOTOGRAPHS.iterdir())[:4]
    one, other = (torch.cat([to_float(read_image(file, 3)[None]) for file in some]) for some in (files[:2], files[2:]))
    reader = Reader(Pairs(), ImageSettings(size=256))
    found = bind_metric("lpips", reader=reader, net="squeeze", weights=PUBLISHED).rows(
        Step({"fake_B": one, "true_B": other}), "AB"
    )["lpips"]
    with torch.no_grad():
        expected = reference(one, other).flatten()
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    assert expected.gt(0.3).all()


@pytest.mark.parametrize("of", ["pair", "source"])
def test_it_is_measured_alone_in_float32_without_a_graph(build_lpips: Callable[..., LPIPS], of: str) -> None:
    """An image's figure is its own, whatever is measured with it."""
    measure, step, name = build_lpips(of=of), paired_step(3, SIZE), "lpips" if of == "pair" else "lpips_source"
    step["fake_B"] = step["fake_B"].bfloat16().requires_grad_()
    together = measure.rows(step, "AB")[name]
    assert together.dtype == torch.float32
    assert not together.requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(measure.rows(step, "AB")[name], together)
    for i in range(3):
        alone = Step({key: one[i : i + 1] for key, one in step.items()})
        torch.testing.assert_close(measure.rows(alone, "AB")[name], together[i : i + 1])


def test_what_is_its_pair_is_no_distance_away(build_lpips: Callable[..., LPIPS]) -> None:
    step = paired_step(2, SIZE)
    step["fake_B"], step["fake_A"] = step["true_B"].clone(), step["real_B"].clone()
    assert build_lpips().rows(step, "AB")["lpips"].eq(0).all()
    assert build_lpips(of="source").rows(step, "BA")["lpips_source"].eq(0).all()


def test_a_record_names_the_trunk_and_its_weights(build_lpips: Callable[..., LPIPS]) -> None:
    measure = build_lpips("squeeze", of="source")
    file = measure.sources["weights"].path
    digest = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    assert measure.about == {"network": "lpips/squeeze", "weights": digest}
    assert (file.name, measure.sources["weights"].key) == ("squeeze.safetensors", digest)


def test_grey_images_are_treated_as_coloured_ones(build_lpips: Callable[..., LPIPS]) -> None:
    measure, step = build_lpips(), paired_step(2, SIZE)

    def of_channels(count: int) -> Tensor:
        same = {name: one[:, :1].expand(-1, count, -1, -1) for name, one in step.items()}
        return measure.rows(Step(same), "AB")["lpips"]

    torch.testing.assert_close(of_channels(1), of_channels(3))


class Unlike(Noise):
    """Knows the pairs of B's images alone, which are of A, of other channels or label maps as the test says."""

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        found = super().sample(split, domain, index)
        return replace(found, target=found.image) if domain == "B" else found


def unlike(channels: int = 3, classes: Mapping[str, int] | None = None) -> Unlike:
    data = Unlike()
    data.channels, data.classes = {"A": channels, "B": 3}, classes or {}
    return data


def test_only_what_can_be_compared_is(build_lpips: Callable[..., LPIPS]) -> None:
    assert build_lpips().directions == build_lpips(of="source").directions == ("AB", "BA")
    assert build_lpips(data=unlike()).directions == ("BA",)
    assert build_lpips(data=unlike(), of="source").directions == ("AB", "BA")
    assert build_lpips(method=Pix2Pix(), of="source").directions == ("AB",)
    message = refusal(build_lpips, data=unlike(4))
    assert "lpips compares a translation with the true image of the same scene" in message and "none for A" in message
    for data in (unlike(4), unlike(3, {"A": 3})):
        message = refusal(build_lpips, data=data, of="source")
        assert "lpips needs images of 1 or 3 channels that are not label maps" in message
        assert "into such images from such images: remove it" in message
    data = unlike(2)
    data.channels = {"A": 2, "B": 2}
    assert "makes no translations into such images: remove it" in refusal(build_lpips, data=data)


def test_what_cannot_be_measured_is_reported(build_lpips: Callable[..., LPIPS]) -> None:
    build_lpips(size=17)
    message = refusal(build_lpips, size=16)
    assert "lpips: images of 16×16 pixels are too small for the net 'squeeze', which needs 17 a side" in message
    step = paired_step(2, SIZE)
    del step["true_B"]
    assert "has none for the measured images of A" in refusal(build_lpips().rows, step, "AB")
    step["fake_A"] = step["fake_A"][:, :1]
    assert "lpips_source compares the images of B with their translations" in refusal(
        build_lpips(of="source").rows, step, "BA"
    )
    del step["real_B"]
    message = refusal(build_lpips(of="source").rows, step, "BA")
    assert (
        message == "lpips_source compares translations with their sources, which are not known here: remove the metric"
    )
    assert build_lpips(of="source", method=CycleGAN()).rows(step, "AB")["lpips_source"].shape == (2,)
