"""FID, KID, ``fd`` and ``kd``: distances between the features of translations and of real images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_maskers.pretrained import fetched, of_timm, of_torchvision, read_weights
from ganzoo_metrics.classifier_features import Library, PooledFeatures, require_known
from ganzoo_metrics.directions import accepted_directions
from ganzoo_metrics.distances import frechet, kernel
from ganzoo_metrics.inception import Inception
from ganzoo_metrics.networks import source_of
from ganzoo_metrics.resizing import How, quantized, resize

Real = Literal["measured", "train"]


@dataclass(frozen=True)
class FeatureNetwork:
    """A feature network and how images are resized for it.

    Args:
        network: (B, 3, side, side) in [0, 255] → (B, d).
        side: in pixels.
        how: images are resized to it.
        label: of the network, for records.
        weights: the file that it was read from.
    """

    network: nn.Module
    side: int
    how: How
    label: str
    weights: Path


Distance = Callable[[str, Tensor, Tensor, int], dict[str, float]]
"""Name, features of translations (n, d) and of real images (m, d), seed → values."""


class SetDistance(Metric):
    """A distance between the features of translations and those of real images of their domain.

    Args:
        name: of the value.
        look: gives the features.
        distance: between them.
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
    """

    def __init__(self, name: str, look: FeatureNetwork, distance: Distance, real: Real) -> None:
        self.name, self.look, self.distance, self.reference, self.seed = name, look, distance, real, 0
        source = source_of(look.weights)
        self.cache_key = f"{look.label} {look.how} {look.side} {source.key}"
        self.sources = {"weights": source}
        self.about = {"network": look.label, "weights": source.key, "resizing": look.how}

    def prepare(self, seed: int) -> None:
        """Take the seed of the random draws."""
        self.seed = seed

    def bind(self, method: Method, reader: Reader) -> None:
        """Keep the directions into images that the network can see. Raises GanzooError when there are none."""
        self.directions = accepted_directions(self.name, method, reader)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the features of a direction's translations, (B, d)."""
        return {"features": self.features(step, f"fake_{direction[1]}")}

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return the features of real images, (B, d)."""
        return {"features": self.features(step, f"real_{domain}")}

    @torch.no_grad()
    def features(self, step: Step, name: str) -> Tensor:
        """Return the features (B, d), float32, of a step's images as files would hold them.

        They are left in the step, for the next metric that looks in the same way.
        """
        key = f"features of {name}: {self.cache_key}"
        if key not in step:
            images = step[name]
            with torch.autocast(images.device.type, enabled=False):
                seen = resize(quantized(images), self.look.side, self.look.how)
                step[key] = self.look.network.to(images.device)(seen)
        return step[key]

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the distance's values. Raises GanzooError for fewer than two images of a side."""
        return self.distance(self.name, rows["features"], real["features"], self.seed)


def frechet_values(name: str, fake: Tensor, real: Tensor, seed: int) -> dict[str, float]:
    """Return Fréchet's distance, under a name."""
    return {name: frechet(fake, real)}


def kernel_values(name: str, fake: Tensor, real: Tensor, seed: int) -> dict[str, float]:
    """Return the kernel distance and its deviation over draws, under a name."""
    distance, deviation = kernel(fake, real, seed)
    return {name: distance, f"{name}_std": deviation}


INCEPTION = "pytorch-fid/inception"
"""The weights that stand in no option's place."""


def inception(weights: Path | None, how: How) -> FeatureNetwork:
    """Look with the Inception network, resizing in some way."""
    file = weights or fetched(INCEPTION)
    scaling: Literal["by_255", "by_128"] = "by_255" if how == "legacy_pytorch" else "by_128"
    return FeatureNetwork(Inception(read_weights(file), scaling, file), 299, how, "inception-2015-12-05", file)


class FID(SetDistance):
    """Fréchet Inception distance between translations and real images of their domain; less is nearer.

    Images are quantized, resized as clean-fid does, and seen by TensorFlow's Inception of 2015 (Heusel et al. 2017;
    Parmar et al. 2022). It shrinks as images grow in number: values of different ``n_fake`` and ``n_real`` do not
    compare, nor do those of images that were scaled to another size.

    Args:
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
        weights: pytorch-fid's state dict; by default the one that ``ganzoo weights get pytorch-fid/inception`` fetches.
    """

    def __init__(self, *, real: Real = "measured", weights: Path | None = None) -> None:
        super().__init__("fid", inception(weights, "clean"), frechet_values, real)


class FIDLegacyPyTorch(SetDistance):
    """``fid`` as pytorch-fid has it: bilinear resizing that aliases, and images scaled by 255.

    Args:
        real: as of ``fid``.
        weights: as of ``fid``.
    """

    def __init__(self, *, real: Real = "measured", weights: Path | None = None) -> None:
        super().__init__("fid_legacy_pytorch", inception(weights, "legacy_pytorch"), frechet_values, real)


class FIDLegacyTensorFlow(SetDistance):
    """``fid`` as the TensorFlow code of 2017 has it: bilinear resizing that aliases and is off by part of a pixel.

    Args:
        real: as of ``fid``.
        weights: as of ``fid``.
    """

    def __init__(self, *, real: Real = "measured", weights: Path | None = None) -> None:
        super().__init__("fid_legacy_tensorflow", inception(weights, "legacy_tensorflow"), frechet_values, real)


class KID(SetDistance):
    """Kernel Inception distance (Bińkowski et al. 2018), as clean-fid computes it; less is nearer.

    Its mean does not depend on how many images there are; ``kid_std`` is its deviation over 100 draws of up to 1,000.

    Args:
        real: as of ``fid``.
        weights: as of ``fid``.
    """

    def __init__(self, *, real: Real = "measured", weights: Path | None = None) -> None:
        super().__init__("kid", inception(weights, "clean"), kernel_values, real)


def pooled(library: Library, network: str, weights: Path | None) -> FeatureNetwork:
    """Look with a classifier."""
    require_known(library, network)
    file = weights or fetched((of_torchvision if library == "torchvision" else of_timm)(network))
    features = PooledFeatures(library, network, read_weights(file), file)
    return FeatureNetwork(features, features.seen.side, "clean", f"{library}/{network}", file)


class FD(SetDistance):
    """Fréchet's distance on the features of any classifier, whose name the value bears: ``fd_squeezenet1_1``.

    It is no FID, and compares with distances on the same network's features alone.

    Args:
        network: the classifier.
        library: whose it is.
        real: as of ``fid``.
        weights: a file with its weights; by default those that ``ganzoo weights get LIBRARY/NETWORK`` fetches.
    """

    def __init__(
        self,
        *,
        network: str = "squeezenet1_1",
        library: Library = "torchvision",
        real: Real = "measured",
        weights: Path | None = None,
    ) -> None:
        super().__init__(f"fd_{network}", pooled(library, network, weights), frechet_values, real)


class KD(SetDistance):
    """The kernel distance on the features of any classifier, whose name the value bears: ``kd_squeezenet1_1``.

    Args:
        network: as of ``fd``.
        library: as of ``fd``.
        real: as of ``fid``.
        weights: as of ``fd``.
    """

    def __init__(
        self,
        *,
        network: str = "squeezenet1_1",
        library: Library = "torchvision",
        real: Real = "measured",
        weights: Path | None = None,
    ) -> None:
        super().__init__(f"kd_{network}", pooled(library, network, weights), kernel_values, real)
