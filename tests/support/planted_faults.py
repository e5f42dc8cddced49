"""Draw a data set of any size in which fifteen things are wrong, each in files that are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

CLASSES = 5
NEVER_USED = 3
Expected = set[tuple[str, tuple[str, ...]]]
"""Kind of a fault and its files, relative to the data set's folder."""


def drawn(*key: int, side: int) -> Image.Image:
    """Return smooth coloured noise, RGB; another key gives another image."""
    coarse = np.random.default_rng(key).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def half_mask(side: int) -> Image.Image:
    """Return a grey mask whose left half is foreground."""
    pixels = np.zeros((side, side), np.uint8)
    pixels[:, : side // 2] = 255
    return Image.fromarray(pixels)


def label_map(index: int, side: int) -> Image.Image:
    """Return a grey label map with two classes of 0 … ``CLASSES`` − 1, never with ``NEVER_USED``."""
    used = [one for one in range(CLASSES) if one != NEVER_USED]
    pixels = np.full((side, side), used[index % len(used)], np.uint8)
    pixels[: side // 2] = used[(index + 1) % len(used)]
    return Image.fromarray(pixels)


def plant_faults(root: Path, train: int, test: int, side: int) -> Expected:
    """Write trainA with masks, trainB with label maps, testA and testB, and return the faults in them.

    Args:
        root: the folder to fill.
        train: images in each of trainA and trainB, at least 12; every second one is a JPEG.
        test: images in testA, at least 8; testB gets a third of them.
        side: height and width of the images, in pixels.
    """
    for name, count in (("trainA", train), ("trainB", train), ("testA", test), ("testB", test // 3)):
        (root / name).mkdir(parents=True)
        for index in range(count):
            image = drawn(*name.encode(), index, side=side)
            image.save(root / name / f"{index:05}.{'jpg' if index % 2 else 'png'}", compress_level=1, quality=90)
    (root / "trainA_masks").mkdir()
    (root / "trainB_labels").mkdir()
    for index in range(train):
        half_mask(side).save(root / "trainA_masks" / f"{index:05}.png")
        label_map(index, side).save(root / "trainB_labels" / f"{index:05}.png")
    return {(kind, tuple(names)) for kind, *names in _plant(root, side)}


def _plant(root: Path, side: int) -> list[tuple[str, ...]]:
    a, b, masks, labels = (root / name for name in ("trainA", "trainB", "trainA_masks", "trainB_labels"))

    def cut(file: Path) -> None:
        file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])

    cut(a / "00001.jpg")
    cut(b / "00002.png")
    (b / "00004.png").write_bytes(b"")
    (root / "testA/00005.jpg").write_text("<html>404 not found</html>")
    Image.open(a / "00002.png").save(a / "again.jpg", quality=40)
    half_mask(side).save(masks / "again.png")
    Image.open(b / "00006.png").resize((side * 3 // 4, side * 3 // 4)).save(root / "testB/leaked.png")
    ImageEnhance.Brightness(Image.open(a / "00003.jpg")).enhance(1.1).save(b / "brighter.jpg")
    label_map(0, side).save(labels / "brighter.png")
    drawn(1, side=side).save(a / "unmasked.png")
    half_mask(side).save(masks / "orphan.png")
    half_mask(side // 2).save(masks / "00005.png")
    Image.new("L", (side, side)).save(masks / "00006.png")
    wrong = np.asarray(label_map(7, side)).copy()
    wrong[0, 0] = 200
    Image.fromarray(wrong).save(labels / "00007.png")
    grey = np.asarray(drawn(2, side=side).convert("L"), np.uint16) * 16  # 12 bits
    Image.fromarray(grey).save(a / "scan.png")
    half_mask(side).save(masks / "scan.png")
    return [
        ("unreadable", "trainA/00001.jpg"),
        ("unreadable", "trainB/00002.png"),
        ("unreadable", "trainB/00004.png"),
        ("unreadable", "testA/00005.jpg"),
        ("repeated", "trainA/00002.png", "trainA/again.jpg"),
        ("leak", "trainB/00006.png", "testB/leaked.png"),
        ("both-domains", "trainA/00003.jpg", "trainB/brighter.jpg"),
        ("no-mask", "trainA/unmasked.png"),
        ("no-image", "trainA_masks/orphan.png"),
        ("size", "trainA/00005.jpg"),
        ("empty-mask", "trainA/00006.png"),
        ("unexpected-class", "trainB/00007.jpg"),
        ("unused-class",),
        ("range", "trainA/scan.png"),
        ("unbalanced", "testB"),
    ]
