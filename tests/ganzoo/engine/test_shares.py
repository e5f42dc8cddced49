"""Several processes divide the files of ``ganzoo translate``: the same files, counted together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.engine import shares
from ganzoo.engine.shares import Share, start_share
from ganzoo.errors import GanzooError
from tests.support.command_line import Command
from tests.support.random_images import save
from tests.support.small_networks import MUNIT_SMALL
from tests.support.torchrun import two_processes
from tests.support.untrained_runs import write_untrained_run


def contents(folder: Path) -> dict[str, np.ndarray]:
    return {str(one.relative_to(folder)): np.asarray(Image.open(one)) for one in sorted(folder.rglob("*.png"))}


def test_shares_are_disjoint_and_whole() -> None:
    whole = list(range(11))
    parts = [Share(number, 4).of(whole) for number in range(4)]
    assert sorted(number for part in parts for number in part) == whole
    assert max(map(len, parts)) - min(map(len, parts)) == 1
    assert Share().of(whole) == whole and Share().gather({"a": [1, "ü"]}) == [{"a": [1, "ü"]}]


def test_two_processes_write_the_files_of_one_and_report_together(command: Command, tmp_path: Path) -> None:
    trained = write_untrained_run(tmp_path / "run", {"method": "munit", "networks": MUNIT_SMALL})
    for i in range(7):
        pixels = np.random.default_rng(i).integers(0, 256, (16 + i % 2 * 4, 18, 4 if i == 4 else 3), np.uint8)
        save(tmp_path / f"in/{i}.png", pixels)
    frames = [Image.fromarray(np.random.default_rng(i).integers(0, 256, (16, 16, 3), np.uint8)) for i in range(3)]
    frames[0].save(tmp_path / "in/8.tif", save_all=True, append_images=frames[1:])
    for name in ("7.png", "9.jpg"):
        (tmp_path / "in" / name).write_bytes(b"no image")
    words = ("translate", trained, tmp_path / "in", "--samples", 2, "--batch", 1, "-o")
    one = command(*words, tmp_path / "one")
    two = two_processes("-m", "ganzoo", *words, tmp_path / "two")
    assert one.returncode != 0 and two.returncode != 0
    single, double = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert single.keys() == double.keys() and len(single) == 20
    for name, pixels in single.items():  # random styles included
        np.testing.assert_array_equal(double[name], pixels)
    assert not np.array_equal(single["1-random/0.png"], single["2-random/0.png"])
    line = (
        "8 of 10 images translated AB with each of 2 styles (6 pages or frames of files with several, 20 translations)"
    )
    assert [text.split(", into ")[0] for text in two.stdout.splitlines()] == [
        text.split(", into ")[0] for text in one.stdout.splitlines()
    ]
    assert two.stdout.startswith(line)
    errors = [text for text in two.stderr.splitlines() if text.startswith(("ganzoo: ", "ganzoo ("))]
    assert [text for text in errors if text.startswith("ganzoo: ")] == [
        text for text in one.stderr.splitlines() if text.startswith("ganzoo: ")
    ]
    assert len(errors) in (5, 6) and errors.count("ganzoo: 2 of 10 images were not translated with all of them") == 1


def test_processes_that_see_other_files_stop_before_anything_is_written(tmp_path: Path) -> None:
    write_untrained_run(tmp_path / "run", {"method": "munit", "networks": MUNIT_SMALL})
    for number in range(2):
        save(tmp_path / f"in-{number}/{number}.png", np.zeros((16, 16, 3), np.uint8))
    program = (
        "import os\nfrom pathlib import Path\nfrom ganzoo.inference.files import translate_files\n"
        f"home = Path({str(tmp_path)!r})\n"
        "translate_files(home / 'run', [home / f\"in-{os.environ['RANK']}\"], home / 'out')"
    )
    (tmp_path / "other.py").write_text(program)
    done = two_processes(tmp_path / "other.py")
    assert done.returncode != 0
    assert "the processes found different images: give all of them the same folders, and do not" in done.stderr
    assert not (tmp_path / "out").exists()


class TestDevices:
    @pytest.fixture
    def group(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Pretend to be process 1 of 2, on a machine with two GPUs, connected."""
        for name, value in (("WORLD_SIZE", "2"), ("RANK", "1"), ("LOCAL_RANK", "1")):
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(shares, "select_device", lambda device: device != "cpu")
        monkeypatch.setattr(shares, "default_device", lambda: torch.device("cuda"))
        monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
        monkeypatch.setattr(torch.distributed, "new_group", lambda **options: options)

    @pytest.mark.usefixtures("group")
    def test_each_process_takes_its_own_device(self) -> None:
        with start_share("", "translate") as share:
            assert (share.number, share.count, share.device) == (1, 2, "cuda:1")
        with start_share("cpu", "translate") as share:
            assert share.device == "cpu"

    def test_a_launcher_without_accelerators_is_obeyed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
        with start_share("", "translate") as share:
            assert (share.count, share.device) == (1, "cpu")

    def test_a_launch_of_one_process_in_place_of_two_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        parent = ["python", "/x/bin/accelerate", "launch", "--cpu", "--num_processes", "2", "ganzoo"]
        monkeypatch.setattr("ganzoo.engine.distributed._parent_command", lambda: parent)
        with pytest.raises(GanzooError, match="type: torchrun --nproc_per_node 2 -m ganzoo translate …"):
            start_share("", "translate").__enter__()
        parent[3:] = ["--config_file", "cpu.yaml", "ganzoo"]
        monkeypatch.setattr("ganzoo.engine.distributed._parent_environment", dict)
        with start_share("", "translate") as share:
            assert share.count == 1
        monkeypatch.setenv("MASTER_PORT", "29500")  # accelerate launch sets it for several processes
        with pytest.raises(GanzooError, match=r"several processes were requested, .* torchrun --nproc_per_node N"):
            start_share("", "translate").__enter__()
        monkeypatch.setattr("ganzoo.engine.distributed._parent_environment", lambda: {"MASTER_PORT": "29500"})
        with start_share("", "translate") as share:
            assert share.count == 1
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", "5")
        with pytest.raises(GanzooError, match="RANK is 5, but WORLD_SIZE is 2"):
            start_share("", "translate").__enter__()
