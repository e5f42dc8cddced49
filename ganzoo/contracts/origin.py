"""Where a component comes from, for errors that name the author's component, file and line."""

from __future__ import annotations

import errno
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from ganzoo.errors import ComponentError, GanzooError, MissingResourceError, is_out_of_memory, is_strict, one_line


@dataclass(frozen=True)
class Origin:
    """Where a component comes from.

    Args:
        target: the component's class; for a hook or a command of a plugin the plugin's module.
        kind: the component's kind, such as ``loss``; empty if it was not built from a recipe.
        name: the component's name in recipes.
        plugin: the name of the plugin that registered it.
    """

    target: type | ModuleType
    kind: str = ""
    name: str = ""
    plugin: str = ""

    def __str__(self) -> str:
        if self.kind:
            return f"{self.kind} {self.name!r} of plugin {self.plugin!r}"
        return self._module if isinstance(self.target, ModuleType) else f"{self._module}.{self.component.__qualname__}"

    @property
    def component(self) -> type:
        """The component's class. Raises TypeError if the origin is a plugin's module."""
        if isinstance(self.target, ModuleType):
            raise TypeError(f"{self} is a module")
        return self.target

    @property
    def _module(self) -> str:
        """The name of the module that the target is, or is in."""
        return self.target.__name__ if isinstance(self.target, ModuleType) else self.target.__module__

    def line(self, function: str = "") -> str:
        """Return ``FILE:LINE`` of one of the class's functions, or of the class if its author did not write it."""
        found = getattr(self.target, function, None) if function else None
        inherited = str(getattr(found, "__module__", "")).startswith("ganzoo.")  # from the interface
        return source_line(None if inherited else found) or source_line(self.target) or self._module

    def refuse(self, function: str, returned: str, expected: str) -> ComponentError:
        """Return the error for a function that returned something wrong.

        >>> str(Origin(dict, "loss", "tint", "mine").refuse("forward", "a tensor of shape (2,)", "a scalar"))
        "loss 'tint' of plugin 'mine': forward returned a tensor of shape (2,); expected a scalar (builtins)"
        """
        return ComponentError(f"{self}: {function} returned {returned}; expected {expected} ({self.line(function)})")

    def mistake(self, what: str, function: str = "") -> ComponentError:
        """Return the error for a mistake in the component's code that shows without a call of it.

        Args:
            what: the mistake, and what its author must do.
            function: the name of the function that it is in; empty if it is in the class.

        >>> str(Origin(dict, "loss", "tint", "mine").mistake("it is no Loss: derive it from ganzoo.interfaces.Loss"))
        "loss 'tint' of plugin 'mine': it is no Loss: derive it from ganzoo.interfaces.Loss (builtins)"
        """
        return ComponentError(f"{self}: {what} ({self.line(function)})")

    @contextmanager
    def catch(self, function: str) -> Iterator[None]:
        """Turn any error of the component's code in a ``with`` block into a ComponentError of one line.

        The line names the deepest place in the author's package; if no code of it was running, as with a wrong
        signature, it names the function. A package that the constructor needs and that is not installed is a
        MissingResourceError; errors of which ``stays_as_it_is`` is true stay.

        Args:
            function: the name of the function that is called.
        """
        try:
            yield
        except Exception as error:  # not SystemExit, which handlers of signals raise
            if stays_as_it_is(error):
                raise
            place = author_line(error, self._module) or self.line(function)
            kind = error_class(error, self._module) if function == "__init__" else ComponentError
            raise kind(
                f"{self}: {function} failed: {one_line(error)[:300]} ({place}); GANZOO_STRICT=1 shows the traceback"
            ) from error

    def wrote(self, file: str) -> bool:
        """Return whether a file of code is one of the author's package."""
        return files_of(self._module)(file)


def error_class(error: BaseException, module: str) -> type[GanzooError]:
    """Return MissingResourceError for a package that is not installed, and ComponentError for any other error.

    A module that ganzoo or the author's own package lacks is a misspelt name.

    Args:
        error: the error.
        module: the name of a module of the author's package.

    >>> error_class(ModuleNotFoundError("…", name="faiss"), "mine.losses").__name__
    'MissingResourceError'
    >>> error_class(ModuleNotFoundError("…", name="ganzoo.interface"), "mine.losses").__name__
    'ComponentError'
    """
    own = ("ganzoo", module.partition(".")[0])
    foreign = isinstance(error, ModuleNotFoundError) and str(error.name).partition(".")[0] not in own
    return MissingResourceError if foreign else ComponentError


def source_line(target: object) -> str:
    """Return ``FILE:LINE`` of a class or function; empty if it has no source."""
    try:
        return f"{inspect.getsourcefile(target)}:{inspect.getsourcelines(target)[1] or 1}"  # type: ignore[arg-type]
    except (OSError, TypeError):
        return ""


def author_line(error: BaseException, module: str) -> str:
    """Return ``FILE:LINE`` of the deepest code of a module's package that an error passed; empty if there is none.

    For a syntax error it is the place of the wrong syntax. The module need not be imported: an import may have failed.

    Args:
        error: the error, with its traceback.
        module: the name of a module of the author's package.
    """
    places = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        places.append((error.filename, error.lineno))
    wrote = files_of(module)
    own = [f"{name}:{line}" for name, line in places if wrote(name)]
    return own[-1] if own else ""


def files_of(module: str) -> Callable[[str], bool]:
    """Return a function that says whether a file of code is one of a module's package; it need not be imported."""
    files, folders = [getattr(sys.modules.get(module), "__file__", None)], []
    with suppress(ImportError, ValueError):
        spec = find_spec(module.partition(".")[0])
        files.append(spec and spec.origin)
        folders = [Path(folder) for folder in (spec and spec.submodule_search_locations) or ()]
    return lambda file: file in files or any(Path(file).is_relative_to(folder) for folder in folders)


def stays_as_it_is(error: BaseException) -> bool:
    """Return whether an error is not turned into one of a component.

    So it is with a GanzooError, a lack of memory, a full disk, a path that is too long, an error while torch traces or
    compiles a network, which it may handle itself, and in strict mode (GANZOO_STRICT) with every error.
    """
    of_system = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENAMETOOLONG)
    torch = sys.modules.get("torch")
    traced = torch is not None and torch.compiler.is_compiling()
    of_compiler = any(one.__name__ == "TorchDynamoException" for one in type(error).__mro__)
    return (
        isinstance(error, GanzooError) or is_out_of_memory(error) or of_system or traced or of_compiler or is_strict()
    )
