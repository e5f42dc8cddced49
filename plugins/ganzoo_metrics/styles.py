"""Metrics of methods with styles: LPIPS diversity, style share and style recovery."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Draws, Method, Metric, Reader, Step, keyed
from ganzoo_metrics.background_lpips import Net, describe_trunk, make_lpips, require_accepted

StyleCount = Annotated[int, Field(ge=2)]


class StyleMetric(Metric):
    """Base class of metrics that translate each image in several random styles, the same styles for all images.

    Args:
        styles: the number of styles.
    """

    def __init__(self, *, styles: StyleCount = 8) -> None:
        self.count = styles

    def bind(self, method: Method, reader: Reader) -> None:
        """Store the method, and measure the directions whose translations have styles.

        Raises GanzooError if there are none.
        """
        self.method = method
        self.directions = tuple(one for one in method.directions if method.style_size(one[1]))
        if not self.directions:
            raise GanzooError(
                "evaluate.metrics: the method makes one translation of each image: it has no styles; remove it"
            )

    def prepare(self, seed: int) -> None:
        """Store the seed of the styles."""
        self.seed = seed

    def translations(self, step: Step, direction: Direction) -> list[Tensor]:
        """Return the translations of a step's images, for each style a batch (B, C, H, W) in [−1, 1], float32."""
        source = step[f"real_{direction[0]}"]
        masks = {name: step[name] for name in step.batch if name.startswith("given_")}
        translations = []
        for style in self.draw_styles(direction):
            styled = Step(masks, seed=step.seed, index=-1, samples=step.samples, training=False, classes=step.classes)
            styled["style"] = style.to(source).expand(len(source), -1)
            translations.append(self.method.translate(source, direction, styled).float().clamp(-1, 1))
        return translations

    def draw_styles(self, direction: Direction) -> Tensor:
        """Return the random styles of a direction, (styles, length of a style); they depend on the seed only."""
        draws = Draws([keyed(self.seed, number, "style") for number in range(self.count)])
        return self.method.draw_style(direction[1], draws)


class LPIPSDiversity(StyleMetric):
    """LPIPS between translations of one image in different styles (Huang et al. 2018, section 5.2).

    The value is the mean over all pairs of styles, then over images; it is 0 if styles change nothing. Only directions
    into images of 1 or 3 channels, not into label maps, are measured.

    Args:
        styles: the number of styles for each image.
        net: the trunk, the network that gives LPIPS's features; values of different trunks are not comparable.
        weights: a file with the trunk's weights, as for ``background_lpips``.
    """

    def __init__(self, *, styles: StyleCount = 5, net: Net = "alex", weights: Path | None = None) -> None:
        super().__init__(styles=styles)
        self.net: Net = net
        self.distance, source = make_lpips(net, weights)
        self.sources, self.about = {"weights": source}, describe_trunk(net, source)

    def bind(self, method: Method, reader: Reader) -> None:
        """Store the method, and measure the directions with styles into images of 1 or 3 channels.

        Raises GanzooError if there are none, or if the method's translations have no styles.
        """
        super().bind(method, reader)
        data = reader.dataset
        images = [one for one, many in data.channels.items() if many in (1, 3) and one not in data.classes]
        self.directions = tuple(way for way in self.directions if way != "AA" and way[1] in images)
        if not self.directions:
            raise GanzooError(
                "lpips_diversity: no domain has images of 1 or 3 channels, which LPIPS accepts; remove it"
            )

    @torch.no_grad()
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the mean distance over all pairs of styles for each image, (B,).

        Raises GanzooError for images that are too small for the trunk, or do not have 1 or 3 channels.
        """
        translations = self.translations(step, direction)
        require_accepted("lpips_diversity", self.net, translations[0])
        images = [one.expand(-1, 3, -1, -1) for one in translations]
        distance = self.distance.to(images[0].device)
        with torch.autocast(images[0].device.type, enabled=False):
            pairs = [distance(one, other).flatten() for one, other in combinations(images, 2)]
        return {"lpips_diversity": torch.stack(pairs).mean(0)}


class StyleShare(StyleMetric):
    """The shares of the translations' variance that the style and the image explain.

    The variance is that of each channel's mean and deviation, over all images in all styles. ``style_share`` is the
    share that the style explains (η² of a two-way table, summed over these statistics), ``content_share`` the share
    that the image explains. ``style_share`` is high if one style gives different images the same colours.

    Args:
        styles: the number of styles, the same for all images.
    """

    @torch.no_grad()
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the mean and deviation of each image's channels in each style, (B, styles, 2C)."""
        images = torch.stack(self.translations(step, direction), 1)
        return {"statistics": torch.cat([images.mean((3, 4)), images.std((3, 4))], 2)}

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return ``style_share`` and ``content_share``, each in [0, 1]; both are 0 if nothing varies."""
        statistics = rows["statistics"].double()
        middle = statistics.mean((0, 1), keepdim=True)
        total = float((statistics - middle).square().sum())
        by_style = float((statistics.mean(0, keepdim=True) - middle).square().sum()) * len(statistics)
        by_content = float((statistics.mean(1, keepdim=True) - middle).square().sum()) * statistics.shape[1]
        shares = {"style_share": by_style, "content_share": by_content}
        return {name: part / total if total else 0.0 for name, part in shares.items()}


class StyleRecovery(StyleMetric):
    """Whether a translation has the requested style: R² between the requested and the recovered style.

    The value, ``style_r2``, is 1 − Σ(recovered − requested)² / Σ(requested − mean requested)², over all images, styles
    and numbers of a style: 1 if each style is recovered exactly, 0 if the recovered styles are no better than the mean
    of the requested ones, negative if worse. The method's own encoder recovers the style (Huang et al. 2018, eq. 4,
    trains it for that).

    Args:
        styles: the number of styles, the same for all images.
    """

    @torch.no_grad()
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return each image's summed squared errors, and the requested styles' summed squared deviations, (B,) each.

        Raises GanzooError if the method cannot recover styles.
        """
        requested, domain = self.draw_styles(direction), direction[1]
        images = self.translations(step, direction)
        errors = [
            (self.method.style_of(one, domain).float() - style.to(one)).square().sum(1)
            for one, style in zip(images, requested, strict=True)
        ]
        spread = (requested - requested.mean(0)).square().sum().to(images[0])
        return {"error": torch.stack(errors).sum(0), "spread": spread.expand(len(images[0]))}

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return R² under ``style_r2``. Raises GanzooError if all requested styles are the same."""
        spread = float(rows["spread"].double().sum())
        if not spread:
            raise GanzooError("all requested styles are the same, so there is no R²: set a larger number of styles")
        return {"style_r2": 1 - float(rows["error"].double().sum()) / spread}
