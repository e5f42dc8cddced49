"""Read the run folder of Mask CycleGAN's code: generators with mask encoders, discriminators, and state.json."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ganzoo import GanzooError
from ganzoo_authors.networks import ImportedNetwork, describe, recognize
from ganzoo_authors.state_dicts import State, read_state_dict
from ganzoo_authors.weight_norms import fold_weight_norms

SLOTS = {
    "netG_A2B": "G_AB",
    "netG_B2A": "G_BA",
    "netD_A": "D_A",
    "netD_B": "D_B",
    "netD_Am": "D_masked_A",
    "netD_Bm": "D_masked_B",
}
"""File name → slot; unlike in CycleGAN's files, D_A sees images of A."""
ENCODER = re.compile(r"(mask|context)_model\.(?:0\.)?(weight|bias)")
OURS = {"mask": "masked", "context": "context"}


def files_of(paths: Sequence[Path]) -> list[Path]:
    """Return files, with each folder replaced by the network files in it, in the order of ``SLOTS``.

    Raises GanzooError for a folder without such files.
    """
    files: list[Path] = []
    for path in paths:
        inside = [file for name in SLOTS if (file := path / f"{name}.pth").is_file()] if path.is_dir() else [path]
        if not inside:
            raise GanzooError(f"{path}: not a run's folder of mask_cgan, with netG_A2B.pth and netG_B2A.pth")
        files += inside
    return files


def networks_of(file: Path) -> dict[str, ImportedNetwork]:
    """Return slot → network for a file: a discriminator, or a generator and its mask encoder.

    Raises:
        MissingResourceError: the file does not exist.
        GanzooError: the file's name is unknown, the file is damaged, or its content is not what its name says.
    """
    if file.stem not in SLOTS:
        raise GanzooError(
            f"{file}: the name does not say which network the file contains; rename it as mask_cgan does: "
            f"{', '.join(SLOTS)}, each with .pth"
        )
    slot, state = SLOTS[file.stem], fold_weight_norms(read_state_dict(file))
    if slot.startswith("D"):
        return {slot: _discriminator(file, state)}
    parts = {name: match for name in state if (match := ENCODER.fullmatch(name))}
    generator = recognize({name: tensor for name, tensor in state.items() if name not in parts})
    if generator is None or generator.name != "resnet":
        raise GanzooError(f"{file}: by its name a generator of mask_cgan, but it contains {describe(generator)}")
    if not parts:
        raise GanzooError(
            f"{file}: no mask_model and context_model: a generator trained without masks is one of CycleGAN; rename it "
            "to latest_net_G_A.pth (A to B) or latest_net_G_B.pth and import it --from cyclegan"
        )
    encoder = {f"{OURS[match[1]]}.{match[2]}": state[name] for name, match in parts.items()}
    channels = (generator.in_channels, generator.out_channels)
    return {slot: generator, f"E_{slot[2:]}": ImportedNetwork("", "mask encoder", {}, encoder, *channels)}


def _discriminator(file: Path, state: State) -> ImportedNetwork:
    """Return a discriminator of 5 convolutions (strides 2, 2, 2, 1, 1) or 3 (2, 2, 1), with averaged logits."""
    network = recognize(state)
    convs = sum(tensor.dim() == 4 for tensor in state.values())
    if network is None or network.name != "patch" or convs not in (3, 5):
        raise GanzooError(
            f"{file}: by its name a discriminator of mask_cgan, with 5 convolutions or 3, but it contains "
            f"{describe(network)}, with {convs} convolutions"
        )
    shape: dict[str, Any] = {"layers": 3} if convs == 5 else {"layers": 2, "extra_layer": False}
    options = {**network.options, **shape, "average_logits": True}
    return ImportedNetwork("discriminator", "patch", options, network.state, network.in_channels)


def masker_of(folder: Path) -> dict[str, Any]:
    """Return the masker of a run's training, as in a recipe, from the ``mask_scales`` in the run's state.json.

    These are the sides of centred squares, as fractions of the image's side; an empty text stands for random
    rectangles. If the file or the scales are missing or invalid, the masker is the released code's default,
    ``centered_square`` without options.
    """
    squares = {"masker": "centered_square"}
    try:
        text = json.loads((folder / "state.json").read_text(encoding="utf-8"))["mask_scales"]
        scales = [float(scale) for scale in text.split(",") if scale.strip()]
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return squares
    if not scales:
        return {"masker": "multi_rectangle", "variant": "released"}
    return {**squares, "scales": scales} if all(0 < scale <= 1 for scale in scales) else squares
