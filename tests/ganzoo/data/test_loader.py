"""Scaling, cropping, stacking and reading ahead."""

from __future__ import annotations

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from time import sleep
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganzoo.data.loader import Reader, evaluation_rows, spread_rows, stack, training_batches
from ganzoo.data.sampler import Row, Sampler
from ganzoo.data.transforms import crop, resize, scale
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Sample, Split
from ganzoo.settings import ImageSettings
from tests.support.stand_in_methods import Noise


def coordinates(height: int, width: int) -> Sample:
    """Return a sample whose arrays encode each pixel's position: red is x, green is y."""
    y, x = np.mgrid[:height, :width].astype(np.uint8)
    return Sample(np.dstack([x, y, x * 0]), "c", mask=x.copy(), labels=y.copy(), target=np.dstack([y, x, y * 0]))


def test_a_crop_cuts_every_plane_alike() -> None:
    cut = crop(coordinates(20, 30), 4, 7, (8, 9))
    assert cut.image[0, 0].tolist() == [7, 4, 0]
    assert cut.target is not None and cut.target[0, 0].tolist() == [4, 7, 0]
    assert cut.mask is not None and cut.mask[0, 0] == 7
    assert cut.labels is not None and cut.labels[-1, -1] == 11
    assert cut.image.shape == (8, 9, 3)


@pytest.mark.parametrize(("fit", "shape"), [("stretch", (16, 16)), ("cover", (16, 24))])
def test_scaling_shapes(fit: str, shape: tuple[int, int]) -> None:
    scaled = scale(coordinates(20, 30), 16, fit)
    for plane in (scaled.image, scaled.mask, scaled.labels, scaled.target):
        assert plane is not None and plane.shape[:2] == shape


def test_labels_are_never_blended() -> None:
    labels = np.zeros((9, 9), dtype=np.uint8)
    labels[:, 4:] = 200
    scaled = scale(Sample(np.zeros((9, 9, 3), np.uint8), "l", labels=labels), 7, "stretch").labels
    assert scaled is not None and set(np.unique(scaled)) == {0, 200}


def test_resizing_does_not_alias_and_takes_any_number_of_channels() -> None:
    stripes = np.zeros((64, 64, 5), dtype=np.uint8)
    stripes[:, ::2] = 255
    small = resize(stripes, (16, 16), Image.Resampling.BICUBIC)
    assert small.shape == (16, 16, 5)
    assert np.abs(small[:, 2:-2].astype(int) - 128).max() < 20


def triangle(values: np.ndarray, count: int) -> np.ndarray:
    """Return a row of values shrunk to ``count`` by the triangle filter, in float64."""
    factor = len(values) / count
    centres = (np.arange(count)[:, None] + 0.5) * factor
    weights = np.maximum(0, 1 - np.abs(np.arange(len(values)) + 0.5 - centres) / factor)
    shrunk: np.ndarray = weights @ values.astype(np.float64) / weights.sum(1)
    return shrunk


@pytest.mark.parametrize("resample", ["bilinear", "bicubic", None])
def test_images_are_scaled_by_the_filter_of_the_settings(resample: Any) -> None:
    row = np.random.default_rng(0).integers(0, 256, 20).astype(np.uint8)
    image = np.broadcast_to(row[None, :, None], (20, 20, 3)).copy()

    class Rows(Noise):
        def __init__(self) -> None:
            super().__init__()
            self.classes = {"B": 256}

        def sample(self, split: Split, domain: str, index: int) -> Sample:
            return Sample(image[:, :, :1] if domain == "B" else image, "r", mask=image[:, :, 0])

    reader = Reader(Rows(), ImageSettings(size=8, resample=resample))
    rows = [Row(0, 0, {"A": 0, "B": 0})]
    assert ImageSettings(resample=resample).filter == (resample or "bicubic")
    for batch in (reader.training_batch(rows, 0, 0), reader.evaluation_batch("test", rows)):
        difference = np.abs(batch.planes["real_A"][0, 3, :, 0] - triangle(row, 8)).max()
        assert difference <= 1 if resample == "bilinear" else difference > 5
        assert np.abs(batch.planes["given_mask_A"][0, 3] - triangle(row, 8)).max() <= 1
        assert set(batch.planes["real_B"].flatten()) <= set(row)
    zoomed = Reader(Rows(), ImageSettings(size=8, fit="crop", zoom=(0.4, 0.4), resample=resample))
    part = zoomed.training_batch(rows, 0, 0).planes["real_A"][0, 3, :, 0]
    assert (np.abs(part - triangle(row, 8)).max() <= 1) == (resample == "bilinear")


def test_crops_are_keyed_independent_for_each_domain_and_equal_for_pairs() -> None:
    class Planes(Noise):
        def sample(self, split: Split, domain: str, index: int) -> Sample:
            return coordinates(16, 16)

    images = ImageSettings(size=8, load=16)
    rows = [Row(i, i, {"A": 0, "B": 0}) for i in range(20)]
    one, two = (Reader(Planes(), images).training_batch(rows, 3, seed=1) for _ in range(2))
    assert all(np.array_equal(one.planes[name], two.planes[name]) for name in one.planes)
    assert not np.array_equal(one.planes["real_A"], one.planes["real_B"])
    corners = {tuple(corner) for corner in one.planes["real_A"][:, 0, 0, :2].tolist()}
    assert len(corners) > 10
    assert max(max(corner) for corner in corners) <= 8
    # the target of A's image has the same crop as A's image
    assert np.array_equal(one.planes["true_B"][..., 0], one.planes["real_A"][..., 1])
    together = Reader(Planes(), images, paired=True).training_batch(rows, 3, seed=1)
    assert np.array_equal(together.planes["real_A"], together.planes["real_B"])


@pytest.mark.parametrize("options", [{"load": 12}, {"load": 12, "zoom": (1.0, 2.0)}, {"fit": "crop", "scales": (0.7,)}])
def test_the_jitter_ends_after_its_share_of_the_run(options: Any) -> None:
    jittered, plain = (ImageSettings(size=8, **options, jitter=share) for share in (0.5, None))
    later = ImageSettings(size=8, fit=options.get("fit", "stretch"))
    order = Sampler({"A": 12, "B": 12}, False, 2)

    def images(settings: ImageSettings, start: int = 0, total: int = 8) -> dict[int, np.ndarray]:
        reader = Reader(Noise(A=12, B=12, size=16), settings)
        batches = training_batches(reader, order, start, total, 2, total)
        return {step: np.stack([batch.planes[f"real_{one}"] for one in "AB"]) for step, (batch,) in batches}

    found, before, after = (images(settings) for settings in (jittered, plain, later))
    for step in range(8):
        assert np.array_equal(found[step], (before if step < 4 else after)[step])
        assert not np.array_equal(before[step], after[step])
    resumed, longer = images(jittered, start=5), images(jittered, total=12)
    assert all(np.array_equal(resumed[step], found[step]) for step in (5, 6, 7))
    assert np.array_equal(longer[5], before[5]) and np.array_equal(longer[6], after[6])


def test_after_the_jitter_its_cached_images_make_room() -> None:
    rows = [Row(i, i, {"A": i}) for i in range(20)]
    reads = []

    class Counted(Noise):
        def sample(self, split: Split, domain: str, index: int) -> Sample:
            reads.append(index)
            return super().sample(split, domain, index)

    reader = Reader(Counted(A=20, size=200), ImageSettings(size=120, load=130, jitter=0.5, cache=1))
    for progress, expected in ((0.0, 20), (0.4, 0), (0.5, 20), (0.9, 0)):
        reads.clear()
        reader.training_batch(rows, 0, 0, progress)
        assert len(reads) == expected


def test_the_cache_holds_only_what_fits() -> None:
    class Counting(Noise):
        reads = 0

        def sample(self, split: Split, domain: str, index: int) -> Sample:
            self.reads += 1
            return Noise.sample(self, split, domain, index)

    for cache, reads in ((0, 6), (1, 3)):
        dataset = Counting(size=16)
        reader = Reader(dataset, ImageSettings(size=16, cache=cache))
        for _ in range(2):
            for index in range(3):
                reader.read("train", "A", index, 16)
        assert dataset.reads == reads
    dataset = Counting(size=512)  # one image takes 0.75 MiB: the second does not fit into one
    reader = Reader(dataset, ImageSettings(size=512, cache=1))
    for index in (0, 1, 0, 1):
        reader.read("train", "A", index, 512)
    assert dataset.reads == 3


def test_reading_ahead_yields_the_same_batches_in_order() -> None:
    dataset = Noise(A=6, B=5, size=8)
    order = Sampler({"A": 6, "B": 5}, False, 2, accumulate=2)
    reader = Reader(dataset, ImageSettings(size=8))
    one, four = (list(training_batches(reader, order, 3, 9, workers, 9)) for workers in (1, 4))
    assert [step for step, _ in one] == list(range(3, 9))
    for (_, batches), (_, others) in zip(one, four, strict=True):
        assert len(batches) == 2
        assert all(np.array_equal(a.planes["real_B"], b.planes["real_B"]) for a, b in zip(batches, others, strict=True))


class Broken(Noise):
    """Noise of which some images cannot be read."""

    broken: frozenset[int] = frozenset({3})

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        if index in self.broken and domain == "A":
            raise GanzooError(f"{domain}{index}.png: damaged")
        return Noise.sample(self, split, domain, index)


@pytest.mark.parametrize("paired", [False, True])
def test_another_image_replaces_one_that_cannot_be_read(paired: bool) -> None:
    """The replacement is the same each time, partners stay together, and no other row changes."""
    order, images = Sampler({"A": 6, "B": 6}, paired, 2), ImageSettings(size=8)
    good = [
        batch for _, (batch,) in training_batches(Reader(Noise(A=6, B=6, size=8), images, paired), order, 0, 3, 2, 3)
    ]
    broken, again = (
        [
            batch
            for _, (batch,) in training_batches(
                Reader(Broken(A=6, B=6, size=8), images, paired), order, 0, 3, workers, 3
            )
        ]
        for workers in (1, 3)
    )
    places = [(step, place) for step in range(3) for place in range(2)]
    ((step, place),) = [at for at in places if order.row(at[0], at[1]).indices["A"] == 3]
    assert [len(batch.damaged) for batch in broken] == [int(index == step) for index in range(3)]
    assert (broken[step].damaged[0].domain, broken[step].damaged[0].index) == ("A", 3)
    assert broken[step].damaged[0].why == "A3.png: damaged"
    for name in ("real_A", "real_B"):
        for at in places:
            pixels, expected = broken[at[0]].planes[name][at[1]], good[at[0]].planes[name][at[1]]
            changed = at == (step, place) and (name == "real_A" or paired)
            assert np.array_equal(pixels, expected) != changed
        assert np.array_equal(broken[step].planes[name], again[step].planes[name])
    if paired:
        reader = Reader(Noise(A=6, B=6, size=8), images)
        (index,) = [
            i for i in range(6) if (reader.read("train", "A", i, 8).image == broken[step].planes["real_A"][place]).all()
        ]
        assert (reader.read("train", "B", index, 8).image == broken[step].planes["real_B"][place]).all()


def test_an_error_is_raised_when_no_replacement_can_be_read() -> None:
    class Gone(Broken):
        broken = frozenset(range(6))

    steps = training_batches(
        Reader(Gone(A=6, B=6, size=8), ImageSettings(size=8)), Sampler({"A": 6, "B": 6}, False, 1), 0, 6, 2, 6
    )
    with pytest.raises(GanzooError, match=r"A\d\.png: damaged"):
        next(steps)


def test_a_mask_that_only_some_images_have_is_an_error() -> None:
    with_mask = coordinates(4, 4)
    without = replace(with_mask, mask=None, name="bare.png")
    with pytest.raises(GanzooError, match=r"bare\.png of domain A has no mask"):
        stack([Row(0, 0, {"A": 0, "B": 0})] * 2, {"A": [with_mask, without], "B": [with_mask, with_mask]})


def test_evaluation_goes_through_both_domains_once() -> None:
    rows = evaluation_rows({"A": 3, "B": 5})
    assert [(row.indices["A"], row.indices["B"]) for row in rows] == [(0, 0), (1, 1), (2, 2), (0, 3), (1, 4)]
    assert len(evaluation_rows({"A": 3, "B": 5}, limit=4)) == 4
    assert evaluation_rows({"A": 3, "B": 0}) == []


def test_spread_rows_show_each_image_once_where_there_are_enough() -> None:
    rows = spread_rows({"A": 8, "B": 9}, 8)
    assert [row.indices["A"] for row in rows] == list(range(8))
    of_b = [row.indices["B"] for row in rows]
    assert len(set(of_b)) == 8 and (of_b[0], of_b[-1]) == (0, 8)
    assert [row.indices for row in spread_rows({"A": 2, "B": 3}, 8)] == [
        {"A": 0, "B": 0}, {"A": 0, "B": 1}, {"A": 1, "B": 2}
    ]  # fmt: skip
    assert [row.indices for row in spread_rows({"A": 1}, 8)] == [{"A": 0}]
    assert spread_rows({"A": 3, "B": 0}, 8) == []


def test_threads_that_need_an_image_at_the_same_time_read_it_once() -> None:
    both_ask, reads = Barrier(2), []

    class Slow(Noise):
        def sample(self, split: Split, domain: str, index: int) -> Sample:
            reads.append(index)
            sleep(0.2)  # the other thread asks meanwhile
            if index == 1:
                raise GanzooError("1.png: damaged")
            return Noise.sample(self, split, domain, index)

    reader = Reader(Slow(size=8), ImageSettings(size=8, cache=0))

    def read(index: int) -> object:
        both_ask.wait()
        try:
            return reader.read("train", "A", index, 8)
        except GanzooError as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(read, [0, 0])
        assert first is second
        assert list(pool.map(read, [1, 1])) == ["1.png: damaged"] * 2
        pool.map(read, [0, 0])  # nothing of the earlier reads is left
    assert reads == [0, 1, 0]


def test_the_cache_counts_all_that_it_holds() -> None:
    class Planes(Noise):
        def sample(self, split: Split, domain: str, index: int) -> Sample:
            whole = np.zeros((40, 40, 3), np.uint8)  # the sample is a part of it
            copies = {name: np.zeros((16, 16), np.uint8) for name in ("mask", "labels")}
            values = {"digit": float(index)}
            return Sample(whole[:16, :16], f"a/{index:06}.png", target=whole[16:32, :16], values=values, **copies)

    count, cache = 2000, 1
    reader = Reader(Planes(), ImageSettings(size=16, cache=cache))
    tracemalloc.start()
    for index in range(count):
        reader.read("train", "A", index, 16)
    taken = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert 0.7 * cache * 2**20 < taken < cache * 2**20


def test_a_batch_holds_copies_of_the_cropped_images() -> None:
    reader = Reader(Noise(size=64), ImageSettings(size=8, load=64))
    batch = reader.training_batch([Row(0, 0, {"A": 0, "B": 0})], 0, 0)
    assert all(plane.base is None and plane.nbytes == 8 * 8 * 3 for plane in batch.planes.values())
