"""docs/plugins.md lists the contracts of every kind as the code has them, and its example runs."""

from __future__ import annotations

from ganzoo.registry import KINDS
from ganzoo.testing import callback_tests, command_tests, contracts
from ganzoo.testing.kinds import CONTRACTS
from tests.support.pages import ROOT

PAGE = (ROOT / "docs/plugins.md").read_text(encoding="utf-8")
START, END = "<!-- contracts -->\n", "<!-- end of contracts -->"


def listed() -> str:
    """Return the list that the page must have."""
    lines = []
    classes = {"callback": callback_tests(object), "commands": command_tests("ganzoo_art2real")}  # type: ignore[arg-type]
    others = {
        kind: {name: (getattr(tests, name).__doc__ or "") for name in dir(tests) if name.startswith("test_")}
        for kind, tests in classes.items()
    }
    for kind, tests in {**{kind: contracts(kind) for kind in CONTRACTS}, **others}.items():
        lines += [f"- **{kind}**:"]
        lines += [f"  - `{name.removeprefix('test_')}`: {' '.join(text.split())}" for name, text in tests.items()]
    return "\n".join(lines) + "\n"


def test_the_page_lists_the_contracts_of_each_kind() -> None:
    assert PAGE.partition(START)[2].partition(END)[0] == listed()


def test_every_kind_has_contracts_and_each_says_what_it_demands() -> None:
    assert set(CONTRACTS) == set(KINDS)
    for kind in CONTRACTS:
        assert all(text.endswith(".") for text in contracts(kind).values())
