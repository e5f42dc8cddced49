"""Where a component comes from, for errors that name the author's component, file and line."""

from __future__ import annotations

import errno
import inspect
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ganzoo.errors import ComponentError, GanzooError, is_out_of_memory, is_strict, one_line


@dataclass(frozen=True)
class Origin:
    """Where a component comes from.

    Args:
        target: the component's class.
        kind: the component's kind, such as ``loss``; empty if it was not built from a recipe.
        name: the component's name in recipes.
        plugin: the name of the plugin that registered it.
    """

    target: type
    kind: str = ""
    name: str = ""
    plugin: str = ""

    def __str__(self) -> str:
        if self.kind:
            return f"{self.kind} {self.name!r} of plugin {self.plugin!r}"
        return f"{self.target.__module__}.{self.target.__qualname__}"

    def line(self, function: str = "") -> str:
        """Return ``FILE:LINE`` of one of the class's functions, or of the class if it does not define the function."""
        for one in (getattr(self.target, function, None) if function else None, self.target):
            try:
                return f"{inspect.getsourcefile(one)}:{inspect.getsourcelines(one)[1]}"  # type: ignore[arg-type]
            except (OSError, TypeError):
                continue
        return self.target.__module__

    def refuse(self, function: str, returned: str, expected: str) -> ComponentError:
        """Return the error for a function that returned something wrong.

        >>> str(Origin(dict, "loss", "tint", "mine").refuse("forward", "a tensor of shape (2,)", "a scalar"))
        "loss 'tint' of plugin 'mine': forward returned a tensor of shape (2,); expected a scalar (builtins)"
        """
        return ComponentError(f"{self}: {function} returned {returned}; expected {expected} ({self.line(function)})")

    @contextmanager
    def catch(self, function: str) -> Iterator[None]:
        """Turn any error of the component's code in a ``with`` block into a ComponentError of one line.

        The line names the deepest place in the author's package; if no code of it was running, as with a wrong
        signature, it names the function. A GanzooError, a lack of memory and a full disk stay as they are, and in
        strict mode (GANZOO_STRICT) every error.

        Args:
            function: the name of the function that is called.
        """
        try:
            yield
        except (Exception, SystemExit) as error:
            full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
            if isinstance(error, GanzooError) or is_out_of_memory(error) or full or is_strict():
                raise
            place = self._place(error) or self.line(function)
            raise ComponentError(
                f"{self}: {function} failed: {one_line(error)[:300]} ({place}); GANZOO_STRICT=1 shows the traceback"
            ) from error

    def _place(self, error: BaseException) -> str:
        """Return ``FILE:LINE`` of the deepest frame of the author's package; empty if there is none."""
        module = self.target.__module__
        top = getattr(sys.modules.get(module.partition(".")[0]), "__path__", None)
        folders = [Path(folder) for folder in top or ()]
        file = getattr(sys.modules.get(module), "__file__", None)
        frames = [
            frame
            for frame in traceback.extract_tb(error.__traceback__)
            if frame.filename == file or any(Path(frame.filename).is_relative_to(folder) for folder in folders)
        ]
        return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
