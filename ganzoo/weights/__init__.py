"""Weights that others trained: listed with their checksums, fetched once, checked whenever they are read.

``find("torchvision/alexnet")`` returns the file, wherever it lies. A plugin lists its own by
``registry.add_weights(file)``; see ``manifest.py`` for what stands in such a file.
"""

from __future__ import annotations

from ganzoo.weights.manifest import WeightsFile
from ganzoo.weights.store import find

__all__ = ["WeightsFile", "find"]
