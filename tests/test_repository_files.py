"""The files for those who host and cite the project: the workflow, forms for issues, CITATION.cff, the release list."""

from __future__ import annotations

import re
import subprocess
import tomllib
from typing import Any

import pytest

from ganzoo.registry import KINDS
from ganzoo.utils.core_yaml import load_yaml
from tests.support.code_blocks import check_inline_commands
from tests.support.pages import ROOT, assert_parses, commands

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GITHUB = ROOT / ".github"
FORMS = sorted(one for one in (GITHUB / "ISSUE_TEMPLATE").glob("*.yml") if one.name != "config.yml")
JOBS: dict[str, Any] = load_yaml((GITHUB / "workflows/ci.yml").read_text())["jobs"]
STEPS = [step for job in JOBS.values() for step in job["steps"]]
SCRIPTS = [step["run"] for step in STEPS if "run" in step]


def test_the_workflow_tests_every_supported_python() -> None:
    named = [one.rpartition(" ")[2] for one in PROJECT["classifiers"] if "Python :: 3." in one]
    assert JOBS["test"]["strategy"]["matrix"]["python"] == named
    assert named[0] == PROJECT["requires-python"].removeprefix(">=")
    fixed = {step["with"]["python-version"] for step in STEPS if "setup-python" in step.get("uses", "")}
    assert fixed <= {*named, "${{ matrix.python }}"}


def test_the_scripts_of_the_workflow_are_right() -> None:
    assert any(one.startswith("make test") for one in SCRIPTS) and "mkdocs build --strict" in SCRIPTS
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    pinned = {line.partition("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    for script in SCRIPTS:
        assert subprocess.run(["bash", "-n"], input=script, text=True).returncode == 0, script
        assert set(re.findall(r"^make ([a-z-]+)", script, re.MULTILINE)) <= set(targets)
        for words in commands(script.replace("$GITHUB_WORKSPACE/", "")):
            assert_parses(words)
        for packages in re.findall(r"pip install --constraint constraints\.txt ((?:[a-z-]+ ?)+)$", script):
            assert set(packages.split()) <= pinned


def test_what_the_workflow_uploads_is_what_it_made() -> None:
    (site,) = [line.partition(": ")[2] for line in (ROOT / "mkdocs.yml").read_text().splitlines() if "site_dir" in line]
    uploaded = {step["with"]["path"] for step in STEPS if "upload-artifact" in step.get("uses", "")}
    assert uploaded == {site, "dist/*.whl"}
    assert any("--wheel-dir dist" in one for one in SCRIPTS)


def test_actions_come_from_github_alone_and_may_only_read() -> None:
    workflow = load_yaml((GITHUB / "workflows/ci.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert all(re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]) for step in STEPS if "uses" in step)


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_the_form_is_one_that_github_shows(form: Any) -> None:
    content = load_yaml(form.read_text())
    assert set(content) == {"name", "description", "labels", "body"}
    ids = [one["id"] for one in content["body"]]
    assert len(set(ids)) == len(ids)
    for one in content["body"]:
        assert one["type"] in ("textarea", "input", "dropdown", "checkboxes")
        assert one["attributes"]["label"]
        assert set(one) <= {"type", "id", "attributes", "validations"}
        assert bool(one["attributes"].get("options")) == (one["type"] in ("dropdown", "checkboxes"))
    assert any(one.get("validations", {}).get("required") for one in content["body"])
    check_inline_commands(form)


def test_the_form_for_ideas_names_every_kind() -> None:
    (kinds,) = [
        one for one in load_yaml((GITHUB / "ISSUE_TEMPLATE/idea.yml").read_text())["body"] if one["id"] == "kind"
    ]
    assert kinds["attributes"]["options"] == [*KINDS, "callback", "command", "something else"]


def test_files_that_forms_and_templates_name_exist() -> None:
    for file in [*FORMS, GITHUB / "PULL_REQUEST_TEMPLATE.md", ROOT / "CITATION.cff"]:
        for name in re.findall(r"\b(?:docs/)?[\w/]+\.md\b", file.read_text()):
            assert (ROOT / name).is_file(), f"{file.name} names {name}"


def test_the_version_is_the_same_everywhere() -> None:
    citation = load_yaml((ROOT / "CITATION.cff").read_text())
    (heading,) = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)[:1]
    assert citation["version"] == PROJECT["version"]
    assert PROJECT["version"] in heading


def test_the_citation_has_what_its_format_demands() -> None:
    citation = load_yaml((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert citation["authors"] == [{"name": "ganzoo contributors"}]
    assert citation["license"] == PROJECT["license"]
    assert citation["keywords"] == PROJECT["keywords"]
    assert citation["abstract"].rstrip(".") == PROJECT["description"]
