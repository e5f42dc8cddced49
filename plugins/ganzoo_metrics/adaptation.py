"""``adaptation_accuracy``: the accuracy on real images of a classifier that learned from labelled translations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import Console, Direction, Method, Metric, Reader, Split, Step, keyed, torch_seed

BATCH = 128
RATE = 1e-3
SPLITS: tuple[Split, ...] = ("test", "validation")
SMALLEST = 16
"""The shortest side of images that the classifier's two poolings leave something of."""


class LeNet(nn.Sequential):
    """The classifier of digits of ADDA (Tzeng et al. 2017): images (B, C, H, W) → logits (B, classes).

    A 5×5 convolution of 20 channels, ReLU, 2×2 max pooling, one of 50 channels, ReLU, 2×2 max pooling, a linear layer
    of 500 outputs, ReLU, and one of ``classes``; convolutions have no padding. Height and width are 16 or more.

    Args:
        channels: the number of channels of the images.
        shape: height and width of the images.
        classes: the number of classes.
    """

    def __init__(self, channels: int, shape: tuple[int, int], classes: int) -> None:
        height, width = (((side - 4) // 2 - 4) // 2 for side in shape)
        super().__init__(
            *(nn.Conv2d(channels, 20, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(20, 50, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            *(nn.Linear(50 * height * width, 500), nn.ReLU(), nn.Linear(500, classes)),
        )


class AdaptationAccuracy(Metric):
    """Accuracy, in percent, on the measured images of B of a classifier trained on translations of A's training images.

    Unsupervised domain adaptation by translation: the labels are those of A's images. Of B only the labels of the
    measured images are read, for the accuracy. With the method ``untranslated`` it is the accuracy without adaptation
    ("source only"); if A has the target's own training images, it is the upper bound ("target only").

    The classifier is ``LeNet``, the one of Tzeng et al. (2017, section 5.1): convolutions of 20 and 50 channels, 5×5,
    each with ReLU and 2×2 max pooling; linear layers of 500 outputs, with ReLU, and of the classes. It is trained from
    scratch in each evaluation, in fp32 on the CPU, with the run's seed: cross entropy, Adam at 0.001, batches of 128,
    each image once in an epoch, none augmented. Translations are clamped to [−1, 1], as when they are saved.

    Args:
        label: the name of the value that is the class, a whole number from 0, as the data set gives it.
        epochs: how often the classifier sees each translation.
    """

    directions = ("AB",)
    translated: Literal["measured", "train"] = "train"
    reference: Literal["", "measured", "train"] = "measured"
    bootstrap = False  # images drawn twice would be trained on twice, and each draw would train a classifier
    about: Mapping[str, str] = {"network": "LeNet, trained on the translations"}

    def __init__(self, *, label: str = "label", epochs: Annotated[int, Field(ge=1)] = 20) -> None:
        self.label, self.epochs = label, epochs
        self.seed = 0

    def bind(self, method: Method, reader: Reader) -> None:
        """Check the data.

        Raises GanzooError if A's training images or the images of B that are measured have no label, if B's images are
        label maps, and for images of several or too small sizes.
        """
        data = reader.dataset
        measured: Split = next((split for split in SPLITS if "B" in data.channels and data.count(split, "B")), "test")
        labelled: dict[str, Split] = {"A": "train", "B": measured}
        for domain, split in labelled.items():
            known = domain in data.channels and data.count(split, domain)
            if known and self.label not in data.sample(split, domain, 0).values:
                raise GanzooError(
                    f"evaluate.metrics: adaptation_accuracy: the {split} images of {domain} have no label "
                    f"{self.label!r}: set the data set's option for labels, or the metric's label"
                )
        if "B" in data.classes:
            raise GanzooError("evaluate.metrics: adaptation_accuracy: B's images are label maps: remove the metric")
        if reader.images.fit == "none" or min(reader.images.shape) < SMALLEST:
            raise GanzooError(
                f"evaluate.metrics: adaptation_accuracy: its classifier needs images of one size, {SMALLEST} pixels or "
                "more: set images.size, and images.fit to another value than none"
            )

    def prepare(self, seed: int) -> None:
        """Store the seed of the classifier."""
        self.seed = seed

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the translations, (B, C, H, W) in [−1, 1], and the labels of their sources, (B,)."""
        return {"image": step["fake_B"].float().clamp(-1, 1), "label": step[f"{self.label}_A"]}

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return real images, (B, C, H, W) in [−1, 1], and their labels, (B,)."""
        return {"image": step[f"real_{domain}"], "label": step[f"{self.label}_{domain}"]}

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the accuracy under ``adaptation_accuracy``.

        Raises GanzooError for labels that are not whole numbers from 0.
        """
        classes = rows["label"].long()
        if not torch.equal(classes.float(), rows["label"]) or int(classes.min()) < 0:
            raise GanzooError(f"the values {self.label!r} of A are not classes, whole numbers from 0: set label")
        classifier = train_classifier(rows["image"], classes, self.epochs, self.seed)
        with torch.no_grad():
            found = torch.cat([classifier(batch).argmax(1) for batch in real["image"].split(1000)])
        return {"adaptation_accuracy": 100 * float((found == real["label"]).double().mean())}


def train_classifier(images: Tensor, classes: Tensor, epochs: int, seed: int) -> LeNet:
    """Return a classifier trained on images (N, C, H, W) in [−1, 1] with classes (N,); the same for the same seed.

    Args:
        images: the images, on the CPU.
        classes: their classes, int64.
        epochs: how often each image is seen.
        seed: the seed of the initial weights and of the order of the images.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(seed, "adaptation"))
        classifier = LeNet(images.shape[1], (images.shape[2], images.shape[3]), int(classes.max()) + 1)
    optimizer = torch.optim.Adam(classifier.parameters(), lr=RATE)
    with torch.enable_grad(), Console().bar("training a classifier on translations", epochs) as show:
        for epoch in range(epochs):
            show(epoch)
            order = torch.from_numpy(keyed(seed, "adaptation", epoch).permutation(len(images)))
            for chosen in order.split(BATCH):
                loss = F.cross_entropy(classifier(images[chosen]), classes[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return classifier.eval()
