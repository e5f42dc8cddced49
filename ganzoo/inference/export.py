"""Trace one direction of a run's translation with torch.export, as a function that maps tensors to a tensor."""

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
"""The smallest height and width, in pixels, that a traced function accepts if they are not fixed."""
AXES = {"images": ("batch", "", "height", "width"), "mask": ("batch", "", "height", "width"), "style": ("batch", "")}
"""Name of each input → names of its axes; an axis without a name has a fixed size: channels, or a style's size."""


class TranslationFunction(nn.Module):
    """One direction of a run's translation as a module whose only inputs are tensors.

    If a mask changes the run's translations, it is an input if the generator reads it, or if the run's masker does not
    compute it from the image; otherwise the function computes it. Styles are an input for methods with styles.

    Args:
        translator: the translator of the run; ``remove_unused_weights`` changes its networks.
        direction: one of the method's directions.

    Raises:
        GanzooError: the method has nothing to train, so there are no weights to export.
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
        """Return the translations (B, C', H, W) of images (B, C, H, W); both are in [−1, 1].

        Args:
            images: the images.
            mask: the masks (B, 1, H, W) in [0, 1], if ``sizes`` has an entry for them.
            style: the styles (B, size), if ``sizes`` has an entry for them.

        Raises:
            GanzooError: the method asks the step for random numbers.
        """
        return self.translator.translate_tensors(_DeterministicStep(), images, self.direction, mask, style)

    def random_inputs(self, batch: int, height: int, width: int, key: int) -> dict[str, Tensor]:
        """Return random images, and masks of 0 and 1 and styles if they are inputs, by name; ``key`` is the seed."""
        draws = Draws([np.random.default_rng([key, row]) for row in range(batch)])
        inputs = {"images": draws.uniform(self.sizes["images"], height, width, low=-1, high=1)}
        if "mask" in self.sizes:
            inputs["mask"] = draws.uniform(1, height, width).round()
        if "style" in self.sizes:
            with torch.no_grad():
                inputs["style"] = self.translator.method.draw_style(self.direction[1], draws)
        return inputs

    def remove_unused_weights(self, example: Mapping[str, Tensor]) -> None:
        """Translate ``example``, inputs by name, and set all weights and buffers that this does not use to None.

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
    """Trace a translation with torch.export, and return the program.

    Args:
        function: the translation; the weights that it does not use are removed from it.
        sizes: axis → its fixed size, for some of ``batch``, ``height`` and ``width``. An axis without an entry accepts
            any size: a batch of at least 1, a height and width of at least ``MIN_SIZE``.

    Raises:
        GanzooError: the translation draws random numbers, or torch cannot trace it.
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
    program._example_inputs = None  # else a file would store the noise as a pickle; some versions refuse None by name
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, GraphModule) else ():
            node.meta.pop("stack_trace", None)  # contains paths of this machine
    return program


def input_shapes(function: TranslationFunction, sizes: Mapping[str, int]) -> dict[str, list[Any]]:
    """Return the shape of each input by name; an axis that is not fixed in ``sizes`` has its name instead of a size."""
    return {
        name: [sizes.get(axis, axis) if axis else size for axis in AXES[name]] for name, size in function.sizes.items()
    }


def _needs_mask_input(translator: Translator) -> bool:
    """Return whether translations need a mask that the generator reads, or that is not computed from the image."""
    masks = translator.method.masks
    if "input" not in masks and "composite" not in masks:
        return False
    role = mask_role(translator.method.masks)
    return role == "input" or "image" not in masks.needs(role)


class _TensorRecorder(TorchFunctionMode):
    """While it is active, records the ``id`` of each tensor that is passed to a function of torch."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: set[int] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Record the ids of the tensors in the arguments, then call the function and return its result."""
        self.ids |= {id(leaf) for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        return func(*args, **(kwargs or {}))


class _DeterministicStep(Step):
    """A step that raises GanzooError for random draws, because tracing would turn a draw into a constant."""

    def __init__(self) -> None:
        super().__init__({}, training=False)

    def rng(self, purpose: str) -> Draws:
        """Return draws that raise GanzooError, which names the purpose, when they are used."""
        return _RefusingDraws(purpose)

    def common_rng(self, purpose: str) -> np.random.Generator:
        """Raise GanzooError, which names the purpose."""
        raise _randomness_error(purpose)

    def torch_seeds(self, purpose: str) -> list[int]:
        """Raise GanzooError, which names the purpose."""
        raise _randomness_error(purpose)


class _RefusingDraws(Draws):
    """Draws that raise GanzooError, which names the purpose, when they are used."""

    def __init__(self, purpose: str) -> None:
        self.purpose = purpose

    def __getattr__(self, name: str) -> Any:
        raise _randomness_error(self.purpose)


def _randomness_error(purpose: str) -> GanzooError:
    return GanzooError(f"the translation draws random numbers ({purpose}), and an exported file must be deterministic")
