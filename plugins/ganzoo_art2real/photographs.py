"""Write the training images of a data set to a folder, so that a bank can be built from them."""

from __future__ import annotations

from pathlib import Path

import yaml

from ganzoo import GanzooError, create
from ganzoo.interfaces import Dataset, load_yaml, write_image


def write_photographs(text: str, domain: str, folder: Path) -> None:
    """Write the training images of a domain as PNG files.

    Args:
        text: the data set in YAML, as in a recipe: ``striped_digits``, ``{dataset: folders, root: FOLDER}``.
        domain: ``A`` or ``B``.
        folder: the folder for the files.

    Raises GanzooError if the text is not a data set, and for a domain without training images of three channels.
    """
    try:
        value = load_yaml(text)
    except yaml.YAMLError:
        value = None
    options = {"dataset": value} if isinstance(value, str) else dict(value) if isinstance(value, dict) else {}
    if not isinstance(options.get("dataset"), str):
        raise GanzooError(f"--data: {text!r} is not a data set, such as '{{dataset: folders, root: FOLDER}}'")
    dataset: Dataset = create("dataset", options.pop("dataset"), **options)
    count = dataset.count("train", domain)
    if not count or dataset.channels[domain] != 3:
        raise GanzooError(f"--data: the data set has no training images of three channels in the domain {domain}")
    for i in range(count):
        sample = dataset.sample("train", domain, i)
        write_image(sample.image, (folder / f"{i:06}-{Path(sample.name).stem}.png"))
