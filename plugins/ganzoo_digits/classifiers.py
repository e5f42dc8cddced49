"""Train and cache two small classifiers for the digits' metrics: of the domain (A or B), and of the digit.

They learn from training images only. The key of the cache depends on these, on the settings and on torch's version.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from hashlib import sha256
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo.interfaces import (
    Console,
    Dataset,
    Sample,
    cache_folder,
    cache_tensors,
    cached_tensors,
    keyed,
    to_float,
    to_uint8,
    torch_seed,
)
from ganzoo_digits.dataset import StripedDigits

EPOCHS: dict[str, float] = {"domain": 4, "digit": 24}
BATCH = 32
SHIFT = 2
RATE = 2e-3
VERSION = 1
"""Part of the cache's key. Raise it after a change that its other parts miss, such as one of the network."""


class Classifier(nn.Sequential):
    """A network: images (B, 3, H, W) in [−1, 1] → logits (B, classes).

    It has three 3×3 convolutions of stride 2, each with batch norm and ReLU, average pooling to 4×4 positions, and one
    linear layer.
    """

    def __init__(self, classes: int) -> None:
        widths = (3, 24, 48, 96)
        layers: list[nn.Module] = []
        for entering, leaving in pairwise(widths):
            layers += [nn.Conv2d(entering, leaving, 3, 2, 1, bias=False), nn.BatchNorm2d(leaving), nn.ReLU()]
        super().__init__(*layers, nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * widths[-1], classes))


def domain_classifier(dataset: Dataset) -> Classifier:
    """Return a classifier of the domain: class 1 is B; class 0 is A, and images that random networks distorted.

    It is frozen; it comes from the cache, or is trained and cached. Without the distorted images, outputs of an
    untrained generator, which are like neither domain, would often be classified as B. If the digits' backgrounds
    differ, it also learns from the true pairs, so that only the digit decides: striped on A's background is B, dark on
    B's background is not.
    """
    samples = {domain: _training(dataset, domain) for domain in ("A", "B")}
    a, b = (np.stack([sample.image for sample in part]) for part in samples.values())
    distorted = _distort(np.concatenate([a, b]))
    parts = [(a, 0), (b, 1), (distorted, 0)]
    if isinstance(dataset, StripedDigits) and dataset.backgrounds == "different":
        parts += [(_targets(samples["A"]), 1), (_targets(samples["B"]), 0)]
    images = np.concatenate([part for part, _ in parts])
    return _load_or_train("domain", images, np.repeat([kind for _, kind in parts], [len(part) for part, _ in parts]))


def digit_classifier(dataset: Dataset) -> Classifier:
    """Return a classifier of the digit in images of B.

    It learns from the training images of B and the true pairs of those of A. The pairs have A's background, so the
    classifier works on both backgrounds. It is frozen; it comes from the cache, or is trained and cached.
    """
    a, b = _training(dataset, "A"), _training(dataset, "B")
    images = np.concatenate([_targets(a), np.stack([sample.image for sample in b])])
    return _load_or_train("digit", images, np.array([int(sample.values["digit"]) for sample in a + b]))


def _training(dataset: Dataset, domain: str) -> list[Sample]:
    data = dataset.unpaired() if isinstance(dataset, StripedDigits) else dataset
    return [data.sample("train", domain, index) for index in range(data.count("train", domain))]


def _targets(samples: Sequence[Sample]) -> np.ndarray:
    return np.stack([sample.target for sample in samples if sample.target is not None])


def _distort(images: np.ndarray) -> np.ndarray:
    """Return images (N, H, W, 3) distorted by two random convolutions; every ten images get two new ones."""
    batches = []
    for start in range(0, len(images), 10):
        draws = keyed("judge", "spoilt", start)  # "judge" and "spoilt" are keys of random draws: do not rename
        width, contrast = int(draws.choice([1, 3, 5, 7])), draws.uniform(0.1, 2.0)
        kernels = [torch.from_numpy(draws.normal(size=shape)).float() for shape in ((8, 3, width, width), (3, 8, 3, 3))]
        inner = F.relu(F.instance_norm(F.conv2d(to_float(images[start : start + 10]), kernels[0], padding="same")))
        outer = F.instance_norm(F.conv2d(inner, kernels[1], padding="same"))
        tone = torch.from_numpy(draws.uniform(-1, 1, (1, 3, 1, 1))).float()
        batches.append(to_uint8(torch.tanh(tone + contrast * outer)))
    return np.concatenate(batches)


def _load_or_train(name: str, images: np.ndarray, classes: np.ndarray) -> Classifier:
    """Return a frozen classifier from the cache; if it is missing or damaged there, train and cache it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed("judge", name))  # a key of random draws: do not rename
        classifier = Classifier(int(classes.max()) + 1)
    settings = repr((VERSION, name, EPOCHS[name], BATCH, SHIFT, RATE, images.shape, torch.__version__))
    key = sha256(settings.encode() + images.tobytes() + classes.tobytes()).hexdigest()[:24]
    file = cache_folder() / "classifiers" / f"{name}-{key}.cached"
    cached = cached_tensors(file)
    if cached:
        classifier.load_state_dict(cached)
    else:  # missing or damaged
        _train(classifier, name, to_float(images), torch.from_numpy(classes).long())
        with suppress(OSError):  # a cache that cannot be written
            cache_tensors(file, classifier.state_dict())
    return classifier.eval().requires_grad_(False)


def _train(classifier: Classifier, name: str, images: Tensor, classes: Tensor) -> None:
    """Train a classifier with Adam on random batches, each image shifted by up to SHIFT pixels."""
    optimizer = torch.optim.Adam(classifier.parameters(), lr=RATE)
    total = round(EPOCHS[name] * len(images) / BATCH)
    padded = F.pad(images, (SHIFT,) * 4, mode="replicate")
    size = images.shape[-1]
    with torch.enable_grad(), Console().bar(f"training the classifier of the {name}", total) as show:
        for step in range(total):
            show(step)
            for group in optimizer.param_groups:
                group["lr"] = RATE * (1 - step / total)
            draws = keyed("judge", name, step)
            chosen = torch.from_numpy(draws.integers(0, len(images), BATCH))
            corners = draws.integers(0, 2 * SHIFT + 1, (BATCH, 2)).tolist()
            batch = _windows(padded[chosen], corners, size)
            loss = F.cross_entropy(classifier(batch), classes[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()


def _windows(images: Tensor, corners: Sequence[Sequence[int]], size: int) -> Tensor:
    return torch.stack([image[:, y : y + size, x : x + size] for image, (y, x) in zip(images, corners, strict=True)])
