"""Text and JSON files that hold a checksum of their own content, so that damage and edits are noticed.

JSON has it in the field ``checksum``, YAML in its last line, a comment. People and programs can read both as before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ganzoo.utils.reading import damaged, parse_object, read_text

CHECKSUM = "checksum"
"""The last field of a JSON object with a checksum."""
MARK = "# sha256: "
EDITED = "# edited"
"""The last line of a YAML file that was edited by hand on purpose: it is read as it is."""


def seal_object(fields: Mapping[str, Any]) -> str:
    """Return the JSON text of an object with its checksum as the last field.

    >>> print(seal_object({"step": 2}))
    {
     "step": 2,
     "checksum": "aebcca5f2da4999140b08302faef160fb1ee0efe9badb8415b4cb57c1b9ce0df"
    }
    """
    return json.dumps({**fields, CHECKSUM: _object_checksum(fields)}, indent=1)


def read_sealed_object(file: Path, what: str, advice: str = "") -> dict[str, Any]:
    """Return a JSON object without its checksum.

    Args:
        file: the file.
        what: what it should hold, for the error.
        advice: what to do if it is damaged.

    Raises DamagedError when the file is missing, damaged or was edited, or has no checksum.
    """
    fields = parse_object(read_text(file, advice), file, what, advice)
    checksum = fields.pop(CHECKSUM, None)
    if checksum is None:
        raise damaged(file, "it has no checksum (an earlier version of ganzoo wrote it, or it was edited)", advice)
    if checksum != _object_checksum(fields):
        raise damaged(file, "its content is not what its checksum says", advice)
    return fields


def seal_text(text: str) -> str:
    """Return a YAML text, in whole lines, with its checksum as the last line."""
    return f"{text}{MARK}{_text_checksum(text)}\n"


def read_sealed_text(file: Path) -> str:
    """Return a YAML text that ``seal_text`` returned, or one whose last line says that it was edited on purpose.

    Raises DamagedError when the file is missing, damaged, or was edited without that line.
    """
    advice = f"restore it, or, if you edited it, make its last line `{EDITED}`: it is then used as it is"
    text = read_text(file, advice)
    lines = text.rstrip("\n").split("\n")
    content = "".join(f"{line}\n" for line in lines[:-1])
    if lines[-1].strip() == EDITED:
        return text
    if not lines[-1].startswith(MARK):
        raise damaged(
            file, "it has no checksum in its last line (an earlier version of ganzoo wrote it, or it was cut)", advice
        )
    if lines[-1] != f"{MARK}{_text_checksum(content)}":
        raise damaged(file, "its content is not what the checksum in its last line says", advice)
    return text


def _text_checksum(text: str) -> str:
    return sha256(text.encode("utf-8", errors="replace")).hexdigest()


def _object_checksum(fields: Mapping[str, Any]) -> str:
    plain = json.loads(json.dumps(fields))  # as it will be read: keys are texts
    return _text_checksum(json.dumps(plain, sort_keys=True, separators=(",", ":")))
