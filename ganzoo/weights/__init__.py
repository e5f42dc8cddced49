"""Pretrained weights: plugins list them, mostly with checksums; each file is downloaded once and verified at each use.

``find("torchvision/alexnet")`` returns the path of the local file, and ``listed()`` all listed files. A plugin lists
its own files with ``registry.add_weights(file)``; ``manifest.py`` describes the format.
"""

from __future__ import annotations

from ganzoo.weights.manifest import WeightsFile
from ganzoo.weights.store import find, listed, missing_file

__all__ = ["WeightsFile", "find", "listed", "missing_file"]
