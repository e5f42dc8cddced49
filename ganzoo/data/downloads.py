"""The layouts of data sets as they are downloaded, and the images that recipes read; ``ganzoo data prepare`` uses them.

Each function in ``LAYOUTS`` looks at a downloaded folder and returns what to write: path below the output → a function
that writes that file. Nothing is read but the names of files, so what is missing is found at once.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

import numpy as np
from PIL import Image

from ganzoo.data.image_io import open_image
from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.utils.reading import read_text

Write = Callable[[Path], None]
PARTS = (
    *("skin", "nose", "eye_g", "l_eye", "r_eye", "l_brow", "r_brow", "l_ear", "r_ear", "mouth", "u_lip", "l_lip"),
    *("hair", "hat", "ear_r", "neck_l", "neck", "cloth"),
)
"""The parts of CelebAMask-HQ, in the order of the classes 1 … 18; 0 is the background."""
CITYSCAPES_SIZE = (256, 256)
"""Width and height of CycleGAN's copies of Cityscapes, whatever the images' proportions (Zhu et al. 2017, code)."""
FIRST_TEST_FACE = 20000
"""The number from which the faces of CelebAMask-HQ are for tests: the last 10,000 of 30,000."""
ARTISTS = {"monet": ("claude-monet", 1072), "cezanne": ("paul-cezanne", 583), "vangogh": ("vincent-van-gogh", 400)}
"""Set → artist in WikiArt's file names, and the largest number of paintings (Tomei et al. 2019, section 4)."""
GENRES = {"landscapes": ("4", 2044), "portraits": ("6", 1714)}
"""Set → class in WikiArt's genre_train.csv and genre_val.csv, and the largest number of paintings (the same)."""
UKIYO_E = ("Ukiyo_e", 825)
"""The folder of Ukiyo-e in WikiArt, and the largest number of paintings (the same)."""


def maps(folder: Path) -> dict[str, Write]:
    """Split pix2pix's maps, a photograph left and its map right: trainA, testA photographs, and trainB, testB maps."""
    source = "pix2pix's data set maps, unpacked"
    files: dict[str, Write] = {}
    for split, name in (("train", "train"), ("test", "val")):
        for image in _images(folder / name, source):
            for domain, left in (("A", True), ("B", False)):
                _add(files, f"{split}{domain}/{image.stem}.png", partial(_write_half, image, left), image)
    return files


def cityscapes(folder: Path) -> dict[str, Write]:
    """Scale Cityscapes to 256×256: trainA and testA label images in colours, trainB and testB photographs."""
    source = "gtFine_trainvaltest.zip and leftImg8bit_trainvaltest.zip of cityscapes-dataset.com, unpacked"
    files: dict[str, Write] = {}
    for split, name in (("train", "train"), ("test", "val")):
        for photograph in _images(folder / "leftImg8bit" / name, source):
            stem = photograph.stem.removesuffix("_leftImg8bit")
            labels = folder / "gtFine" / name / photograph.parent.name / f"{stem}_gtFine_color.png"
            _require(labels, source)
            for domain, image, how in (
                ("A", labels, Image.Resampling.NEAREST),
                ("B", photograph, Image.Resampling.BICUBIC),
            ):
                _add(files, f"{split}{domain}/{stem}.png", partial(_write_scaled, image, CITYSCAPES_SIZE, how), image)
    return files


def celebamask_hq(folder: Path) -> dict[str, Write]:
    """Merge CelebAMask-HQ's part masks to label maps of 19 classes, in train/masks; faces, as small, in train/images.

    The last 10,000 are in test/masks and test/images.
    """
    source = "CelebAMask-HQ.zip of CelebAMask-HQ's authors, unpacked"
    parts: dict[int, dict[str, Path]] = {}
    for mask in _images(folder / "CelebAMask-HQ-mask-anno", source):
        number, _, part = mask.stem.partition("_")
        if number.isdecimal() and part in PARTS:
            parts.setdefault(int(number), {})[part] = mask
    files: dict[str, Write] = {}
    for face in _images(folder / "CelebA-HQ-img", source):
        if not face.stem.isdecimal() or int(face.stem) not in parts:
            raise MissingResourceError(f"{face}: it has no masks in CelebAMask-HQ-mask-anno, which is in {source}")
        masks = parts[int(face.stem)]
        split = "test" if int(face.stem) >= FIRST_TEST_FACE else "train"
        _add(files, f"{split}/masks/{face.stem:0>5}.png", partial(_write_classes, masks), face)
        _add(files, f"{split}/images/{face.stem:0>5}.png", partial(_write_like, face, next(iter(masks.values()))), face)
    return files


def wikiart(folder: Path) -> dict[str, Write]:
    """Copy Art2Real's six sets of paintings from WikiArt, not more of each than the paper has."""
    source = "WikiArt with its genre_train.csv and genre_val.csv, as ArtGAN's authors offer it"
    paintings = {f"{one.parent.name}/{one.name}": one for one in _images(folder, source)}
    genres: dict[str, str] = {}
    for name in ("genre_train.csv", "genre_val.csv"):
        _require(folder / name, source)
        lines = read_text(folder / name).splitlines()
        genres |= {row[0]: row[1].strip() for row in csv.reader(lines) if len(row) == 2}
    sets = {name: _by_artist(paintings, artist, most) for name, (artist, most) in ARTISTS.items()}
    sets["ukiyoe"] = _some([one for one in paintings if one.startswith(f"{UKIYO_E[0]}/")], UKIYO_E[1])
    sets |= {
        name: _some([one for one in paintings if genres.get(one) == genre], most)
        for name, (genre, most) in GENRES.items()
    }
    for name, chosen in sets.items():
        if not chosen:
            raise MissingResourceError(f"{folder}: it has no paintings for {name}; it should hold {source}")
    return {
        f"{name}/{one.replace('/', '_')}": partial(_copy, paintings[one])
        for name, chosen in sets.items()
        for one in chosen
    }


LAYOUTS: Mapping[str, Callable[[Path], dict[str, Write]]] = MappingProxyType(
    {"maps": maps, "cityscapes": cityscapes, "celebamask_hq": celebamask_hq, "wikiart": wikiart}
)
"""Name of a data set → function from its downloaded folder to the files to write."""


def _images(folder: Path, source: str) -> list[Path]:
    """Return the images in a folder and those below it, sorted. Raises MissingResourceError if there are none."""
    found = sorted(one for one in folder.rglob("[!.]*") if re.fullmatch(r"\.(jpe?g|png)", one.suffix.lower()))
    found = [one for one in found if not one.is_dir()]
    if not found:
        raise MissingResourceError(f"{folder}: it has no images; it should be from {source}")
    return found


def _add(files: dict[str, Write], name: str, write: Write, image: Path) -> None:
    """Add a file to write. Raises GanzooError if another image would be written there, too."""
    if name in files:
        raise GanzooError(f"{image}: another image would become {name}, too; rename or remove one")
    files[name] = write


def _require(file: Path, source: str) -> None:
    if not file.is_file():
        raise MissingResourceError(f"{file}: no such file; it should be from {source}")


def _by_artist(paintings: Iterable[str], artist: str, most: int) -> list[str]:
    return _some([one for one in paintings if one.partition("/")[2].startswith(f"{artist}_")], most)


def _some(names: Iterable[str], most: int) -> list[str]:
    """Return at most so many of the names, the same ones each time: those with the smallest checksums."""
    return sorted(names, key=lambda one: sha256(os.fsencode(one)).digest())[:most]


def _copy(image: Path, target: Path) -> None:
    with open_image(image) as opened:
        opened.load()  # a damaged one is found here, not when it is read for training
        content = image.read_bytes()
    target.write_bytes(content)


def _write_half(image: Path, left: bool, target: Path) -> None:
    with open_image(image) as opened:
        width, height = opened.size
        if width % 2:
            raise GanzooError(f"{image}: its width, {width} pixels, is odd, so it has no two halves")
        box = (0, 0, width // 2, height) if left else (width // 2, 0, width, height)
        half = opened.convert("RGB").crop(box)
    half.save(target)  # here, as an error in it is not the image's


def _write_scaled(image: Path, size: tuple[int, int], how: Image.Resampling, target: Path) -> None:
    with open_image(image) as opened:
        scaled = opened.convert("RGB").resize(size, how)
    scaled.save(target)


def _write_like(image: Path, mask: Path, target: Path) -> None:
    with open_image(mask) as opened:
        size = opened.size
    _write_scaled(image, size, Image.Resampling.BICUBIC, target)


def _write_classes(parts: Mapping[str, Path], target: Path) -> None:
    """Write a label map; where part masks overlap, the part that is later in ``PARTS`` counts."""
    masks = {}
    for part, file in parts.items():
        with open_image(file) as opened:
            masks[part] = np.asarray(opened.convert("L")) > 127
    if len({mask.shape for mask in masks.values()}) > 1:
        raise GanzooError(f"{next(iter(parts.values()))}: the masks of this face differ in size")
    classes = np.zeros(next(iter(masks.values())).shape, np.uint8)
    for number, part in enumerate(PARTS, 1):
        if part in masks:
            classes[masks[part]] = number
    Image.fromarray(classes).save(target)
