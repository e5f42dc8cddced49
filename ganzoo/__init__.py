"""ganzoo: a plugin-based zoo of GANs that translate images between two domains.

Importing it imports no torch; ``run``, ``load`` and ``create`` do when they are called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganzoo.errors import GanzooError
from ganzoo.hookspecs import hookimpl
from ganzoo.plugins import installed_version

if TYPE_CHECKING:
    from os import PathLike

    from ganzoo.translate import Translator

__all__ = ["GanzooError", "create", "hookimpl", "load", "run"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return installed_version()
    raise AttributeError(f"module 'ganzoo' has no attribute {name!r}")


def create(kind: str, name: str, *args: Any, **options: Any) -> Any:
    """Make one component by name, its options checked: ``ganzoo.create("generator", "resnet", 3, 3, blocks=6)``.

    Raises GanzooError for an unknown kind, name or option.
    """
    from ganzoo.options import build
    from ganzoo.plugins import plugins

    return build(plugins().registry.get(kind, name), *args, **options)


def load(run: str | PathLike[str], *, checkpoint: str = "", device: str = "") -> Translator:
    """Load a trained run's generators: ``ganzoo.load("runs/quickstart/default").translate(picture)``.

    Args:
        run: the run's folder.
        checkpoint: ``last``, ``best`` or ``step-N``; by default ``best`` if there is one, else ``last``.
        device: a torch device; by default the accelerator, if there is one.
    """
    from ganzoo.translate import Translator

    return Translator(run, checkpoint=checkpoint, device=device)


def run(
    recipe: str | PathLike[str],
    *overrides: str,
    name: str = "default",
    root: str | PathLike[str] = "runs",
    fresh: bool = False,
) -> dict[str, float]:
    """Train a recipe, as ``ganzoo run`` does; return the figures of its closing evaluation.

    Args:
        recipe: the YAML file.
        overrides: ``"key.path=value"``.
        name: the run's name; the same name resumes.
        root: where runs are kept.
        fresh: start again, putting an earlier run of this name aside.
    """
    from ganzoo.runs import Run

    return Run.prepare(recipe, overrides, name=name, root=root, fresh=fresh).train()
