"""What the wrong components share: names of contracts, a type, the size of tiny runs."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator
from torch import Tensor

Doubled = Annotated[float, AfterValidator(lambda value: 2 * value)]
"""A type that changes a value each time it is read."""
Planted = list[tuple[type, set[str]]]
"""Wrong components, each with the contracts that it breaks."""
BUILT, RECIPE, TINY = (
    "test_it_is_built_from_its_options",
    "test_a_recipe_reads_back_the_same",
    "test_it_trains_in_a_tiny_run",
)
TWICE, STATE, ODD = (
    "test_it_gives_the_same_result_twice",
    "test_its_state_fits_a_new_instance",
    "test_it_takes_images_of_odd_sizes",
)


def tiny(images: Tensor) -> bool:
    """Whether images are those of a tiny run."""
    return images.shape[-1] == 16
