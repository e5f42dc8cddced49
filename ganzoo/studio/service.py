"""What the page's handlers share: runs, loaded translators, and a folder and a stop sign for each browser tab."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Lock
from types import TracebackType
from typing import Self

from ganzoo.errors import GanzooError
from ganzoo.inference.translator import Translator
from ganzoo.masks.roles import TRANSLATION_ROLES, mask_role
from ganzoo.studio.catalog import Catalog
from ganzoo.studio.models import Models


@dataclass(frozen=True)
class Abilities:
    """What a loaded run can do, as the page has to know it.

    Args:
        directions: the directions that its checkpoint can translate.
        styles: direction → the numbers of a style; 0: no styles.
        role: the role of the masker that a mask of the user replaces; empty: the run translates without masks.
        masker: the name of its own masker in that role; empty: masks come from its data set, and users have to give
            them.
        step: the step of its checkpoint.
    """

    directions: list[str]
    styles: dict[str, int]
    role: str
    masker: str
    step: int

    @classmethod
    def of(cls, translator: Translator) -> Abilities:
        """Return what a translator can do. Raises GanzooError if it can translate nothing."""
        method = translator.method
        able = [one for one, missing in translator.missing.items() if not missing]
        if not able:
            translator.resolve_direction(None)
        role, masker = "", ""
        if any(one in method.masks for one in TRANSLATION_ROLES):
            role = mask_role(method.masks)
            part = translator.recipe.maskers.get(role)
            masker = part.component.name if part and "given" not in method.masks.needs(role) else ""
        return cls([*able], {one: method.style_size(one[1]) for one in able}, role, masker, translator.step)


@dataclass
class Work:
    """The work of one browser tab: its folder, and the stop sign of what it waits for."""

    folder: Path
    stop: Event = field(default_factory=Event)


class Studio:
    """The runs, translators and temporary files of a studio, as a context; its files are deleted at its end.

    Args:
        catalog: the runs.
        models: the loaded translators.
        recipes: the folder for recipes that are written on the page; None: other machines can reach it. It then writes
            and checks no recipe, as a check tells which files this machine has, and takes no masker that names a file.
    """

    def __init__(self, catalog: Catalog, models: Models, recipes: Path | None = None) -> None:
        self.catalog, self.models, self.recipes = catalog, models, recipes
        self.folder = Path(tempfile.mkdtemp(prefix="ganzoo-studio-"))
        self._works: dict[str, Work] = {}
        self._lock = Lock()

    @property
    def local(self) -> bool:
        """Whether only this machine's users reach the page: it may then name files of this machine."""
        return self.recipes is not None

    @property
    def served(self) -> Path:
        """The folder of uploads, and of copies of the files that the page shows."""
        return self.folder / "served"

    def begin(self, tab: str) -> Work:
        """Return an empty folder and a new stop sign for a browser tab; what it waited for before is stopped."""
        with self._lock:
            self._end(tab)
            work = self._works[tab] = Work(Path(tempfile.mkdtemp(prefix="work-", dir=self.folder)))
            return work

    def stop(self, tab: str) -> None:
        """Stop what a browser tab waits for, after the image at hand."""
        with self._lock:
            if work := self._works.get(tab):
                work.stop.set()

    def close_tab(self, tab: str) -> None:
        """Stop the work of a browser tab that was closed, and delete its files."""
        with self._lock:
            self._end(tab)

    def _end(self, tab: str) -> None:
        if work := self._works.pop(tab, None):
            work.stop.set()
            shutil.rmtree(work.folder, ignore_errors=True)

    @contextmanager
    def translator(self, run: str | None, checkpoint: str | None = "") -> Iterator[Translator]:
        """Yield the translator of a run in the list. Raises GanzooError if there is no such run, or it is damaged."""
        with self.models.use(self.catalog.find(run).folder, checkpoint or "") as translator:
            yield translator

    def uploaded(self, files: object) -> list[Path]:
        """Return the paths of uploaded files. Raises GanzooError for any other path."""
        names = [files] if isinstance(files, str) else files if isinstance(files, list) else []
        paths = [Path(str(name)) for name in names if name]
        for path in paths:
            if not path.resolve().is_relative_to(self.folder.resolve()):
                raise GanzooError(f"{path.name}: only uploaded files can be read")
        return paths

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for tab in [*self._works]:
            self.close_tab(tab)
        self.models.free()
        for _ in range(50):  # a request that the server gave up may still write a file
            shutil.rmtree(self.folder, ignore_errors=True)
            if not self.folder.exists():
                break
            time.sleep(0.1)
