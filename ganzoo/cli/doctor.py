"""The command ``ganzoo doctor``: a pasteable account of this machine, and what is wrong with it."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime

import click

from ganzoo.cli.arguments import AS_JSON, echo
from ganzoo.errors import GanzooError


@click.command("doctor")
@AS_JSON
def doctor_command(as_json: bool) -> None:
    """Examine this machine: versions, plugins, devices, precision, disk, memory, processes.

    The output is made to be pasted into a report: it holds no secrets, and the home folder is ~. The exit code is 2 if
    something is wrong.
    """
    from ganzoo.check.doctor import as_text, diagnose
    from ganzoo.check.findings import Finding, redact

    def show(finding: Finding) -> None:
        if not as_json:
            echo(as_text([Finding(**redact(asdict(finding)))]))

    findings = diagnose(show)
    problems = [f"{one.check}: {text}" for one in findings for text in one.problems]
    if as_json:
        time = datetime.now(UTC).isoformat(timespec="seconds")
        fields = {"time": time, "problems": problems, "checks": [asdict(one) for one in findings]}
        click.echo(json.dumps(redact(fields), indent=1))
    if problems:
        raise GanzooError(f"doctor: {len(problems)} problem{'s' * (len(problems) != 1)}, see PROBLEM above")
    if not as_json:
        echo("no problems")
