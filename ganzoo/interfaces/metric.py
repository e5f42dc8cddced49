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
    """A metric: ``rows`` computes a row of numbers for each image, and ``compute`` reduces all rows to metric values.

    In between, ganzoo collects the rows of all processes, in the order of the data.

    >>> import torch
    >>> class Brightness(Metric):
    ...     def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
    ...         return {"brightness": step[f"fake_{direction[1]}"].mean(dim=(1, 2, 3))}
    >>> Brightness().compute({"brightness": torch.tensor([1.0, 3.0])}, {})
    {'brightness': 2.0}
    """

    directions: tuple[Direction, ...] = ("AB", "BA")
    """Directions that it measures, if the method translates them."""
    sources: Mapping[str, Source] = MappingProxyType({})
    """Files that the metric reads, by a name."""
    reads_masks: tuple[str, ...] = ()
    """Roles whose masks it reads: ``labels``. A recipe may then have a masker in them, whatever its method."""
    translated: Literal["measured", "train"] = "measured"
    """Split of the source images whose translations ``rows`` gets: the measured split or ``train``."""
    reference: Literal["", "measured", "train"] = ""
    """Split of the target domain's real images whose rows ``compute`` also gets: the measured split or ``train``.

    Empty if it gets none.
    """
    bootstrap: bool | None = None
    """Whether images drawn with replacement give meaningful values, so that ``evaluate.bootstrap`` gives intervals.

    None: yes, if the metric has no ``reference``. Set it to True if values that compare with real images are means over
    each set, to False if repeated images bias the values.
    """
    cache_key: str = ""
    """Text that identifies network, weights and resizing of the rows of real images, which are then cached on disk.

    If it is empty, they are not cached.
    """
    about: Mapping[str, str] = MappingProxyType({})
    """Fields that the record of a value has besides the metric's name: ``implementation``, ``network``."""

    def bind(self, method: Method, reader: Reader) -> None:
        """Raise GanzooError if the metric does not fit the method or the data; by default do nothing.

        ``ganzoo check`` calls this, and other commands before the first evaluation.

        Args:
            method: the run's method; its ``masks`` compute the mask of any image of a step.
            reader: the reader of images, scaled and cropped as for evaluation; ``reader.dataset`` has the unchanged
                images.
        """

    def prepare(self, seed: int) -> None:
        """Prepare for the evaluations (train a classifier, read features), with the same result in each process."""

    @abstractmethod
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the inputs of ``compute``: name → tensor (B, …), with one row for each source image of the step."""

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return name → tensor (B, …) with one row for each real image of a domain in the step.

        A metric with a ``reference`` must define it. Raises GanzooError by default.
        """
        raise GanzooError(f"the metric {type(self).__name__} reads no real images")

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return metric values from the rows of all images; by default the mean of each column, in float64.

        Args:
            rows: the rows of all translations of a direction, name → (N, …).
            real: the rows of the real images of the target domain, name → (N, …), if ``self.reference`` is set; else
                empty.

        Raises GanzooError if there are too few images for a meaningful value. NaN counts as that, too.
        """
        return {name: float(column.double().mean()) for name, column in rows.items()}

    def caution(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> str:
        """Return a line about these values that a reader must know, such as too few images; empty if there is none.

        Arguments as for ``compute``.
        """
        return ""
