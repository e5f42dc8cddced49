"""Trace one direction of a run's translation with torch.export, as a function of tensors alone."""

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
"""Smallest height and width, in pixels, that a function with open sizes accepts."""
AXES = {"images": ("batch", "", "height", "width"), "mask": ("batch", "", "height", "width"), "style": ("batch", "")}
"""Axes of each input by name; an empty name is an axis of fixed size: channels, or the size of a style."""


class TranslationFunction(nn.Module):
    """Maps images, and a mask and styles if the run uses them, to translated images in [−1, 1].

    The mask is an input if the generator reads it, or if the run's masker does not compute it from the image;
    otherwise the function computes it. Styles, (B, size), are an input for methods with styles.

    Args:
        translator: provides the networks; ``remove_unused_weights`` changes them.
        direction: one of the method's directions.

    Raises:
        GanzooError: the method has nothing to train, so that there are no weights to export.
    """

    def __init__(self, translator: Translator, direction: Direction) -> None:
        super().__init__()
        self.translator = translator
        self.direction = direction
        method = translator.method
        names = [name for name, slot in method.slots.items() if slot.kind != "discriminator"]
        if not method.phases:
            raise GanzooError("the method has no trained weights to export")
        self.networks = nn.ModuleList(
            [
                *(method.networks[name] for name in names),
                *method.masks.maskers.values(),
            ]
        )
        self.sizes = {"images": translator.channels[direction[0]]}
        """Name of each input → size of its second axis: channels, or the size of a style."""
        if _needs_mask_input(translator):
            self.sizes["mask"] = 1
        if style := method.style_size(direction[1]):
            self.sizes["style"] = style

    def forward(self, images: Tensor, mask: Tensor | None = None, style: Tensor | None = None) -> Tensor:
        """Translate (B, C, H, W), with masks (B, 1, H, W) and styles (B, size) if ``sizes`` has them."""
        return self.translator.translate_tensors(_DeterministicStep(), images, self.direction, mask, style)

    def random_inputs(self, batch: int, height: int, width: int, key: int) -> dict[str, Tensor]:
        """Return random inputs by name: images and styles of noise, masks of 0 and 1; ``key`` seeds them."""
        draws = Draws([np.random.default_rng([key, row]) for row in range(batch)])
        inputs = {"images": draws.uniform(self.sizes["images"], height, width, low=-1, high=1)}
        if "mask" in self.sizes:
            inputs["mask"] = draws.uniform(1, height, width).round()
        if "style" in self.sizes:
            with torch.no_grad():
                inputs["style"] = self.translator.method.draw_style(self.direction[1], draws)
        return inputs

    def remove_unused_weights(self, example: Mapping[str, Tensor]) -> None:
        """Remove the weights that a translation of ``example``, inputs by name, does not use.

        Raises:
            GanzooError: the translation draws random numbers.
        """
        with torch.no_grad(), torch.random.fork_rng(devices=[]), _TensorRecorder() as recorder:
            before = torch.get_rng_state()
            self(**example)
            if not torch.equal(before, torch.get_rng_state()):
                raise GanzooError("the translation draws random numbers, and an exported file must be deterministic")
        for module in self.modules():
            for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
                if id(tensor) not in recorder.ids:
                    setattr(module, name, None)


def trace(function: TranslationFunction, sizes: Mapping[str, int]) -> ExportedProgram:
    """Trace a translation.

    Args:
        function: the translation; the weights that it does not use are removed from it.
        sizes: sizes of the axes to fix, of ``batch``, ``height`` and ``width``; the other axes accept any size.

    Raises:
        GanzooError: the function cannot be traced.
    """
    example = {"batch": 2, "height": 9 * MIN_SIZE, "width": 11 * MIN_SIZE, **sizes}
    inputs = function.random_inputs(**example, key=0)
    smallest = {"batch": 1, "height": MIN_SIZE, "width": MIN_SIZE}
    dims = {name: Dim(name, min=smallest[name]) for name in example if name not in sizes}
    shapes = {name: {i: dims[axis] for i, axis in enumerate(AXES[name]) if axis in dims} for name in function.sizes}
    function.remove_unused_weights(inputs)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            program = torch.export.export(function, (), inputs, dynamic_shapes=shapes, strict=False)
    except GanzooError:
        raise
    except Exception as error:  # tracing errors of torch have no common class
        advice = f" with {', '.join(dims)} of any size: fix them with --size and --batch" if dims else ""
        reason = one_line(error).partition(" For more information")[0]
        raise GanzooError(f"the translation cannot be traced{advice} ({reason[:200]})") from None
    program.example_inputs = None  # else a file would store the noise as a pickle
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, GraphModule) else ():
            node.meta.pop("stack_trace", None)  # contains paths of this machine
    return program


def input_shapes(function: TranslationFunction, sizes: Mapping[str, int]) -> dict[str, list[Any]]:
    """Return the shape of each input; an axis of any size is given by its name."""
    return {
        name: [sizes.get(axis, axis) if axis else size for axis in AXES[name]] for name, size in function.sizes.items()
    }


def _needs_mask_input(translator: Translator) -> bool:
    """Return whether the mask is an input: the generator reads it, or the masker does not compute it from the image."""
    masks = translator.method.masks
    if "input" not in masks and "composite" not in masks:
        return False
    role = mask_role(translator.method.masks)
    return role == "input" or "image" not in masks.needs(role)


class _TensorRecorder(TorchFunctionMode):
    """Records the ids of all tensors that are passed to torch's functions."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[int] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Record the tensors, then call the function."""
        self.ids |= {id(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        return func(*args, **(kwargs or {}))


class _DeterministicStep(Step):
    """A step that refuses random draws: tracing would freeze a draw into a constant."""

    def __init__(self) -> None:
        super().__init__({}, training=False)

    def rng(self, purpose: str) -> Draws:
        """Return draws that raise GanzooError when they are used."""
        return _RefusingDraws(purpose)

    def common_rng(self, purpose: str) -> np.random.Generator:
        """Raise GanzooError."""
        raise _randomness_error(purpose)

    def torch_seeds(self, purpose: str) -> list[int]:
        """Raise GanzooError."""
        raise _randomness_error(purpose)


class _RefusingDraws(Draws):
    """Draws that raise GanzooError, naming the purpose, when they are used."""

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose

    def __getattr__(self, name: str) -> Any:
        raise _randomness_error(self.purpose)


def _randomness_error(purpose: str) -> GanzooError:
    return GanzooError(f"the translation draws random numbers ({purpose}), and an exported file must be deterministic")
