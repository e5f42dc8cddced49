"""Crops without scaling, at random scales, and whole images: what the reader gives, and what its draws depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganzoo.data.loader import Batch, Reader
from ganzoo.data.sampler import Row
from ganzoo.data.transforms import crop, crop_scaled, scale
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Sample, Split
from ganzoo.settings import ImageSettings
from tests.support.stand_in_methods import Noise

ROWS = [Row(i, i, {"A": i, "B": i}) for i in range(12)]


def waves(height: int, width: int, name: str = "w") -> Sample:
    """Return a smooth image, with all other planes."""
    y, x = np.mgrid[:height, :width].astype(float)
    image = np.stack([128 + 100 * np.sin(x / 9), 128 + 100 * np.sin(y / 7), 128 + 50 * np.sin((x + y) / 8)], axis=2)
    mask = np.where(x < width / 2, 255, 0).astype(np.uint8)
    pixels = image.astype(np.uint8)
    return Sample(pixels, name, mask=mask, labels=(x // 8 % 3).astype(np.uint8), target=pixels[:, :, ::-1].copy())


class Waves(Noise):
    """Smooth images, all of one size, or as many sizes as ``shapes`` has."""

    def __init__(self, *shapes: tuple[int, int]) -> None:
        super().__init__(A=12, B=12, test=4)
        self.shapes = shapes

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        return waves(*self.shapes[index % len(self.shapes)], name=f"{domain}{index}")


def batch_of(images: ImageSettings, *shapes: tuple[int, int], paired: bool = False, step: int = 3) -> Batch:
    return Reader(Waves(*shapes), images, paired).training_batch(ROWS, step, seed=1)


def settings(**options: Any) -> ImageSettings:
    return ImageSettings(size=(16, 24), **options)


def test_a_crop_is_a_part_of_the_image_as_it_is() -> None:
    shapes = [(40, 60), (16, 24), (30, 25)]
    reader = Reader(Waves(*shapes), settings(fit="crop"))
    batch = reader.training_batch(ROWS, 3, seed=1)
    corners = set()
    for number, pixels in enumerate(batch.planes["real_A"]):
        whole = waves(*shapes[number % 3]).image
        windows = np.lib.stride_tricks.sliding_window_view(whole, (16, 24, 3))[:, :, 0]
        places = np.argwhere((windows == pixels).all(axis=(2, 3, 4)))
        assert len(places) >= 1
        corners.add(tuple(places[0]))
    assert len(corners) > 6
    (tested,) = reader.evaluation_batches("test", [Row(0, 0, {"A": 0, "B": 0})])
    assert np.array_equal(tested.planes["real_A"][0], waves(40, 60).image[12:28, 18:42])


def test_an_image_smaller_than_the_crop_is_one_line() -> None:
    reader = Reader(Waves((15, 30)), settings(fit="crop"))
    with pytest.raises(GanzooError, match=r"A2 is 30×15, smaller than the crop of images\.fit: crop, 24×16: remove it"):
        reader.read("test", "A", 2)


@pytest.mark.parametrize("fit", ["stretch", "cover", "crop"])
def test_crops_and_flips_do_not_depend_on_a_zoom_of_one(fit: Any) -> None:
    load = {} if fit == "crop" else {"load": (32, 48)}
    plain = batch_of(settings(fit=fit, **load), (40, 60))
    for options in ({"zoom": (1.0, 1.0)}, {"scales": (1.0,)}):
        zoomed = batch_of(settings(fit=fit, **load, **options), (40, 60))
        assert all(np.array_equal(plain.planes[name], zoomed.planes[name]) for name in plain.planes)
    other = batch_of(settings(fit=fit, **load, zoom=(0.7, 1.5)), (40, 60))
    assert all(other.planes[name].shape == plain.planes[name].shape for name in plain.planes)
    assert not np.array_equal(plain.planes["real_A"], other.planes["real_A"])


def test_zoom_and_scales_are_keyed_apart() -> None:
    images = settings(fit="crop", zoom=(0.5, 1.5))
    one, again, later = (batch_of(images, (64, 96), step=step) for step in (3, 3, 4))
    assert np.array_equal(one.planes["real_A"], again.planes["real_A"])
    assert not np.array_equal(one.planes["real_A"], later.planes["real_A"])
    assert not np.array_equal(one.planes["real_A"], one.planes["real_B"])  # each domain has draws of its own
    together = batch_of(images, (64, 96), paired=True)
    assert np.array_equal(together.planes["real_A"], together.planes["real_B"])
    with_scales = batch_of(settings(fit="crop", zoom=(0.5, 1.5), scales=(1.0, 1.0)), (64, 96))
    assert np.array_equal(one.planes["real_A"], with_scales.planes["real_A"])  # another draw, which changes nothing


def test_the_scale_of_a_crop_is_that_of_its_waves() -> None:
    """The distance between two edges of the labels, 8 pixels in the image, is 8 times the zoom in each crop."""
    for zoom in (0.5, 1.0, 2.0):
        batch = batch_of(ImageSettings(size=64, fit="crop", zoom=(zoom, zoom)), (160, 160))
        for labels in batch.planes["given_labels_A"]:
            edges = np.flatnonzero(np.diff(labels[0].astype(int)))
            assert np.abs(np.diff(edges) - 8 * zoom).max() <= 1
    drawn = batch_of(ImageSettings(size=64, fit="crop", scales=(0.5, 2.0)), (160, 160)).planes["given_labels_A"]
    distances = {round(float(np.diff(np.flatnonzero(np.diff(one[0].astype(int)))).mean()), -1) for one in drawn}
    assert len(distances) == 2  # 4 and 16 pixels, one of which is drawn for each image


def test_a_crop_of_a_scaled_image_equals_the_scaled_image_cropped() -> None:
    sample = waves(60, 90)
    for shape in ((30, 45), (120, 180), (44, 61)):
        whole = crop(scale(sample, shape, "stretch"), 5, 7, (16, 24))
        part = crop_scaled(sample, shape, 5, 7, (16, 24))
        for name in ("image", "target", "mask"):
            difference = np.abs(getattr(whole, name).astype(int) - getattr(part, name).astype(int))
            assert difference.max() <= 1
        assert whole.labels is not None and part.labels is not None
        assert np.array_equal(whole.labels, part.labels)
    assert np.array_equal(crop_scaled(sample, (60, 90), 5, 7, (16, 24)).image, sample.image[5:21, 7:31])


def test_images_are_never_enlarged_after_they_were_shrunk() -> None:
    """With a zoom up to 2, images are read at twice the load size: fine details of the image stay."""
    reader = Reader(Waves((160, 240)), settings(load=(32, 48), zoom=(1.0, 2.0)))
    assert reader.images.read_shape == (64, 96)
    batch = Reader(Waves((160, 240)), settings(load=(32, 48), zoom=(2.0, 2.0))).training_batch(ROWS[:1], 0, seed=0)
    expected = np.asarray(Image.fromarray(waves(160, 240).image).resize((96, 64), Image.Resampling.BICUBIC))
    windows = np.lib.stride_tricks.sliding_window_view(expected, (16, 24, 3))[:, :, 0]
    assert (windows == batch.planes["real_A"][0]).all(axis=(2, 3, 4)).any()


def test_a_zoom_that_would_make_an_image_smaller_than_the_crop_ends_at_the_crop() -> None:
    batch = batch_of(settings(fit="crop", zoom=(0.1, 0.2)), (40, 48))
    expected = np.asarray(Image.fromarray(waves(40, 48).image).resize((24, 20), Image.Resampling.BICUBIC))
    windows = np.lib.stride_tricks.sliding_window_view(expected, (16, 24, 3))[:, :, 0]
    for pixels in batch.planes["real_A"]:
        assert np.abs(windows.astype(int) - pixels).max(axis=(2, 3, 4)).min() <= 1


def test_whole_images_keep_their_sizes_and_are_measured_by_size() -> None:
    shapes = [(7, 513), (20, 16), (7, 513)]
    reader = Reader(Waves(*shapes), ImageSettings(fit="none"))
    (row,) = ROWS[:1]
    assert np.array_equal(reader.training_batch([row], 0, 0).planes["real_A"][0], waves(7, 513).image)
    with pytest.raises(GanzooError, match="images of A in one batch have several sizes: A0 is 513×7, A1 is 16×20"):
        reader.training_batch(ROWS[:2], 0, 0)
    batches = reader.evaluation_batches("test", ROWS[:3])
    assert [[row.sample for row in batch.rows] for batch in batches] == [[0, 2], [1]]
    assert [batch.planes["real_B"].shape for batch in batches] == [(2, 7, 513, 3), (1, 20, 16, 3)]


def test_partners_of_another_size_are_one_line() -> None:
    class Unequal(Waves):
        def sample(self, split: Split, domain: str, index: int) -> Sample:
            return waves(30 if domain == "A" else 31, 40, f"{domain}{index}")

    for images in (settings(fit="crop"), ImageSettings(fit="none")):
        message = r"pair have several sizes: A0 is 40×30, B0 is 40×31; images\.fit stretch or cover"
        with pytest.raises(GanzooError, match=message):
            Reader(Unequal(), images, paired=True).training_batch(ROWS[:1], 0, 0)
