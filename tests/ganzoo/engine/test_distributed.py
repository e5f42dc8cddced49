"""Several processes: two equal one with twice the batch; launches that would train something else are refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from timm.layers.norm_act import BatchNormAct2d
from torch import nn

from ganzoo.engine.distributed import launched_processes, synchronize_batch_norm
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Method
from ganzoo.masks.roles import Roles
from ganzoo.provenance.record import read_records
from ganzoo.utils.sealed import seal_object
from ganzoo_cyclegan.method import CycleGAN
from tests.support.command_line import Command
from tests.support.random_images import save
from tests.support.tiny_run import float64_run, lines, write_recipe
from tests.support.torchrun import torchrun, two_processes

ROOT = Path(__file__).parents[3]
DOUBLE = ROOT / "tests/support/float64_run.py"


def biases_before_norm(names: list[str]) -> set[str]:
    """Return biases of convolutions before an instance norm: their gradient is 0, so Adam follows rounding errors."""
    resnet = {"model.1.bias", "model.4.bias", "model.7.bias", "model.11.bias", "model.14.bias"}
    resnet |= {"model.10.conv_block.1.bias", "model.10.conv_block.5.bias"}
    return {name for name in names if name in resnet or name == "model.2.bias"}


def test_two_processes_equal_one_with_twice_the_batch(tmp_path: Path) -> None:
    """Compare weights, averages, pools, losses and metric values after 8 steps in float64, with crops and flips."""
    train = {"steps": 8, "lr": 1e-3, "ema": 0.5, "log": 2, "sample": 4, "save": 4}
    recipe = write_recipe(tmp_path, train={**train, "batch": 2})
    two = torchrun(2, DOUBLE, recipe, tmp_path / "two")
    assert two.returncode == 0, two.stderr
    assert "world 2 × batch 2 × accumulate 1 = 4 images/step" in two.stdout
    float64_run(recipe, tmp_path / "one", "train.batch=4")
    single, double = (tmp_path / which / "tiny/default/checkpoints/last" for which in ("one", "two"))
    compared = 0
    for file in [*sorted(single.glob("networks/*")), *sorted(single.glob("average/*"))]:
        a, b = load_file(file), load_file(double / file.relative_to(single))
        for name in a.keys() - biases_before_norm(list(a)):
            torch.testing.assert_close(a[name], b[name], rtol=1e-7, atol=1e-9, msg=f"{file.name} {name}")
            compared += 1
    assert compared > 20
    pools = load_file(single / "process-0.safetensors")
    shards = load_file(double / "process-0.safetensors") | load_file(double / "process-1.safetensors")
    images = [name for name in pools if name.startswith("method/")]
    assert len(images) == 2 * 4 * 2  # two pools of two images at each of four positions
    for name in images:
        torch.testing.assert_close(pools[name], shards[name], rtol=1e-7, atol=1e-9)
    for name in ("metrics.jsonl", "results.jsonl"):
        pairs = zip(
            lines(tmp_path / "one/tiny/default" / name), lines(tmp_path / "two/tiny/default" / name), strict=True
        )
        for a_line, b_line in pairs:
            assert a_line["step"] == b_line["step"]
            for part in ("losses", "values"):
                assert a_line.get(part, {}) == pytest.approx(b_line.get(part, {}), rel=1e-5)
            assert a_line.get("images") == b_line.get("images")


def test_another_number_of_processes_is_refused(command: Command, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 2, "batch": 2}, evaluate={"every": 0, "best": None})
    assert command("run", recipe, "--root", tmp_path).returncode == 0
    file = tmp_path / "tiny/default/env.json"
    environment = json.loads(file.read_text())
    del environment["checksum"]
    file.write_text(seal_object(environment | {"processes": 2}))
    again = command("run", recipe, "train.steps=4", "--root", tmp_path)
    assert again.returncode == 3 and "processes: 2 → 1" in again.stderr


@pytest.mark.slow
def test_two_processes_resume_and_another_number_is_refused(command: Command, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 2, "batch": 2}, evaluate={"every": 0, "best": None})
    assert two_processes("-m", "ganzoo", "run", recipe, "--root", tmp_path).returncode == 0
    longer = two_processes("-m", "ganzoo", "run", recipe, "train.steps=4", "--root", tmp_path)
    assert longer.returncode == 0, longer.stderr
    assert "resumed from step 2" in longer.stdout
    alone = command("run", recipe, "train.steps=6", "--root", tmp_path)
    assert alone.returncode == 3
    assert "processes: 2 → 1" in alone.stderr


@pytest.mark.slow
def test_a_run_of_two_processes_resumes_on_one_and_on_two_again(tmp_path: Path) -> None:
    """The same images a step: weights and pools are as without the change, compared in float64."""
    recipe = write_recipe(
        tmp_path,
        method={"pool": 3},
        train={"sample": 0, "save": 3},
        evaluate={"every": 0, "best": None, "metrics": []},
    )
    for count, batch, steps in ((2, 2, 3), (1, 4, 5), (2, 2, 7)):
        changes = (f"train.batch={batch}", f"train.steps={steps}", "train.decay=0")
        done = torchrun(count, DOUBLE, recipe, tmp_path / "cut", *changes)
        assert done.returncode == 0, done.stderr
        if steps > 3:
            assert "the images of a step are divided otherwise; there are 4 of each domain, as before" in done.stdout
    float64_run(recipe, tmp_path / "one", "train.batch=4", "train.steps=7", "train.decay=0")
    single, double = (tmp_path / which / "tiny/default/checkpoints/last" for which in ("one", "cut"))
    for file in sorted(single.glob("networks/*")):
        a, b = load_file(file), load_file(double / file.relative_to(single))
        for name in a.keys() - biases_before_norm(list(a)):
            torch.testing.assert_close(a[name], b[name], rtol=1e-7, atol=1e-9, msg=f"{file.name} {name}")
    pools = load_file(single / "process-0.safetensors")
    shards = [load_file(double / f"process-{rank}.safetensors") for rank in (0, 1)]
    images = [{name for name in state if name.startswith("method/")} for state in (pools, *shards)]
    assert images[0] == images[1] | images[2] and not images[1] & images[2]
    for name in images[0]:
        torch.testing.assert_close(pools[name], (shards[0] | shards[1])[name], rtol=1e-7, atol=1e-9)


def test_an_error_in_one_process_is_reported_and_ends_all(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    (tmp_path / "images/trainA/00.png").write_bytes(b"")
    done = torchrun(2, "-m", "ganzoo", "run", recipe, "--root", tmp_path)
    assert done.returncode != 0
    assert "00.png: the file is empty" in done.stderr
    assert f"{ROOT / 'ganzoo'}/" not in done.stderr.split("ChildFailedError")[0]  # no traceback from ganzoo


@pytest.mark.parametrize(
    ("command", "requested"),
    [
        (["python", "/x/bin/accelerate", "launch", "--cpu", "--num_processes", "2", "ganzoo"], 2),
        (["python", "-m", "accelerate.commands.launch", "--cpu", "--num-processes=3", "-m", "ganzoo"], 3),
        (["python", "/x/bin/accelerate-launch", "--num_processes", "1", "ganzoo"], 1),
        (["accelerate", "launch", "-m", "ganzoo"], 1),
        (["bash"], 1),
        (["mpirun", "--num_processes", "4", "x"], 1),
        ([], 1),
    ],
)
def test_the_number_of_processes_in_a_launch_command(command: list[str], requested: int) -> None:
    assert launched_processes(command) == requested


@pytest.mark.parametrize("configured", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_launch_of_two_processes_that_started_one_is_refused(tmp_path: Path, configured: bool) -> None:
    (tmp_path / "cpu.yaml").write_text("{num_processes: 2, use_cpu: true, distributed_type: MULTI_CPU}")
    words = ["--config_file", str(tmp_path / "cpu.yaml")] if configured else ["--cpu", "--num_processes", "2"]
    launcher = [sys.executable, "-m", "accelerate.commands.launch", *words, "-m"]
    recipe = write_recipe(tmp_path)
    done = subprocess.run(
        [*launcher, "ganzoo", "run", str(recipe), "--root", str(tmp_path)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode != 0
    assert f"type: torchrun --nproc_per_node {'N' if configured else 2} -m ganzoo run" in done.stderr
    assert not (tmp_path / "tiny").exists()


@pytest.mark.parametrize("where", ["root", pytest.param("elsewhere", marks=pytest.mark.slow)])
def test_accelerate_launch_runs_the_folder_and_the_module(tmp_path: Path, where: str) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 1}, evaluate={"metrics": [], "every": 0, "best": None})
    launcher = [sys.executable, "-m", "accelerate.commands.launch"]
    target = ["ganzoo"] if where == "root" else ["-m", "ganzoo"]
    done = subprocess.run(
        [*launcher, *target, "run", str(recipe), "--root", str(tmp_path / "runs")],
        cwd=ROOT if where == "root" else tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "runs/tiny/default/checkpoints/last/progress.json").read_text())["step"] == 1


def test_batch_norm_over_cpu_processes_is_refused() -> None:
    class Two:
        num_processes = 2
        device = torch.device("cpu")

    with pytest.raises(GanzooError, match="another norm"):
        synchronize_batch_norm(nn.Sequential(nn.BatchNorm2d(3)), Two())
    plain = nn.Conv2d(3, 3, 1)
    assert synchronize_batch_norm(plain, Two()) is plain
    frozen = nn.Sequential(nn.BatchNorm2d(3)).eval()
    assert synchronize_batch_norm(frozen, Two()) is frozen


def test_frozen_batch_norm_beside_a_trained_one_stays_as_it_is() -> None:
    class Two:
        num_processes = 2
        device = torch.device("cuda")

    inner, outer = nn.BatchNorm2d(3).eval(), nn.BatchNorm2d(3)
    network: Any = synchronize_batch_norm(nn.Sequential(nn.Sequential(inner), nn.Sequential(outer)), Two())
    assert network[0][0] is inner and type(inner) is nn.BatchNorm2d
    assert isinstance(network[1][0], nn.SyncBatchNorm) and network[1][0].weight is outer.weight


def test_a_norm_with_an_activation_keeps_it_and_one_of_its_own_kind_is_refused() -> None:
    class Two:
        num_processes = 2
        device = torch.device("cuda")

    class Scaled(nn.BatchNorm2d):
        """A batch norm that does more than torch's."""

    norm = BatchNormAct2d(3, act_layer=nn.ReLU)
    network: Any = synchronize_batch_norm(nn.Sequential(norm), Two())
    assert isinstance(network[0], nn.SyncBatchNorm)
    images = torch.rand(2, 3, 4, 4) - 0.5
    assert torch.equal(network.eval()(images), norm.eval()(images)) and network(images).min() == 0
    with pytest.raises(GanzooError, match="Scaled is a batch norm of its own kind"):
        synchronize_batch_norm(nn.Sequential(Scaled(3)), Two())


def test_an_engine_that_only_evaluates_takes_batch_norm_on_two_cpu_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    class Frozen(nn.BatchNorm2d):
        def train(self, mode: bool = True) -> Frozen:
            return super().train(False)

    def build(norm: type[nn.Module], *, training: bool) -> Engine:
        networks = {name: nn.Sequential(nn.Conv2d(3, 3, 1), norm(3)) for name in ("G_AB", "G_BA", "D_A", "D_B")}
        method = CycleGAN()
        Method.bind(method, networks, Roles())
        monkeypatch.setattr(Engine, "_share_initial_weights", lambda self: None)
        two: Any = SimpleNamespace(num_processes=2, device=torch.device("cpu"))
        return Engine(method, two, training=training)

    with pytest.raises(GanzooError, match="another norm"):
        build(nn.BatchNorm2d, training=True)
    assert build(nn.BatchNorm2d, training=False).networks["G_AB"].training
    assert not build(Frozen, training=True).networks["G_AB"][1].training  # type: ignore[index]


@pytest.mark.slow
def test_a_checkpoint_that_one_process_cannot_write_ends_both(tmp_path: Path) -> None:
    """The main process fails to create the folder, before the others start to write: they must not wait forever."""
    recipe = write_recipe(tmp_path, train={"save": 1}, evaluate={"metrics": [], "every": 0, "best": None})
    (tmp_path / "tiny/default/checkpoints").mkdir(parents=True)
    (tmp_path / "tiny/default/checkpoints/.last.new").touch()  # a file in place of the folder
    done = torchrun(2, "-m", "ganzoo", "run", recipe, "--root", tmp_path)
    assert done.returncode != 0
    assert "the checkpoint cannot be written" in done.stderr
    assert "ganzoo/training/loop.py" not in done.stderr  # no traceback from ganzoo


@pytest.mark.slow
def test_a_callback_of_one_process_ends_all(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    driver = tmp_path / "driver.py"
    driver.write_text(
        "import sys\n"
        "from ganzoo.training.callbacks import Callbacks\n"
        "from ganzoo.interfaces import Callback\n"
        "from ganzoo.training.loop import train\n"
        "from ganzoo.training.run import Run\n"
        "class Ending(Callback):\n"
        "    def on_evaluation(self, run, step, values):\n"
        "        return step == 4 and run.accelerator.process_index == 1\n"
        "Callbacks.gather = lambda self, trackers: self.active.append(Ending())\n"
        "train(Run.prepare(sys.argv[1], root=sys.argv[2]))\n"
    )
    done = two_processes(driver, recipe, tmp_path / "runs")
    assert done.returncode == 0, done.stderr
    progress = json.loads((tmp_path / "runs/tiny/default/checkpoints/last/progress.json").read_text())
    assert (progress["step"], progress["ended"]) == (4, 8)


def test_two_processes_measure_the_same_values_as_one(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Distances between sets, with features and patches divided among processes; each run has an empty cache."""
    from torchvision.models import get_model  # type: ignore[import-untyped]

    torch.manual_seed(0)
    weights = tmp_path / "weights.safetensors"
    save_file(get_model("squeezenet1_1", weights=None).state_dict(), weights)
    generated, real = tmp_path / "generated", tmp_path / "real"
    for folder, count in ((generated, 5), (real, 4)):
        for index in range(count):
            save(folder / f"{index}.png", np.random.default_rng([count, index]).integers(0, 256, (32, 32, 3), np.uint8))
    options = ["--metric", f"{{metric: fd, weights: {weights}}}", "--metric", "swd", "--against", str(real)]
    values = {}
    for count in (1, 2):
        out = tmp_path / f"{count}.jsonl"
        words, cache = ["evaluate", str(generated), *options, "-o", str(out)], tmp_path / f"cache{count}"
        monkeypatch.setenv("GANZOO_CACHE", str(cache))
        done = command(*words) if count == 1 else two_processes("-m", "ganzoo", *words)
        assert done.returncode == 0, done.stderr
        (record,) = read_records(out)
        assert (record.about["swd"]["n_fake"], record.about["swd"]["n_real"]) == (5, 4)
        values[count] = record.values
    assert values[1]["fd_squeezenet1_1"] > 0
    assert values[2] == pytest.approx(values[1], rel=1e-6)
