"""Accelerate starts with a device for each process; wrong launches and variables are refused in one line."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import torch

from ganzoo.engine.distributed import PATIENCE, select_device, start_accelerator
from ganzoo.errors import GanzooError, catch_torch_errors
from tests.support.command_line import Command, refusal
from tests.support.tiny_run import ganzoo, write_recipe


def test_another_number_of_processes_than_launched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")

    class Single:
        num_processes = 1

    monkeypatch.setattr("ganzoo.engine.distributed.Accelerator", lambda **_: Single())
    with pytest.raises(GanzooError, match="the launcher started 2 processes, but Accelerate sees 1"):
        start_accelerator()


@pytest.mark.parametrize(
    ("kind", "devices", "message"),
    [
        ("cuda", 1, "process 1 has no cuda device of its own: this machine has 1; start as many processes, or use"),
        ("mps", 1, "several processes cannot use the GPU of a Mac: start one process, or add --device cpu"),
        ("cuda", 2, ""),
    ],
)
def test_each_of_several_processes_needs_a_device_and_opens_no_other(
    monkeypatch: pytest.MonkeyPatch, kind: str, devices: int, message: str
) -> None:
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "1"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: True)
    monkeypatch.setattr(torch.accelerator, "device_count", lambda: devices)
    monkeypatch.setattr("ganzoo.engine.distributed.default_device", lambda: torch.device(kind))
    monkeypatch.setattr("ganzoo.engine.distributed.Accelerator", lambda **_: pytest.fail("it is started"))
    monkeypatch.setattr(torch, "zeros", lambda *_, **__: pytest.fail("a tensor on the first device"))
    if message:
        for device in ("", kind):
            assert refusal(start_accelerator, device=device).startswith(message)
    else:
        assert select_device("") and select_device(kind)
    monkeypatch.undo()


def test_processes_wait_for_each_other_for_hours_and_advice_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    class Single:
        num_processes = 1

    def start(**options: Any) -> Single:
        given.update(options)
        return Single()

    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr("ganzoo.engine.distributed.Accelerator", start)
    assert refusal(start_accelerator, command="evaluate").endswith("-m ganzoo evaluate …")
    (waits,) = given["kwargs_handlers"]
    assert waits.to_kwargs() == {"backend": None, "timeout": PATIENCE}


@pytest.mark.parametrize("strict", ["", "1"])
def test_the_error_of_a_connection_is_shown_and_blames_no_image_size(
    command: Command, monkeypatch: pytest.MonkeyPatch, strict: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        with catch_torch_errors("a training step"):
            raise RuntimeError("NCCL error: Duplicate GPU detected\nby rank 1")

    monkeypatch.setattr("ganzoo.run", fail)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("GANZOO_STRICT", strict)
    if strict:
        with pytest.raises(RuntimeError, match="Duplicate GPU"):
            command("run", "recipes/quickstart.yaml")
        return
    done = command("run", "recipes/quickstart.yaml")
    assert done.returncode == 2 and done.stderr == (
        "ganzoo: another process stopped, or cannot be reached: see its error, or this one: "
        "RuntimeError: NCCL error: Duplicate GPU detected by rank 1\n"
    )


def test_fsdp_and_deepspeed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Sharded:
        num_processes = 1
        distributed_type = "DistributedType.FSDP"

    monkeypatch.setattr("ganzoo.engine.distributed.Accelerator", lambda **_: Sharded())
    with pytest.raises(GanzooError, match="FSDP is not supported"):
        start_accelerator()


def test_a_device_can_be_chosen_and_a_missing_one_is_refused(command: Command, tmp_path: Path) -> None:
    assert start_accelerator(device="cpu").device.type == "cpu"
    lacking = "cuda:7" if torch.accelerator.is_available() else "cuda"
    for device in (lacking, "meta", "nonsense"):
        with pytest.raises(GanzooError, match=f"--device is '{device}'; this machine has no such torch device"):
            start_accelerator(device=device)
    recipe = write_recipe(tmp_path)
    commands: tuple[list[str | Path], ...] = (["run", recipe, "--root", tmp_path], ["check", "--quick", recipe])
    for words in commands:
        done = command(*words, "--device", "nonsense")
        assert (done.returncode, (tmp_path / "tiny").exists()) == (2, False)
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("WORLD_SIZE", "abc", "the environment variable WORLD_SIZE is 'abc'; it must be a number: unset it"),
        ("RANK", "-1", "the environment variable RANK is '-1'; it must be a number: unset it"),
        ("LOCAL_RANK", "", "the environment variable LOCAL_RANK is ''; it must be a number: unset it"),
        ("MASTER_PORT", "29500x", "the environment variable MASTER_PORT is '29500x'; it must be a number: unset it"),
        ("RANK", "1", "RANK is 1, but WORLD_SIZE is 1: unset both, or let torchrun set them"),
    ],
)
def test_wrong_variables_of_a_launcher_are_one_line(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    assert refusal(start_accelerator) == message


def test_wrong_variables_of_accelerate_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ValueError("invalid truth value perhaps")

    monkeypatch.setattr("ganzoo.engine.distributed.Accelerator", fail)
    assert refusal(start_accelerator) == "Accelerate cannot start: ValueError: invalid truth value perhaps"


def test_a_port_that_is_in_use_is_one_line(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        launcher = {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1"}
        done = ganzoo("run", recipe, env={**launcher, "MASTER_PORT": str(taken.getsockname()[1])})
    assert done.returncode == 2 and done.stderr.startswith("ganzoo: the 2 processes cannot be connected (")
    assert "Traceback" not in done.stderr
