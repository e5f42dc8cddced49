"""Write the page of environment variables; every variable that the code reads must be described here, and no other."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from tools.reference.markdown import ROOT, code, join, link

OWN: Mapping[str, str] = MappingProxyType(
    {
        "GANZOO_CACHE": "The folder for files that can be computed or downloaded again: pretrained weights, features "
        "of real images, checksums. By default `XDG_CACHE_HOME/ganzoo` or `~/.cache/ganzoo`.",
        "GANZOO_DATA": "The folder that `{data}` stands for in the spec of a table, for `ganzoo bench` and "
        "`ganzoo table`; `--data` comes first ([benchmarks](../benchmarks.md)).",
        "GANZOO_FOLLOWS_STDIN": "Set to 1 by ganzoo for the processes that it starts: they stop, and save their state, "
        "when their standard input is closed. Nobody else needs it.",
        "GANZOO_PLUGINS": "Names of plugins with commas between them: only these are loaded.",
        "GANZOO_STRICT": "Any value but 0: an error where ganzoo would otherwise note a plugin's failure and go on, "
        "and a traceback for errors of components. For authors of plugins.",
        "GANZOO_WEIGHTS": "A folder that is searched first for pretrained weights; nothing is written into it "
        "([weights](../weights.md)).",
    }
)
"""Variable of ganzoo → its meaning."""
FOREIGN: Mapping[str, str] = MappingProxyType(
    {
        "ACCELERATE_MIXED_PRECISION": "Set by `accelerate launch --mixed_precision`: refused, as a recipe's "
        "`train.precision` says it.",
        "ACCELERATE_USE_CPU": "Set by `accelerate launch --cpu`: no accelerator is used.",
        "CUDA_VISIBLE_DEVICES": "The GPUs that are used; `ganzoo bench --jobs` divides them among its runs.",
        "CXX": "The C++ compiler that `train.compile` uses.",
        "HF_HUB_CACHE": "The folder of what was downloaded from the Hugging Face hub; cached data sets of the hub are "
        "found there.",
        "LOCAL_RANK": "The number of this process on its machine, set by a launcher; it selects the GPU.",
        "MASTER_PORT": "The port through which processes meet, set by a launcher. If `accelerate launch` set it and "
        "started one process only, the launch is refused.",
        "OMP_NUM_THREADS": "The number of threads of a process on a CPU; if it is not set, `ganzoo bench --jobs` "
        "shares the cores among its runs.",
        "PYTHONPATH": "Folders to import from, those of plugins among them; `ganzoo doctor` passes it on to its "
        "checks.",
        "RANK": "The number of this process, set by a launcher; the first one prints.",
        "WORLD_SIZE": "The number of processes, set by a launcher.",
    }
)
"""Variable of other programs that ganzoo reads → what it means for ganzoo."""


READERS = ("os.environ.get", "os.environ.pop", "os.getenv", "launcher_variable")
"""Functions whose first argument is the name of a variable that they read."""


def read_variables(root: Path = ROOT) -> dict[str, list[Path]]:
    """Return each environment variable that the code of ganzoo or of a bundled plugin reads, with the files."""
    found: dict[str, list[Path]] = {}
    for file in sorted([*(root / "ganzoo").rglob("*.py"), *(root / "plugins").rglob("*.py")]):
        for name in sorted(set(_names(ast.parse(file.read_text(encoding="utf-8"))))):
            found.setdefault(name, []).append(file)
    return found


def _names(module: ast.Module) -> Iterator[str]:
    """Yield the names of variables that a module reads, where they are constants."""
    constants = {
        target.id: node.value.value
        for node in module.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(module):
        key: ast.expr | None = None
        if isinstance(node, ast.Call) and node.args and ast.unparse(node.func) in READERS:
            key = node.args[0]
        elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
            key = node.slice if ast.unparse(node.value) == "os.environ" else None
        elif isinstance(node, ast.Compare) and ast.unparse(node.comparators[0]) == "os.environ":
            key = node.left
        if isinstance(key, ast.Name):
            key = ast.Constant(constants.get(key.id))
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield key.value


def write_page() -> str:
    """Return the page as Markdown. Raises ValueError if a variable that is read is not described, or the reverse."""
    read = read_variables()
    if unknown := sorted(set(read) ^ {*OWN, *FOREIGN}):
        raise ValueError(f"read but not described in {__name__}, or described but not read: {', '.join(unknown)}")
    return join(
        "# Environment variables",
        "## Of ganzoo",
        _list(OWN, read),
        "## Of other programs",
        "ganzoo reads these, too. Further ones change what the packages do that it uses, such as `HF_TOKEN` and "
        "`HF_HOME` of the Hugging Face hub; `ganzoo doctor` shows those that are set.",
        _list(FOREIGN, read),
    )


def _list(described: Mapping[str, str], read: Mapping[str, list[Path]]) -> str:
    rows = []
    for name, text in described.items():
        files = ", ".join(link(file, f"`{file.relative_to(ROOT).as_posix()}`") for file in read[name])
        rows.append(f"- {code(name)}<br>\n  {text} Read in {files}.")
    return "\n".join(rows)
