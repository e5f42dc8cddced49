"""Metrics of methods with styles: diversity, the share of the look that a style explains, style recovery."""

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
from ganzoo_metrics.background_lpips import Net, about, make_lpips, require_visible

Many = Annotated[int, Field(ge=2)]


class Styled(Metric):
    """Translates each image in several styles, drawn once for all images, so that styles and images form a grid.

    Args:
        styles: how many.
    """

    def __init__(self, *, styles: Many = 8) -> None:
        self.count = styles

    def bind(self, method: Method, reader: Reader) -> None:
        """Keep the method. Raises GanzooError when its translations have no styles."""
        self.method = method
        if not any(method.style_size(direction[1]) for direction in method.directions):
            raise GanzooError("evaluate.metrics: the method makes one translation of each image: it has no styles")

    def prepare(self, seed: int) -> None:
        """Keep what keys the styles."""
        self.seed = seed

    def translations(self, step: Step, direction: Direction) -> list[Tensor]:
        """Return the images of the step in each style, (B, C, H, W), float32."""
        source = step[f"real_{direction[0]}"]
        given = {name: step[name] for name in step.batch if name.startswith("given_")}
        found = []
        for style in self.drawn(direction):
            one = Step(given, seed=step.seed, index=-1, samples=step.samples, training=False, classes=step.classes)
            one["style"] = style.to(source).expand(len(source), -1)
            found.append(self.method.translate(source, direction, one).float().clamp(-1, 1))
        return found

    def drawn(self, direction: Direction) -> Tensor:
        """Return the styles, (styles, numbers)."""
        draws = Draws([keyed(self.seed, number, "style") for number in range(self.count)])
        return self.method.draw_style(direction[1], draws)


class LPIPSDiversity(Styled):
    """LPIPS between translations of one image in different styles (Huang et al. 2018, section 5.2).

    The mean over all pairs of styles, then over images; 0 where styles change nothing. What is translated into
    images of other than 1 or 3 channels, such as label maps, is left out.

    Args:
        styles: for each image.
        net: LPIPS's trunk; values of different trunks do not compare.
        weights: a file with the trunk's weights, as background_lpips takes it.
    """

    def __init__(self, *, styles: Many = 5, net: Net = "alex", weights: Path | None = None) -> None:
        super().__init__(styles=styles)
        self.net: Net = net
        self.distance, source = make_lpips(net, weights)
        self.sources, self.about = {"weights": source}, about(net, source)

    def bind(self, method: Method, reader: Reader) -> None:
        """Leave directions into label maps out. Raises GanzooError when none is left, or the method has no styles."""
        super().bind(method, reader)
        data = reader.dataset
        images = [one for one, many in data.channels.items() if many in (1, 3) and one not in data.classes]
        self.directions = tuple(way for way in self.directions if way[1] in images)
        if not self.directions:
            raise GanzooError("lpips_diversity: no domain has images of 1 or 3 channels, which LPIPS sees; take it out")

    @torch.no_grad()
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return (B,) distances. Raises GanzooError for images that the trunk cannot see."""
        made = self.translations(step, direction)
        require_visible("lpips_diversity", self.net, made[0])
        seen = [one.expand(-1, 3, -1, -1) for one in made]
        distance = self.distance.to(seen[0].device)
        with torch.autocast(seen[0].device.type, enabled=False):
            pairs = [distance(one, other).flatten() for one, other in combinations(seen, 2)]
        return {"lpips_diversity": torch.stack(pairs).mean(0)}


class StyleShare(Styled):
    """How much of what translations look like is the style's and how much the image's, as shares of the variance.

    Looks are the mean and the deviation of each channel. Over all images in all of the styles, ``style_share`` is
    the share of their variance that the style explains (η² of a two-way table, summed over the looks), and
    ``content_share`` the image's: with styles that hold, one style over two contents agrees, and two styles differ.

    Args:
        styles: drawn once for all images.
    """

    @torch.no_grad()
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return each image's looks in each style, (B, styles, 2C)."""
        made = torch.stack(self.translations(step, direction), 1)
        return {"looks": torch.cat([made.mean((3, 4)), made.std((3, 4))], 2)}

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return both shares; 0 where nothing varies."""
        looks = rows["looks"].double()
        middle = looks.mean((0, 1), keepdim=True)
        total = float((looks - middle).square().sum())
        by_style = float((looks.mean(0, keepdim=True) - middle).square().sum()) * len(looks)
        by_content = float((looks.mean(1, keepdim=True) - middle).square().sum()) * looks.shape[1]
        shares = {"style_share": by_style, "content_share": by_content}
        return {name: part / total if total else 0.0 for name, part in shares.items()}


class StyleRecovery(Styled):
    """Whether a translation has the style that it was asked for: R² of the style that the method finds in it.

    1 − Σ(found − asked)² / Σ(asked − mean asked)², over all images, styles and numbers of a style: 1 when one style
    over two contents is found to be that style each time, 0 when what is found tells nothing, below when it misleads.
    It is the method's own encoder that looks (Huang et al. 2018, eq. 4 trains it to).

    Args:
        styles: drawn once for all images.
    """

    @torch.no_grad()
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return each image's errors, squared and summed, (B,), and what the asked styles vary by."""
        asked, domain = self.drawn(direction), direction[1]
        made = self.translations(step, direction)
        errors = [
            (self.method.style_of(one, domain).float() - style.to(one)).square().sum(1)
            for one, style in zip(made, asked, strict=True)
        ]
        spread = (asked - asked.mean(0)).square().sum().to(made[0])
        return {"error": torch.stack(errors).sum(0), "spread": spread.expand(len(made[0]))}

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return R²."""
        return {"style_r2": 1 - float(rows["error"].double().sum() / rows["spread"].double().sum())}
