"""Write the pages of the public Python names and of the hooks: signatures and docstrings."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

from ganzoo import hookspecs
from ganzoo.plugins import INTERFACE
from tools.reference.docstrings import parse
from tools.reference.markdown import join, source_link

MODULES = ("ganzoo", "ganzoo.interfaces", "ganzoo.weights", "ganzoo.testing")
"""The public modules."""


def write_page(module_name: str) -> str:
    """Return the page of a public module: each of its names with signature and documentation."""
    module = importlib.import_module(module_name)
    names = sorted(module.__all__, key=str.lower)
    return join(
        f"# {module_name}",
        parse(module.__doc__).text,
        "[The public interface](../interface.md) lists the names by subject, and says what may change.",
        *(_section(name, getattr(module, name)) for name in names),
    )


def write_hooks() -> str:
    """Return the page of the hooks of plugins."""
    hooks = [value for name, value in vars(hookspecs).items() if name.startswith("ganzoo_")]
    return join(
        "# Hooks",
        "A plugin's module implements some of these functions, each with the decorator `ganzoo.hookimpl`, and declares "
        f"`GANZOO_INTERFACE = {INTERFACE}`. [Plugins](../plugins.md) shows a complete one.",
        *(_section(hook.__name__, hook) for hook in hooks),
    )


def _section(name: str, value: Any) -> str:
    value = inspect.unwrap(value) if callable(value) else value  # of a cache, or a context manager
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return join(f"## {name}", f"```text\n{_constant(name, value)}\n```")
    doc = parse(value.__doc__)
    return join(
        f"## {name}",
        f"```text\n{signature(name, value)}\n```",
        source_link(value),
        doc.text,
        _arguments(doc.arguments),
        *(_members(name, value) if inspect.isclass(value) else ()),
    )


def _constant(name: str, value: Any) -> str:
    """Return a line of code for a type or another constant; of an object that has no text only its type."""
    text = f"{{{repr(sorted(value))[1:-1]}}}" if isinstance(value, set | frozenset) else repr(value)
    return f"{name}: {type(value).__name__}" if " object at " in text else f"{name} = {_short(text)}"


def _arguments(arguments: dict[str, str]) -> str:
    return "\n".join(f"- `{name}`: {text}" for name, text in arguments.items())


def _members(owner: str, target: type[Any]) -> list[str]:
    """Return a block for each public function and property that the class itself defines with a docstring."""
    blocks = []
    for name, value in vars(target).items():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if name.startswith("_") or not inspect.isfunction(function) or not function.__doc__:
            continue
        code = signature(name, function)
        if isinstance(value, property):
            code = code.replace("() ->", ":")
        doc = parse(function.__doc__)
        blocks += [f"### {owner}.{name}", f"```text\n{code}\n```", doc.text, _arguments(doc.arguments)]
    return blocks


def signature(name: str, target: Any) -> str:
    """Return a signature with the hints as the source writes them, without self; on several lines if it is long."""
    try:
        found = inspect.signature(target)
    except ValueError:
        return name
    parameters = [one for one in found.parameters.values() if one.name not in ("self", "cls")]
    found = found.replace(parameters=parameters)
    if inspect.isclass(target):
        found = found.replace(return_annotation=inspect.Signature.empty)
    text = name + _short(str(found))
    if len(text) <= 88:
        return text
    lines = [_short(str(one)) for one in parameters]
    keywords = [number for number, one in enumerate(parameters) if one.kind is one.KEYWORD_ONLY]
    if keywords and not any(one.kind is one.VAR_POSITIONAL for one in parameters):
        lines.insert(keywords[0], "*")
    _, arrow, returned = text.rpartition(") -> ")
    return "\n".join([f"{name}(", *(f"    {line}," for line in lines), f"){arrow[1:]}{returned if arrow else ''}"])


def _short(text: str) -> str:
    """Return code with hints instead of their texts, and with names of classes without their modules."""
    text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", text)
    text = re.sub(r"<class '([\w.]+)'>", r"\1", text).replace("<factory>", "…")
    return re.sub(r"\b(?:pathlib(?:\._local)?|typing|collections\.abc|ganzoo(?:\.\w+)+|torch)\.(?=[A-Z])", "", text)
