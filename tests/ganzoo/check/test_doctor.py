"""``ganzoo doctor``: its report here, one problem for each broken thing beside the other results, and no secrets."""

from __future__ import annotations

import errno
import json
import os
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch

from ganzoo.check import compute, machine
from ganzoo.check.doctor import IN_CHILD, as_text, in_children
from ganzoo.check.findings import HIDDEN, Finding, examine, redact
from tests.support.pages import ROOT
from tests.support.tiny_run import ganzoo

BUNDLED = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["ganzoo"]


def package(folder: Path, name: str, code: str) -> dict[str, str]:
    """Write a module that hides an installed one; return the variables for a process that uses it."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(code)
    return {"PYTHONPATH": os.pathsep.join([str(folder), *sys.path])}


def checks(output: str) -> dict[str, Any]:
    return {one["check"]: one for one in json.loads(output)["checks"]}


def test_the_report_of_this_machine_has_everything_and_no_secret(tmp_path: Path) -> None:
    home = tmp_path / "someone"
    home.mkdir()
    secrets = {"WANDB_API_KEY": "0123456789abcdef", "HTTPS_PROXY": "http://me:hidden-word@proxy:8080"}
    environment = {**secrets, "HOME": str(home), "TMPDIR": str(tmp_path), "GANZOO_CACHE": str(home / "cache")}
    environment["PYTHONPATH"] = os.pathsep.join(sys.path)
    done = ganzoo("doctor", "--json", env=environment)
    report = json.loads(done.stdout)
    assert done.returncode == (2 if report["problems"] else 0), done.stderr
    found = checks(done.stdout)
    assert list(found) == [*machine.CHECKS, *IN_CHILD]
    assert found["torch"]["facts"]["torch"] == torch.__version__
    has_bf16 = found["torch"]["facts"]["instructions for bf16"] != []
    assert found["precision"]["facts"]["auto on cpu"] == ("bf16" if has_bf16 else "fp32")
    assert found["packages"]["facts"]["versions"]["numpy"]
    assert found["plugins"]["facts"]["bundled"].startswith(f"{len(BUNDLED)}, with ")
    assert {"fp32 on cpu", "bf16 on cpu", "auto on cpu"} <= set(found["precision"]["facts"])
    assert found["processes"]["facts"]["gloo"].startswith("two processes add a number")
    assert found["variables"]["facts"]["WANDB_API_KEY"] == HIDDEN
    assert found["disk"]["facts"]["cache"].startswith("~/cache: ")
    assert "proxy:8080" in done.stdout
    assert not any(word in done.stdout + done.stderr for word in ("0123456789abcdef", "hidden-word", str(home)))


def test_torch_that_cannot_be_imported_leaves_the_rest_of_the_report(tmp_path: Path) -> None:
    broken = package(tmp_path / "broken", "torch", "raise ImportError('libcudart.so.13: cannot open shared object')\n")
    done = ganzoo("doctor", env=broken)
    assert done.returncode == 2 and "Traceback" not in done.stdout + done.stderr
    for name in ("torch", "devices", "precision"):
        assert f"{name}: PROBLEM\n  PROBLEM: ImportError: libcudart.so.13: cannot open" in done.stdout
    assert "processes: PROBLEM" in done.stdout and "fails over gloo: ImportError: libcudart" in done.stdout
    assert "plugins: ok" in done.stdout and "disk: ok" in done.stdout
    assert "ganzoo: doctor: " in done.stderr and "problems, see PROBLEM above" in done.stderr


def test_a_check_that_kills_its_process_is_one_problem() -> None:
    code = (
        "import json, os, signal, sys, time\n"
        "for name in sys.argv[1:]:\n"
        "    if name == 'dies': print('oh', file=sys.stderr, flush=True), os.kill(os.getpid(), signal.SIGSEGV)\n"
        "    if name == 'hangs': time.sleep(60)\n"
        "    print(json.dumps({'check': name, 'facts': {'arguments': len(sys.argv)}}), flush=True)\n"
    )
    findings = list(in_children(["first", "dies", "second", "hangs", "third"], code, limit=4))
    assert [one.check for one in findings] == ["first", "dies", "second", "hangs", "third"]
    assert findings[1].problems == ["the process ended with signal SIGSEGV: oh"]
    assert findings[3].problems == ["no answer within 4 s"]
    assert [one.problems for one in findings[::2]] == [[], [], []] and findings[4].facts == {"arguments": 2}


def test_a_plugin_that_fails_is_a_problem_with_its_reason(tmp_path: Path) -> None:
    environment = package(tmp_path / "site", "bad_plugin", "import nowhere\n")
    metadata = tmp_path / "site/bad_plugin-2.1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: bad-plugin\nVersion: 2.1\n")
    (metadata / "entry_points.txt").write_text("[ganzoo]\nbad = bad_plugin\n")
    code = "from ganzoo.check.compute import main; main()"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", environment["PYTHONPATH"])
        (finding,) = in_children(["plugins"], code)
    (problem,) = finding.problems
    assert problem.startswith("bad (bad-plugin 2.1) failed to load: ModuleNotFoundError: No module named 'nowhere'")
    assert finding.facts["bundled"].startswith(f"{len(BUNDLED)}, ")


def test_a_full_disk_and_a_cache_that_is_no_folder_are_problems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "file").touch()
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "file/cache"))
    monkeypatch.chdir(tmp_path)
    finding = examine("disk", machine.disk)
    assert len(finding.problems) == 1 and "cache: nothing can be written" in finding.problems[0]
    monkeypatch.setattr(os, "fsync", full)
    finding = examine("disk", machine.disk)
    assert f"here: nothing can be written to {tmp_path}: No space left on device" in finding.problems
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file"]
    monkeypatch.setattr(machine, "LEAST_SPACE", 2**60)
    assert any("are free: delete something" in text for text in examine("disk", machine.disk).problems)


def test_a_launcher_s_variables_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    assert examine("variables", machine.variables).problems == []
    monkeypatch.setenv("WORLD_SIZE", "2")
    (problem,) = examine("variables", machine.variables).problems
    assert problem.startswith("WORLD_SIZE set as by a launcher")


def test_a_package_that_does_not_fit_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = [
        ("", "numpy>=999"),
        ("", "no-such-package>=1"),
        ("", "click>=1"),
        ("video", "no-such-codec"),
        ("heic", "pillow"),
    ]
    monkeypatch.setattr(machine, "requirements", lambda: iter(needed))
    finding = examine("packages", machine.packages)
    assert [text.partition(" is needed")[0] for text in finding.problems] == ["numpy>=999", "no-such-package>=1"]
    assert finding.facts["extras installed"] == ["heic"]
    assert finding.facts["extras not installed"] == {"video": "(no-such-codec)"}


def test_what_an_interrupted_installation_left_hides_no_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = examine("packages", machine.packages).facts
    (tmp_path / "numpy-0.1.dist-info").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    assert examine("packages", machine.packages).facts == expected


def test_without_a_compiler_or_with_a_broken_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    finding = examine("compilers", machine.compilers)
    assert finding.facts["C++"] == "none" and not finding.problems and "g++" in finding.notes[0]
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\necho 'fatal error: vector: no such file' >&2\nexit 1\n")
    broken.chmod(0o755)
    (problem,) = examine("compilers", machine.compilers).problems
    assert problem.endswith("train.compile fails: fatal error: vector: no such file")


def test_wrong_numbers_of_a_precision_are_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    milliseconds, difference = compute.tiny_step("fp32", "cpu")
    assert milliseconds > 0 and difference < 1e-5
    assert 1e-5 < compute.tiny_step("bf16", "cpu")[1] < compute.TOLERANCE["bf16"]
    monkeypatch.setattr(compute, "tiny_step", lambda name, device: (1.0, float("nan") if name == "bf16" else 0.0))
    problems = examine("precision", compute.precision).problems
    assert "bf16 on cpu computes wrong numbers: nan away from fp32 on the CPU" in problems
    assert not any(text.startswith("fp32") for text in problems)


def test_secrets_and_the_home_folder_are_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.setenv("MY_TOKEN", "s3cr3t-value")
    monkeypatch.setenv("SHORT_KEY", "ab")
    text = {"a": ["/home/someone/runs and /home/someone2", "x s3cr3t-value ab"], "b": "s3://key:wo@rd@bucket", "c": 3}
    assert redact(text) == {"a": ["~/runs and /home/someone2", f"x {HIDDEN} ab"], "b": f"s3://{HIDDEN}@bucket", "c": 3}


def test_findings_as_text() -> None:
    one = Finding("disk", {"here": "x", "files": {}, "list": ["a", "b"]}, [], ["little"])
    assert as_text([one]) == "disk: note\n  here: x\n  files: none\n  list: a, b\n  note: little"
    assert as_text([Finding("torch", {}, ["gone"])]) == "torch: PROBLEM\n  PROBLEM: gone"


def test_the_page_names_every_check() -> None:
    page = (ROOT / "docs/doctor.md").read_text()
    assert all(f"| `{name}` |" in page for name in (*machine.CHECKS, *compute.CHECKS))
    assert tuple(compute.CHECKS) == IN_CHILD


@pytest.mark.parametrize(
    "value", ["user:pa@ss@proxy:3128", "http://user:pa/ss@proxy:3128", "http://user:pass@proxy:3128"]
)
def test_the_password_of_a_proxy_is_not_shown(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", value)
    shown = examine("variables", machine.variables).facts["HTTPS_PROXY"]
    assert shown in (f"{HIDDEN}@proxy:3128", f"http://{HIDDEN}@proxy:3128")
    assert redact("no route to user:pass@proxy:3128, 3:45 a@b") == f"no route to {HIDDEN}@proxy:3128, 3:45 a@b"


def test_a_process_that_does_not_end_after_its_last_check_is_killed() -> None:
    code = (
        "import json, threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,)).start()\n"
        "print(json.dumps({'check': 'only', 'facts': {}}), flush=True)\n"
    )
    started = time.monotonic()
    assert [one.problems for one in in_children(["only"], code, limit=2)] == [[]]
    assert time.monotonic() - started < 40
