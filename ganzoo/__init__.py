"""ganzoo: a plugin-based zoo of GANs that translate images between two domains.

Importing ganzoo does not import torch; its functions import torch when they are called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganzoo.errors import GanzooError
from ganzoo.hookspecs import hookimpl
from ganzoo.plugins import installed_version
from ganzoo.registry import Registration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from pathlib import Path

    from torch import Tensor

    from ganzoo.build import NamedMasker
    from ganzoo.inference.translator import Translator

__all__ = [
    "GanzooError",
    "Registration",
    "create",
    "create_masker",
    "export",
    "find_network_file",
    "hookimpl",
    "load",
    "run",
    "write_run",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return installed_version()
    raise AttributeError(f"module 'ganzoo' has no attribute {name!r}")


def create(kind: str, name: str, *args: Any, **options: Any) -> Any:
    """Build a component by name: ``ganzoo.create("generator", "resnet", 3, 3, blocks=6)``.

    Args:
        kind: such as ``generator``, ``masker`` or ``loss``.
        name: the component's name.
        args: the constructor's positional arguments.
        options: the component's options; their types are checked.

    Raises GanzooError for an unknown kind, name or option.
    """
    from ganzoo.plugins import plugins
    from ganzoo.recipe.options import build

    return build(plugins().registry.get(kind, name), *args, **options)


def create_masker(text: str, role: str, origin: str, seed: int = 0) -> NamedMasker:
    """Build the masker that ``text`` describes as YAML: ``segmenter``, ``{masker: unet, weights: FOLDER}``.

    Args:
        text: YAML.
        role: the masker's role: ``input``, ``discriminator``, ``composite`` or ``labels``.
        origin: source of the text, for error messages: ``--masker``.
        seed: seed of random weights.

    Raises GanzooError with one line for each mistake.
    """
    from ganzoo.build import create_masker

    return create_masker(text, role, origin, seed)


def find_network_file(run: str | PathLike[str], slot: str, *, checkpoint: str = "") -> Path:
    """Return the file with the weights of a trained run's network; the averaged weights if the run averaged them.

    Args:
        run: the run's folder.
        slot: the network's name in the recipe.
        checkpoint: the checkpoint's name, such as ``last``, ``best`` or ``step-800``.

    Raises GanzooError when there is no such checkpoint.
    """
    from pathlib import Path

    from ganzoo.engine.checkpoint_files import network_file, select_checkpoint

    return network_file(select_checkpoint(Path(run), checkpoint), slot)


def write_run(
    folder: str | PathLike[str],
    recipe: Mapping[str, Any],
    networks: Mapping[str, Mapping[str, Tensor]],
    progress: Mapping[str, Any],
) -> None:
    """Write the folder of a run whose networks were trained elsewhere; ``load`` and the command line can use it.

    Args:
        folder: a new folder.
        recipe: the content of a recipe file.
        networks: slot → state dict.
        progress: ``step``, and ``channels`` and ``classes`` by domain.

    Raises GanzooError with each mistake in the recipe.
    """
    from pathlib import Path

    from ganzoo.training.run_folder import write_run

    write_run(Path(folder), recipe, networks, progress)


def load(run: str | PathLike[str], *, checkpoint: str = "", device: str = "") -> Translator:
    """Load a trained run's generators: ``ganzoo.load("runs/quickstart/default").translate(image)``.

    Args:
        run: the run's folder.
        checkpoint: ``last``, ``best`` or ``step-N``; by default ``best`` if it exists, else ``last``.
        device: a torch device; by default the GPU or other accelerator, if there is one, else the CPU.

    Raises GanzooError when the run or the checkpoint is missing.
    """
    from ganzoo.inference.translator import Translator

    return Translator(run, checkpoint=checkpoint, device=device)


def export(
    run: str | PathLike[str],
    out: str | PathLike[str],
    *,
    direction: str | None = None,
    checkpoint: str = "",
    size: tuple[int, int] | None = None,
    batch: int | None = None,
    check: Sequence[str | PathLike[str]] = (),
    tolerance: float = 1e-3,
) -> dict[str, Any]:
    """Write one direction of a trained run to a file for use without ganzoo; return the file's metadata.

    The file is loaded again and compared with the run: ``difference`` is the largest difference of values in [−1, 1].

    Args:
        run: the run's folder.
        out: a file that ends in ``.onnx`` or ``.pt2`` (torch.export).
        direction: ``AB`` or ``BA``; by default the method's first.
        checkpoint: the checkpoint's name, such as ``last``, ``best`` or ``step-800``.
        size: the only height and width that the file accepts; by default any.
        batch: the only batch size that the file accepts; by default any.
        check: images, and folders of images, to compare on, in addition to random ones.
        tolerance: the largest accepted difference; by default an eighth of the distance of two 8-bit pixel values.

    Raises GanzooError, and writes no file, when the run cannot be exported or the file differs from it.
    """
    from ganzoo.inference.export_files import export

    return export(
        run,
        out,
        direction=direction,
        checkpoint=checkpoint,
        size=size,
        batch=batch,
        check=check,
        tolerance=tolerance,
    )


def run(
    recipe: str | PathLike[str],
    *overrides: str,
    name: str = "default",
    root: str | PathLike[str] = "runs",
    fresh: bool = False,
) -> dict[str, float]:
    """Train a recipe, as ``ganzoo run`` does; return the values of its final evaluation.

    Args:
        recipe: the YAML file.
        overrides: ``"key.path=value"``.
        name: the run's name; the same name resumes.
        root: folder of all runs.
        fresh: rename the folder of an earlier run of this name and start again.

    Raises GanzooError for mistakes in the recipe, and when training cannot start or continue.
    """
    from ganzoo.training.loop import train
    from ganzoo.training.run import Run

    return train(Run.prepare(recipe, overrides, name=name, root=root, fresh=fresh))
