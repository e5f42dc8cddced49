"""A run's translation in one direction as a function of tensors alone, traced for use without ganzoo."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx import GraphModule
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from ganzoo.errors import GanzooError, one_line
from ganzoo.inference.translator import Translator
from ganzoo.interfaces import Direction
from ganzoo.masks.roles import mask_role
from ganzoo.randomness import Draws
from ganzoo.step import Step

MIN_SIZE = 8
"""Pixels a side from which on a function of any size is traced."""
AXES = {"images": ("batch", "", "height", "width"), "mask": ("batch", "", "height", "width"), "style": ("batch", "")}


class TranslationFunction(nn.Module):
    """One direction of a run: images, then a mask and styles where it takes them → images, all in [−1, 1].

    A mask is an input where the run draws masks or is given them, and wherever the generator is told one; a mask that
    is made from the image is made within. Styles, (B, numbers), are an input of methods that have them.

    Args:
        translator: whose networks it holds; from then on only what this direction uses of them.
        direction: one of the method's.

    Raises GanzooError for a method that trains nothing.
    """

    def __init__(self, translator: Translator, direction: Direction) -> None:
        super().__init__()
        self.translator = translator
        self.direction = direction
        method = translator.method
        names = [name for name, slot in method.slots.items() if slot.kind != "discriminator"]
        if not method.phases:
            raise GanzooError("it trains nothing that a file could hold")
        self.networks = nn.ModuleList(
            [
                *(method.networks[name] for name in names),
                *method.masks.maskers.values(),
            ]
        )
        self.sizes = {"images": translator.channels[direction[0]]}
        """Inputs by name, and the size of each one's second axis: channels, or numbers of a style."""
        if _reads_mask(translator):
            self.sizes["mask"] = 1
        if style := method.style_size(direction[1]):
            self.sizes["style"] = style

    def forward(self, images: Tensor, mask: Tensor | None = None, style: Tensor | None = None) -> Tensor:
        """Translate (B, C, H, W), with masks (B, 1, H, W) and styles (B, numbers) where ``sizes`` names them."""
        return self.translator.translate_in(_Undrawn(), images, self.direction, mask, style)

    def draw(self, batch: int, height: int, width: int, key: int) -> dict[str, Tensor]:
        """Return random inputs: images and styles of noise, masks of 0 and 1."""
        draws = Draws([np.random.default_rng([key, row]) for row in range(batch)])
        found = {"images": draws.uniform(self.sizes["images"], height, width, low=-1, high=1)}
        if "mask" in self.sizes:
            found["mask"] = draws.uniform(1, height, width).round()
        if "style" in self.sizes:
            with torch.no_grad():
                found["style"] = self.translator.method.draw_style(self.direction[1], draws)
        return found

    def keep_used(self, example: Mapping[str, Tensor]) -> None:
        """Take away the weights that an example's way through the networks does not touch.

        Raises GanzooError where the way draws at random.
        """
        with torch.no_grad(), torch.random.fork_rng(devices=[]), _Touched() as touched:
            before = torch.get_rng_state()
            self(**example)
            if not torch.equal(before, torch.get_rng_state()):
                raise GanzooError("it draws at random while it translates, and a file gives one answer")
        for module in self.modules():
            for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
                if id(tensor) not in touched.found:
                    setattr(module, name, None)


def trace(function: TranslationFunction, sizes: Mapping[str, int]) -> ExportedProgram:
    """Return a function traced.

    Args:
        function: what is traced; it loses the weights that it does not use.
        sizes: of those of the axes ``batch``, ``height`` and ``width`` that are to be fixed; the others stay open.

    Raises GanzooError for what cannot be traced.
    """
    example = {"batch": 2, "height": 9 * MIN_SIZE, "width": 11 * MIN_SIZE, **sizes}
    inputs = function.draw(**example, key=0)
    least = {"batch": 1, "height": MIN_SIZE, "width": MIN_SIZE}
    dims = {name: Dim(name, min=least[name]) for name in example if name not in sizes}
    shapes = {name: {i: dims[axis] for i, axis in enumerate(AXES[name]) if axis in dims} for name in function.sizes}
    function.keep_used(inputs)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(function, (), inputs, dynamic_shapes=shapes, strict=False)
    except GanzooError:
        raise
    except Exception as error:  # torch has no common class for what it cannot trace
        advice = f" with {', '.join(dims)} left open: fix them with --size and --batch" if dims else ""
        said = one_line(error).partition(" For more information")[0]
        raise GanzooError(f"it cannot be traced{advice} ({said[:200]})") from None
    program.example_inputs = None  # noise, which a file would hold as a pickle
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, GraphModule) else ():
            node.meta.pop("stack_trace", None)  # where this machine has its files
    return program


def input_shapes(function: TranslationFunction, sizes: Mapping[str, int]) -> dict[str, list[Any]]:
    """Return the shape of each input, axes that stay open by their names."""
    return {
        name: [sizes.get(axis, axis) if axis else size for axis in AXES[name]] for name, size in function.sizes.items()
    }


def _reads_mask(translator: Translator) -> bool:
    masks = translator.method.masks
    if "input" not in masks and "composite" not in masks:
        return False
    role = mask_role(translator.method.masks)
    return role == "input" or "image" not in masks.needs(role)


class _Touched(TorchFunctionMode):
    """Note which tensors torch's functions are given."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[int] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Note the tensors and go on."""
        self.found |= {id(one) for one in tree_leaves((args, kwargs)) if isinstance(one, Tensor)}
        return func(*args, **(kwargs or {}))


class _Undrawn(Step):
    """A step in which nothing can be drawn, as what is drawn while a function is traced would stay in it for good."""

    def __init__(self) -> None:
        super().__init__({}, training=False)

    def rng(self, purpose: str) -> Draws:
        """Return draws that refuse to draw."""
        return _NoDraws(purpose)

    def common_rng(self, purpose: str) -> np.random.Generator:
        """Refuse."""
        raise _refusal(purpose)

    def torch_seeds(self, purpose: str) -> list[int]:
        """Refuse."""
        raise _refusal(purpose)


class _NoDraws(Draws):
    def __init__(self, purpose: str) -> None:
        self.purpose = purpose

    def __getattr__(self, name: str) -> Any:
        raise _refusal(self.purpose)


def _refusal(purpose: str) -> GanzooError:
    return GanzooError(f"it draws at random ({purpose}) while it translates, and a file gives one answer")
