"""ganzoo: a plugin-based zoo of GANs that translate images between two domains.

Importing it imports no torch; ``run``, ``load``, ``export`` and ``create`` do when they are called.
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
    """Make one component by name, its options checked: ``ganzoo.create("generator", "resnet", 3, 3, blocks=6)``.

    Raises GanzooError for an unknown kind, name or option.
    """
    from ganzoo.plugins import plugins
    from ganzoo.recipe.options import build

    return build(plugins().registry.get(kind, name), *args, **options)


def create_masker(text: str, role: str, origin: str, seed: int = 0) -> NamedMasker:
    """Build the masker that a command's user names as YAML: ``segmenter``, ``{masker: unet, weights: FOLDER}``.

    Args:
        text: YAML.
        role: the role that it serves: ``input``, ``discriminator``, ``composite`` or ``labels``.
        origin: where the text comes from, for errors: ``--masker``.
        seed: keys its random parts.

    Raises GanzooError with one line for each mistake.
    """
    from ganzoo.build import create_masker

    return create_masker(text, role, origin, seed)


def find_network_file(run: str | PathLike[str], slot: str, *, checkpoint: str = "") -> Path:
    """Return the file with the weights of one network of a trained run, averaged if the run averaged them.

    Args:
        run: the run's folder.
        slot: the network's name in the recipe.
        checkpoint: as ``load``'s.

    Raises GanzooError where there is no such checkpoint.
    """
    from pathlib import Path

    from ganzoo.engine.checkpoint import network_file, select_checkpoint

    return network_file(select_checkpoint(Path(run), checkpoint), slot)


def write_run(
    folder: str | PathLike[str],
    recipe: Mapping[str, Any],
    networks: Mapping[str, Mapping[str, Tensor]],
    progress: Mapping[str, Any],
) -> None:
    """Write the folder of a run whose networks were trained elsewhere; ``load`` and the command line take it.

    Args:
        folder: it is created.
        recipe: as a recipe's YAML holds it.
        networks: slot → state dict.
        progress: ``step``, and ``channels`` and ``classes`` by domain.

    Raises GanzooError with every mistake of the recipe.
    """
    from pathlib import Path

    from ganzoo.training.run_folder import write_run

    write_run(Path(folder), recipe, networks, progress)


def load(run: str | PathLike[str], *, checkpoint: str = "", device: str = "") -> Translator:
    """Load a trained run's generators: ``ganzoo.load("runs/quickstart/default").translate(image)``.

    Args:
        run: the run's folder.
        checkpoint: ``last``, ``best`` or ``step-N``; by default ``best`` if there is one, else ``last``.
        device: a torch device; by default the accelerator, if there is one.
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
    """Write one direction of a trained run to a file for use without ganzoo; return what the file says of itself.

    The file is read again and compared with the run: ``difference`` is the largest one on [−1, 1].

    Args:
        run: the run's folder.
        out: a file that ends in ``.onnx`` or ``.pt2`` (torch.export).
        direction: by default the method's first.
        checkpoint: as ``load``'s.
        size: height and width, if the file is to take no others.
        batch: likewise how many images at once.
        check: images and folders of them to compare on, beside random ones.
        tolerance: the largest difference that is let through; by default an eighth of a step of 8-bit pixels.

    Raises GanzooError, and leaves no file, for a run that cannot be exported and for a file that differs from it.
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
        root: where runs are kept.
        fresh: start again, putting an earlier run of this name aside.
    """
    from ganzoo.training.loop import train
    from ganzoo.training.run import Run

    return train(Run.prepare(recipe, overrides, name=name, root=root, fresh=fresh))
