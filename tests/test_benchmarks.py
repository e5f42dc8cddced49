"""The tables in benchmarks/: specs and recipes are valid, plans need no data, tables on pages are what records give."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean, stdev

import pytest

from ganzoo.bench.page import update_page
from ganzoo.bench.records import read_bench_records
from ganzoo.bench.runner import check_evaluations
from ganzoo.bench.spec import Places, read_spec, resolve_places
from ganzoo.errors import GanzooError
from ganzoo.recipe.reader import read_recipe
from ganzoo.weights.store import without_downloads
from tests.support.command_line import Run

ROOT = Path(__file__).resolve().parents[1]
SPECS = sorted((ROOT / "benchmarks").glob("*.yaml"))
SCALED = [(file, scale) for file in SPECS for scale in ["", *read_spec(file).spec.scales]]
ABSENT = Places(Path("/absent/runs"), Path("/absent/data"))


@pytest.mark.parametrize(("file", "scale"), SCALED, ids=lambda one: one.stem if isinstance(one, Path) else one)
def test_the_recipes_of_a_table_are_valid(file: Path, scale: str) -> None:
    """Only what lies in the absent folders, and published weights, may be missing."""
    bench = read_spec(file, scale)
    for cell in bench.cells():
        if cell.seed != bench.spec.seeds[0]:
            continue
        mistakes = ""
        try:
            with without_downloads():
                recipe = read_recipe(bench.recipe(cell), bench.changes(cell, ABSENT))
            check_evaluations(bench, cell.row, recipe)
        except GanzooError as error:
            mistakes = str(error)
        lines = [line for line in mistakes.splitlines() if " is not on this machine: " not in line]
        assert all("/absent/" in line and "unknown" not in line for line in lines), mistakes
    for one in bench.spec.prepare.values():
        assert "/absent/runs" in bench.filled(one.makes, ABSENT)


@pytest.mark.parametrize(("file", "scale"), SCALED, ids=lambda one: one.stem if isinstance(one, Path) else one)
def test_a_table_on_a_page_is_what_its_records_give(file: Path, scale: str) -> None:
    bench = read_spec(file, scale)
    if not bench.records.is_file():
        pytest.skip(f"{bench.name} has not been run yet: there are no records")
    update_page(bench, resolve_places(Path("runs/bench"), None), check=True)


PAPERS = [file for file in SPECS if read_spec(file).spec.paper]


def test_the_papers_tables_are_those_with_a_protocol() -> None:
    named = {"art2real_table1", "art2real_table3", "cyclegan_ablation", "mask_fid_matrix", "munit_table1", "sm_table1"}
    assert named <= {file.stem for file in PAPERS}


@pytest.mark.parametrize("file", PAPERS, ids=lambda file: file.stem)
def test_the_plan_of_a_papers_table_needs_no_data(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    """It has the paper's protocol, what differs from it, and every row with its recipe."""
    monkeypatch.delenv("GANZOO_DATA", raising=False)
    spec = read_spec(file).spec
    assert spec.paper is not None
    code, out, err = run("bench", file, "--dry-run", "--root", tmp_path / "runs")
    assert code == 0, err
    lines = out.splitlines()
    assert lines[1] == f"in the paper: {spec.paper.protocol}"
    differs = [*spec.differs, *(one for row in spec.rows.values() for one in row.differs)]
    shown = [line.partition(": ")[2] for line in lines if line.lstrip().startswith("differs from the paper, ")]
    assert [one for one in shown if one != "in nothing that is known"] == differs
    for name, row in spec.rows.items():
        start = lines.index(f"{name}: {row.label} ({row.recipe.name})")
        assert lines[start + 1].startswith("  method: {method: ")
    assert not [*tmp_path.iterdir()]


def test_the_readme_says_of_the_digits_what_their_records_say() -> None:
    bench = read_spec(ROOT / "benchmarks/digits.yaml")
    records = {one.name: one for one in read_bench_records(bench)}
    trained = {
        f"{row}-seed{seed}": records[f"{row}-seed{seed}"]
        for row in bench.spec.rows
        if row != "untranslated"
        for seed in bench.spec.seeds
    }
    lowest = min(trained, key=lambda name: trained[name].values["read"])
    at_limit = [name for name, one in trained.items() if one.step == one.trained_by[-1].steps]
    text = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    assert all(one.values["classified_B"] == 100 for one in trained.values())
    assert all(one.values["read"] > one.values["read_untranslated"] for one in trained.values())
    assert "every one of the 600 test digits is classified as B, and more digits can be read than before" in text
    assert lowest == "drit-seed1"
    assert f"The lowest share of digits read is {trained[lowest].values['read']:.0f} %, by DRIT with seed 1." in text
    assert f"{len(at_limit)} of the {len(trained)} training runs reached the limit of steps" in text


def test_the_guide_to_methods_says_of_masks_what_the_digits_records_say() -> None:
    errors: dict[str, list[float]] = {}
    for one in read_bench_records(read_spec(ROOT / "benchmarks/digits.yaml")):
        found = [one.values[name] for name in ("pair_l1_AB", "pair_l1") if name in one.values]
        errors.setdefault(one.cell["row"], []).append(found[0])
    unpaired = {row: fmean(found) for row, found in errors.items() if row != "pix2pix"}
    assert min(unpaired, key=unpaired.__getitem__) == "smcyclegan"
    text = (ROOT / "docs/which_method.md").read_text(encoding="utf-8")
    (line,) = (one for one in text.splitlines() if "methods/smcyclegan.md" in one and one.startswith("|"))
    assert "with masks, the smallest error of the methods without pairs" in line


def test_the_page_of_real_images_says_what_its_records_say_of_paintings() -> None:
    records = {one.cell["row"]: one for one in read_bench_records(read_spec(ROOT / "benchmarks/real_paintings.yaml"))}
    text = " ".join((ROOT / "docs/real_images.md").read_text(encoding="utf-8").split())

    def value(row: str, name: str) -> float:
        values = records[row].values
        return values.get(f"{name}_AB", values.get(name, float("nan")))

    def course(row: str) -> dict[int, float]:
        history = records[row].history
        return dict(history.get("fd_squeezenet1_1_AB") or history["fd_squeezenet1_1"])

    trained = [row for row in records if row != "originals"]
    fd, kd, contextual = (
        {row: value(row, name) for row in records} for name in ("fd_squeezenet1_1", "kd_squeezenet1_1", "contextual")
    )
    assert all(one[row] > one["originals"] for one in (fd, kd) for row in trained)
    assert all(contextual[row] < contextual["originals"] for row in trained)
    assert f"(FD {fd['originals']:,.0f}, KD {kd['originals']:.0f})" in text
    assert min(trained, key=fd.__getitem__) == "cyclegan" and min(trained, key=contextual.__getitem__) == "contextual"
    lowest = min(kd[row] for row in trained)
    assert f"the lowest FD is CycleGAN's, {fd['cyclegan']:,.0f}, the lowest KD {lowest:.0f}" in text
    for row, words in {
        "originals": "paintings (%s)",
        "cyclegan": "CycleGAN's (%s)",
        "cut": "CUT's (%s)",
        "munit": "MUNIT's (%s)",
        "contextual": "the lowest contextual distance of all, %s",
    }.items():
        assert words % f"{contextual[row]:.2f}" in text
    ends = {row: course(row)[5000] for row in trained}
    falls = {
        "art2real": "from %s at step 500 to %s, the lowest of all methods",
        "cyclegan": "CycleGAN's goes from %s to %s",
        "cut": "CUT's from %s to %s",
    }
    for row, words in falls.items():
        assert words % (f"{course(row)[500]:,.0f}", f"{ends[row]:,.0f}") in text
    assert min(ends, key=ends.__getitem__) == "art2real" == min(trained, key=lambda row: min(course(row).values()))
    assert list(course("art2real").values())[-6:] == sorted(list(course("art2real").values())[-6:], reverse=True)
    assert f"was {course('munit')[4000]:,.0f} at step 4,000 and rose to {ends['munit']:,.0f}" in text
    late = [found for step, found in course("contextual").items() if step >= 3500]
    assert f"between {min(late):,.0f} and {max(late):,.0f} in the last 1,500 steps" in text


def test_the_page_of_real_images_says_what_its_records_say_of_portraits() -> None:
    records = {one.cell["row"]: one for one in read_bench_records(read_spec(ROOT / "benchmarks/real_portraits.yaml"))}
    text = " ".join((ROOT / "docs/real_images.md").read_text(encoding="utf-8").split())
    rows = ("cyclegan", "smcyclegan", "originals")
    fd, kd = (
        {row: records[row].values.get(f"{name}_AB", records[row].values.get(name, float("nan"))) for row in rows}
        for name in ("fd_squeezenet1_1", "kd_squeezenet1_1")
    )
    assert fd["cyclegan"] < fd["smcyclegan"] < fd["originals"] and kd["smcyclegan"] > kd["cyclegan"] > kd["originals"]
    assert "(CycleGAN {:,.0f}, SMCycleGAN {:,.0f}, the portraits {:,.0f})".format(*(fd[row] for row in rows)) in text
    assert "({:.0f} and {:.0f}, against {:.0f})".format(*(kd[row] for row in rows)) in text
    for row, words in {
        "cyclegan": "CycleGAN's FD from %s at step 500 to %s",
        "smcyclegan": "SMCycleGAN's from %s to %s",
    }.items():
        course = dict(records[row].history["fd_squeezenet1_1_AB"])
        assert words % (f"{course[500]:,.0f}", f"{course[5000]:,.0f}") in text


def test_the_page_of_real_images_says_what_its_records_say_of_faces() -> None:
    records = {one.cell["row"]: one for one in read_bench_records(read_spec(ROOT / "benchmarks/real_faces.yaml"))}
    text = " ".join((ROOT / "docs/real_images.md").read_text(encoding="utf-8").split())
    fd, swd = ({row: dict(one.history[name]) for row, one in records.items()} for name in ("fd_squeezenet1_1", "swd"))
    falls = {"munit": "MUNIT's from %.1f at step 500 to %.1f", "pix2pix": "pix2pix's from %.1f to %.1f"}
    for row, words in falls.items():
        assert words % (swd[row][500], swd[row][5000]) in text
    trained = {row: {step: value for step, value in one.items() if step} for row, one in fd.items()}
    lowest, highest = ({row: choose(one, key=one.__getitem__) for row, one in trained.items()} for choose in (min, max))
    assert (lowest["pix2pix"], highest["pix2pix"]) == (500, 3000) and (lowest["munit"], highest["munit"]) == (
        5000,
        2000,
    )
    words = "FD is lowest at step 500 ({:,.0f}), highest at step 3,000 ({:,.0f}), and {:,.0f} at the end"
    assert words.format(*(fd["pix2pix"][step] for step in (500, 3000, 5000))) in text
    words = "highest value, {:,.0f}, at step 2,000, and its lowest, {:,.0f}, at the end"
    assert words.format(*(fd["munit"][step] for step in (2000, 5000))) in text
    columns = ("fd_squeezenet1_1", "kd_squeezenet1_1", "swd")
    assert all(records["munit"].values[name] < records["pix2pix"].values[name] for name in columns)


def values_of(table: str, name: str, scale: str = "") -> dict[str, list[float]]:
    """Return row → a value of each seed."""
    found: dict[str, list[float]] = {}
    for one in read_bench_records(read_spec(ROOT / f"benchmarks/{table}.yaml", scale)):
        found.setdefault(one.cell["row"], []).append(one.values[name])
    return found


def test_the_page_of_masks_says_what_its_records_say_of_learned_masks() -> None:
    classified, background = (values_of("masks", name) for name in ("classified_B", "background_l1"))
    assert max(classified["learned"]) < 1 and sorted(classified["learned_shared"]) == [0, 0, 100]
    assert max(classified["composite"]) < 60 and min(classified["composite_discriminator"]) == 100
    assert set(background["composite"] + background["composite_discriminator"]) == {0}
    repainting = ("cyclegan", "smcyclegan", "smcyclegan_always", "mask_cyclegan", "mask_cyclegan_masked")
    assert min(value for row in repainting for value in background[row]) > 0.3


def test_the_page_of_tables_says_what_the_ablation_says() -> None:
    names = ("classified_B", "read", "pair_l1_AB", "pair_l1_BA")
    classified, read, there, back = (
        {row: fmean(found) for row, found in values_of("cyclegan_ablation", name, "small").items()} for name in names
    )
    assert max(read, key=read.__getitem__) == min(there, key=there.__getitem__) == "cyclegan"
    assert min(back, key=back.__getitem__) == "cyclegan"
    assert (
        round(100 - read["cycle"], -1) == round(100 - read["gan"], -1) == 10
        and min(read["forward"], read["backward"]) > 96
    )
    assert there["forward"] < there["backward"] < there["gan"] and back["backward"] < back["gan"] < back["forward"]
    deviation = stdev(values_of("cyclegan_ablation", "pair_l1_BA", "small")["forward"])
    assert back["forward"] - back["gan"] < deviation
    assert f"{classified['cycle']:.0f} % are classified as B" in " ".join((ROOT / "docs/tables.md").read_text().split())


def test_the_page_of_tables_says_what_the_matrix_of_masks_says() -> None:
    bench = read_spec(ROOT / "benchmarks/mask_fid_matrix.yaml", "small")
    rectangles, squares = (
        {one.cell["row"]: one.values for one in read_bench_records(bench)}[row] for row in bench.spec.rows
    )
    text = " ".join((ROOT / "docs/tables.md").read_text(encoding="utf-8").split())
    real = [one[f"{domain}: real train | real test"] for one in (rectangles, squares) for domain in "AB"]
    assert {round(value, -2) for value in real} == {1500} and "training and test are 1,500 apart" in text
    ratios = [
        values[f"{domain}: real {split} | scale {scale}"] / values[f"{domain}: real train | real test"]
        for values in (rectangles, squares)
        for domain in "AB"
        for split in ("train", "test")
        for scale in ("0.5", "0.8", "1.0")
    ]
    assert f"translations {min(ratios):.1f} to {max(ratios):.1f} times as far" in text
    gains = {
        scale: [
            rectangles[f"{domain}: real {split} | scale {scale}"] - squares[f"{domain}: real {split} | scale {scale}"]
            for domain in "AB"
            for split in ("train", "test")
        ]
        for scale in ("0.5", "0.8", "1.0")
    }
    assert f"images that are {min(gains['1.0']):,.0f} to {max(gains['1.0']):,.0f} nearer" in text
    smaller = [*gains["0.5"], *gains["0.8"]]
    assert max(map(abs, smaller)) < 700 and sum(gain > 0 for gain in smaller) > len(smaller) / 2
    for values in (rectangles, squares):
        for domain in "AB":
            between = max(
                values[f"{domain}: scale {one} | scale {two}"] for one, two in (("0.5", "0.8"), ("0.8", "1.0"))
            )
            assert between < min(values[f"{domain}: real train | scale {scale}"] for scale in ("0.5", "0.8", "1.0"))


def test_the_page_of_few_images_says_what_its_records_say_of_digits() -> None:
    def order(name: str) -> list[str]:
        means = {row: fmean(found) for row, found in values_of("few_shot", name).items() if row != "all"}
        return sorted(means, key=means.__getitem__)

    assert order("overfitting_AB")[0] == "diffaugment"
    assert order("pair_l1")[:2] == order("fd_classifier")[:2] == ["diffaugment", "r1"]


def test_the_page_of_few_images_says_what_its_records_say_of_photographs() -> None:
    zebras, overfitting = (values_of("few_shot", name, "horses") for name in ("fd_squeezenet1_1_AB", "overfitting_AB"))
    assert max(zebras["r1"]) < min(value for row, found in zebras.items() if row != "r1" for value in found)
    others = [value for row, found in overfitting.items() if row != "diffaugment" for value in found]
    assert max(overfitting["diffaugment"]) < min(others)
    assert fmean(overfitting["diffaugment"]) < fmean(overfitting["r1"]) < fmean(overfitting["plain"])
    assert (zebras["ada"], overfitting["ada"]) == (zebras["plain"], overfitting["plain"])


def test_the_page_of_adaptation_says_what_its_records_say_from_usps_to_mnist() -> None:
    values = values_of("adaptation_usps_mnist", "adaptation_accuracy", "small")
    assert {len(found) for found in values.values()} == {3}
    means = {row: fmean(found) for row, found in values.items()}
    text = " ".join((ROOT / "docs/adaptation.md").read_text(encoding="utf-8").split())
    words = 'CycleGAN has {cyclegan:.1f} % over three seeds, where "source only" has {source:.1f} %'
    assert words.format(**means) in text and 'and "target only" {target:.1f} %;'.format(**means) in text
    assert "four fifths of the gap" in text
    assert round(5 * (means["cyclegan"] - means["source"]) / (means["target"] - means["source"])) == 4
    assert "DCLGAN ({dclgan:.1f} %), SimGAN ({simgan:.1f} %, and here all three seeds are near".format(**means) in text
    assert "and CUT ({cut:.1f} %) are in between".format(**means) in text and stdev(values["simgan"]) < 3
    munit = 'MUNIT is as "source only" ({munit:.1f} %); CoGAN ({cogan:.1f} %) and UNIT ({unit:.1f} ± '
    assert munit.format(**means) in text
    assert f"± {stdev(values['unit']):.1f} %) are far below it" in text and means["munit"] - means["source"] > -1
    assert max(*values["unit"], *values["cogan"]) < means["source"] - 15
    assert {f"{one:.1f}" for one in values["uvcgan2"]} == {"7.8"} and "black with each seed (7.8 %)" in text
    assert "AttentionGAN ({attention_gan:.1f} %) is little above".format(**means) in text
    assert means["source"] + 4 < means["attention_gan"] < means["source"] + 6


def test_the_page_of_adaptation_says_what_its_records_say_from_svhn_to_mnist() -> None:
    values = values_of("adaptation_svhn_mnist", "adaptation_accuracy", "small")
    assert {len(found) for found in values.values()} == {3}
    means = {row: fmean(found) for row, found in values.items()}
    text = " ".join((ROOT / "docs/adaptation.md").read_text(encoding="utf-8").split())
    assert "the classifier has {source:.1f} % from 554 street numbers".format(**means) in text
    assert 'and {target:.1f} % as "target only"'.format(**means) in text
    near = '"source only", too ({simgan:.1f} %), CycleGAN ({cyclegan:.1f} %) and AttentionGAN ({attention_gan:.1f} %)'
    far = "DCLGAN ({dclgan:.1f} %) and CUT ({cut:.1f} %) are far below it, and CoGAN ({cogan:.1f} %)"
    assert near.format(**means) in text and far.format(**means) in text
    assert "UNIT ({unit:.1f} %), MUNIT ({munit:.1f} ± ".format(**means) + f"{stdev(values['munit']):.1f} %)" in text
    assert max(means.values()) == means["target"] and abs(means["simgan"] - means["source"]) < 1
    for row in ("cyclegan", "attention_gan"):
        assert means["source"] - 4 < means[row] < means["source"]
    assert max(means[row] for row in ("unit", "munit", "dclgan", "cut")) < means["source"] - 9
    assert {f"{one:.1f}" for one in values["uvcgan2"]} == {"11.9"} and "UVCGANv2 (11.9 %, black" in text


def test_the_page_of_adaptation_says_what_its_records_say() -> None:
    values = values_of("adaptation_mnist_usps", "adaptation_accuracy", "small")
    means = {row: fmean(found) for row, found in values.items()}
    text = (ROOT / "docs/adaptation.md").read_text(encoding="utf-8")
    assert f'"source only" ({means["source"]:.1f} %) and "target only" ({means["target"]:.1f} %)' in text
    assert f"{means['cyclegan']:.1f} % over five seeds" in " ".join(text.split())
    assert f'far below "source only": {means["cogan"]:.1f} %' in " ".join(text.split())
    assert means["cogan"] < means["source"] - 20
    assert f"{means['simgan']:.1f} ± {stdev(values['simgan']):.1f} %" in text
    first, second, *others = sorted(values["simgan"])
    assert first < second < means["source"] - 15 and min(others) > means["source"]
    assert round(max(others) - means["source"]) == 7
    closed = (means["cyclegan"] - means["source"]) / (means["target"] - means["source"])
    assert round(7 * closed) == 6 and "about six sevenths of the gap" in text
    assert f"CUT closes almost half of the gap ({means['cut']:.1f} %)" in text
    assert 0.4 < (means["cut"] - means["source"]) / (means["target"] - means["source"]) < 0.5
    assert f"little of it ({means['attention_gan']:.1f} %)" in text
    assert f"near to CUT with 2,000 steps ({means['dclgan']:.1f} %)" in text and means["cut"] - means["dclgan"] < 2
    assert f"""far below "source only", at {means["unit"]:.1f} ± {stdev(values["unit"]):.1f} %""" in text
    assert max(values["unit"]) < means["source"] - 20
    assert 2 < means["attention_gan"] - means["source"] < 5
    assert f'the strokes: {means["munit"]:.1f} %, as "source only"' in " ".join(text.split())
    assert abs(means["munit"] - means["source"]) < 1
    *black, second, first = sorted(values["uvcgan2"])
    assert f"UVCGANv2 reaches {first:.1f} and {second:.1f} % with two seeds" in text
    assert len(black) == 3 and {f"{one:.1f}" for one in black} == {"13.2"} and 'says "1" to everything (13.2 %)' in text
