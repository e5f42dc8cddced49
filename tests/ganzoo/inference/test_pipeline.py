"""Files are translated in batches beside threads that read and write: same results, bounded memory, separate errors."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo as package
from ganzoo.cli.translate import translate_command
from ganzoo.data.domain_io import DomainIO
from ganzoo.data.image_io import write_image
from ganzoo.errors import GanzooError
from ganzoo.inference import file_work
from ganzoo.inference.files import translate_files
from ganzoo.inference.options import MaskOption, StyleOption
from ganzoo.inference.pages import Page, read_pages
from ganzoo.inference.pipeline import CPU_LIMIT, BatchLimit, Item, Job, Pipeline, Translation, batch_limit, worker_count
from ganzoo.inference.translator import Translator
from tests.support.random_images import save
from tests.support.tiny_run import write_recipe

OPTIONS = [one for one in translate_command.params if isinstance(one, click.Option)]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run whose generator reads random masks, which are drawn for each image."""
    home = tmp_path_factory.mktemp("pipeline")
    changes: dict[str, Any] = {"train": {"steps": 1}, "evaluate": {"every": 0, "best": None, "metrics": []}}
    masks = {"input": {"masker": "multi_rectangle"}}
    package.run(
        write_recipe(home, method={"method": "mask_cyclegan"}, maskers=masks, **changes),
        root=home / "runs",
    )
    return home / "runs/tiny/default"


def random_image(number: int, height: int = 12, width: int = 16) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), dtype=np.uint8)


def batch_sizes(monkeypatch: pytest.MonkeyPatch, largest: int = 100) -> list[int]:
    """Return a list that gets the size of each translated batch; batches of more than ``largest`` images fail."""
    sizes: list[int] = []
    translate_step = Translator.translate_step

    def counted(self: Translator, batch: torch.Tensor, *args: Any, **options: Any) -> Any:
        sizes.append(len(batch))
        if len(batch) > largest:
            raise RuntimeError("out of memory")
        return translate_step(self, batch, *args, **options)

    monkeypatch.setattr(Translator, "translate_step", counted)
    return sizes


class Recorded:
    """Stages that record what they do, for jobs with some pages of one size; some pages fail in one stage."""

    def __init__(self, pages: int = 1, side: int = 4, failing: Sequence[tuple[str, int, int]] = ()) -> None:
        self.pages, self.side, self.failing = pages, side, failing
        self.batches: list[list[tuple[int, int]]] = []
        self.written: list[tuple[int, int]] = []
        self.failed: dict[int, str] = {}
        self.threads: set[str] = set()

    def _enter(self, stage: str, item: tuple[int, int]) -> None:
        if (stage, *item) in self.failing:
            raise ValueError(f"{stage} {item}")

    def read(self, job: Job) -> Iterator[Item]:
        for number in range(self.pages):
            self.threads.add(threading.current_thread().name)
            self._enter("read", (job.number, number))
            pixels = np.broadcast_to(np.uint8(0), (self.side, self.side, 3))
            yield Item(job, Page(pixels, label=str(number)), None, (self.side, self.side))

    def translate(self, items: Sequence[Item]) -> list[Translation]:
        keys = [(item.job.number, int(item.page.label)) for item in items]
        self.batches.append(keys)
        for key in keys:
            self._enter("translate", key)
        return [Translation(torch.zeros(()), {}) for _ in items]

    def place(self, item: Item) -> Path:
        self._enter("place", (item.job.number, int(item.page.label)))
        return Path()

    def write(self, item: Item, translation: Translation, path: Path) -> None:
        self.threads.add(threading.current_thread().name)
        self._enter("write", (item.job.number, int(item.page.label)))
        self.written.append((item.job.number, int(item.page.label)))

    def fail(self, job: Job, error: Exception) -> None:
        assert job.order not in self.failed
        self.failed[job.order] = str(error)

    def run(self, count: int, *, workers: int, limit: BatchLimit) -> None:
        jobs = (Job(i, i, Path(), Path(), MaskOption(), StyleOption()) for i in range(count))
        Pipeline(self, workers=workers, limit=limit).run(jobs)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_in_any_stage_costs_only_the_rest_of_its_file(workers: int) -> None:
    failing = [("read", 1, 2), ("translate", 3, 1), ("place", 5, 0), ("write", 7, 4)]
    stages = Recorded(pages=5, failing=failing)
    stages.run(9, workers=workers, limit=BatchLimit(4))
    assert stages.failed == {number: f"{stage} {(number, page)}" for stage, number, page in failing}
    ends = {1: 2, 3: 1, 5: 0, 7: 4}
    assert sorted(stages.written) == [(i, page) for i in range(9) for page in range(ends.get(i, 5))]


@pytest.mark.parametrize("workers", [0, 3])
def test_threads_read_and_write_only_if_there_are_workers(workers: int) -> None:
    stages = Recorded()
    stages.run(20, workers=workers, limit=BatchLimit(1))
    main = {threading.current_thread().name}
    assert stages.threads.isdisjoint(main) if workers else stages.threads == main
    assert [key for batch in stages.batches for key in batch] == [(i, 0) for i in range(20)]
    assert not [one for one in threading.enumerate() if one.name.startswith("ganzoo-translate")]


@pytest.mark.parametrize(
    ("device", "batch", "side", "largest"),
    [
        ("cpu", None, 64, 4),
        ("cpu", None, 90, 2),
        ("cpu", None, 128, 1),
        ("cuda", None, 64, 8),
        ("mps", None, 512, 4),
        ("cuda", None, 2000, 1),
        ("cpu", 5, 4, 5),
        ("cpu", 100, 256, 16),
        ("cuda", 100, 2000, 1),
    ],
)
def test_the_batch_depends_on_the_device_and_on_the_images(
    device: str, batch: int | None, side: int, largest: int
) -> None:
    stages = Recorded(side=side)
    stages.run(32, workers=2, limit=batch_limit(torch.device(device), batch))
    assert max(map(len, stages.batches)) == largest
    assert len(stages.batches) == -(-32 // largest)


def test_the_help_has_the_defaults() -> None:
    texts = {option.name: str(option.get_help_record(click.Context(translate_command))) for option in OPTIONS}
    others = batch_limit(torch.device("cuda")).images
    side = math.isqrt(CPU_LIMIT.pixels // CPU_LIMIT.images)
    count = CPU_LIMIT.images
    words = f"[default: {count} on a CPU, with at most as many pixels as {count} images of {side}×{side}; {others} on"
    assert words in texts["batch"]
    threads = [worker_count(torch.device(device)) for device in ("cpu", "cuda")]
    assert f"[default: {threads[0]} on a CPU, {threads[1]} on other devices]" in " ".join(texts["workers"].split())
    assert [worker_count(torch.device("cpu"), chosen) for chosen in (0, 3)] == [0, 3]


class Alive:
    """Counts images that are in memory, in all threads."""

    def __init__(self) -> None:
        self.now, self.most, self.lock = 0, 0, threading.Lock()

    def change(self, difference: int) -> None:
        with self.lock:
            self.now += difference
            self.most = max(self.most, self.now)


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("workers", [0, 2])
def test_memory_holds_a_few_images_however_many_there_are(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int, batch: int
) -> None:
    for i in range(150):
        save(tmp_path / f"in/{i:03}.png", random_image(i))
    frames = [Image.fromarray(random_image(i)) for i in range(150)]
    frames[0].save(tmp_path / "in/frames.tif", save_all=True, append_images=frames[1:])
    alive = Alive()

    def counted(path: Path, domain_io: DomainIO) -> Iterator[Page]:
        for page in read_pages(path, domain_io):
            alive.change(1)
            weakref.finalize(page.pixels, alive.change, -1)
            yield page

    monkeypatch.setattr(file_work, "read_pages", counted)
    translate_files(run, [tmp_path / "in"], tmp_path / "out", size="original", workers=workers, batch=batch)
    assert len(list((tmp_path / "out").iterdir())) == 300
    ahead = workers and workers + batch
    assert batch < alive.most <= 2 * batch + 3 * ahead + 4 < 40


def test_results_depend_neither_on_the_batch_nor_on_the_workers(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(11):
        save(tmp_path / f"in/{i:02}.png", random_image(i, 12, 16 if i < 8 else 15))
    frames = [Image.fromarray(random_image(i)) for i in range(3)]
    frames[0].save(tmp_path / "in/02-frames.tif", save_all=True, append_images=frames[1:])
    (tmp_path / "in/04.png").write_bytes(b"no image")
    sizes = batch_sizes(monkeypatch)
    results: list[dict[Path, np.ndarray]] = []
    for workers, batch in ((0, 1), (2, 4)):
        out = tmp_path / f"out-{workers}"
        with pytest.raises(GanzooError, match=r"04.png: not an image.*\n1 of 12 images were not translated"):
            translate_files(
                run, [tmp_path / "in"], out / "images", save_masks=out / "masks", workers=workers, batch=batch
            )
        results.append({file.relative_to(out): np.asarray(Image.open(file)) for file in sorted(out.rglob("*.png"))})
    assert sizes == [1] * 13 + [4, 3, 3, 3]  # up to the damaged file; after it; the narrow images
    alone, together = results
    assert alone.keys() == together.keys() and len(alone) == 26
    for path, pixels in alone.items():
        difference = np.abs(pixels.astype(int) - together[path])
        assert difference.max() <= (0 if path.parts[0] == "masks" else 1), path


def test_a_batch_that_does_not_fit_is_translated_image_by_image_and_the_next_ones_are_smaller(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(10):
        save(tmp_path / f"in/{i}.png", random_image(i))
    sizes = batch_sizes(monkeypatch, largest=2)
    translate_files(run, [tmp_path / "in"], tmp_path / "out", batch=4)
    assert sizes == [4, 1, 1, 1, 1, 2, 2, 2]
    assert len(list((tmp_path / "out").iterdir())) == 10


def test_an_image_that_does_not_fit_is_named(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, width in (("a", 16), ("b", 40), ("c", 16)):
        save(tmp_path / f"in/{name}.png", random_image(0, 12, width))
    translate_step = Translator.translate_step

    def limited(self: Translator, batch: torch.Tensor, *args: Any, **options: Any) -> Any:
        if batch.shape[-1] > 30:
            raise RuntimeError("CUDA out of memory")
        return translate_step(self, batch, *args, **options)

    monkeypatch.setattr(Translator, "translate_step", limited)
    with pytest.raises(GanzooError, match=r"in/b.png: too large for the memory; make it smaller with --size\n1 of 3"):
        translate_files(run, [tmp_path / "in"], tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]
    with pytest.raises(GanzooError, match=r"in/b.png: too large for the memory; use --tile auto, or make it smaller"):
        translate_files(run, [tmp_path / "in"], tmp_path / "whole", tile="none")


def test_failures_are_listed_in_the_order_of_the_files(run: Path, tmp_path: Path) -> None:
    save(tmp_path / "in/a.png", random_image(0))
    (tmp_path / "in/b.png").touch()
    (tmp_path / "out/a.png").mkdir(parents=True)  # so that writing fails, after reading the other one did
    with pytest.raises(
        GanzooError, match=r"out/a.png: it cannot be written.*\n.*in/b.png: the file is empty.*\n2 of 2"
    ):
        translate_files(run, [tmp_path / "in"], tmp_path / "out")


@pytest.mark.parametrize("workers", [0, 2])
def test_only_written_translations_are_counted(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], workers: int
) -> None:
    for i in range(3):
        save(tmp_path / f"in/{i}.png", random_image(i, 60, 80))

    def full(pixels: Any, path: Path, **options: Any) -> None:
        if path.name == "1.png" or path.parts[-2] == "full":
            raise GanzooError(f"{path}: the disk is full; free some space")
        write_image(pixels, path, **options)

    monkeypatch.setattr(file_work, "write_image", full)
    for name in ("full", "out"):
        with pytest.raises(GanzooError, match="the disk is full"):
            translate_files(run, [tmp_path / "in"], tmp_path / name, maskers=["round"], workers=workers)
    whole, most, scaled = capsys.readouterr().out.splitlines()
    assert whole == "0 of 3 images translated AB"
    assert most == f"2 of 3 images translated AB, into {tmp_path / 'out'}" and scaled.startswith("2 were scaled to")


def test_ctrl_c_finishes_what_is_being_written_and_leaves_no_part_of_a_file(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(30):
        save(tmp_path / f"in/{i:02}.png", random_image(i, 64, 64))
    translate_step = Translator.translate_step

    def interrupted(self: Translator, *args: Any, sample: Sequence[int], **options: Any) -> Any:
        if sample == [20]:
            raise KeyboardInterrupt
        return translate_step(self, *args, sample=sample, **options)

    monkeypatch.setattr(Translator, "translate_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        translate_files(run, [tmp_path / "in"], tmp_path / "out", batch=1)
    names = sorted(file.name for file in (tmp_path / "out").iterdir())
    assert 0 < len(names) <= 20 and {Path(name).suffix for name in names} == {".png"}
    for name in names:
        with Image.open(tmp_path / "out" / name) as image:
            image.load()
    assert not [one for one in threading.enumerate() if one.name.startswith("ganzoo-translate")]
