"""LPIPS against a plain transcription of it, with weights drawn here, and against the package on published ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ganzoo.data.image_io import read_image, to_float
from ganzoo.data.loader import Reader
from ganzoo.interfaces import Direction, Source
from ganzoo.masks.roles import Roles
from ganzoo.plugins import plugins
from ganzoo.recipe.options import build
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_maskers.fixed import Round
from ganzoo_metrics.background_lpips import MODELS, SMALLEST, BackgroundLPIPS, Net, make_lpips
from tests.support.command_line import refusal
from tests.support.lpips_trunks import PHOTOGRAPHS, PUBLISHED, package_lpips, save_trunk, trunk_layers
from tests.support.published_weights import Published
from tests.support.stand_in_methods import Noise, batch_step

TAPS: dict[Net, list[int]] = {
    "alex": [1, 4, 7, 9, 11],
    "squeeze": [1, 4, 7, 9, 10, 11, 12],
    "vgg": [3, 8, 15, 22, 29],
}
"""The layers of torchvision's ``features`` behind which LPIPS looks: the last rectifier before each change of width."""


@pytest.fixture(scope="module")
def file_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Net], Path]:
    """Save drawn weights of a trunk."""
    folder = tmp_path_factory.mktemp("weights")
    return lambda net: save_trunk(folder, net)


def metric(roles: Roles | None = None, **options: Any) -> BackgroundLPIPS:
    made: BackgroundLPIPS = build(plugins().registry.get("metric", "background_lpips"), **options)
    method = CycleGAN()
    method.bind({}, roles or Roles())
    made.bind(method, Reader(Noise(masks=True), ImageSettings(size=8)))
    made.prepare(0)
    return made


@pytest.fixture(scope="module")
def squeeze(file_of: Callable[[Net], Path]) -> BackgroundLPIPS:
    return metric(net="squeeze", weights=file_of("squeeze"))


def translated(batch: int = 2, size: int = 40) -> Step:
    step = batch_step(batch, size)
    drawn = torch.Generator().manual_seed(1)
    for source, target in ("AB", "BA"):
        step[f"fake_{target}"] = torch.rand(batch, 3, size, size, generator=drawn) * 2 - 1
        step[f"given_mask_{source}"] = torch.rand(batch, 1, size, size, generator=drawn)
    return step


def lpips_plainly(net: Net, file: Path, first: Tensor, second: Tensor) -> list[float]:
    """Σ over layers of the spatial mean of w · (f̂₁ − f̂₂)², f̂ normalized over channels (eq. 1), in float64."""
    import lpips  # type: ignore[import-untyped]

    trunk = trunk_layers(net).double()
    given = {name.removeprefix("features."): one for name, one in load_file(file).items() if name[0] == "f"}
    trunk.load_state_dict(given)
    heads = torch.load(Path(lpips.__file__).parent / f"weights/v0.1/{net}.pth", map_location="cpu", weights_only=True)
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    found = torch.zeros(len(first), dtype=torch.float64)
    seen = [(one.double() - shift.double()[:, None, None]) / scale.double()[:, None, None] for one in (first, second)]
    taps = iter(heads.values())
    with torch.no_grad():
        for number, layer in enumerate(trunk[: TAPS[net][-1] + 1]):
            seen = [layer(one) for one in seen]
            if number in TAPS[net]:
                unit = [one / one.square().sum(1, keepdim=True).sqrt() for one in seen]
                difference = torch.nan_to_num(unit[0] - unit[1])  # where nothing fires there is nothing to normalize
                found += (next(taps).double() * difference.square()).sum(1).mean((1, 2))
    assert next(taps, None) is None
    return found.tolist()


@pytest.mark.parametrize("net", ["alex", "squeeze", "vgg"])
@pytest.mark.parametrize("direction", ["AB", "BA"])
def test_the_formula(file_of: Callable[[Net], Path], net: Net, direction: Direction) -> None:
    step, measure = translated(), metric(net=net, weights=file_of(net))
    real, fake = step[f"real_{direction[0]}"], step[f"fake_{direction[1]}"]
    mask = step[f"given_mask_{direction[0]}"]
    expected = lpips_plainly(net, file_of(net), real, mask * real + (1 - mask) * fake)
    assert min(expected) > 1e-3
    rows = measure.rows(step, direction)
    assert rows["background_lpips"].tolist() == pytest.approx(expected, rel=1e-4)
    assert measure.compute(rows, {}) == {"background_lpips": pytest.approx(sum(expected) / 2, rel=1e-4)}


@pytest.mark.skipif(
    not (PUBLISHED.is_file() and PHOTOGRAPHS.is_dir()),
    reason=f"published weights and photographs are not here: {PUBLISHED}, {PHOTOGRAPHS} (set GANZOO_DATA)",
)
@pytest.mark.filterwarnings("ignore:The parameter 'pretrained'", "ignore:Arguments other than a weight enum")
def test_published_weights_give_the_package_s_own_values() -> None:
    reference = package_lpips("squeeze", torch.load(PUBLISHED, map_location="cpu", weights_only=True))
    files = sorted(PHOTOGRAPHS.iterdir())[:2]
    real = torch.cat([to_float(read_image(file, 3)[None]) for file in files])
    rest = torch.rand(real.shape, generator=torch.Generator().manual_seed(0)) * 0.4
    step = Step({"real_A": real, "fake_B": 0.8 * real + rest - 0.2, "given_mask_A": torch.zeros_like(real[:, :1])})
    step["given_mask_A"][..., 64:192, 64:192] = 1
    put_back = torch.where(step["given_mask_A"] == 1, real, step["fake_B"])
    with torch.no_grad():
        expected = reference(real, put_back).flatten()
    found = metric(net="squeeze", weights=PUBLISHED).rows(step, "AB")["background_lpips"]
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=0)
    assert expected.gt(0.05).all()


def test_all_foreground_is_no_change(squeeze: BackgroundLPIPS) -> None:
    step = translated()
    step["given_mask_A"][:] = 1
    assert squeeze.rows(step, "AB")["background_lpips"].eq(0).all()


def test_what_happens_in_the_foreground_is_put_back(squeeze: BackgroundLPIPS) -> None:
    step = translated()
    step["given_mask_A"] = step["given_mask_A"].round()
    before = squeeze.rows(step, "AB")["background_lpips"]
    step["fake_B"] = torch.where(step["given_mask_A"] == 1, -step["fake_B"], step["fake_B"])
    assert torch.equal(squeeze.rows(step, "AB")["background_lpips"], before)


def test_the_mask_may_be_a_masker_s(file_of: Callable[[Net], Path], squeeze: BackgroundLPIPS) -> None:
    step = translated()
    measure = metric(Roles({"input": Round()}), net="squeeze", weights=file_of("squeeze"), mask="input")
    found = measure.rows(step, "AB")["background_lpips"]
    step["given_mask_A"] = Round()(step["real_A"], step.rng(""))
    assert torch.equal(found, squeeze.rows(step, "AB")["background_lpips"])


def test_a_image_s_values_is_its_own(squeeze: BackgroundLPIPS) -> None:
    step = translated(3)
    together = squeeze.rows(step, "AB")["background_lpips"]
    for i in range(3):
        alone = Step({name: one[i : i + 1] for name, one in step.items()})
        torch.testing.assert_close(squeeze.rows(alone, "AB")["background_lpips"], together[i : i + 1])


def test_grey_images_are_treated_as_coloured_ones(squeeze: BackgroundLPIPS) -> None:
    step = translated()
    grey, coloured = (
        Step({name: one[:, :1].expand(-1, count, -1, -1) for name, one in step.items() if "mask" not in name})
        for count in (1, 3)
    )
    grey["given_mask_A"] = coloured["given_mask_A"] = step["given_mask_A"]
    torch.testing.assert_close(squeeze.rows(grey, "AB"), squeeze.rows(coloured, "AB"))


def test_it_is_measured_in_float32_without_a_graph(squeeze: BackgroundLPIPS) -> None:
    step = translated()
    step["fake_B"] = step["fake_B"].bfloat16().requires_grad_()
    plain = squeeze.rows(step, "AB")["background_lpips"]
    assert plain.dtype == torch.float32
    assert not plain.requires_grad
    assert not any(one.requires_grad for one in squeeze.distance.parameters())
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(squeeze.rows(step, "AB")["background_lpips"], plain)


def test_half_precision_in_a_file_is_widened(file_of: Callable[[Net], Path], tmp_path: Path) -> None:
    halves = {name: one.half() for name, one in load_file(file_of("squeeze")).items()}
    torch.save(halves, tmp_path / "half.pth")
    save_file({name: one.float() for name, one in halves.items()}, tmp_path / "whole.safetensors")
    found = [make_lpips("squeeze", tmp_path / name)[0] for name in ("half.pth", "whole.safetensors")]
    for (name, half), whole in zip(found[0].state_dict().items(), found[1].state_dict().values(), strict=True):
        assert half.dtype == torch.float32, name
        assert torch.equal(half, whole), name


def test_making_it_draws_nothing_and_unpickles_nothing(
    file_of: Callable[[Net], Path], monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    load, safe = torch.load, []

    def watched(*given: Any, **options: Any) -> Any:
        safe.append(options.get("weights_only"))
        return load(*given, **options)

    monkeypatch.setattr("torch.load", watched)
    before = torch.get_rng_state()
    made, _ = make_lpips("squeeze", file_of("squeeze"))
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(part.training for part in made.modules())
    assert safe == [True]  # the heads
    assert not [one for one in recwarn if one.category is UserWarning]


@pytest.mark.parametrize("net", ["alex", "squeeze", "vgg"])
def test_the_smallest_images(file_of: Callable[[Net], Path], net: Net) -> None:
    measure, least = metric(net=net, weights=file_of(net)), SMALLEST[net]
    assert measure.rows(translated(1, least), "AB")["background_lpips"].isfinite().all()
    message = refusal(measure.rows, translated(1, least - 1), "AB")
    assert f"images of {least - 1}×{least - 1} pixels are too small for the net {net!r}" in message
    with pytest.raises(RuntimeError):  # the bind_metric is not above what the trunk itself asks for
        measure.distance(*[torch.zeros(1, 3, least - 1, least)] * 2)


def test_a_record_names_the_trunk_and_its_weights(file_of: Callable[[Net], Path], squeeze: BackgroundLPIPS) -> None:
    digest = hashlib.sha256(file_of("squeeze").read_bytes()).hexdigest()[:16]
    assert squeeze.about == {"network": "lpips/squeeze", "weights": digest}
    assert squeeze.sources == {"weights": Source(file_of("squeeze"), digest)}


def test_what_cannot_be_saved_is_cut(squeeze: BackgroundLPIPS) -> None:
    step, saved_as = translated(), translated()
    step["fake_B"][:, :, ::2] *= 4
    saved_as["fake_B"] = step["fake_B"].clamp(-1, 1)
    assert torch.equal(squeeze.rows(step, "AB")["background_lpips"], squeeze.rows(saved_as, "AB")["background_lpips"])


def test_a_file_of_another_network_is_refused(file_of: Callable[[Net], Path]) -> None:
    message = refusal(metric, net="alex", weights=file_of("squeeze"))
    assert "squeeze.safetensors: weights of another architecture than alexnet" in message
    assert "features." in message


def test_mistakes_are_reported(file_of: Callable[[Net], Path], squeeze: BackgroundLPIPS, tmp_path: Path) -> None:
    assert "nowhere.pth: no such weights file" in refusal(metric, weights=tmp_path / "nowhere.pth")
    assert "net is 'vgg16'" in refusal(metric, net="vgg16")
    message = refusal(metric, mask="discriminator", net="squeeze", weights=file_of("squeeze"))
    assert "background_lpips: the recipe has no masker in the role 'discriminator'" in message
    step = translated()
    step["fake_A"] = step["fake_A"][:, :1]
    assert "B has 3 channels and A has 1" in refusal(squeeze.rows, step, "BA")
    step["real_A"] = step["fake_B"] = torch.zeros(2, 4, 40, 40)
    assert "1 or 3 channels; these have 4" in refusal(squeeze.rows, step, "AB")
    del step["given_mask_A"]
    step["real_A"] = step["fake_B"] = torch.zeros(2, 3, 40, 40)
    assert "background_lpips: the data set has no masks of A" in refusal(squeeze.rows, step, "AB")


def test_without_a_network_the_error_names_the_alternatives(published: Published) -> None:
    for net, model in MODELS.items():
        message = refusal(metric, net=net)
        assert message.startswith(
            f"torchvision/{model} cannot be fetched: no connection (no route); bring it yourself: "
        )
        assert "https://download.pytorch.org/models/" in message
        assert message.endswith("; or name any file of such weights, weights: FILE")
    assert published.untouched()


def test_the_published_weights_are_used(
    file_of: Callable[[Net], Path], squeeze: BackgroundLPIPS, published: Published, tmp_path: Path
) -> None:
    torch.save(load_file(file_of("squeeze")), tmp_path / "squeeze.pth")
    published.put(tmp_path / "squeeze.pth", "torchvision/squeezenet1_1")
    found = metric(net="squeeze").rows(translated(), "AB")["background_lpips"]
    assert torch.equal(found, squeeze.rows(translated(), "AB")["background_lpips"])
    assert published.untouched() and published.asked == []
