"""YAML by the core schema of YAML 1.2, the rules of JSON and of today's tools; PyYAML itself follows YAML 1.1.

``010`` is ten, not eight; ``1:30``, ``yes``, ``no``, ``on``, ``off`` and ``2020-01-01`` are text; ``2e-4`` is a number.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

PREFIX = "tag:yaml.org,2002:"
FORMS = {
    "null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    "bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
    "merge": (r"<<", ["<"]),
}
"""Type → its form as a plain word, and the first characters of these words. An int is tried before a float.

``<<`` is not in YAML 1.2, but merges mappings as everywhere.
"""
LONGEST_NUMBER = 1000
"""More characters than any number needs; Python refuses to read numbers of several thousand."""


class CoreLoader(yaml.SafeLoader):
    """Reads plain data only. Raises yaml.YAMLError for other tags, and for a word that does not fit its tag."""

    yaml_implicit_resolvers = {}  # noqa: RUF012
    yaml_constructors = {}  # noqa: RUF012

    def word(self, node: yaml.ScalarNode, kind: str) -> str:
        """Return the node's word. Raises yaml.YAMLError if it has not the form of its tag, as in ``!!int x``."""
        word = str(node.value)
        if not re.fullmatch(FORMS[kind][0], word) or len(word) > LONGEST_NUMBER:
            problem = f"{word[:50]!r} is not of the type {kind}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return word


def _null(loader: CoreLoader, node: yaml.ScalarNode) -> None:
    loader.word(node, "null")


def _bool(loader: CoreLoader, node: yaml.ScalarNode) -> bool:
    return loader.word(node, "bool").lower() == "true"


def _int(loader: CoreLoader, node: yaml.ScalarNode) -> int:
    word = loader.word(node, "int")
    base = {"0o": 8, "0x": 16}.get(word[:2])
    return int(word[2:], base) if base else int(word)


def _float(loader: CoreLoader, node: yaml.ScalarNode) -> float:
    word = loader.word(node, "float")
    return float(word.replace(".", "") if word.lower().endswith(("inf", "nan")) else word)


def _text(loader: CoreLoader, node: yaml.ScalarNode) -> str:
    return str(node.value)


class CoreDumper(yaml.SafeDumper):
    """Writes text in quotes where YAML 1.1 or YAML 1.2 would read it as something else."""


for _kind, (_form, _first) in FORMS.items():
    CoreLoader.add_implicit_resolver(PREFIX + _kind, re.compile(f"^(?:{_form})$"), _first)
    CoreDumper.add_implicit_resolver(PREFIX + _kind, re.compile(f"^(?:{_form})$"), _first)
_CONSTRUCTORS: dict[str, Callable[[Any, Any], Any]] = {
    "null": _null,
    "bool": _bool,
    "int": _int,
    "float": _float,
    "str": _text,
    "seq": CoreLoader.construct_yaml_seq,
    "map": CoreLoader.construct_yaml_map,
}
_UNDEFINED: Callable[[Any, Any], Any] = CoreLoader.construct_undefined
for _kind, _construct in _CONSTRUCTORS.items():
    CoreLoader.add_constructor(PREFIX + _kind, _construct)
CoreLoader.add_constructor(None, _UNDEFINED)


def is_word(text: str) -> bool:
    """Return whether YAML reads a text of letters, digits, ``_`` and ``-`` as text.

    >>> [is_word(text) for text in ("resnet", "true", "10", "1e5", "vit-b_16")]
    [True, False, False, False, True]
    """
    return not any(re.fullmatch(form, text) for form, _ in FORMS.values())


def load_yaml(text: str) -> Any:
    """Return the plain data of a text. Raises yaml.YAMLError."""
    return CoreLoader(text).get_single_data()


def dump_yaml(data: Any, *, flow: bool = False) -> str:
    """Return plain data as YAML that both versions read alike; ``flow``: on one line."""
    options: dict[str, Any] = {"default_flow_style": True, "width": 10**6} if flow else {}
    return str(yaml.dump(data, Dumper=CoreDumper, sort_keys=False, allow_unicode=True, **options))


def flow(value: object) -> str:
    """Return plain data as YAML on one line, as changes of a recipe use it.

    >>> flow({"metric": "fd", "weights": "{data}/net.pth"})
    "{metric: fd, weights: '{data}/net.pth'}"
    """
    return dump_yaml(value, flow=True).removesuffix("\n").removesuffix("\n...")
