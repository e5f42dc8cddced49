"""Data sets of the user's own images (folders, zip and tar files, arrays, tables), of the hub, and of torchvision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo import hookimpl

if TYPE_CHECKING:
    from ganzoo import Registration

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Add the data sets."""
    registry.add("dataset", "folders", "ganzoo_datasets.folders:Folders")
    registry.add("dataset", "huggingface", "ganzoo_datasets.huggingface:HuggingFace")
    registry.add("dataset", "lists", "ganzoo_datasets.lists:Lists")
    registry.add("dataset", "npz", "ganzoo_datasets.npz:Npz")
    registry.add("dataset", "paired", "ganzoo_datasets.paired:Paired")
    registry.add("dataset", "torchvision", "ganzoo_datasets.torchvision:Torchvision")
    registry.add("dataset", "webdataset", "ganzoo_datasets.webdataset:WebDataset")
