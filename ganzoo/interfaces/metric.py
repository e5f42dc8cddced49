"""The interface of metrics, which measure a method's translations in evaluations."""

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
    """A metric: rows are computed for each sample, collected in the data's order from all processes, and reduced.

    >>> import torch
    >>> class Brightness(Metric):
    ...     def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
    ...         return {"brightness": step[f"fake_{direction[1]}"].mean(dim=(1, 2, 3))}
    >>> Brightness().compute({"brightness": torch.tensor([1.0, 3.0])}, {})
    {'brightness': 2.0}
    """

    directions: tuple[Direction, ...] = ("AB", "BA")
    """Directions that it measures."""
    sources: Mapping[str, Source] = MappingProxyType({})
    """Files that the metric reads, by name."""
    reference: Literal["", "measured", "train"] = ""
    """Split of the real images of the target domain that ``compute`` also reads: the measured one, or ``train``."""
    cache_key: str = ""
    """Identifies network, weights and resizing of the reference features, which are then cached on disk."""
    about: Mapping[str, str] = MappingProxyType({})
    """Fields of a record besides the metric's name: ``implementation``, ``network``."""

    def bind(self, method: Method, reader: Reader) -> None:
        """Validate compatibility with the method and the data, by ``check`` and before a run; raise GanzooError.

        Args:
            method: the run's method; its ``masks`` compute the mask of any image of a step.
            reader: reads images, scaled and cropped as for evaluation; ``reader.dataset`` has them unchanged.
        """

    def prepare(self, seed: int) -> None:
        """Prepare once per run (train a classifier, read features), with the same result on each process."""

    @abstractmethod
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return one row for each source image of the step, (B, …), with the inputs of ``compute``."""

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return one row for each real image of a domain in the step, (B, …), as ``rows`` does for translations."""
        raise GanzooError(f"the metric {type(self).__name__} reads no real images")

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return metric values from the rows of all images; by default the mean of each column, in float64.

        Args:
            rows: of all translations of a direction, (N, …).
            real: of all real images of the target domain, in any order, if ``self.reference`` is set.

        Raises GanzooError when there are too few images for a meaningful value.
        """
        return {name: float(column.double().mean()) for name, column in rows.items()}

    def caution(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> str:
        """Return a line about these values that a reader must know, such as too few images; empty if there is none.

        Arguments as for ``compute``.
        """
        return ""
