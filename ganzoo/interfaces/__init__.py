"""What a plugin implements. Every interface is small; its docstring holds a complete working example.

Options: the keyword-only parameters of a component's constructor are the options that recipes may set; those before
the ``*`` are supplied by ganzoo (a generator gets ``in_channels, out_channels``, a discriminator ``in_channels``).
"""

from __future__ import annotations

from ganzoo.data.types import Dataset, Sample, Split
from ganzoo.interfaces.callback import Callback
from ganzoo.interfaces.loss import Loss
from ganzoo.interfaces.masker import Masker
from ganzoo.interfaces.method import Direction, Method, Optim, Phase, Slot, Source
from ganzoo.interfaces.metric import Metric

__all__ = [
    "Callback",
    "Dataset",
    "Direction",
    "Loss",
    "Masker",
    "Method",
    "Metric",
    "Optim",
    "Phase",
    "Sample",
    "Slot",
    "Source",
    "Split",
]
