"""Pretrained weights: plugins list them, mostly with checksums; each file is downloaded once and verified at each use.

``find("torchvision/alexnet")`` returns the path of the local file, and ``listed()`` all listed files. A plugin lists
its own files with ``registry.add_weights(file)``; ``manifest.py`` describes the format. A generator that begins with
pretrained weights and trains them reads them only if ``needs_initial_weights()``.
"""

from __future__ import annotations

from ganzoo.weights.initial import needs_initial_weights
from ganzoo.weights.manifest import WeightsFile
from ganzoo.weights.store import find, listed, missing_file
from ganzoo.weights.timm_names import require_timm_model

__all__ = ["WeightsFile", "find", "listed", "missing_file", "needs_initial_weights", "require_timm_model"]
