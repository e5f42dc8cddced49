"""Print any text on any terminal: escape control characters, and spell what the terminal's encoding lacks."""

from __future__ import annotations

import codecs
import os
import re
import sys
from typing import IO

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
"""Characters that move the cursor, clear the screen, ring or turn the direction of text; not tab and line feed."""
PLAIN = {"—": "-", "–": "-", "−": "-", "×": "x", "→": "->", "…": "...", "±": "+-", "·": "*", "≤": "<=", "≥": ">="}
"""Characters of ganzoo's own texts that have a spelling in ASCII."""


def escape_controls(text: str) -> str:
    """Return a text that a terminal shows as it is: control characters become escapes; tab and line feed stay.

    File names, answers of servers and fields of other people's files may hold any character.

    >>> print(escape_controls("a\\x1b[2J\\r.png"))
    a\\x1b[2J\\r.png
    """
    return _CONTROLS.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def print_note(text: str) -> None:
    """Print a line to stderr, as errors are; processes of a run but the first print nothing."""
    if os.environ.get("RANK", "0") == "0":
        print(f"ganzoo: {escape_controls(text)}", file=sys.stderr)


def accept_any_text(stream: IO[str]) -> None:
    """Let a stream print characters that its encoding lacks: spelled in ASCII if ganzoo uses them, else as escapes.

    A terminal of another encoding, ``PYTHONIOENCODING=ascii`` or a file name that is not UTF-8 then ends no command.
    """
    if getattr(stream, "errors", "") == "strict" and hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="ganzoo")


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    spelled = (PLAIN.get(one) or one.encode("ascii", "backslashreplace").decode() for one in missing)
    return "".join(spelled), error.end


codecs.register_error("ganzoo", _spell)
