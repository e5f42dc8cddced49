"""Banks of patches and the search in them: recall@5, time per query, disk and memory.

python benchmarks/retrieval.py                        exact and approximate search among 10 k, 100 k and 1 M patches
python benchmarks/retrieval.py --most 8000000         the same up to 8 M
python benchmarks/retrieval.py --bank 2048            build a bank of synthetic photographs of 256 pixels, and ask it
python benchmarks/retrieval.py --check                fails when the tables of docs/art2real.md are not what it measured

Records go to retrieval-<hardware>.jsonl beside this file, and the newest of each kind into the page's two tables.
Patches are of real photographs (GANZOO_DATA, by default ../shared/data; strides are narrowed for 8 M), queries are all
windows of one held-out photograph with noise of 2 %, as many as a training step asks for at 256 pixels. Memory is the
process's anonymous pages (RssAnon), looked at every 20 ms: what is mapped from files gives way when memory is short.
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
from pages import ROOT, read, settle, write
from PIL import Image

from ganzoo.plugins import plugins

plugins()  # puts a checkout's plugins on the path

from ganzoo_art2real.bank import Bank, Scale  # noqa: E402
from ganzoo_art2real.bank_builder import Settings, build_bank  # noqa: E402
from ganzoo_art2real.retrieval import create_searcher  # noqa: E402

DATA = Path(os.environ.get("GANZOO_DATA", ROOT.parent / "shared/data"))
CORES = os.cpu_count() or 1
HERE = ROOT / f"benchmarks/retrieval-{platform.system().lower()}-{platform.machine()}-{CORES}-cores.jsonl"
SHOWN = ROOT / "benchmarks/retrieval-linux-x86_64-2-cores.jsonl"
"""Of which machine the page tells."""
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
    """Return all windows of one held-out photograph, as a generator might have made them: with a little noise."""
    bank = build_bank([DATA / HELD_OUT], folder / f"held-out-{scale.patch}", Settings(scales=(scale,)), limit=1)
    patches = bank.patches(scale, bank.numbers(0, scale))
    noise = torch.randn(patches.shape, generator=torch.Generator().manual_seed(0))
    return (patches + 0.04 * noise).clamp(-1, 1)


def compare(size: int, scale: Scale, folder: Path) -> dict[str, Any]:
    """Search in about ``size`` patches, exactly and approximately; return the record."""
    cut = Settings(scales=(DENSE if scale.patch == 4 and size > 2_000_000 else scale,))
    photographs = max(1, round(size / ((256 - cut.scales[0].patch) // cut.scales[0].stride + 1) ** 2))
    out = folder / f"bank-{size}-{scale.patch}"
    bank = build_bank([DATA / one for one in FOLDERS], out, cut, limit=photographs)
    queries, (own,) = queries_of(folder, scale), bank.scales
    found: dict[str, Any] = {}
    record: dict[str, Any] = {"kind": "search", "scale": f"{own}, every {own.stride}"}
    record |= {"patches": bank.count(0, own), "queries": len(queries)}
    for way in ("exact", "approximate"):
        begun = time.perf_counter()
        searching = create_searcher(bank, 0, own, kind=way)  # type: ignore[arg-type]
        learnt = time.perf_counter()
        found[way] = searching.search(queries, K)
        asked = time.perf_counter()
        record |= {f"{way}_ms": round((asked - learnt) / len(queries) * 1e3, 4)}
        record |= {"learn_s": round(learnt - begun, 1)} if way == "approximate" else {}
    hits = (found["exact"][:, :, None] == found["approximate"][:, None]).any(2)
    record["recall"] = round(float(hits.float().mean()), 4)
    record["index_mb"] = round(sum(one.stat().st_size for one in bank.folder.glob("*.faiss")) / 1e6, 1)
    return record


def synthetic(folder: Path, count: int) -> Path:
    """Write photographs that no camera took: noise at several scales, each with colours of its own."""
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


def watched(words: list[str]) -> tuple[float, dict[str, float], str]:
    """Run a process; return its seconds, the peaks of its memory in MiB by kind, and its output."""
    peaks = {"RssAnon": 0.0, "VmRSS": 0.0}
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, text=True, cwd=ROOT)

    def look() -> None:
        while process.poll() is None:
            try:
                lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
            except OSError:
                return
            for name, _, value in (line.partition(":") for line in lines):
                if name in peaks:
                    peaks[name] = max(peaks[name], int(value.split()[0]) / 1024)
            time.sleep(0.02)

    watcher = threading.Thread(target=look)
    watcher.start()
    out, _ = process.communicate()
    watcher.join()
    if process.returncode:
        sys.exit(f"{words} failed")
    return time.perf_counter() - begun, {name: round(value) for name, value in peaks.items()}, out


def ask(folder: Path) -> None:
    """Learn what there is to learn in a bank, then ask for the neighbours of one photograph's windows; print JSON."""
    bank, said = Bank.open(folder), {}
    for scale in bank.scales:
        rng = torch.Generator().manual_seed(0)
        queries = bank.patches(scale, torch.arange(bank.windows(scale)))
        queries = (queries + 0.04 * torch.randn(queries.shape, generator=rng)).clamp(-1, 1)
        begun = time.perf_counter()
        searching = create_searcher(bank, 0, scale)
        learnt = time.perf_counter()
        searching.search(queries, K)
        asked = time.perf_counter()
        said[str(scale)] = {
            "patches": searching.count,
            "way": type(searching).__name__.lower(),
            "learn_s": round(learnt - begun, 1),
            "query_ms": round((asked - learnt) / len(queries) * 1e3, 4),
        }
    print(json.dumps(said))


def whole_bank(count: int, folder: Path) -> dict[str, Any]:
    """Build a bank of synthetic photographs and ask it, each in a process of its own; return the record."""
    photographs, out = synthetic(folder / "photographs", count), folder / "bank"
    seconds, building, _ = watched(["-m", "ganzoo", "bank", "build", str(photographs), "-o", str(out)])
    disk = sum(one.stat().st_size for one in out.iterdir())
    asking, querying, said = watched([__file__, "--ask", str(out)])
    again, warm, _ = watched([__file__, "--ask", str(out)])
    return {
        "kind": "bank",
        "photographs": count,
        "disk_mb": round(disk / 1e6, 1),
        "indexes_mb": round(sum(one.stat().st_size for one in out.glob("*.faiss")) / 1e6, 1),
        "build_s": round(seconds, 1),
        "build_anon_mib": building["RssAnon"],
        "learn_and_ask_s": round(asking, 1),
        "learn_anon_mib": querying["RssAnon"],
        "ask_s": round(again, 1),
        "ask_anon_mib": warm["RssAnon"],
        "scales": json.loads(said.splitlines()[-1]),
    }


def keep(record: dict[str, Any]) -> None:
    """Append a record, with what it was measured on."""
    packages = {"torch": torch.__version__, "ganzoo": sys.modules["ganzoo"].__version__}
    where = {"threads": torch.get_num_threads(), "cores": CORES, "load": round(os.getloadavg()[0], 1), **packages}
    print(json.dumps(record, ensure_ascii=False), flush=True)
    write(HERE, [*read(HERE), {**record, **where}])


def searches(records: list[dict[str, Any]]) -> str:
    """Return the newest search of each scale and size, in Markdown."""
    newest = {(one["scale"], one["patches"]): one for one in records if one["kind"] == "search"}
    lines = ["| patches of | how many | exact, ms a query | approximate, ms | recall@5 | learnt in, s | index, MB |"]
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
            ("learn the indexes, ask for one image", "learn_and_ask_s", "learn_anon_mib", one["indexes_mb"]),
            ("ask again", "ask_s", "ask_anon_mib", 0),
        ]
        lines += [f"| {count:,} | {what} | {one[time]} | {one[peak]} | {disk} |" for what, time, peak, disk in steps]
    return "\n".join(lines)


def main() -> None:
    """Measure what is asked for, or check the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--most", type=int, default=1_000_000, help="patches")
    parser.add_argument("--least", type=int, default=0, help="patches")
    parser.add_argument("--bank", type=int, help="photographs")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--ask", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ask:
        ask(given.ask)
        return
    with tempfile.TemporaryDirectory() as folder:
        if given.bank:
            keep(whole_bank(given.bank, Path(folder)))
        elif not given.check:
            for size in [size for size in SIZES if given.least <= size <= given.most]:
                for scale in SCALES if size <= 1_000_000 else SCALES[:1]:
                    keep(compare(size, scale, Path(folder)))
    settle(PAGE, "searches", SHOWN, searches, check=given.check)
    settle(PAGE, "banks", SHOWN, banks, check=given.check)


if __name__ == "__main__":
    main()
