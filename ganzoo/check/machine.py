"""The checks of ``ganzoo doctor`` that need no torch: system, packages, weights, disk, memory, variables, compilers."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from ganzoo.check.findings import HIDDEN, SECRET, Finding
from ganzoo.plugins import PACKAGE, checkout, installed_version, version_of
from ganzoo.utils.cache import cache_folder
from ganzoo.utils.formatting import format_bytes

LITTLE_SPACE, LITTLE_MEMORY = 2 * 2**30, 2 * 2**30
"""Bytes below which free space and available memory are a note."""
LEAST_SPACE = 200 * 2**20
"""Bytes below which free space is a problem: a checkpoint does not fit."""
TRIED = 2**20
"""Bytes that are written to see whether a folder takes them."""
VARIABLES = re.compile(
    r"(GANZOO|CUDA|OMP|MKL|GOMP|KMP|TORCH|PYTORCH|NCCL|GLOO|ACCELERATE|WANDB|MLFLOW|TRACKIO|HF|HIP|ROCR|MALLOC)_\w+"
    r"|WORLD_SIZE|RANK|LOCAL_RANK|LOCAL_WORLD_SIZE|MASTER_ADDR|MASTER_PORT|LD_PRELOAD|LD_LIBRARY_PATH|PYTHONPATH"
    r"|PYTHONHOME|VIRTUAL_ENV|CONDA_PREFIX|TMPDIR|XDG_CACHE_HOME|CXX|CC|(HTTPS?|NO|ALL)_PROXY|(https?|no|all)_proxy"
)
"""Names of environment variables that change what ganzoo, torch or a tracker does."""
LAUNCHER = ("WORLD_SIZE", "RANK", "LOCAL_RANK")


def system(finding: Finding) -> None:
    """Versions of ganzoo and Python, system, processor."""
    import psutil

    finding.facts |= {
        "ganzoo": f"{installed_version()} ({'checkout' if checkout() else 'installed'})",
        "place": str(Path(__file__).resolve().parents[1]),
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "processor": _processor(),
        "cores": f"{psutil.cpu_count(logical=False)} physical, {psutil.cpu_count()} logical, {_usable_cores()} usable",
    }


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def requirements() -> Iterator[tuple[str, str]]:
    """Yield (extra or empty, requirement) of ganzoo's distribution: from the checkout, else as it is installed."""
    from packaging.requirements import Requirement

    if project := checkout():
        yield from (("", text) for text in project["dependencies"])
        for extra, texts in project["optional-dependencies"].items():
            yield from ((extra, text) for text in texts)
        return
    for text in distribution(PACKAGE).requires or []:
        requirement = Requirement(text)
        found = re.search(r"extra\s*==\s*['\"]([^'\"]+)", str(requirement.marker or ""))
        yield (found[1] if found else ""), f"{requirement.name}{requirement.specifier}"


def packages(finding: Finding) -> None:
    """The packages that ganzoo needs, with their versions; the extras, and what each lacks."""
    from packaging.requirements import Requirement

    extras: dict[str, list[str]] = {}
    for extra, text in requirements():
        requirement = Requirement(text)
        if extra == "dev" or requirement.name == PACKAGE:
            continue
        found = version_of(requirement.name)
        fits = bool(found) and requirement.specifier.contains(found, prereleases=True)
        if extra:
            extras.setdefault(extra, []).extend([] if fits else [requirement.name])
            continue
        finding.facts[requirement.name] = found or "missing"
        if not fits:
            there = f"{found} is installed" if found else "it is not installed"
            finding.problems.append(f"{text} is needed, but {there}: pip install '{text}'")
    here = sorted(name for name, lacks in extras.items() if not lacks)
    finding.facts = {"versions": finding.facts, "extras installed": here}
    missing = {name: f"({', '.join(lacks)})" for name, lacks in sorted(extras.items()) if lacks}
    finding.facts["extras not installed"] = missing


def weights(finding: Finding) -> None:
    """The folders of pretrained weights, and what they hold."""
    own = os.environ.get("GANZOO_WEIGHTS")
    if own:
        finding.facts["GANZOO_WEIGHTS"] = own
        if not Path(own).is_dir():
            finding.problems.append(f"GANZOO_WEIGHTS is {own}, which is not a folder: correct or unset it")
    folder = cache_folder() / "weights"
    files = [file for file in folder.iterdir() if file.is_file()] if folder.is_dir() else []
    whole = [file for file in files if not file.name.startswith(".") and file.suffix != ".json"]
    finding.facts["cache"] = str(folder)
    finding.facts["files"] = {file.name: f"({format_bytes(file.stat().st_size)})" for file in sorted(whole)}
    if parts := [file.name for file in files if file.name.endswith(".part")]:
        finding.notes.append(f"downloads that are not complete: {', '.join(parts)}; ganzoo weights get resumes them")


def disk(finding: Finding) -> None:
    """Free space and a trial of writing, in the present folder, the cache and the folder for temporary files."""
    places = {"here": Path.cwd, "cache": cache_folder, "temporary": lambda: Path(tempfile.gettempdir())}
    for name, place in places.items():
        try:
            folder = place()
            there = next(one for one in [folder, *folder.absolute().parents] if one.exists())
            free = shutil.disk_usage(there).free
            finding.facts[name] = f"{folder}: {format_bytes(free)} free"
            if free < LEAST_SPACE:
                finding.problems.append(f"{folder}: only {format_bytes(free)} are free: delete something there")
            elif free < LITTLE_SPACE:
                finding.notes.append(
                    f"{folder}: only {format_bytes(free)} are free; a checkpoint of a run may need more"
                )
            _try_to_write(there)
        except OSError as error:
            finding.problems.append(f"{name}: nothing can be written to {error.filename or 'it'}: {error.strerror}")


def _try_to_write(folder: Path) -> None:
    handle, name = tempfile.mkstemp(prefix=".ganzoo-doctor-", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(b"\0" * TRIED)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None
    finally:
        Path(name).unlink(missing_ok=True)


def memory(finding: Finding) -> None:
    """Main memory, its limit in a container, shared memory, open files."""
    import psutil

    there, swap = psutil.virtual_memory(), psutil.swap_memory()
    finding.facts["main"] = f"{format_bytes(there.total)}, {format_bytes(there.available)} available"
    finding.facts["swap"] = format_bytes(swap.total)
    available = there.available
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            limit = int(Path(file).read_text())
            if limit < there.total:
                finding.facts["limit of the container"] = format_bytes(limit)
                available = min(available, limit)
    if Path("/dev/shm").is_dir():
        finding.facts["shared (/dev/shm)"] = format_bytes(shutil.disk_usage("/dev/shm").total)
    with suppress(ImportError):  # Windows has no such module
        import resource

        finding.facts["open files"] = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if available < LITTLE_MEMORY:
        finding.notes.append(f"only {format_bytes(available)} of memory are available")


def variables(finding: Finding) -> None:
    """The environment variables that matter; of secrets only that they are set."""
    for name, value in sorted(os.environ.items()):
        if VARIABLES.fullmatch(name):
            if name.lower().endswith("_proxy"):  # user:password@host, also without a scheme, and with any characters
                value = re.sub(r"(\w+://)?[^,]*@", rf"\g<1>{HIDDEN}@", value)
            finding.facts[name] = HIDDEN if SECRET.search(name) else value
    if launcher := [name for name in LAUNCHER if name in os.environ]:
        finding.problems.append(
            f"{', '.join(launcher)} set as by a launcher: a command would wait for other processes; unset it"
        )


def compilers(finding: Finding) -> None:
    """The C++ compiler that ``train.compile`` needs, tried on one line; Triton and nvcc."""
    finding.facts["triton"] = version_of("triton") or "none"
    if nvcc := shutil.which("nvcc"):
        finding.facts["nvcc"] = _first_line([nvcc, "--version"], "release")
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++", "cl"]
    compiler = next((path for name in names if name and (path := shutil.which(name))), None)
    if compiler is None:
        finding.facts["C++"] = "none"
        finding.notes.append("no C++ compiler: train.compile on a CPU needs one (apt install g++); all else works")
        return
    finding.facts["C++"] = f"{compiler}: {_first_line([compiler, '--version'])}"
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "tried.cpp")
        source.write_text("#include <vector>\nint main() { return std::vector<int>(1, 0)[0]; }\n")
        command = [compiler, str(source), "-o", str(Path(folder, "tried"))]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=60)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if "error" in line] or [f"exit code {done.returncode}"]
        finding.problems.append(f"{compiler} cannot compile a program, so train.compile fails: {lines[0]}")


def _first_line(command: list[str], word: str = "") -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        return f"cannot be asked: {error}"
    lines = [line.strip() for line in done.stdout.splitlines() if line.strip() and word in line]
    return lines[0] if lines else "unknown"


CHECKS: dict[str, Callable[[Finding], Any]] = {
    "system": system,
    "packages": packages,
    "variables": variables,
    "disk": disk,
    "memory": memory,
    "weights": weights,
    "compilers": compilers,
}
"""The checks by name, in the order of the report."""
