"""Measure banks of patches and the search in them: recall@5, time of a query, disk and memory.

python benchmarks/retrieval.py                        exact and approximate search in 10 k, 100 k and 1 M patches
python benchmarks/retrieval.py --most 8000000         the same up to 8 M
python benchmarks/retrieval.py --bank 2048            build a bank of synthetic photographs of 256 pixels, and query it
python benchmarks/retrieval.py --check                fail if the tables of docs/art2real.md are not what was measured

It appends records to retrieval-<hardware>.jsonl beside this file, and writes the newest of each kind into the page's
two tables. Patches are of real photographs (GANZOO_DATA, by default ../shared/data; strides are smaller for 8 M).
Queries are all windows of one held-out photograph with 2 % noise, as many as a training step has at 256 pixels. Memory
is the process's anonymous pages (RssAnon), read every 20 ms: the system can drop pages of mapped files.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ganzoo import GanzooError
from ganzoo.bench.page import replace_table
from ganzoo.plugins import plugins

plugins()  # puts a checkout's plugins on the path

from ganzoo_art2real.bank import Bank, Scale  # noqa: E402
from ganzoo_art2real.bank_builder import Settings, build_bank  # noqa: E402
from ganzoo_art2real.retrieval import create_searcher  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("GANZOO_DATA", ROOT.parent / "shared/data"))
CORES = os.cpu_count() or 1
RECORDS = ROOT / f"benchmarks/retrieval-{platform.system().lower()}-{platform.machine()}-{CORES}-cores.jsonl"
"""Records of this machine."""
SHOWN = ROOT / "benchmarks/retrieval-linux-x86_64-2-cores.jsonl"
"""Records that the page's tables show."""
PAGE = ROOT / "docs/art2real.md"
FOLDERS = (
    "horse2zebra/trainA", "horse2zebra/trainB", "monet2photo/trainB", "monet2photo/testB", "horse2zebra/testB",
    "celebamask/train/images", "celebamask/test/images",
)  # fmt: skip
HELD_OUT = "horse2zebra/testA"
SIZES = (10_000, 100_000, 1_000_000, 8_000_000)
SCALES = (Scale(4, 4), Scale(8, 5), Scale(16, 6))
DENSE = Scale(4, 2)
"""For 8 M patches of 4×4: 500 photographs have them."""
K = 5


def queries_of(folder: Path, scale: Scale) -> torch.Tensor:
    """Return all windows of one held-out photograph with a little noise, in place of a generator's."""
    bank = build_bank([DATA / HELD_OUT], folder / f"held-out-{scale.patch}", Settings(scales=(scale,)), limit=1)
    patches = bank.patches(scale, bank.numbers(0, scale))
    noise = torch.randn(patches.shape, generator=torch.Generator().manual_seed(0))
    return (patches + 0.04 * noise).clamp(-1, 1)


def compare(size: int, scale: Scale, folder: Path) -> dict[str, Any]:
    """Search in about ``size`` patches, exactly and approximately; return the record."""
    settings = Settings(scales=(DENSE if scale.patch == 4 and size > 2_000_000 else scale,))
    windows = ((256 - settings.scales[0].patch) // settings.scales[0].stride + 1) ** 2
    out = folder / f"bank-{size}-{scale.patch}"
    bank = build_bank([DATA / one for one in FOLDERS], out, settings, limit=max(1, round(size / windows)))
    queries, (own,) = queries_of(folder, scale), bank.scales
    neighbours: dict[str, Any] = {}
    record: dict[str, Any] = {"kind": "search", "scale": f"{own}, every {own.stride}"}
    record |= {"patches": bank.count(0, own), "queries": len(queries)}
    for kind in ("exact", "approximate"):
        start = time.perf_counter()
        searcher = create_searcher(bank, 0, own, kind=kind)  # type: ignore[arg-type]
        ready = time.perf_counter()
        neighbours[kind] = searcher.search(queries, K)
        end = time.perf_counter()
        record |= {f"{kind}_ms": round((end - ready) / len(queries) * 1e3, 4)}
        record |= {"learn_s": round(ready - start, 1)} if kind == "approximate" else {}
    hits = (neighbours["exact"][:, :, None] == neighbours["approximate"][:, None]).any(2)
    record["recall"] = round(float(hits.float().mean()), 4)
    record["index_mb"] = round(sum(file.stat().st_size for file in bank.folder.glob("*.faiss")) / 1e6, 1)
    return record


def write_photographs(folder: Path, count: int) -> Path:
    """Write synthetic photographs: noise at several scales, each with its own colours."""
    folder.mkdir()
    for i in range(count):
        rng, field = np.random.default_rng(i), np.zeros((256, 256, 3))
        for side in (3, 8, 24, 80, 256):
            layer = Image.fromarray(rng.integers(0, 256, (side, side, 3), np.uint8)).resize((256, 256))
            field += (np.asarray(layer) - 128.0) * side**-0.5
        Image.fromarray((field * rng.uniform(0.8, 1.6) + rng.uniform(80, 170, 3)).clip(0, 255).astype(np.uint8)).save(
            folder / f"{i:05}.jpg", quality=92
        )
    return folder


def run_and_measure(words: list[str]) -> tuple[float, dict[str, float], str]:
    """Run a process; return its seconds, its peak memory in MiB by kind, and its output."""
    peaks = {"RssAnon": 0.0, "VmRSS": 0.0}
    start = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def read_memory() -> None:
        while process.poll() is None:
            try:
                lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            except OSError:
                return
            for name, _, value in (line.partition(":") for line in lines):
                if name in peaks:
                    peaks[name] = max(peaks[name], int(value.split()[0]) / 1024)
            time.sleep(0.02)

    reader = threading.Thread(target=read_memory)
    reader.start()
    output, _ = process.communicate()
    reader.join()
    if process.returncode:
        sys.exit(f"{words} failed")
    return time.perf_counter() - start, {name: round(value) for name, value in peaks.items()}, output


def query(folder: Path) -> None:
    """Build a bank's indexes, then search for the neighbours of one photograph's windows; print JSON."""
    bank, results = Bank.open(folder), {}
    for scale in bank.scales:
        rng = torch.Generator().manual_seed(0)
        queries = bank.patches(scale, torch.arange(bank.windows(scale)))
        queries = (queries + 0.04 * torch.randn(queries.shape, generator=rng)).clamp(-1, 1)
        start = time.perf_counter()
        searcher = create_searcher(bank, 0, scale)
        ready = time.perf_counter()
        searcher.search(queries, K)
        end = time.perf_counter()
        results[str(scale)] = {
            "patches": searcher.count,
            "way": type(searcher).__name__.lower().removesuffix("search"),
            "learn_s": round(ready - start, 1),
            "query_ms": round((end - ready) / len(queries) * 1e3, 4),
        }
    print(json.dumps(results))


def measure_bank(count: int, folder: Path) -> dict[str, Any]:
    """Build a bank of synthetic photographs and query it twice, each in its own process; return the record."""
    photographs, out = write_photographs(folder / "photographs", count), folder / "bank"
    build_s, building, _ = run_and_measure(["-m", "ganzoo", "bank", "build", str(photographs), "-o", str(out)])
    disk = sum(file.stat().st_size for file in out.iterdir())
    first_s, first, output = run_and_measure([__file__, "--query", str(out)])
    second_s, second, _ = run_and_measure([__file__, "--query", str(out)])
    return {
        "kind": "bank",
        "photographs": count,
        "disk_mb": round(disk / 1e6, 1),
        "indexes_mb": round(sum(file.stat().st_size for file in out.glob("*.faiss")) / 1e6, 1),
        "build_s": round(build_s, 1),
        "build_anon_mib": building["RssAnon"],
        "learn_and_ask_s": round(first_s, 1),
        "learn_anon_mib": first["RssAnon"],
        "ask_s": round(second_s, 1),
        "ask_anon_mib": second["RssAnon"],
        "scales": json.loads(output.splitlines()[-1]),
    }


def read(file: Path) -> list[dict[str, Any]]:
    """Return the records of a file; none where there is no file."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def save(record: dict[str, Any]) -> None:
    """Append a record, with the machine and the packages."""
    packages = {"torch": torch.__version__, "ganzoo": sys.modules["ganzoo"].__version__}
    machine = {"threads": torch.get_num_threads(), "cores": CORES, "load": round(os.getloadavg()[0], 1)}
    print(json.dumps(record, ensure_ascii=False), flush=True)
    with RECORDS.open("a", encoding="utf-8") as file:
        file.write(json.dumps({**record, **machine, **packages}, ensure_ascii=False) + "\n")


def searches(records: list[dict[str, Any]]) -> str:
    """Return the newest search of each scale and size, in Markdown."""
    newest = {(one["scale"], one["patches"]): one for one in records if one["kind"] == "search"}
    lines = ["| patches of | number | exact, ms a query | approximate, ms | recall@5 | index built in, s | index, MB |"]
    lines.append("| --- |" + " ---: |" * 6)
    for (scale, patches), one in sorted(newest.items(), key=lambda item: (int(item[0][0].split("×")[0]), item[0][1])):
        cells = [f"{one['exact_ms']:.2f}", f"{one['approximate_ms']:.2f}", f"{one['recall']:.3f}"]
        lines.append(f"| {scale} | {patches:,} | {' | '.join(cells)} | {one['learn_s']} | {one['index_mb']} |")
    last = list(newest.values())[-1]
    return "\n".join([*lines, "", f"{last['cores']} cores, {last['threads']} threads, torch {last['torch']}."])


def banks(records: list[dict[str, Any]]) -> str:
    """Return the newest bank of each size, in Markdown."""
    newest = {one["photographs"]: one for one in records if one["kind"] == "bank"}
    lines = ["| photographs of 256 px | step | seconds | peak of anonymous memory, MiB | on the disk, MB |"]
    lines.append("| ---: | --- | ---: | ---: | ---: |")
    for count, one in sorted(newest.items()):
        patches = sum(scale["patches"] for scale in one["scales"].values())
        steps = [
            (f"`ganzoo bank build`, {patches:,} patches", "build_s", "build_anon_mib", one["disk_mb"]),
            ("build the indexes, query for one image", "learn_and_ask_s", "learn_anon_mib", one["indexes_mb"]),
            ("query again", "ask_s", "ask_anon_mib", 0),
        ]
        lines += [f"| {count:,} | {step} | {one[time]} | {one[peak]} | {disk} |" for step, time, peak, disk in steps]
    return "\n".join(lines)


def main() -> None:
    """Measure, then write the page's tables; or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=1_000_000, help="patches")
    parser.add_argument("--least", type=int, default=0, help="patches")
    parser.add_argument("--bank", type=int, help="photographs")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--query", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.query:
        query(options.query)
        return
    with tempfile.TemporaryDirectory() as folder:
        if options.bank:
            save(measure_bank(options.bank, Path(folder)))
        elif not options.check:
            for size in [size for size in SIZES if options.least <= size <= options.most]:
                for scale in SCALES if size <= 1_000_000 else SCALES[:1]:
                    save(compare(size, scale, Path(folder)))
    records, command = read(SHOWN), "python benchmarks/retrieval.py"
    try:
        for name, table in (("searches", searches), ("banks", banks)):
            replace_table(PAGE, name, table(records), command=command, check=options.check)
    except GanzooError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
