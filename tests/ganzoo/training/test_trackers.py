"""Trackers: names, images, settings, one continuous run over a kill, and failures that stop nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_type_hints

import pytest
from PIL import Image

import ganzoo as package
from ganzoo.recipe.reader import read_recipe
from ganzoo.settings import MlflowTracker, TrackioTracker, WandbTracker
from ganzoo.training import tracker_kinds
from ganzoo.training.progress import Progress
from ganzoo.training.tracker_kinds import WHOLE
from ganzoo.training.trackers import TRACKERS, TrackerCallback, tracked_values
from ganzoo.training.wandb_files import BLOCK, FIRST, FULL, LAST, MIDDLE, last_step, records
from tests.support.killed_runs import start, wait_for
from tests.support.pages import ROOT, blocks
from tests.support.tiny_run import ganzoo, lines, write_recipe

STEPS, SAMPLE, SAVE = 60, 10, 20
LOSS = "generator/cycle_A"


def logged_losses(folder: Path) -> dict[int, float]:
    """Return step → value of a loss in metrics.jsonl."""
    return {line["step"]: line["losses"][LOSS] for line in lines(folder / "metrics.jsonl") if "losses" in line}


def tracked_recipe(folder: Path, *trackers: object) -> Path:
    train = {"steps": STEPS, "log": 1, "sample": SAMPLE, "save": SAVE, "trackers": list(trackers)}
    evaluate = {"metrics": ["cycle_l1"], "every": 15, "best": None}
    return write_recipe(folder, train=train, evaluate=evaluate)


def kill_and_resume(recipe: Path, root: Path) -> Path:
    """Kill a run with SIGKILL between two checkpoints, resume it to its end, and return its folder."""
    folder = root / "tiny/default"
    process = start(recipe, root)
    wait_for(folder / "metrics.jsonl", f'"step": {SAVE + 5},', process)
    process.kill()
    process.communicate(timeout=60)
    assert max(logged_losses(folder)) < STEPS, "the run ended before the kill"
    finished = ganzoo("run", recipe, "--root", root)
    assert finished.returncode == 0 and "switched off" not in finished.stdout, finished.stdout + finished.stderr
    assert [line["event"] for line in lines(folder / "events.jsonl")].count("resumed") == 1
    assert list(logged_losses(folder)) == list(range(1, STEPS + 1))
    return folder


@pytest.mark.slow
def test_tensorboard_has_one_curve_the_grids_and_the_settings_over_a_kill(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = kill_and_resume(tracked_recipe(tmp_path, "tensorboard"), tmp_path / "runs")
    events = EventAccumulator(str(folder / "tensorboard"), size_guidance={"images": 0, "scalars": 0}).Reload()
    curve = {event.step: event.value for event in events.Scalars(f"train/{LOSS}")}
    assert [event.step for event in events.Scalars(f"train/{LOSS}")] == list(range(1, STEPS + 1))
    assert curve == pytest.approx(logged_losses(folder), rel=1e-6)
    assert [event.step for event in events.Scalars("eval/cycle_l1_AB")] == [0, 15, 30, 45, 60]
    assert [event.step for event in events.Images("samples")] == list(range(SAMPLE, STEPS + 1, SAMPLE))
    grid = folder / "samples" / f"step-{STEPS:07}.png"
    shown = events.Images("samples")[-1]
    with Image.open(grid) as image:
        assert (shown.width, shown.height) == image.size
    assert {"lr", "epoch", "speed/images_per_s", "speed/wait_share", "memory/peak_mib"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("final/last/cycle_l1_AB")] == [STEPS]
    assert "_hparams_/session_start_info" in events.PluginTagToContent("hparams")
    assert len(list(folder.glob("tensorboard/*"))) == 2
    assert b"networks.G_AB.generator" in events.Tensors("recipe/text_summary")[0].tensor_proto.string_val[0]


def test_tensorboard_has_each_step_once_without_the_file_of_trackers(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    none = {"metrics": [], "every": 0, "best": None}
    recipe = write_recipe(tmp_path, train={"log": 1, "trackers": ["tensorboard"]}, evaluate=none)
    package.run(recipe, "train.steps=3", root=tmp_path)
    (tmp_path / "tiny/default" / TRACKERS).write_text("{")
    package.run(recipe, "train.steps=5", root=tmp_path)
    events = EventAccumulator(str(tmp_path / "tiny/default/tensorboard")).Reload()
    assert [event.step for event in events.Scalars(f"train/{LOSS}")] == [1, 2, 3, 4, 5]


def wandb_records(folder: Path) -> list[Any]:
    """Return the records of all sessions of an offline run, in order."""
    from wandb.proto import wandb_internal_pb2

    found = []
    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        for content in records(file):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(content)
            found.append(record)
    return found


def history(record: Any) -> dict[str, Any]:
    return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}


@pytest.mark.slow
def test_an_offline_wandb_run_is_one_curve_with_grids_and_settings_over_a_kill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    for name in ("WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR"):
        monkeypatch.setenv(name, str(tmp_path / "wandb"))
    monkeypatch.setenv("WANDB_SILENT", "true")
    options = {"tracker": "wandb", "project": "paintings", "tags": ["tiny"], "mode": "offline"}
    folder = kill_and_resume(tracked_recipe(tmp_path, options), tmp_path / "runs")
    everything = wandb_records(folder)
    runs = [record.run for record in everything if record.WhichOneof("record_type") == "run"]
    assert len(list(folder.glob("wandb/offline-run-*"))) == 2
    assert {(run.run_id, run.project, run.display_name) for run in runs if run.project} == {
        (json.loads((folder / TRACKERS).read_text())["wandb"]["id"], "paintings", "tiny/default")
    }
    rows = [(record.history.step.num, history(record)) for record in everything if record.HasField("history")]
    curve = [(step, row[f"train/{LOSS}"]) for step, row in rows if f"train/{LOSS}" in row]
    assert [step for step, _ in curve] == list(range(1, STEPS + 1))
    assert dict(curve) == pytest.approx(logged_losses(folder))
    assert [step for step, row in rows if "eval/cycle_l1_AB" in row] == [0, 15, 30, 45, 60]
    images = {step: value for step, row in rows for key, value in row.items() if key == "samples/path"}
    assert list(images) == list(range(SAMPLE, STEPS + 1, SAMPLE))
    assert all(any(folder.glob(f"wandb/offline-run-*/files/{path}")) for path in images.values())
    settings = {
        "/".join(item.nested_key) or item.key: json.loads(item.value_json)
        for record in everything
        if record.HasField("config")
        for item in record.config.update
    }
    assert settings["networks.G_AB.generator"] == "resnet" and settings["data.root"] == "images"


def test_records_are_read_over_blocks_and_up_to_a_cut(tmp_path: Path) -> None:
    def chunk(kind: int, content: bytes) -> bytes:
        return b"\0" * 4 + len(content).to_bytes(2, "little") + bytes([kind]) + content

    first_block = BLOCK - 7
    small, long = b"a" * 10, b"b" * (2 * BLOCK)
    data = b"\0" * 7 + chunk(FULL, small)
    room = first_block - len(chunk(FULL, small)) - 7
    data += chunk(FIRST, long[:room]) + chunk(MIDDLE, long[room : room + BLOCK - 7])
    rest = long[room + BLOCK - 7 :]
    data += chunk(LAST, rest)
    filler = BLOCK - len(data) % BLOCK - 7 - 3
    data += chunk(FULL, b"c" * filler) + b"\0" * 3  # three bytes are too few for a header
    data += chunk(FULL, b"d")
    file = tmp_path / "run.wandb"
    file.write_bytes(data + chunk(FULL, b"e" * 50)[:-1])
    assert list(records(file)) == [small, long, b"c" * filler, b"d"]
    pytest.importorskip("wandb", reason="the extra wandb is not installed")
    assert last_step(tmp_path, "none") is None  # wandb clean has deleted them
    (tmp_path / "wandb/offline-run-1-some").mkdir(parents=True)
    (tmp_path / "wandb/offline-run-1-some/run-some.wandb").write_bytes(b"\0" * 7)
    assert last_step(tmp_path, "some") == -1  # a kill came before the first write


class Memory(tracker_kinds.Tracker):
    """A tracker that keeps what it gets; it stands for a server."""

    calls: list[tuple[int, str, Any]] = []  # noqa: RUF012 - shared by the sessions of a test
    fails_at = 10**6
    configured: dict[str, Any] = {}  # noqa: RUF012

    def open(self, state: dict[str, Any], step: int, config: Mapping[str, Any]) -> tuple[int, int]:
        type(self).configured = dict(config)
        state["id"] = state.get("id", "first")
        return tracker_kinds._sent(state)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        if step >= self.fails_at:
            raise ConnectionError("the server\nis away")
        self.calls.append((step, "values", dict(values)))

    def show(self, step: int, name: str, file: Path) -> None:
        self.calls.append((step, name, file.name))

    def finish(self, step: int, values: Mapping[str, float]) -> None:
        self.calls.append((step, "end", dict(values)))


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> type[Memory]:
    monkeypatch.setattr(tracker_kinds, "KINDS", {"tensorboard": Memory})
    monkeypatch.setattr(tracker_kinds, "get_available_trackers", lambda: ["tensorboard"])
    monkeypatch.setattr(Memory, "calls", [])
    return Memory


def test_a_tracker_that_failed_or_was_added_later_gets_everything_once(
    memory: type[Memory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = write_recipe(tmp_path, train={"log": 1}, evaluate={"metrics": ["cycle_l1"], "every": 4, "best": None})
    package.run(recipe, "train.steps=3", root=tmp_path)
    assert memory.calls == []
    monkeypatch.setattr(memory, "fails_at", 5)
    package.run(recipe, "train.steps=6", "train.trackers=[tensorboard]", root=tmp_path)
    assert (
        "the callback tensorboard failed in on_step and is switched off: the server is away" in capsys.readouterr().out
    )
    monkeypatch.setattr(memory, "fails_at", 10**6)
    package.run(recipe, "train.steps=8", "train.trackers=[tensorboard]", root=tmp_path)
    package.run(recipe, "train.steps=8", "train.trackers=[tensorboard]", root=tmp_path)  # at its end: nothing to send
    steps = [step for step, kind, values in memory.calls if kind == "values" and f"train/{LOSS}" in values]
    assert steps == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [step for step, kind, values in memory.calls if kind == "values" and "eval/cycle_l1_AB" in values] == [
        0, 3, 4, 6, 8,
    ]  # fmt: skip
    assert [(step, name) for step, kind, name in memory.calls if kind == "samples"] == [
        (step, f"step-{step:07}.png") for step in (3, 4, 6, 8)
    ]
    assert [step for step, _, _ in memory.calls] == sorted(step for step, _, _ in memory.calls)
    ends = [values for _, kind, values in memory.calls if kind == "end"]
    assert len(ends) == 1 and set(ends[0]) == {"final/last/cycle_l1_AB", "final/last/cycle_l1_BA"}
    assert memory.configured["train.steps"] == 8 and memory.configured["data.root"] == "images"


def test_a_metric_that_a_finished_run_measures_later_is_sent_alone(memory: type[Memory], tmp_path: Path) -> None:
    none = {"metrics": ["cycle_l1"], "every": 0, "best": None}
    recipe = write_recipe(tmp_path, train={"log": 1, "steps": 2, "trackers": ["tensorboard"]}, evaluate=none)
    for metrics in ("[cycle_l1]", "[cycle_l1, identity_l1]", "[cycle_l1, identity_l1]"):
        package.run(recipe, f"evaluate.metrics={metrics}", root=tmp_path)
    ends = [set(values) for _, kind, values in memory.calls if kind == "end"]
    assert ends == [
        {"final/last/cycle_l1_AB", "final/last/cycle_l1_BA"},
        {"final/last/identity_l1_AB", "final/last/identity_l1_BA"},
    ]


def test_a_project_that_changed_gets_the_whole_run_anew(
    memory: type[Memory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write_recipe(tmp_path, train={"log": 1}, evaluate={"metrics": [], "every": 0, "best": None})
    package.run(recipe, "train.steps=2", "train.trackers=[tensorboard]", root=tmp_path)
    monkeypatch.setattr(memory, "__init__", _in_project("other", memory.__init__))
    package.run(recipe, "train.steps=3", "train.trackers=[tensorboard]", root=tmp_path)
    assert [step for step, kind, _ in memory.calls if kind == "values"] == [1, 2, 1, 2, 3]


def test_a_copy_of_a_run_gets_a_run_of_its_own(memory: type[Memory], tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, train={"log": 1}, evaluate={"metrics": [], "every": 0, "best": None})
    words = ("train.trackers=[{tracker: tensorboard}]",)
    package.run(recipe, "train.steps=2", *words, root=tmp_path)
    shutil.copytree(tmp_path / "tiny/default", tmp_path / "tiny/longer")
    package.run(recipe, "train.steps=3", *words, root=tmp_path, name="longer")
    package.run(recipe, "train.steps=4", *words, root=tmp_path, name="longer")
    assert [step for step, kind, _ in memory.calls if kind == "values"] == [1, 2, 1, 2, 3, 4]


def test_a_run_that_ended_early_is_not_opened_again(
    memory: type[Memory], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = write_recipe(tmp_path, train={"log": 1, "trackers": ["tensorboard"]}, evaluate={"every": 2, "patience": 1})
    monkeypatch.setattr(Progress, "out_of_patience", lambda *_: True)
    opened: list[int] = []

    def open_run(self: Memory, state: dict[str, Any], step: int, config: Mapping[str, Any]) -> tuple[int, int]:
        opened.append(step)
        return (step, WHOLE)

    monkeypatch.setattr(memory, "open", open_run)
    for _ in range(2):
        package.run(recipe, root=tmp_path)
    assert opened == [-1]


def _in_project(project: str, init: Any) -> Any:
    def changed(self: Any, *words: Any) -> None:
        init(self, *words)
        self.project = project

    return changed


def test_a_missing_package_is_named_with_its_extra() -> None:
    from accelerate.utils import is_trackio_available

    if is_trackio_available():
        pytest.skip("trackio is installed")
    with pytest.raises(package.GanzooError, match=r"trackio is not installed: pip install 'ganzoo-i2i\[trackio\]'"):
        tracker_kinds.make_tracker("trackio", "tiny/default", Path())


@pytest.mark.parametrize(
    ("setting", "error"),
    [
        ("[{tracker: wandb, projet: a}]", r"train\.trackers\.0\.projet: trackers has no key 'projet'"),
        ("[{tracker: wnadb}]", r"train\.trackers.*wnadb"),
        ("[{tracker: wandb, mode: of}]", r"train\.trackers.*'of'"),
        ("[tensorboard, wandb, {tracker: wandb, project: a}]", "trackers names wandb 2 times: remove all but one"),
    ],
)
def test_options_of_trackers_are_checked(setting: str, error: str, tmp_path: Path) -> None:
    with pytest.raises(package.GanzooError, match=error):
        package.run(write_recipe(tmp_path), f"train.trackers={setting}", root=tmp_path)


def test_only_the_main_process_has_trackers(memory: type[Memory]) -> None:
    from ganzoo.training.callbacks import Callbacks

    other = SimpleNamespace(name="tiny", folder=Path("default"), accelerator=SimpleNamespace(is_main_process=False))
    callbacks = Callbacks(other)
    callbacks.gather(["tensorboard"])
    assert not any(isinstance(one, TrackerCallback) for one in callbacks.active)


def test_an_mlflow_run_is_one_curve_over_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    pytest.importorskip("sqlalchemy", reason="mlflow-skinny has no local store")
    monkeypatch.chdir(tmp_path)  # where mlflow puts images
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/store.db")
    options = {"tracker": "mlflow", "experiment": "paintings", "tags": {"team": "tiny"}}
    folder = kill_and_resume(tracked_recipe(tmp_path, options), tmp_path / "runs")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/store.db")
    experiment = client.get_experiment_by_name("paintings")
    (only,) = client.search_runs([experiment.experiment_id])
    assert (only.info.run_name, only.info.status, only.data.tags["team"]) == ("tiny/default", "FINISHED", "tiny")
    curve = {one.step: one.value for one in client.get_metric_history(only.info.run_id, f"train/{LOSS}")}
    assert curve == pytest.approx(logged_losses(folder))
    assert len(client.get_metric_history(only.info.run_id, f"train/{LOSS}")) == STEPS
    assert len(client.list_artifacts(only.info.run_id, "images")) == 2 * STEPS // SAMPLE  # each with its thumbnail
    assert only.data.params["networks.G_AB.generator"] == "resnet"


def test_a_trackio_run_is_one_curve_over_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("trackio", reason="the extra trackio is not installed")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    folder = kill_and_resume(
        tracked_recipe(tmp_path, {"tracker": "trackio", "project": "paintings"}), tmp_path / "runs"
    )
    code = (
        "import json\nfrom trackio.sqlite_storage import SQLiteStorage as S\n"
        "(run,) = S.get_run_records('paintings')\n"
        "print(json.dumps(S.get_logs('paintings', run['name'], run_id=run['id'])))"
    )  # in a process of its own: trackio reads the variable when it is imported
    logs = json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    curve = [(line["step"], line[f"train/{LOSS}"]) for line in logs if f"train/{LOSS}" in line]
    assert [step for step, _ in curve] == list(range(1, STEPS + 1))
    assert dict(curve) == pytest.approx(logged_losses(folder))
    assert [line["step"] for line in logs if "samples" in line] == list(range(SAMPLE, STEPS + 1, SAMPLE))


def test_the_recipe_and_the_names_of_the_page_are_right(tmp_path: Path) -> None:
    page = ROOT / "docs/trackers.md"
    (text,) = blocks(page, "yaml")
    (tmp_path / "tracked.yaml").write_text(f"base: {ROOT}/recipes/quickstart.yaml\n{text}")
    assert read_recipe(tmp_path / "tracked.yaml").train.trackers[0] == "tensorboard"
    named = page.read_text()
    numbers = {"lr": 1, "epoch": 1, "images_per_s": 1, "data_wait": 1, "memory": 1, "losses": {}, "values": {}}
    assert all(f"`{name}`" in named for name in tracked_values(numbers))
    for kind in (WandbTracker, MlflowTracker, TrackioTracker):
        assert all(f"`{name}`" in named for name in get_type_hints(kind) if name != "tracker")
