"""Translate images, videos and folders of them, for ``ganzoo translate``; names stay, all failures are reported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import sha256
from itertools import product, takewhile
from pathlib import Path
from typing import Any

from ganzoo.data.image_files import describe_skipped, is_video
from ganzoo.data.video_reader import require_video
from ganzoo.engine.shares import Share, start_share
from ganzoo.errors import GanzooError
from ganzoo.inference.file_work import FileWork
from ganzoo.inference.options import mask_files, mask_options, style_images, style_options
from ganzoo.inference.output import check_folders, check_masks, check_read, plan_outputs, read_output
from ganzoo.inference.pipeline import Job, Pipeline, batch_limit, worker_count
from ganzoo.inference.summary import Request, Summary, report
from ganzoo.inference.tiles import Tile, check_tile
from ganzoo.inference.translator import Size, Translator
from ganzoo.inference.videos import Steadiness, check_domains, check_steadiness, translate_video
from ganzoo.masks.roles import ROLES, TRANSLATION_ROLES, Roles, given_name, provided_roles

STEADY = Steadiness()
"""One style for a video, and masks that are not averaged."""
WHOLE = Share()
"""All files, for a single process."""


def translate_files(
    run: Path,
    inputs: Sequence[Path],
    out: Path,
    *,
    checkpoint: str = "",
    device: str = "",
    precision: str = "fp32",
    save_masks: Path | None = None,
    **options: Any,
) -> None:
    """Translate images, videos and folders of them with a run, write the translations, and print their number.

    Of several processes, each translates its share of the files; the results are those of one process.

    Args:
        run: the run's folder.
        inputs, out, save_masks, options: see ``translate_with``.
        checkpoint, device, precision: see ``Translator``.

    Raises:
        GanzooError: as ``translate_with``; the run cannot be loaded; or, after all images were tried, some failed: the
            message has a line for each.
    """
    with start_share(device, "translate") as share:
        roles = tuple(ROLES) if save_masks else TRANSLATION_ROLES
        translator = Translator(run, checkpoint=checkpoint, device=share.device, precision=precision, roles=roles)
        summary, request = translate_with(translator, inputs, out, share=share, save_masks=save_masks, **options)
        report(Summary.joined(share.gather(summary.to_plain())), request, share)


def translate_with(
    translator: Translator,
    inputs: Sequence[Path],
    out: Path,
    *,
    direction: str | None = None,
    size: Size = "trained",
    scale_back: bool = False,
    alpha: bool = True,
    masks: Sequence[Path] = (),
    maskers: Sequence[str] = (),
    save_masks: Path | None = None,
    style: Sequence[str] = (),
    samples: int = 1,
    interpolate: int = 0,
    seed: int | None = None,
    batch: int | None = None,
    workers: int | None = None,
    form: str = "",
    quality: int | None = None,
    ending: str = "",
    codec: str = "",
    crf: int | None = None,
    steadiness: Steadiness = STEADY,
    tile: Tile = "auto",
    share: Share = WHOLE,
    watch: Callable[[Summary], bool] | None = None,
) -> tuple[Summary, Request]:
    """Translate images, videos and folders of them with a loaded run, and write the translations as files.

    If a file cannot be translated, the next ones still are.

    Args:
        translator: the loaded run.
        inputs: images, videos and folders of them.
        out: the folder for the translations; with several masks or styles, it gets a subfolder for each. Or, for one
            image or video, the file.
        direction: ``AB`` or ``BA``; by default the method's first.
        size: the shorter side to which images and masks are scaled before the translation; see
            ``Translator.translate``.
        scale_back: scale the translations to the size of their sources.
        alpha: give translations the transparency of their sources.
        masks: mask images, or folders of them; the inputs are translated once with each.
        maskers: maskers that replace the run's own, written as in a recipe; likewise.
        save_masks: a folder for the masks used, with a subfolder for each role; the translator needs maskers in all
            roles for it. Roles whose masks only the data set has are left out.
        style: styles, as ``style_options`` reads them.
        samples: number of draws of each random style.
        interpolate: number of styles on the line between two styles; 0: none.
        seed: seed of the random draws; by default the run's.
        batch: the most images of equal size that are translated together; by default it depends on the device, see
            ``batch_limit``. Random draws and file names do not depend on it, pixels only by rounding.
        workers: the number of threads that read and write images; 0: everything runs in turn; by default it depends on
            the device, see ``worker_count``.
        form, quality, ending: format, quality and names of the translations; see ``read_output``.
        codec, crf: how videos are written; see ``video_form``.
        steadiness: what changes from frame to frame of a video.
        tile: the side of the tiles by which images are translated; see ``Translator.translate``.
        share: the part of the files that this process translates.
        watch: a function that is called before each file with what was done so far, and returns whether to go on.

    Returns:
        What this process did, with the reason of each failure, and what was asked for.

    Raises:
        GanzooError: there are no images, an option is wrong, or the run needs masks that are missing.
    """
    check_tile(tile)
    resolved = translator.resolve_direction(direction)
    output = read_output(translator.domain_io[resolved[1]], out, form, quality, ending, codec, crf)
    pairs = plan_outputs(inputs, output)
    if not pairs:
        lines = [describe_skipped(path, videos=True) for path in inputs if path.is_dir()]
        raise GanzooError("; ".join([f"no images found in {', '.join(map(str, inputs))}", *filter(None, lines)]))
    videos = [number for number, (source, _) in enumerate(pairs) if is_video(source.name)]
    if videos:
        require_video(pairs[videos[0]][0])
        check_domains(translator.domain_io, resolved, pairs[videos[0]][0])
    elif codec or crf is not None or steadiness != STEADY:
        raise GanzooError("--codec, --crf, --smooth and --frame-styles are for videos, and there are none; remove them")
    if len(videos) == len(pairs) and (form or quality is not None):
        raise GanzooError("--format and --quality are for images, and there are none; for videos see --codec and --crf")
    own = translator.method.masks
    if save_masks and not own.maskers:
        raise GanzooError("--save-masks: this run uses no masks")
    if not (masks or maskers):
        _check_given(translator.folder, own)
    seed = translator.recipe.train.seed if seed is None else seed
    styles = style_options(translator, resolved, style, samples=samples, between=interpolate, seed=seed)
    mask_list = mask_options(translator.method, translator.recipe.train.seed, masks, maskers)
    variants = list(product(mask_list, styles))
    given, styled = all(one.path for one in mask_list), all(one.vector is not None for one in styles)
    check_steadiness(steadiness, translator.method, resolved, given, styled)
    if output.is_file and len(variants) > 1:
        raise GanzooError(f"-o: {out} is one file, but there are {len(variants)} translations; give a folder")
    labels = [Path(mask_option.label, style_option.label) for mask_option, style_option in variants]
    folders = [out / label for label in labels if len(variants) > 1]
    if save_masks:
        roles = [*own.maskers, *(f"{role}_translated" for role in own.maskers if ROLES[role].masks_generated)]
        folders += [save_masks / label / role for label in labels for role in roles]
        check_masks(pairs, output, labels[0], [save_masks / labels[0] / role for role in roles])
    styled_by = style_images(style)
    check_folders(folders, inputs, [*masks, *styled_by])
    names = {output.mask_path(source, target) for source, target in pairs}
    check_read([*mask_files(masks, names), *styled_by], pairs, output, labels)
    _compare_plans(share, pairs)
    limit, threads = batch_limit(translator.device, batch), worker_count(translator.device, workers)
    work = FileWork(translator, resolved, output, size, scale_back, alpha, save_masks, seed, tile)
    try:
        for done, (mask_option, style_option) in enumerate(variants):
            translator.set_maskers(mask_option.masks or own)
            jobs = [
                Job(done * len(pairs) + number, number, *pairs[number], mask_option, style_option)
                for number in share.of(range(len(pairs)))
            ]
            wanted = jobs if watch is None else takewhile(lambda _: watch(work.summary), jobs)
            with translator.translating():
                Pipeline(work, workers=threads, limit=limit).run(job for job in wanted if not is_video(job.source.name))
                for job in jobs:
                    if is_video(job.source.name) and (watch is None or watch(work.summary)):
                        translate_video(work, job, steadiness, workers=threads, limit=limit)
    finally:
        translator.set_maskers(own)
    request = Request(
        inputs,
        len(pairs),
        videos,
        out,
        resolved,
        {"masks": len(mask_list), "styles": len(styles)},
        scale=translator.trained_size if size == "trained" else size,
        trained=size == "trained",
        scale_back=scale_back,
        suffix=output.suffix,
        chosen=tile != "auto",
    )
    return work.summary, request


def _check_given(folder: Path, masks: Roles) -> None:
    """Raise GanzooError if images without the data set's masks cannot be translated, or no role has masks to save.

    Args:
        folder: the run's folder.
        masks: its maskers; roles that do not change translations are among them only if their masks are saved.
    """
    missing = [role for role in masks.maskers if "given" in masks.needs(role)]
    if provided_roles(masks):
        served = ", ".join(role for role in missing if given_name(masks, role, "A") == "given_mask_A")
        raise GanzooError(
            f"{folder}: the run's masks in the role {served} come from its data set, and these images have none: "
            "provide masks with --mask"
        )
    if missing and len(missing) == len(masks.maskers):
        raise GanzooError(
            f"--save-masks: the run's masks in the role {', '.join(missing)} come from its data set, and these images "
            "have none: remove --save-masks"
        )


def _compare_plans(share: Share, pairs: Sequence[tuple[Path, Path]]) -> None:
    """Wait until all processes have planned their work, so that none writes before; raise if they saw other files."""
    names = "\n".join(str(target) for _, target in pairs)
    if len(set(share.gather(sha256(names.encode("utf-8", "surrogateescape")).hexdigest()))) > 1:
        raise GanzooError(
            "the processes found different images: give all of them the same folders, and do not change these meanwhile"
        )
