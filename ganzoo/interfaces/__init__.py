"""The public interface for authors of plugins; the docstring of each base class has a complete working example.

The keyword-only parameters of a component's constructor are its options in recipes. ganzoo provides the parameters
before the ``*``: a generator gets ``in_channels, out_channels``, a discriminator ``in_channels``.

Names whose modules need torch are imported at their first use, so that a data set can be imported, and its folders be
checked, in a tenth of the time that torch takes.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ganzoo.data.domain_io import DomainIO
from ganzoo.data.image_files import IMAGE_SUFFIXES, describe_skipped, describe_unread, find_images, image_names
from ganzoo.data.image_io import open_file, read_image, to_float, to_uint8, write_image
from ganzoo.data.image_size import image_size
from ganzoo.data.label_maps import read_labels, read_mask
from ganzoo.data.sampler import Row
from ganzoo.data.survey import describe_images
from ganzoo.data.transforms import scale
from ganzoo.data.types import OTHER, Dataset, ImageFile, Sample, Split, StoredFile
from ganzoo.data.value_range import ValueRange, check_range
from ganzoo.errors import BusyError, DamagedError, GanzooError, MissingResourceError, one_line, suggest
from ganzoo.interfaces.constrained import Constrained
from ganzoo.interfaces.inner import Inner, InnerDiscriminator, InnerKind, InnerMasker
from ganzoo.interfaces.lr_schedule import halvings, linear_decay
from ganzoo.randomness import Draws, keyed, torch_seed
from ganzoo.utils.atomic import (
    clean_temporaries,
    find_complete,
    flush_to_disk,
    temporary_path,
)
from ganzoo.utils.atomic_folder import atomic_folder, clean_folder
from ganzoo.utils.cache import cache_folder
from ganzoo.utils.console import Console
from ganzoo.utils.core_yaml import load_yaml
from ganzoo.utils.formatting import format_bytes
from ganzoo.utils.jsonl import differences, to_plain
from ganzoo.utils.paths import is_within
from ganzoo.utils.program import program_name
from ganzoo.utils.reading import guard_content, open_regular, parse_mapping, parse_object, read_text
from ganzoo.utils.sealed import read_sealed_text
from ganzoo.utils.terminal import escape_controls
from ganzoo.weights.cached_file import cached_file, download_file

if TYPE_CHECKING:
    from ganzoo.data.loader import Reader, evaluation_rows
    from ganzoo.interfaces.adversarial import (
        Adversarial,
        Logits,
        discriminator_loss,
        generator_loss,
        gradient_penalty,
        zero_penalty,
    )
    from ganzoo.interfaces.adversarial_loss import AdversarialLoss, AdversarialOption
    from ganzoo.interfaces.batching import forward_together, join_channels
    from ganzoo.interfaces.callback import Callback, RunInfo
    from ganzoo.interfaces.image_pool import ImagePool
    from ganzoo.interfaces.loss import Loss
    from ganzoo.interfaces.masker import Masker
    from ganzoo.interfaces.method import Direction, Method, Optim, Output, Phase, Slot, Source
    from ganzoo.interfaces.metric import Metric
    from ganzoo.interfaces.wrapper import MethodWrapper
    from ganzoo.masks.postprocess import MaskTransform, blur
    from ganzoo.masks.roles import Roles
    from ganzoo.step import Step
    from ganzoo.utils.device import default_device
    from ganzoo.utils.tensors import cache_tensors, cached_tensors

__all__ = [
    "IMAGE_SUFFIXES",
    "OTHER",
    "Adversarial",
    "AdversarialLoss",
    "AdversarialOption",
    "BusyError",
    "Callback",
    "Console",
    "Constrained",
    "DamagedError",
    "Dataset",
    "Direction",
    "DomainIO",
    "Draws",
    "GanzooError",
    "ImageFile",
    "ImagePool",
    "Inner",
    "InnerDiscriminator",
    "InnerKind",
    "InnerMasker",
    "Logits",
    "Loss",
    "MaskTransform",
    "Masker",
    "Method",
    "MethodWrapper",
    "Metric",
    "MissingResourceError",
    "Optim",
    "Output",
    "Phase",
    "Reader",
    "Roles",
    "Row",
    "RunInfo",
    "Sample",
    "Slot",
    "Source",
    "Split",
    "Step",
    "StoredFile",
    "ValueRange",
    "atomic_folder",
    "blur",
    "cache_folder",
    "cache_tensors",
    "cached_file",
    "cached_tensors",
    "check_range",
    "clean_folder",
    "clean_temporaries",
    "default_device",
    "describe_images",
    "describe_skipped",
    "describe_unread",
    "differences",
    "discriminator_loss",
    "download_file",
    "escape_controls",
    "evaluation_rows",
    "find_complete",
    "find_images",
    "flush_to_disk",
    "format_bytes",
    "forward_together",
    "generator_loss",
    "gradient_penalty",
    "guard_content",
    "halvings",
    "image_names",
    "image_size",
    "is_within",
    "join_channels",
    "keyed",
    "linear_decay",
    "load_yaml",
    "one_line",
    "open_file",
    "open_regular",
    "parse_mapping",
    "parse_object",
    "program_name",
    "read_image",
    "read_labels",
    "read_mask",
    "read_sealed_text",
    "read_text",
    "scale",
    "suggest",
    "temporary_path",
    "to_float",
    "to_plain",
    "to_uint8",
    "torch_seed",
    "write_image",
    "zero_penalty",
]

_AT_FIRST_USE = {
    "ganzoo.data.loader": "Reader evaluation_rows",
    "ganzoo.interfaces.adversarial": (
        "Adversarial Logits discriminator_loss generator_loss gradient_penalty zero_penalty"
    ),
    "ganzoo.interfaces.adversarial_loss": "AdversarialLoss AdversarialOption",
    "ganzoo.interfaces.batching": "forward_together join_channels",
    "ganzoo.interfaces.callback": "Callback RunInfo",
    "ganzoo.interfaces.image_pool": "ImagePool",
    "ganzoo.interfaces.loss": "Loss",
    "ganzoo.interfaces.masker": "Masker",
    "ganzoo.interfaces.method": "Direction Method Optim Output Phase Slot Source",
    "ganzoo.interfaces.metric": "Metric",
    "ganzoo.interfaces.wrapper": "MethodWrapper",
    "ganzoo.masks.postprocess": "MaskTransform blur",
    "ganzoo.masks.roles": "Roles",
    "ganzoo.step": "Step",
    "ganzoo.utils.device": "default_device",
    "ganzoo.utils.tensors": "cache_tensors cached_tensors",
}
"""Module that imports torch → the names that are taken from it."""

if not TYPE_CHECKING:  # a type checker would take every other name for one of this module

    def __getattr__(name: str) -> Any:
        """Import a name of ``_AT_FIRST_USE``."""
        module = next((module for module, names in _AT_FIRST_USE.items() if name in names.split()), None)
        if module is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(importlib.import_module(module), name)
        return value
