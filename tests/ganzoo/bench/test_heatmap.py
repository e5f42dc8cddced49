"""Heat maps and tables of invented records: means, deviations, the paper's value, contrast of the text."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ganzoo.bench.heatmap import heat_map
from ganzoo.bench.matrix import distance_name
from ganzoo.bench.spec import Bench, read_spec
from ganzoo.bench.table import build_matrix_table
from ganzoo.provenance.record import Record
from tests.support.bench_records import record, write_spec

AWKWARD = 'A <b> & "c"'
SETS = ("real", "made")
SVG = "{http://www.w3.org/2000/svg}"
MATRIX: dict[str, Any] = {
    "metric": "fid",
    "sets": {"real": {"real": "test"}, "made": {"masker": "full"}},
    "domains": {"B": "zebras"},
}


def bench(folder: Path, **changes: Any) -> Bench:
    rows = {"one": {"label": AWKWARD, "recipe": "t", "note": "a remark"}, "two": {"label": "Two", "recipe": "t"}}
    return read_spec(write_spec(folder, **{"rows": rows, "columns": [], "matrix": MATRIX, **changes}))


def records(**means: float) -> list[Record]:
    """Return records of two rows and seeds; ``one_made_real`` gives the mean of a value over the seeds."""
    about = {"metric": "fid", "value": "fid", "network": "net", "n_fake": 7, "n_real": 7}
    found = []
    for row, seed in product(("one", "two"), (0, 1)):
        keys = {(first, second): f"{row}_{first}_{second}" for first, second in product(SETS, SETS)}
        values = {distance_name("B", *pair): means[key] + seed - 0.5 for pair, key in keys.items() if key in means}
        found.append(record(row, seed, values, about=about, failed={distance_name("B", "made", "real"): "it broke"}))
    return found


def cells(svg: str) -> list[tuple[str, str, str]]:
    """Return fill, ink and text of the cells that have a number."""
    found = []
    for panel in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        boxes = [one.get("fill", "") for one in panel.findall(f"{SVG}rect") if one.get("class") != "empty"]
        texts = [one for one in panel.findall(f"{SVG}text") if one.get("style")]
        assert len(boxes) == len(texts)
        found += [
            (fill, str(one.get("style")).removeprefix("fill: "), str(one.text))
            for fill, one in zip(boxes, texts, strict=True)
        ]
    return found


def luminance(colour: str) -> float:
    """Return relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_cells_are_means_over_seeds_and_darker_for_larger_distances_with_readable_text(tmp_path: Path) -> None:
    values = {f"{row}_{first}_{second}": 0.0 for row in ("one", "two") for first, second in product(SETS, SETS)}
    for share in (0.3, 0.5, 0.6, 0.65, 0.66, 0.67, 0.7, 0.8):
        values |= {"one_made_real": 200 * share, "two_real_made": 200.0}
        drawn = cells(heat_map(bench(tmp_path), records(**values)))
        assert [text for _, _, text in drawn] == [
            "0.0",
            "0.0",
            f"{200 * share:.1f}",
            "0.0",
            "0.0",
            "200.0",
            "0.0",
            "0.0",
        ]
        assert all(contrast(fill, ink) >= 4.5 for fill, ink, _ in drawn)
        shades = [luminance(fill) for fill, _, _ in drawn]
        assert shades[5] < shades[2] < shades[0] == shades[7]  # one scale for both rows


def test_a_heat_map_names_metric_network_and_counts_and_shows_a_dash_for_a_missing_value(tmp_path: Path) -> None:
    drawn = heat_map(bench(tmp_path), records(one_real_real=0.0, one_real_made=3.0))
    texts = [one.text or "" for one in ElementTree.fromstring(drawn).iter(f"{SVG}text")]
    assert texts[0] == "A table"
    assert texts[1] == "fid, network net; row: taken as translations, column: as real"
    assert f"{AWKWARD}, zebras" in texts and "Two, zebras" in texts
    assert texts.count("n = 7") == 4  # of both sets, beside and above
    assert texts.count("—") == 6
    assert "@media (prefers-color-scheme: dark)" in drawn
    empty = heat_map(bench(tmp_path), [])
    assert "not measured yet" in empty and empty.count("—") == 8 and "n = " not in empty


def test_every_text_is_inside_the_drawing(tmp_path: Path) -> None:
    values = {f"{row}_{first}_{second}": 1.0 for row in ("one", "two") for first, second in product(SETS, SETS)}
    root = ElementTree.fromstring(heat_map(bench(tmp_path), records(**values)))
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for panel in root.iter(f"{SVG}g"):
        left, top = map(float, re.findall(r"[\d.]+", panel.get("transform", "")))
        for one in panel:
            assert 0 <= left + float(one.get("x", 0)) + float(one.get("width", 0)) <= width
            assert 0 <= top + float(one.get("y", 0)) + float(one.get("height", 0)) <= height


def test_a_matrix_table_has_a_line_for_each_set_with_deviations_notes_and_the_papers_value(tmp_path: Path) -> None:
    paper = {"protocol": "theirs", "values": {"one": {distance_name("B", "real", "made"): 84.83}}}
    made = build_matrix_table(
        bench(tmp_path, paper=paper),
        records(one_real_real=0.0, one_real_made=3.0, one_made_made=-0.001, two_made_real=2.0),
        lambda cell, one: ["sets"] if cell.row == "two" else [],
    )
    assert made.head == ["", "real", "made"]
    assert [row[0].text for row in made.rows] == [
        f"{AWKWARD}, zebras: real", f"{AWKWARD}, zebras: made", "Two, zebras: real", "Two, zebras: made",
    ]  # fmt: skip
    assert [cell.text for cell in made.rows[0][1:]] == ["0.0 ± 0.7", "3.0 ± 0.7"]
    assert [cell.text for cell in made.rows[1][1:]] == ["—", "0.0 ± 0.7"]

    def notes(line: int, column: int) -> list[str]:
        return [made.notes[note - 1] for note in made.rows[line][column].notes]

    assert notes(0, 0) == ["a remark"] and notes(1, 0) == []
    assert notes(0, 2) == ["in the paper 84.83: theirs"]
    assert notes(1, 1) == ["it broke"]
    assert notes(2, 0) == ["outdated: changed since it was run: sets"]
    assert (
        made.details[0]
        == "fid, network net, of each line's set, taken as translations, from each column's, taken as real."
    )
    assert made.details[1] == f"Images of {AWKWARD}, zebras: 7 real, 7 made."
    assert "Mean ± standard deviation over 2 seeds." in made.details
