"""The checks of ``ganzoo doctor`` that import plugins and torch, in a process of their own, as they may crash."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict

from ganzoo.check.findings import Finding, examine
from ganzoo.errors import one_line
from ganzoo.utils.formatting import format_bytes

TOLERANCE = {"fp32": 1e-3, "bf16": 0.1, "fp16": 0.02}
"""Largest difference of a tiny network's output, about 1 in size, from that on the CPU in fp32."""
REPEATS = 3
LIMIT = 60
"""Seconds for the two processes."""
RENDEZVOUS = """
import datetime, sys, torch
from torch import distributed
rank, port = int(sys.argv[1]), sys.argv[2]
distributed.init_process_group(
    "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2, timeout=datetime.timedelta(seconds=30)
)
number = torch.tensor([rank + 1.0])
distributed.all_reduce(number)
distributed.destroy_process_group()
sys.exit(0 if number.item() == 3 else "a sum over both processes is wrong")
"""


def plugins(finding: Finding) -> None:
    """The plugins, and why some failed to load."""
    from ganzoo.plugins import plugins as load

    installed = load()
    finding.facts["loaded"] = {one.name: one.version for one in installed.loaded if not one.error and not one.bundled}
    bundled = [one for one in installed.loaded if one.bundled]
    finding.facts["bundled"] = f"{len(bundled)}, with {sum(one.components for one in bundled)} components"
    finding.facts["left out by GANZOO_PLUGINS"] = list(installed.registry.excluded)
    finding.problems += [
        f"{one.name} ({one.package} {one.version}) failed to load: {one.error}" for one in installed.loaded if one.error
    ]


def torch(finding: Finding) -> None:
    """Torch and what builds on it can be imported; threads."""
    import torch

    from ganzoo.utils.device import bf16_instructions

    finding.facts |= {
        "torch": torch.__version__,
        "built for": f"CUDA {torch.version.cuda}" if torch.version.cuda else "the CPU",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "instructions for bf16": bf16_instructions(),
        "oneDNN": torch.backends.mkldnn.is_available(),
        "threads": f"{torch.get_num_threads()} within an operation, {torch.get_num_interop_threads()} beside another",
    }
    for name in ("torchvision", "accelerate"):
        try:
            finding.facts[name] = __import__(name).__version__
        except Exception as error:
            finding.problems.append(f"{name} cannot be imported: {one_line(error)}; its version must suit torch's")


def devices(finding: Finding) -> None:
    """The GPUs and the device that is used by default."""
    import torch

    from ganzoo.utils.device import default_device

    finding.facts["used by default"] = str(default_device())
    for index in range(torch.cuda.device_count()):
        one = torch.cuda.get_device_properties(index)
        free, total = torch.cuda.mem_get_info(index)
        memory = f"{format_bytes(free)} of {format_bytes(total)} free"
        finding.facts[f"cuda:{index}"] = f"{one.name}, compute capability {one.major}.{one.minor}, {memory}"
    if shutil.which("nvidia-smi"):
        done = subprocess.run(
            ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=30,
        )
        seen = done.stdout.split("\n")[0].strip() if done.returncode == 0 else ""
        finding.facts["nvidia-smi"] = seen or "no GPU"
        if seen and not torch.cuda.is_available():
            why = "torch was built without CUDA" if not torch.version.cuda else "torch cannot use it (driver too old?)"
            finding.problems.append(f"there is a GPU ({seen}), but {why}: see pytorch.org for the right torch")


def precision(finding: Finding) -> None:
    """A forward and a backward of a tiny network in each precision, on the CPU and the default device."""
    import torch

    from ganzoo.engine.precision import resolve_precision
    from ganzoo.utils.device import default_device

    for device in dict.fromkeys([torch.device("cpu"), default_device()]):
        finding.facts[f"auto on {device.type}"] = resolve_precision("auto", device, "train.precision")
        for name in ("fp32", "bf16", *(() if device.type == "cpu" else ("fp16",))):
            where = f"{name} on {device.type}"
            try:
                milliseconds, difference = tiny_step(name, device.type)
            except Exception as error:
                finding.problems.append(f"{where} fails: {one_line(error)[:300]}")
                continue
            finding.facts[where] = f"{milliseconds:.1f} ms"
            if not difference <= TOLERANCE[name]:
                finding.problems.append(f"{where} computes wrong numbers: {difference:.3g} away from fp32 on the CPU")


def tiny_step(precision: str, device: str) -> tuple[float, float]:
    """Run a tiny network forward and backward; return the least milliseconds, and how far its output is from the CPU's.

    The distance is the largest difference from fp32 on the CPU; NaN if an output or gradient is not finite.
    """
    import torch
    from torch import nn

    from ganzoo.engine.precision import autocast

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, padding=1), nn.InstanceNorm2d(16), nn.ReLU()),
            *(nn.Conv2d(16, 16, 3, padding=1), nn.ReLU(), nn.ConvTranspose2d(16, 3, 4, 2, 1), nn.Tanh()),
        )
        images = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        expected = network(images)
    network, images, place = network.to(device), images.to(device), torch.device(device)
    best = float("inf")
    for _ in range(REPEATS + 1):  # the first one prepares
        started = time.perf_counter()
        with autocast(precision, place):
            output = network(images)
        output.float().square().mean().backward()
        finite = all(bool(one.grad.isfinite().all()) for one in network.parameters() if one.grad is not None)
        best = min(best, time.perf_counter() - started)
    difference = (output.float().cpu() - expected).abs().max().item() if finite else float("nan")
    return best * 1000, difference


def processes(finding: Finding) -> None:
    """Whether two processes on this machine can add a number over gloo, as training on several does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = time.monotonic()
    environment = {
        name: value for name, value in os.environ.items() if name not in ("WORLD_SIZE", "RANK", "LOCAL_RANK")
    }
    both = [
        subprocess.Popen(
            [sys.executable, "-c", RENDEZVOUS, str(rank), str(port)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
        )
        for rank in range(2)
    ]
    try:
        for rank, process in enumerate(both):
            _, errors = process.communicate(timeout=LIMIT)
            if process.returncode:
                last = next((line for line in reversed(errors.splitlines()) if line.strip()), "no message")
                finding.problems.append(f"process {rank} of 2 fails over gloo: {last.strip()}")
    except subprocess.TimeoutExpired:
        finding.problems.append(
            f"two processes find one another over gloo not within {LIMIT} s: a firewall on 127.0.0.1?"
        )
    finally:
        for process in both:
            process.kill()
            process.wait()
    if not finding.problems:
        finding.facts["gloo"] = f"two processes add a number, {time.monotonic() - started:.1f} s with their start"


CHECKS: dict[str, Callable[[Finding], None]] = {
    "plugins": plugins,
    "torch": torch,
    "devices": devices,
    "precision": precision,
    "processes": processes,
}


def main() -> None:
    """Run the checks that the command line names; write a line of JSON for each to standard output."""
    results = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what packages print goes to standard error
    for name in sys.argv[1:]:
        print(json.dumps(asdict(examine(name, CHECKS[name]))), file=results, flush=True)
