"""Geometry consistency: the translation of a turned image is the turned translation (GcGAN, Fu et al. 2019)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Loss, Method, Reader, Step
from ganzoo_losses.comparison import in_float, translation_domains

Transform = Literal["rotate", "upside_down", "mirror"]
TRANSFORMS: Mapping[Transform, Callable[[Tensor], Tensor]] = {
    "rotate": lambda image: image.rot90(-1, (2, 3)),
    "upside_down": lambda image: image.flip(2),
    "mirror": lambda image: image.flip(3),
}


class Geometry(Loss):
    """‖G(T(x)) − T(G(x))‖₁ with T a rotation by 90° or a flip (Fu et al. 2019, GcGAN, eq. 5), for any method.

    ``losses: {turned: {loss: geometry, of: {image: real_A, translation: fake_B}, weight: 20}}``. A translation that
    keeps the scene commutes with T; one that invents or moves things does so only by chance. It costs one more pass
    through the generator, or two with styles. Masks of the image are turned with it; random draws, such as styles, are
    those of x. UNIT's noise is only in T(G(x)), so that with UNIT the term is not 0 where the scene is kept.

    GcGAN's released code adds the same difference turned back, and each of the two has a target without gradient, so
    that together they have this one's gradient: its weight of 10 · 2 is 20 here. It also has a second discriminator,
    which sees turned images; this loss has none.

    Args:
        transforms: ``rotate``, a clockwise quarter turn, ``upside_down`` and ``mirror``. With several, each step draws
            one. ``rotate`` makes images of 256×128 pixels 128×256.
    """

    full_precision = False

    def __init__(self, *, transforms: Annotated[tuple[Transform, ...], Field(min_length=1)] = ("rotate",)) -> None:
        super().__init__()
        self.transforms = transforms

    def bind(self, method: Method, reader: Reader) -> None:
        """Keep the method. Raises GanzooError if ``translation`` is no translation of ``image``, or not of a direction
        in which the method translates.
        """
        source, target = translation_domains("geometry", method, self.of["translation"])
        if self.of["image"] != f"real_{source}":
            raise GanzooError(f"{self.of['translation']} is a translation of real_{source}, not of {self.of['image']}")
        directions = {f"{a}{b}": one for one in method.directions for a, b in [one]}
        if f"{source}{target}" not in directions:
            raise GanzooError(f"the method does not translate from {source} to {target}")
        self.direction: Direction = directions[f"{source}{target}"]
        self.styled = method.style_size(target) > 0
        self.method = method

    def forward(self, image: Tensor, translation: Tensor, step: Step) -> Tensor:
        """Return the difference, a mean over images (B, C, H, W), channels and pixels: a scalar."""
        number = int(step.common_rng(f"geometry/{self.of['translation']}").integers(len(self.transforms)))
        turn = TRANSFORMS[self.transforms[number]]
        if self.styled:  # the method's forward may have drawn another style
            translation = self._translate(step, image, lambda plane: plane)
        turned = self._translate(step, image, turn)
        return (in_float(turned) - turn(in_float(translation))).abs().mean()

    def _translate(self, step: Step, image: Tensor, turn: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the translation of turned images, with their masks turned alike."""
        name, domain = self.of["image"], self.direction[0]
        own = step.inputs()
        for key, tensor in step.items():
            if key.endswith(f"_mask_{name}") or key in (f"given_mask_{domain}", f"given_labels_{domain}"):
                own[key] = turn(tensor)
        own.pop(name, None)
        return self.method.translate(turn(image), self.direction, own)
