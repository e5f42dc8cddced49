"""The loss over classes and scales: classes of windows, their neighbours, and the sum of the terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ganzoo import GanzooError, create
from ganzoo.masks.roles import Roles
from ganzoo_art2real import approximate_search, retrieval
from ganzoo_art2real.approximate_search import ApproximateSearch
from ganzoo_art2real.bank import BACKGROUND, Bank, Scale
from ganzoo_art2real.bank_builder import build_bank
from ganzoo_art2real.contextual import contextual_loss
from ganzoo_art2real.exact_search import ExactSearch
from ganzoo_art2real.loss import Contextual
from ganzoo_art2real.pixel_classes import MaskerClasses
from tests.support.photographs import SMALL


def images(batch: int = 2, size: int = 12) -> Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(3)) * 2 - 1


def label_planes(batch: int = 2, size: int = 12, classes: int = 3) -> Tensor:
    """Return soft planes: class 1 at the left, class 3 in a corner, overlapping it."""
    planes = torch.zeros(batch, classes, size, size)
    planes[:, 0, :, : size // 2] = 0.9
    planes[:, 2, size // 2 :, size // 3 :] = 0.6
    planes[:, 1] = 0.4  # below one half: nowhere
    return planes


def plain_loss(
    bank: Bank,
    image: Tensor,
    planes: Tensor | None,
    scales: list[Scale],
    *,
    neighbours: int = 5,
    share: float = 0.5,
    bandwidth: float = 1.0,
) -> Tensor:
    """Return the loss window by window, with neighbours by brute force in float64."""
    total = torch.zeros((), dtype=torch.float64)
    for one, masks in zip(image, planes if planes is not None else [None] * len(image), strict=True):
        for scale in scales:
            side = (one.shape[-1] - scale.patch) // scale.stride + 1
            members: dict[int, list[Tensor]] = {}
            for row in range(side):
                for column in range(side):
                    window = (
                        slice(row * scale.stride, row * scale.stride + scale.patch),
                        slice(column * scale.stride, column * scale.stride + scale.patch),
                    )
                    patch = one[:, window[0], window[1]].flatten()
                    if masks is None:
                        members.setdefault(BACKGROUND, []).append(patch)
                        continue
                    inside = masks[:, window[0], window[1]] >= 0.5
                    if (~inside.any(0)).float().mean() >= share:
                        members.setdefault(BACKGROUND, []).append(patch)
                    for label, plane in enumerate(inside, 1):
                        if plane.float().mean() >= share:
                            members.setdefault(label, []).append(patch)
            for label, patches in members.items():
                label = label if bank.count(label, scale) else BACKGROUND
                everything = bank.patches(scale, bank.numbers(label, scale)).double()
                queries = torch.stack(patches).double()
                nearest = ((queries[:, None] - everything[None]) ** 2).sum(2).topk(neighbours, largest=False).indices
                real = everything[nearest.unique()]
                mean = bank.mean(label, scale).double()
                total = total + contextual_loss(queries, real, mean, bandwidth=bandwidth)
    return total / len(image)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize(
    ("scales", "options"),
    [
        ("first", {}),
        ("all", {}),
        ("all", {"neighbours": 2}),
        ("all", {"share": 0.7}),
        ("all", {"bandwidth": 0.5}),
        ("first", {"neighbours": 2, "share": 0.2, "bandwidth": 0.5}),
    ],
)
def test_loss_and_gradient_equal_the_plain_loops(
    bank: Bank, labelled: bool, scales: str, options: dict[str, Any]
) -> None:
    planes = label_planes() if labelled else None
    used = list(bank.scales[:1] if scales == "first" else bank.scales)
    mine, theirs = images().requires_grad_(), images().double().requires_grad_()
    loss = create("loss", "contextual", bank=bank.folder, scales=scales, **options)(mine, planes)
    expected = plain_loss(bank, theirs, planes, used, **options)
    torch.testing.assert_close(loss.double(), expected, rtol=1e-4, atol=1e-5)
    gradients = [torch.autograd.grad(one, at)[0].double() for one, at in ((loss, mine), (expected, theirs))]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-2, atol=1e-5)
    assert gradients[0].abs().max() > 1e-4


@pytest.mark.parametrize(("search", "limit"), [("exact", 0), ("approximate", 0), ("auto", 0), ("auto", 10_000)])
def test_the_search_is_of_the_requested_kind(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, search: Any, limit: int
) -> None:
    """A limit of 0 patches makes any bank a large one."""
    monkeypatch.setattr(retrieval, "EXACT_UP_TO", limit)
    monkeypatch.setattr(approximate_search, "MIN_PATCHES", 0)
    loss = Contextual(bank=bank.folder, search=search)
    loss(images())
    exact = search == "exact" or limit > 0
    assert [type(one) for one in loss.searchers.values()] == [ExactSearch if exact else ApproximateSearch]


def test_a_class_missing_in_the_bank_uses_the_background(bank: Bank) -> None:
    loss = Contextual(bank=bank.folder)
    everything = torch.ones(2, 1, 12, 12)
    unknown = torch.cat([torch.zeros(2, 1, 12, 12), everything], dim=1)  # class 2, which no photograph shows
    assert bank.count(2, bank.scales[0]) == 0 < bank.count(1, bank.scales[0])
    torch.testing.assert_close(loss(images(), unknown), loss(images()))
    assert not torch.isclose(loss(images(), everything), loss(images()))


def test_label_maps_equal_planes(bank: Bank) -> None:
    loss, planes = Contextual(bank=bank.folder), torch.zeros(2, 3, 12, 12)
    planes[:, 0, :, :6], planes[:, 2, :, 6:] = 1, 1
    labels = torch.where(torch.arange(12) < 6, 1, 3).expand(2, 1, 12, 12)
    torch.testing.assert_close(loss(images(), labels), loss(images(), planes))


def test_each_image_counts_as_much_as_the_others(bank: Bank) -> None:
    loss = Contextual(bank=bank.folder)
    apart = [loss(images()[i : i + 1], label_planes()[i : i + 1]) for i in range(2)]
    torch.testing.assert_close(loss(images(), label_planes()), torch.stack(apart).mean())


def test_the_banks_own_photographs_cost_less_than_noise(bank: Bank) -> None:
    loss = Contextual(bank=bank.folder, scales="all")
    photograph = bank.images(torch.device("cpu"))[:1].permute(0, 3, 1, 2).float() / 127.5 - 1
    assert float(loss(photograph)) < 0.5 * float(loss(images(1, photograph.shape[-1])))


def test_half_precision_is_converted_to_float32(bank: Bank) -> None:
    assert Contextual(bank=bank.folder)(images().bfloat16()).dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "shape", "message"),
    [
        ({}, (1, 3, 3, 9), "windows of 4×4 with 3 channels do not fit images of 3×3×9"),
        ({}, (1, 1, 9, 9), "windows of 4×4 with 3 channels do not fit images of 1×9×9"),
        ({"scales": ((16, 6),)}, None, r"no scale \(16, 6\)"),
        ({"bank": "gone"}, None, "gone: no bank found"),
    ],
)
def test_mistakes_are_errors(
    bank: Bank, options: dict[str, object], shape: tuple[int, ...] | None, message: str
) -> None:
    given = {"bank": Path(bank.folder), **options}
    with pytest.raises(GanzooError, match=message):
        create("loss", "contextual", **given)(torch.zeros(shape or (1, 3, 9, 9)))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (
            "{light: [230, 230, 230], dark: [20, 20, 20]}",
            "classes dark, light, .* has light, dark; build",
        ),
        ("{dark: [20, 20, 20], light: [230, 230, 230], red: [250, 0, 0]}", "has dark, light, red; build"),
        ("{dark: [20, 20, 20], light: [230, 230, 230]}, foreground: [1]", "has foreground; build it again: "),
        ("{dark: [25, 20, 20], light: [230, 230, 230]}", ""),
    ],
)
def test_a_masker_of_other_classes_than_the_banks_is_refused(
    photographs: Path, tmp_path: Path, classes: str, message: str
) -> None:
    text = "{masker: colours, classes: {dark: [20, 20, 20], light: [230, 230, 230]}}"
    built = build_bank([photographs], tmp_path / "by_colour", SMALL, pixel_classes=MaskerClasses(text))
    other = MaskerClasses(f"{{masker: colours, classes: {classes}}}")
    roles = Roles({"labels": other.masker}, {"labels": other.transform})
    if not message:
        Contextual(bank=built.folder).require_fit(roles, (24, 24))
        return
    with pytest.raises(GanzooError, match=message):
        Contextual(bank=built.folder).require_fit(roles, (24, 24))


def test_label_maps_and_a_bank_of_label_maps_are_accepted(bank: Bank) -> None:
    Contextual(bank=bank.folder).require_fit(Roles({"labels": create("masker", "round")}), (24, 24))
    Contextual(bank=bank.folder).require_fit(Roles({"labels": create("masker", "file")}), (24, 24))


def test_without_labels_a_bank_without_background_is_refused(photographs: Path, tmp_path: Path) -> None:
    text = "{masker: colours, classes: {dark: [20, 20, 20], light: [230, 230, 230]}}"
    built = build_bank([photographs], tmp_path / "by_colour", SMALL, pixel_classes=MaskerClasses(text))
    with pytest.raises(GanzooError, match=r"no background patches, .*: set maskers: \{labels: …\}"):
        Contextual(bank=built.folder)(images())
    assert Contextual(bank=built.folder)(images(), label_planes()[:, :2]) > 0
