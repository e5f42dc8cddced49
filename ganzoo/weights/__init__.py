"""Pretrained weights: plugins list them with checksums; they are downloaded once and verified whenever they are read.

``find("torchvision/alexnet")`` returns the local file. A plugin lists its own files with
``registry.add_weights(file)``; ``manifest.py`` describes the format. ``listed()`` returns all listed files.
"""

from __future__ import annotations

from ganzoo.weights.manifest import WeightsFile
from ganzoo.weights.store import find, listed

__all__ = ["WeightsFile", "find", "listed"]
