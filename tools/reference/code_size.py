"""Write the page with the lines of code of each plugin and method; docstrings and comments do not count."""

from __future__ import annotations

import ast
import inspect
import io
import tokenize
from pathlib import Path
from statistics import median

from ganzoo.plugins import plugins
from tools.reference.markdown import ROOT, join, link

NO_CODE = (
    *(tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT),
    *(tokenize.ENCODING, tokenize.ENDMARKER),
)


def count_lines(text: str) -> int:
    """Return the number of lines of Python code: without empty lines, comments and docstrings.

    A text that stands by itself, below a constant that it describes, counts as a docstring.

    >>> count_lines('x = 1  # one\\n\\"\\"\\"A constant.\\"\\"\\"\\n\\n# a comment\\ny = [\\n    2,\\n]\\n')
    4
    """
    docs = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    tokens = [one for one in tokenize.generate_tokens(io.StringIO(text).readline) if one.type not in NO_CODE]
    return len({line for one in tokens for line in range(one.start[0], one.end[0] + 1)} - docs)


def lines_of(file: Path) -> int:
    """Return the number of lines of code of a file."""
    return count_lines(file.read_text(encoding="utf-8"))


def write_page() -> str:
    """Return the page as Markdown."""
    packages = {folder: sorted(folder.glob("*.py")) for folder in sorted((ROOT / "plugins").glob("ganzoo_*"))}
    lines = {folder: sum(map(lines_of, files)) for folder, files in packages.items()}
    plugin_rows = []
    for folder, files in packages.items():
        name = link(folder / "__init__.py", f"`{folder.name}`")
        plugin_rows.append(f"| {name} | {len(files)} | {lines[folder]} | {round(lines[folder] / len(files))} |")
    methods: dict[str, tuple[Path, int]] = {}
    for component in sorted(plugins().registry.find("method"), key=lambda one: one.name):
        target = component.load()
        file = Path(inspect.getsourcefile(target) or "").resolve()
        methods[component.name] = file, count_lines(inspect.getsource(target))
    method_rows = [
        f"| `{name}` | {link(file, f'`{file.relative_to(ROOT).as_posix()}`')} | {own} | {lines_of(file)} |"
        for name, (file, own) in methods.items()
    ]
    owns = median(own for _, own in methods.values())
    return join(
        "# Lines of code",
        "Lines of Python without docstrings, comments and empty lines.",
        "## Methods",
        f"The class of each method, and the file that it is in. Median: {owns:.0f} lines of a class, "
        f"{median(lines_of(file) for file, _ in methods.values()):.0f} of a file.",
        "\n".join(["| method | file | class | file |", "| --- | --- | ---: | ---: |", *method_rows]),
        "## Plugins",
        f"Packages with all their components: networks, losses, metrics. Median: {median(lines.values()):.0f} lines.",
        "\n".join(["| package | files | lines | lines a file |", "| --- | ---: | ---: | ---: |", *plugin_rows]),
    )
