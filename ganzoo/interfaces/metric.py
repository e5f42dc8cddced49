"""The interface of metrics."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.interfaces.method import Direction, Method, Source
from ganzoo.step import Step

if TYPE_CHECKING:
    from ganzoo.data.loader import Reader


class Metric(ABC):
    """A figure of an evaluation. Rows are collected a sample at a time, in the data's order, from all processes.

    >>> import torch
    >>> class Brightness(Metric):
    ...     def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
    ...         return {"brightness": step[f"fake_{direction[1]}"].mean(dim=(1, 2, 3))}
    >>> Brightness().compute({"brightness": torch.tensor([1.0, 3.0])}, {})
    {'brightness': 2.0}
    """

    directions: tuple[Direction, ...] = ("AB", "BA")
    sources: Mapping[str, Source] = MappingProxyType({})
    reference: Literal["", "measured", "train"] = ""
    """Whether ``compute`` also reads rows of real images of a direction's target, and of which split."""
    cache_key: str = ""
    """What those follow from besides the images (network, its weights, resizing): with it, they are kept on disk."""
    about: Mapping[str, str] = MappingProxyType({})
    """What a record says of it besides its name: ``implementation``, ``network``."""

    def bind(self, method: Method, reader: Reader) -> None:
        """Take what is measured, and refuse at once what cannot be: at ``check``, and before a run begins.

        Args:
            method: the run's own: its ``masks`` make the mask of any image of a step.
            reader: gives images scaled and cropped as they are measured; ``reader.dataset`` as they are.
        """

    def prepare(self, seed: int) -> None:
        """Get ready, once a run (train a judge, read reference features), the same on every process."""

    @abstractmethod
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return one row for each source image of the step, (B, …): what ``compute`` needs of it."""

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return one row for each real image of a domain in the step, (B, …), as ``rows`` does for translations."""
        raise GanzooError(f"the metric {type(self).__name__} reads no real images")

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Turn the rows of all images into figures; by default the mean of each, in float64.

        Args:
            rows: of all translations of a direction.
            real: of all real images of its target, in any order, where ``self.reference`` asks for them.

        Raises GanzooError where there are too few: never a number that means nothing.
        """
        return {name: float(column.double().mean()) for name, column in rows.items()}
