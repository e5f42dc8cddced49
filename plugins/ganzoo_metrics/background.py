"""``background_l1``: how far a translation changed the background of its source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_metrics.directions import first_samples

Which = Literal["given", "input", "discriminator", "composite"]


class SourceMask:
    """Provides the masks of a direction's source images, from the data set or from a masker of the recipe.

    Args:
        metric: the name of the metric, for error messages.
        which: ``given`` for the data set's masks, or the role of a masker.
    """

    method: Method

    def __init__(self, metric: str, which: Which) -> None:
        self.metric = metric
        self.which = which

    def bind(self, method: Method, reader: Reader) -> None:
        """Store the method, whose maskers ``of`` uses.

        Raises GanzooError if the recipe has no masker in the role or, for ``given``, if the first training image of a
        domain has no mask.
        """
        if self.which != "given" and self.which not in method.masks:
            raise GanzooError(
                f"evaluate.metrics: {self.metric}: the recipe has no masker in the role {self.which!r}; name one under "
                "maskers, or set mask to given, for the data set's own masks, or to a role that has one"
            )
        for domain in reader.dataset.channels if self.which == "given" else ():
            if all(one.mask is None for one in first_samples(reader.dataset, domain)):
                raise self.missing_masks(domain)
        self.method = method

    def of(self, step: Step, domain: str) -> Tensor:
        """Return the mask of ``real_{domain}``, (B, 1, H, W) in [0, 1], float32.

        Raises GanzooError if the step has no mask of the data set, for ``given``.
        """
        if self.which != "given":
            return self.method.masks.mask(self.which, step, f"real_{domain}").float()
        if f"given_mask_{domain}" not in step:
            raise self.missing_masks(domain)
        return step[f"given_mask_{domain}"].float()

    def missing_masks(self, domain: str) -> GanzooError:
        """Return the error for a data set without masks of a domain."""
        return GanzooError(
            f"evaluate.metrics: {self.metric}: the data set has no masks of {domain}; the data set folders reads "
            f"them from train{domain}_masks, test{domain}_masks; or set mask to a role for which the recipe has a "
            "masker: input, discriminator or composite"
        )


class BackgroundL1(Metric):
    """Mean |fake_Y − real_X| over an image's background, on the scale [−1, 1]; then the mean over images.

    X is the direction's source, Y its target, and m the mask of the source image, 1 in the foreground. Each pixel has
    the weight 1 − m. Translations are clamped to [−1, 1], as when they are saved. An image whose background weights sum
    to less than one pixel is left out of the mean; if all images are left out, the value is NaN.

    Args:
        mask: ``given``: the data set's mask; ``input``, ``discriminator``, ``composite``: the mask that the recipe's
            masker in that role computes from the source image.
    """

    def __init__(self, *, mask: Which = "given") -> None:
        self.mask = SourceMask("background_l1", mask)

    def bind(self, method: Method, reader: Reader) -> None:
        """Prepare to compute or read the masks.

        Raises GanzooError if the recipe has no masker in the role ``mask`` or, for ``given``, the data set has no
        masks.
        """
        self.mask.bind(method, reader)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return each image's mean error over the background and its summed background weights, in pixels, (B,) each.

        Raises GanzooError if the mask or the source image is missing, and for domains with different numbers of
        channels.
        """
        real, fake = source_and_fake("background_l1", step, direction)
        ground = 1 - self.mask.of(step, direction[0])
        pixels = ground.sum(dim=(1, 2, 3))
        error = ((fake - real).abs().mean(1, keepdim=True) * ground).sum(dim=(1, 2, 3)) / pixels.clamp(min=1)
        return {"error": error, "pixels": pixels}

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the mean error of the images whose background weights sum to at least 1; NaN if there are none."""
        return {"background_l1": float(rows["error"][rows["pixels"] >= 1].double().mean())}


def source_and_fake(metric: str, step: Step, direction: Direction) -> tuple[Tensor, Tensor]:
    """Return a direction's source images and their translations, (B, C, H, W) each, float32.

    Translations are clamped to [−1, 1], as when they are saved. Raises GanzooError if the step has no source images,
    and for domains with different numbers of channels.
    """
    source, target = direction
    require_source(metric, step, source)
    real, fake = step[f"real_{source}"].float(), step[f"fake_{target}"].float().clamp(-1, 1)
    if real.shape[1] != fake.shape[1]:
        raise GanzooError(
            f"evaluate.metrics: {metric} compares the images of {source} with their translations, but {source} has "
            f"{real.shape[1]} channels and {target} has {fake.shape[1]}: remove the metric"
        )
    return real, fake


def require_source(metric: str, step: Step, domain: str) -> None:
    """Raise GanzooError if the step has no source images, ``real_{domain}``, of the translations."""
    if f"real_{domain}" not in step:
        raise GanzooError(
            f"{metric} compares translations with their sources, which are not known here: remove the metric"
        )
