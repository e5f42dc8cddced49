"""Contracts of maskers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from ganzoo.contracts.describe import describe
from ganzoo.contracts.masker import check_mask, check_mask_values, check_masker
from ganzoo.contracts.values import scalars
from ganzoo.interfaces import Draws, Masker
from ganzoo.masks.roles import ROLES
from ganzoo.testing.component import DEVICES, ODD_SIZES, SIZE, ModuleContracts, refusing
from ganzoo.testing.factories import make_draws, make_images
from ganzoo.testing.tiny_run import train_tiny


class MaskerContracts(ModuleContracts):
    """Contracts of maskers."""

    kind: ClassVar[str] = "masker"

    @property
    def role(self) -> str:
        """The role of the masker: that of the recipe, or else one that it fits."""
        for role, entry in dict(self.recipe.get("maskers", {})).items():
            if entry == self.name or (isinstance(entry, dict) and entry.get("masker") == self.name):
                return str(role)
        target: type[Masker] = self.component.load()
        return "composite" if target.trains == "joint" else "discriminator"

    def full_recipe(self) -> dict[str, Any]:
        """Return the recipe with the masker in its role."""
        given = dict(self.recipe.get("maskers", {}))
        own = given.get(self.role, {})
        entry = {**self.entry, **(own if isinstance(own, dict) else {})}
        return {**self.recipe, "maskers": {**given, self.role: entry}}

    def given(self, count: int, size: tuple[int, int]) -> Tensor:
        """Return the masks or label maps of a data set, as the masker's role reads them."""
        planes = make_images(count, 1, size, seed=7) > 0
        return planes.long() if ROLES[self.role].provided == "labels" else planes.float()

    def call(self, module: nn.Module, count: int = 2, size: tuple[int, int] = SIZE) -> Any:
        """Return the masks of ``count`` images."""
        return module(make_images(count, size=size), rng=make_draws(count), given=self.given(count, size))

    def require_masks(self, module: nn.Module, count: int, size: tuple[int, int] = SIZE) -> Tensor:
        """Return the masks of ``count`` images. Fail the test unless they are float32 (B, K, H, W)."""
        masks = self.call(module, count, size)
        with refusing():
            check_mask(masks, make_images(count, size=size), self.planes_of(module), self.origin)
        self.require(masks.dtype == torch.float32, "forward", describe(masks), "float32 masks")
        return masks

    def planes_of(self, module: Any) -> int:
        """Return K, the number of planes of the masker's masks."""
        return int(module.planes)

    def test_it_is_built_from_its_options(self) -> None:
        """The constructor accepts the options, and the result is a Masker that describes itself."""
        made = self.make()
        self.require(isinstance(made, Masker), "__init__", describe(made), "a subclass of ganzoo.interfaces.Masker")
        with refusing():
            check_masker(made, self.origin, ROLES)

    def test_its_masks_have_its_planes(self) -> None:
        """The masks are float32 (B, K, H, W) with K = ``planes``, for batches of 1, 2 and 3."""
        module = self.build_module()
        for count in (1, 2, 3):
            self.require_masks(module, count)

    def test_its_masks_have_the_size_of_odd_images(self) -> None:
        """Height and width of the images need not be even or equal."""
        module = self.build_module()
        for size in ODD_SIZES:
            self.require_masks(module, 2, size)

    def test_its_masks_are_from_0_to_1(self) -> None:
        """Every value is finite and in [0, 1]."""
        masks = self.require_masks(self.build_module(), 3)
        with refusing():
            check_mask_values(masks, self.origin)

    def test_its_masks_do_not_depend_on_the_batch(self) -> None:
        """The mask of an image is the same beside other images, at another place of the batch, and alone."""
        module, images, given = self.build_module(), make_images(3), self.given(3, SIZE)
        with torch.no_grad():
            masks = module(images, rng=make_draws(3), given=given)
            for k in (2, 0, 1):
                draws = Draws(make_draws(3).generators[k : k + 1])
                alone = module(images[k : k + 1], rng=draws, given=given[k : k + 1])
                same = torch.allclose(alone[0], masks[k], atol=1e-5)
                self.require(same, "forward", f"another mask for image {k} alone", "the mask that it has in a batch")

    def test_it_leaves_its_inputs_unchanged(self) -> None:
        """Images and given masks are not changed in place."""
        module, images, given = self.build_module(), make_images(), self.given(2, SIZE)
        with torch.no_grad():
            module(images, rng=make_draws(), given=given)
        before = [make_images(), self.given(2, SIZE)]
        self.require_equal([images, given], before, "forward", "its inputs, changed in place", "unchanged inputs")

    def test_its_masks_are_finite_in_bf16(self) -> None:
        """Under autocast the masks are floats, finite and in [0, 1]."""
        module = self.build_module()
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            masks = self.call(module)
        with refusing():
            check_mask(masks, make_images(), self.planes_of(module), self.origin)
            check_mask_values(masks, self.origin)

    def test_its_gradient_reaches_its_weights(self) -> None:
        """If the masker is trained, a finite gradient reaches its weights, also from each of its terms."""
        module = self.make()
        if not module.trains:
            pytest.skip("it is not trained")
        masks = self.call(module.train())
        with refusing():
            terms = scalars(module.terms(masks), self.origin, "terms", values=True)
        terms["mean of the masks"] = masks.mean()
        sum(terms.values(), torch.zeros(())).backward()
        gradients = [one.grad for one in module.parameters() if one.requires_grad]
        reached = bool(gradients) and all(one is not None and bool(one.isfinite().all()) for one in gradients)
        self.require(reached, "forward", "masks without a finite gradient to each weight", "such a gradient")

    @DEVICES
    def test_it_runs_on(self, device: str) -> None:
        """The masks are computed on the device of the images."""
        module = self.build_module().to(device)
        masks = module(make_images().to(device), rng=make_draws(), given=self.given(2, SIZE).to(device))
        self.require(masks.device.type == device, "forward", f"masks on {masks.device}", f"masks on {device}")

    def test_it_trains_in_a_tiny_run(self, tmp_path: Path) -> None:
        """A run with the masker in its role trains two steps."""
        with refusing():
            run = train_tiny(tmp_path, self.full_recipe())
        assert (run.folder / "checkpoints" / "last").is_dir()
