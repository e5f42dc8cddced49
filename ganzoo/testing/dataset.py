"""Contracts of data sets."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from ganzoo.contracts.dataset import check_dataset, check_names, check_repeats, check_sample, check_scale
from ganzoo.data.loader import Reader
from ganzoo.data.sampler import Row
from ganzoo.data.types import SPLITS, Dataset, Sample, Split
from ganzoo.settings import ImageSettings
from ganzoo.testing.component import ComponentContracts, refusing
from ganzoo.testing.tiny_run import train_tiny

SOME = 6
"""Number of images of each split and domain that are compared."""
MANY = 500
"""Number of images of each split and domain whose names are compared."""


class DatasetContracts(ComponentContracts):
    """Contracts of data sets; its images must exist, so the options name small ones that the test has or writes."""

    kind: ClassVar[str] = "dataset"

    def full_recipe(self) -> dict[str, Any]:
        """Return the recipe with the data set."""
        own = self.recipe.get("data", {})
        return {**self.recipe, "data": {**self.entry, **(own if isinstance(own, dict) else {})}}

    def places(self, dataset: Dataset, most: int = SOME) -> Iterator[tuple[Split, str, int]]:
        """Yield split, domain and index of the first and the last images of each split and domain."""
        for split in SPLITS:
            for domain in dataset.channels:
                count = dataset.count(split, domain)
                for index in sorted({*range(min(count, most - 1)), *range(max(0, count - 1), count)}):
                    yield split, domain, index

    def test_it_is_built_from_its_options(self) -> None:
        """The constructor accepts the options, and counts, channels and classes fit together."""
        made = self.make()
        self.require(isinstance(made, Dataset), "__init__", f"a {type(made).__name__}", "a subclass of Dataset")
        with refusing():
            check_dataset(made, self.origin)

    def test_it_has_training_images(self) -> None:
        """There is at least one training image of each domain."""
        dataset = self.make()
        for domain in dataset.channels:
            count = dataset.count("train", domain)
            self.require(count > 0, "count", f"{count} for train {domain}", "at least one training image")

    def test_its_samples_have_the_right_form(self) -> None:
        """Image, mask, labels, target and values have the types, sizes and ranges of ``Sample``."""
        dataset = self.make()
        read: dict[tuple[Split, str], list[Sample]] = {}
        for split, domain, index in self.places(dataset):
            place = f"{split} {domain} {index}"
            whole = dataset.sample(split, domain, index)
            scaled = dataset.sample_to_scale(split, domain, index, 8)
            with refusing():
                check_sample(whole, self.origin, dataset, domain, place)
                check_sample(scaled, self.origin, dataset, domain, place, "sample_to_scale")
            read.setdefault((split, domain), []).append(whole)
        for (split, domain), samples in read.items():
            with refusing():
                check_scale(samples, self.origin, dataset, f"{split} {domain}", domain)

    def test_an_image_is_the_same_when_it_is_read_again(self) -> None:
        """A second call, after other images, and another instance give the same sample."""
        dataset, other = self.make(), self.make()
        places = list(self.places(dataset))
        read = {place: dataset.sample(*place) for place in places}
        copies = deepcopy(read)
        for split, domain, index in reversed(places):
            key = (split, domain, index)
            for again in (dataset.sample(*key), other.sample(*key)):
                with refusing():
                    check_repeats(copies[key], read[key], again, self.origin, f"{split} {domain} {index}")

    def test_its_names_are_unique(self) -> None:
        """No two images of a split and domain have the same name."""
        dataset = self.make()
        for split in SPLITS:
            for domain in dataset.channels:
                names = [dataset.sample(split, domain, k).name for k in range(min(MANY, dataset.count(split, domain)))]
                with refusing():
                    check_names(names, self.origin, split, domain)

    def test_no_image_is_in_two_splits(self) -> None:
        """No image of a domain, with its name and pixels, is in two splits."""
        dataset = self.make()
        seen: dict[tuple[str, str, bytes], Split] = {}
        for split, domain, index in self.places(dataset, MANY):
            sample = dataset.sample(split, domain, index)
            before = seen.setdefault((domain, sample.name, sample.image.tobytes()), split)
            returned = f"{sample.name!r} of {domain} in {before} and in {split}"
            self.require(before == split, "sample", returned, "splits that share no image")

    def test_threads_can_read_it(self) -> None:
        """Several threads that read at the same time get the same samples as one."""
        dataset = self.make()
        places = list(self.places(dataset)) * 4
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda place: dataset.sample(*place), places))
        alone = {place: dataset.sample(*place) for place in places}
        for place, sample in zip(places, together, strict=True):
            returned = f"another image for {' '.join(map(str, place))} when threads read at the same time"
            self.require(same_sample(sample, alone[place]), "sample", returned, "the same image")

    def test_a_batch_can_be_read(self) -> None:
        """A training batch of scaled and cropped images can be put together."""
        dataset = self.make()
        reader = Reader(dataset, ImageSettings(size=16, load=20), dataset.paired)
        rows = [Row(k, k, {domain: k % dataset.count("train", domain) for domain in dataset.channels}) for k in (0, 1)]
        with refusing():
            batch = reader.training_batch(rows, 0, 0)
        for domain in dataset.channels:
            assert batch.planes[f"real_{domain}"].shape[:3] == (2, 16, 16)
        assert not batch.damaged

    def test_it_trains_in_a_tiny_run(self, tmp_path: Path) -> None:
        """A run with the data set trains two steps."""
        with refusing():
            run = train_tiny(tmp_path, self.full_recipe())
        assert (run.folder / "checkpoints" / "last").is_dir()


def same_sample(one: Sample, other: Sample) -> bool:
    """Return whether two samples have the same name and arrays."""
    arrays = [(getattr(one, name), getattr(other, name)) for name in ("image", "mask", "labels", "target")]
    return one.name == other.name and all(
        (a is None and b is None) or (a is not None and b is not None and np.array_equal(a, b)) for a, b in arrays
    )
