"""Describe the environment of a run: the description is written to the run's env.json and to records."""

from __future__ import annotations

import os
import platform
from typing import Any

import torch
from accelerate import Accelerator

from ganzoo.plugins import INTERFACE, installed_version, plugins, version_of


def environment(accelerator: Accelerator) -> dict[str, Any]:
    """Return a description of this process's environment: versions of packages and plugins, system, device, cores."""
    reported = (
        "accelerate",
        "clean-fid",
        "faiss-cpu",
        "kornia",
        "lpips",
        "numpy",
        "pillow",
        "safetensors",
        "scikit-learn",
        "timm",
        "torch",
        "torchvision",
    )
    versions = {name: version_of(name) for name in reported}
    device = accelerator.device
    return {
        "ganzoo": installed_version(),
        "interface": INTERFACE,
        "plugins": {one.name: one.version for one in plugins().loaded if not one.error},
        "python": platform.python_version(),
        "system": platform.platform(),
        "packages": {name: version for name, version in versions.items() if version},
        "device": torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"{device.type} ({platform.machine()})",
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "processes": accelerator.num_processes,
    }
