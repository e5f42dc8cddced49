"""Draw figure 4 of Art2Real (Tomei et al. 2019): originals, photographs and translations in a t-SNE of their features.

python benchmarks/art2real_tsne.py originals=PAINTINGS photographs=PHOTOGRAPHS CycleGAN=RUN Art2Real=RUN -o FIGURE.svg
python benchmarks/art2real_tsne.py …  --network squeezenet1_1 --weights FILE       another network than ResNet-152

Each set has a name and a place: a folder of images, or a run, which gives the translations of its test images of A. The
figure shows only positions: t-SNE to two dimensions of a network's average-pooled features. Images of folders are
scaled and cropped to the runs' size, so that sets do not differ by their size.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import sklearn
from torch import Tensor, cat

import ganzoo
from ganzoo import GanzooError
from ganzoo.bench.heatmap import node, sheet
from ganzoo.bench.spec import flow
from ganzoo.data.loader import Reader, make_step
from ganzoo.data.sampler import Row
from ganzoo.engine.checkpoint import load_weights
from ganzoo.evaluation.runs import open_run, run_recipe
from ganzoo.settings import ImageSettings
from ganzoo.utils.device import default_device

PUBLISHED = "resnet152"
FIELD, EDGE, LEGEND = (720, 560), 16, 34
"""Largest width and height of the field with the points, the margin, and the legend's height, in pixels."""
BATCH = 16
MARKS = (
    "M-3.5 0A3.5 3.5 0 1 0 3.5 0A3.5 3.5 0 1 0-3.5 0Z",
    "M-3-3H3V3H-3Z",
    "M0-4.4L4 3H-4Z",
    "M0-4.6L4.6 0L0 4.6L-4.6 0Z",
)
"""Paths of a disc, a square, a triangle and a diamond: not everyone can tell sets apart by colour alone."""


def is_run(place: Path) -> bool:
    """Return whether a folder is a run."""
    return (place / "resolved.yaml").is_file()


def size_of(places: Mapping[str, Path]) -> int | tuple[int, int]:
    """Return the size of the runs' images, 256 without any. Raises GanzooError where they differ."""
    sizes = {name: run_recipe(place).images.size for name, place in places.items() if is_run(place)}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise GanzooError(f"runs on images of one size can be compared; these have {listed} pixels")
    return next(iter(sizes.values()), 256)


def features_of(place: Path, size: int | tuple[int, int], network: Mapping[str, Any]) -> Tensor:
    """Return the features (n, d) of a run's translations, or of a folder's images. Raises GanzooError.

    Args:
        place: the run's folder, or the images'.
        size: height and width that a folder's images are scaled to cover, and cropped to; one number for squares.
        network: the options of the metric ``fd`` that name it and its weights.
    """
    if is_run(place):
        metric_text = flow({"metric": "fd", **network})
        evaluator = open_run(run_recipe(place, [f"evaluate.metrics=[{metric_text}]"]))
        load_weights(place / "checkpoints/last", evaluator.engine)
        collected = evaluator.collect("test")
        for why in collected.failed.values():
            raise GanzooError(f"{place}: {why}")
        return collected.rows["fd", "AB"]["features"]
    if not place.is_dir():
        raise GanzooError(f"{place}: neither a run nor a folder of images is there")
    dataset = ganzoo.create("dataset", "folders", A=place, validation=0.0)
    reader, metric = (
        Reader(dataset, ImageSettings(size=size, fit="cover", cache=0)),
        ganzoo.create("metric", "fd", **network),
    )
    features, count = [], dataset.count("train", "A")
    for start in range(0, count, BATCH):
        rows = [Row(i, i, {"A": i}) for i in range(start, min(start + BATCH, count))]
        step = make_step(reader.evaluation_batch("train", rows), default_device(), index=-1, training=False)
        features.append(metric.reference_rows(step, "A")["features"].cpu())
    return cat(features)


def positions(features: Tensor, perplexity: float, seed: int) -> np.ndarray:
    """Return the positions (n, 2) that t-SNE gives to vectors (n, d). Raises GanzooError for too few of them."""
    from sklearn.manifold import TSNE

    if perplexity >= len(features):
        raise GanzooError(f"--perplexity is {perplexity:g}; it is less than the number of images, {len(features)}")
    points: np.ndarray = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(features.numpy())
    return points


def scatter(sets: Mapping[str, np.ndarray], about: str) -> str:
    """Return the figure: a mark for each image; colour and shape show its set."""
    everything = np.concatenate([*sets.values()])
    low, span = everything.min(0), np.maximum(np.ptp(everything, axis=0), 1e-9)
    scale = float(min(np.array(FIELD) / span))  # the same for both axes: only distances have a meaning
    body: list[Element] = []
    left, top = float(EDGE), 62 + LEGEND
    for i, (name, points) in enumerate(sets.items()):
        style = {"class": f"c{i % 6}", "d": MARKS[i % len(MARKS)], "fill-opacity": 0.75}
        label = f"{name} (n = {len(points)})"
        body.append(node("path", {**style, "transform": f"translate({left + 5:.1f} 66)"}))
        body.append(node("text", {"x": f"{left + 14:.1f}", "y": 70}, label))
        left += 34 + 6.7 * len(label)
        marks = []
        for x, y in (points - low) * scale:
            place = f"translate({EDGE + x:.1f} {top + span[1] * scale - y:.1f})"
            marks.append(node("path", {**style, "transform": place}))
        body.append(node("g", {}, node("title", {}, name), *marks))
    width = max(FIELD[0] + 2 * EDGE, int(left), 2 * EDGE + int(5.7 * len(about)))
    height = top + int(span[1] * scale) + EDGE
    return sheet(width, height, "Originals, photographs and translations", about, body)


def main(words: Sequence[str] | None = None) -> None:
    """Draw the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", nargs="+", metavar="NAME=PLACE", help="a folder of images, or a run")
    parser.add_argument("-o", "--out", type=Path, default=Path("art2real_tsne.svg"))
    parser.add_argument("--network", default=PUBLISHED, help="a classifier of torchvision; by default %(default)s")
    parser.add_argument("--weights", type=Path, help="its file; by default downloaded, as by `ganzoo weights get`")
    parser.add_argument("--perplexity", type=float, default=30.0, help="of t-SNE; by default %(default)g")
    parser.add_argument("--seed", type=int, default=0, help="of t-SNE; by default %(default)s")
    options = parser.parse_args(words)
    pairs = [one.partition("=") for one in options.sets]
    if len({name for name, _, _ in pairs}) < len(pairs) or not all(name and place for name, _, place in pairs):
        parser.error("each set is NAME=PLACE; no two have the same name")
    places = {name: Path(place) for name, _, place in pairs}
    network = {"network": options.network, **({"weights": str(options.weights.absolute())} if options.weights else {})}
    try:
        size = size_of(places)
        features = {name: features_of(place, size, network) for name, place in places.items()}
        points = positions(cat([*features.values()]), options.perplexity, options.seed)
    except GanzooError as error:
        sys.exit(f"{error}")
    parts = np.split(points, np.cumsum([len(one) for one in features.values()])[:-1])
    substitute = "" if options.network == PUBLISHED else " (a stand-in for ResNet-152)"
    about = f"t-SNE (perplexity {options.perplexity:g}, seed {options.seed}, scikit-learn {sklearn.__version__}) of "
    about += f"{options.network}'s pooled features{substitute}; images of {size} px"
    options.out.write_text(scatter(dict(zip(features, parts, strict=True)), about), encoding="utf-8")


if __name__ == "__main__":
    main()
