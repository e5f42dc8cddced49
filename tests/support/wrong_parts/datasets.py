"""A data set that is right, and others that are wrong in one way each."""

from __future__ import annotations

import sqlite3
import time

import numpy as np

from ganzoo.interfaces import Dataset, Sample, Split
from tests.support.wrong_parts.shared import BUILT, RECIPE, TINY, Doubled, Planted


class RightData(Dataset):
    def __init__(self, *, shade: float = 0.0) -> None:
        self.shade = shade

    def count(self, split: Split, domain: str) -> int:
        return 4

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        draws = np.random.default_rng([ord(split[1]), ord(domain), index])
        return Sample(draws.integers(0, 256, (20, 24, 3), dtype=np.uint8), f"{split}_{index}")


class UnequalData(RightData):
    paired = True

    def count(self, split: Split, domain: str) -> int:
        return 4 if domain == "A" else 3


class DoublingData(RightData):
    def __init__(self, *, shade: Doubled = 1.0) -> None:
        super().__init__(shade=shade)


class EmptyData(RightData):
    def count(self, split: Split, domain: str) -> int:
        return 0 if split == "train" else 4


class OtherMasks(RightData):
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        sample = super().sample(split, domain, index)
        return Sample(sample.image, sample.name, mask=np.zeros((5, 5), np.uint8))


class RandomData(RightData):
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        return Sample(np.random.default_rng().integers(0, 256, (20, 24, 3), dtype=np.uint8), f"{split}_{index}")


class NamelessData(RightData):
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        return Sample(super().sample(split, domain, index).image, split)


class LeakingData(RightData):
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        return super().sample("train", domain, index)


class SharingData(RightData):
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        self.place = (split, domain, index)
        time.sleep(0.002)
        return super().sample(*self.place)


class SomeMasks(RightData):
    def sample(self, split: Split, domain: str, index: int) -> Sample:
        sample = super().sample(split, domain, index)
        return Sample(sample.image, sample.name, mask=sample.image[..., 0] if index % 2 else None)


class OneThreadData(RightData):
    """Its database may be used only by the thread that opened it."""

    def __init__(self) -> None:
        super().__init__()
        self.database = sqlite3.connect(":memory:")

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        self.database.execute("select 1")
        return super().sample(split, domain, index)


WRONG: Planted = [
    (UnequalData, {BUILT}),
    (DoublingData, {RECIPE}),
    (EmptyData, {"test_it_has_training_images", "test_a_batch_can_be_read"}),
    (OtherMasks, {"test_its_samples_have_the_right_form", "test_a_batch_can_be_read"}),
    (RandomData, {"test_an_image_is_the_same_when_it_is_read_again", "test_threads_can_read_it"}),
    (NamelessData, {"test_its_names_are_unique"}),
    (LeakingData, {"test_no_image_is_in_two_splits"}),
    (SharingData, {"test_threads_can_read_it"}),
    (SomeMasks, {"test_a_batch_can_be_read"}),
    (OneThreadData, {"test_threads_can_read_it", TINY}),
]
