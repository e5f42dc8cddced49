"""ganzoo: a plugin-based zoo of GANs that translate images between two domains.

Importing ganzoo does not import torch; a function that needs torch imports it when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.hookspecs import hookimpl
from ganzoo.plugins import installed_version
from ganzoo.registry import Registration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from pathlib import Path

    from torch import Tensor

    from ganzoo.inference.translator import Translator
    from ganzoo.recipe.maskers import NamedMasker

__all__ = [
    "GanzooError",
    "Registration",
    "create",
    "create_masker",
    "export",
    "find_network_file",
    "hookimpl",
    "load",
    "publish",
    "run",
    "write_run",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return installed_version()
    raise AttributeError(f"module 'ganzoo' has no attribute {name!r}")


def create(kind: str, name: str, *args: Any, **options: Any) -> Any:
    """Build a component and return it: ``ganzoo.create("generator", "resnet", 3, 3, blocks=6)``.

    Args:
        kind: the component's kind, such as ``generator``, ``masker`` or ``loss``.
        name: the component's name.
        args: the constructor's positional arguments.
        options: the component's options; their types are checked.

    Raises GanzooError for an unknown kind, name or option, a wrong or missing value, or a failing import.
    """
    from ganzoo.plugins import plugins
    from ganzoo.recipe.options import build

    return build(plugins().registry.get(kind, name), *args, **options)


def create_masker(text: str, role: str, origin: str, seed: int = 0) -> NamedMasker:
    """Build the masker that ``text`` describes as YAML: ``segmenter``, ``{masker: unet, weights: FOLDER}``.

    Args:
        text: the masker's name, or a mapping of its name and options, in YAML.
        role: the masker's role: ``input``, ``discriminator``, ``composite`` or ``labels``.
        origin: the place of the text in error messages, such as ``--masker``.
        seed: the seed of random weights.

    Returns:
        The masker in eval mode, with its name, its options and the post-processing of its masks.

    Raises GanzooError with one line for each mistake, also for a masker that does not fit the role.
    """
    from ganzoo.recipe.maskers import create_masker

    return create_masker(text, role, origin, seed)


def find_network_file(run: str | PathLike[str], slot: str, *, checkpoint: str = "") -> Path:
    """Return the path of the file with a network's weights in a trained run: the averaged ones if there are any.

    Args:
        run: the run's folder.
        slot: the network's name in the recipe; it is not checked, so a wrong name gives a path without a file.
        checkpoint: ``last``, ``best`` or ``step-N``; by default ``best`` if it exists, else ``last``.

    Raises GanzooError if there is no such checkpoint.
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
        folder: the folder to create, with the checkpoint ``last``.
        recipe: the content of a recipe file.
        networks: slot → state dict.
        progress: ``step``, the number of steps trained; ``channels``, a mapping from each domain to its number of
            channels; and ``classes``, from each domain of label maps to its number of classes.

    Raises GanzooError with each mistake in the recipe, and if the folder exists or cannot be written; nothing is then
    left of it.
    """
    from pathlib import Path

    from ganzoo.training.run_folder import write_run

    write_run(Path(folder), recipe, networks, progress)


def load(run: str | PathLike[str], *, checkpoint: str = "", device: str = "", precision: str = "fp32") -> Translator:
    """Return a translator with a trained run's generators: ``ganzoo.load("runs/quickstart/default").translate(image)``.

    Args:
        run: the folder of a run, or of a published one; or a model on the Hugging Face hub, ``hf:USER/NAME`` or
            ``hf:USER/NAME@REVISION``. ``USER/NAME`` without a folder ``USER`` here is one, too.
        checkpoint: ``last``, ``best`` or ``step-N``; by default ``best`` if it exists, else ``last``.
        device: a torch device; by default the GPU or other accelerator, if there is one, else the CPU.
        precision: ``fp32``, ``bf16``, ``fp16``, which needs a GPU, or ``auto``: bf16 where it is faster.

    Raises GanzooError if the run or the checkpoint is missing or damaged, or if there is no such device.
    MissingResourceError if the hub has no such model or cannot be reached, or if a plugin of its recipe is missing.
    """
    from ganzoo.inference.translator import Translator
    from ganzoo.recipe.published import find_run

    run = find_run(run, plain_names=True)
    return Translator(run, checkpoint=checkpoint, device=device, precision=precision)


def export(
    run: str | PathLike[str],
    out: str | PathLike[str],
    *,
    direction: str | None = None,
    checkpoint: str = "",
    size: tuple[int, int] | None = None,
    batch: int | None = None,
    check: str | PathLike[str] | Sequence[str | PathLike[str]] = (),
    tolerance: float = 1e-3,
) -> dict[str, Any]:
    """Write one direction of a trained run to a file for use without ganzoo; return the file's metadata.

    The file is loaded again, and its translations of some images are compared with the run's. ``difference`` in the
    metadata is the largest absolute difference of their pixel values, which are in [−1, 1].

    Args:
        run: the run's folder.
        out: a file that ends in ``.onnx`` or ``.pt2`` (torch.export).
        direction: ``AB`` or ``BA``; by default the method's first.
        checkpoint: ``last``, ``best`` or ``step-N``; by default ``best`` if it exists, else ``last``.
        size: the only height and width that the file accepts; by default it accepts any from 8×8 pixels on.
        batch: the only batch size that the file accepts; by default any.
        check: image files, and folders of images, to compare on, in addition to random images; or a single one.
        tolerance: the largest accepted ``difference``; the default is about an eighth of the distance between two
            neighbouring 8-bit pixel values.

    Raises GanzooError, and leaves an earlier file as it was, if the run cannot be exported, the file would differ from
    it by more than ``tolerance``, or ``out`` cannot be written.
    """
    from os import PathLike

    from ganzoo.inference.export_files import export

    return export(
        run,
        out,
        direction=direction,
        checkpoint=checkpoint,
        size=size,
        batch=batch,
        check=[check] if isinstance(check, str | PathLike) else check,  # a text is a sequence, of letters
        tolerance=tolerance,
    )


def publish(
    run: str | PathLike[str],
    out: str | PathLike[str] | None = None,
    *,
    licence: str = "",
    to: str = "",
    public: bool = False,
    datasets: str | Sequence[str] = (),
    with_samples: bool = False,
    checkpoint: str = "",
) -> str:
    """Publish a trained run: write its networks, recipe, metric values and a model card to a folder; maybe upload it.

    Discriminators, images and paths of this machine are not published. The folder translates exactly as the run.

    Args:
        run: the run's folder; or, without ``out``, a published folder to upload.
        out: the folder to write, which must not exist.
        licence: the identifier of the weights' licence on the hub, such as ``apache-2.0``; needed with ``out``.
        to: the name on the Hugging Face hub to upload to, ``USER/NAME``; by default nothing is uploaded. The token is
            that of ``hf auth login`` or ``HF_TOKEN``.
        public: whether a model that is new on the hub is public; by default it is private.
        datasets: names of the data sets on the hub, or a single one.
        with_samples: whether the run's latest sample grid is published; it shows images of the data.
        checkpoint: ``last``, ``best`` or ``step-N``; by default ``best`` if it exists, else ``last``.

    Returns:
        The address of the model's page; empty if nothing was uploaded.

    Raises GanzooError if the run cannot be published or the folder exists, MissingResourceError if the hub refuses or
    cannot be reached; the folder is then written, but not uploaded.
    """
    from pathlib import Path
    from shlex import quote

    from ganzoo.inference.publish import Wishes, publish_folder, upload_folder

    if out is None and not to:
        raise GanzooError("give -o, the folder to write, or --to, the name on the hub of a published folder")
    if public and not to:
        raise GanzooError("--public: without --to USER/NAME nothing is uploaded; add --to, or leave --public out")
    folder = Path(run if out is None else out)
    if out is not None:
        names = (datasets,) if isinstance(datasets, str) else tuple(datasets)
        wishes = Wishes(licence, names, with_samples)
        publish_folder(Path(run), folder, wishes, checkpoint=checkpoint, name=to)
    elif licence or datasets or with_samples or checkpoint:
        raise GanzooError(f"{folder}: without -o it is uploaded as it is: leave the other options out")
    try:
        return upload_folder(folder, to, public=public) if to else ""
    except MissingResourceError as error:
        if out is None:
            raise
        again = f"ganzoo publish {quote(str(folder))} --to {to}{' --public' if public else ''}"
        raise MissingResourceError(f"{error}; {folder} is written: {again} uploads it") from None


def run(
    recipe: str | PathLike[str],
    *overrides: str,
    name: str = "",
    root: str | PathLike[str] = "runs",
    fresh: bool = False,
    demo: bool = False,
    device: str = "",
) -> dict[str, float]:
    """Train a recipe in the folder ``root/RECIPE/name``, as ``ganzoo run`` does.

    What the recipe's section ``needs`` names and is not there yet is made first.

    Args:
        recipe: the recipe's YAML file.
        overrides: changes of the recipe, each ``"key.path=value"``.
        name: the run's name, by default ``default``, or ``demo`` with ``demo``; if there is a run of this name, its
            training is resumed.
        root: the folder of all runs.
        fresh: whether to rename the folder of an earlier run of this name and start again.
        demo: whether to apply the recipe's section ``demo``: a small version on images that ganzoo draws.
        device: a torch device, such as ``cpu`` or ``cuda:1``; by default the accelerator, if there is one.

    Returns:
        Name → value of the metrics in the final evaluation; empty if there are no metrics or no held-out images.

    Raises GanzooError for mistakes in the recipe, if training cannot start or continue, or if a metric failed.
    """
    from pathlib import Path

    from ganzoo.recipe.quick_check import check_quickly

    name = name or ("demo" if demo else "default")
    starts = fresh or not Path(root, Path(recipe).stem, name).exists()
    check_quickly(Path(recipe), overrides, demo=demo, starts=starts)  # before torch is imported, which takes seconds

    from ganzoo.training.loop import train
    from ganzoo.training.needs import make_needs
    from ganzoo.training.run import Run

    make_needs(Path(recipe), overrides, demo=demo, device=device)
    return train(Run.prepare(recipe, overrides, name=name, root=root, fresh=fresh, demo=demo, device=device))
