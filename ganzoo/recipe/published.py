"""Read the description of a published folder (``ganzoo publish``): its files, what it needs, what its run was.

A published folder is a run's folder with one checkpoint, without discriminators and optimizers, and with these files:
    config.json     what this module reads: preprocessing, components and their packages, checksums of all files
    README.md       the model card
    parts/          weights of maskers, which the recipe names by paths on the author's machine
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from os import PathLike
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from ganzoo.errors import DamagedError, MissingResourceError
from ganzoo.plugins import PACKAGE, plugins
from ganzoo.recipe.schema import Recipe
from ganzoo.utils.reading import damaged, guard_content
from ganzoo.utils.sealed import read_sealed_object
from ganzoo.weights.hub import CONFIG, is_published, local_folder

AGAIN = "publish or download it again"

Word = Annotated[str, StringConstraints(pattern=r"^[\w.+-]*$")]
"""A name that may stand in a command which a message proposes."""


class PublishedFile(BaseModel):
    """The checksum (sha256) and the size, in bytes, of a published file."""

    model_config = ConfigDict(extra="forbid")
    sha256: str
    size: Annotated[int, Field(ge=0)]


class NeededComponent(BaseModel):
    """A component of the recipe, and the plugin and package that it comes from."""

    model_config = ConfigDict(extra="forbid")
    place: str
    kind: str
    name: str
    plugin: Word
    package: Word
    version: Word


class PublishedConfig(BaseModel):
    """The content of a config.json.

    Args:
        library_name: always ``ganzoo``.
        published: version of this format.
        ganzoo: ganzoo's version.
        recipe: the recipe's name.
        run: the run's name.
        method: the method's name.
        checkpoint: name of the checkpoint: ``last``, ``best`` or ``step-N``.
        step: the step that the networks were trained to.
        weights: checksum of the run's checkpoint, as in records.
        preprocessing: how images are read and scaled; see ``ganzoo.inference.publish_files``.
        components: the components that the recipe names.
        parts: place of an option in the recipe → the file or folder in this folder that it stands for.
        files: path → checksum and size, of all files but README.md and this one.
    """

    model_config = ConfigDict(extra="forbid")
    library_name: Literal["ganzoo"] = "ganzoo"
    published: Literal[1] = 1
    ganzoo: str
    recipe: str
    run: str
    method: str
    checkpoint: str
    step: int
    weights: str
    preprocessing: dict[str, Any]
    components: list[NeededComponent]
    parts: dict[Annotated[str, StringConstraints(pattern=r"^maskers\.\w+\.\w+$")], str] = {}
    files: dict[str, PublishedFile]


def read_config(folder: Path) -> PublishedConfig:
    """Return the content of a published folder's config.json.

    Raises DamagedError if it is missing, damaged or edited, or names a file that is not below the folder.
    """
    file = folder / CONFIG
    fields = read_sealed_object(file, "the description of a published model", AGAIN)
    with guard_content(file, "the description of a published model", AGAIN):
        config = PublishedConfig.model_validate(fields)
    for name in [*config.files, *config.parts.values()]:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name:
            raise damaged(file, f"it names a file outside of its folder, {name!r}", AGAIN)
    return config


def run_names(folder: Path) -> tuple[str, str]:
    """Return the names of a run's recipe and of the run: those of its folders, or, if published, of its config.json."""
    if is_published(folder):
        config = read_config(folder)
        return config.recipe, config.run
    place = folder.absolute()
    return place.parent.name, place.name


def parts_of(folder: Path, roles: Collection[str]) -> Iterator[str]:
    """Yield an override for each option of the maskers in some roles that stands for a file of a published folder.

    Raises DamagedError if such a file is missing or damaged. Folders are runs, whose files are verified when they are
    read.
    """
    from ganzoo.utils.tensors import file_checksum  # imports torch

    config = read_config(folder)
    for place, name in config.parts.items():
        if place.split(".")[1] not in roles:
            continue
        path = folder / name
        if not path.is_dir():
            expected = config.files[name].sha256 if name in config.files else ""
            try:
                actual = file_checksum(path)
            except OSError as error:
                raise damaged(path, f"it cannot be read: {error.strerror}", AGAIN) from None
            if actual != expected:
                raise damaged(path, "its content is not what its checksum says", AGAIN)
        quoted = str(path).replace("'", "''")
        yield f"{place}='{quoted}'"


def require_components(folder: Path, sections: Collection[str], roles: Collection[str]) -> None:
    """Check that the plugins of a published recipe's components are installed.

    Args:
        folder: the published folder.
        sections: the sections of the recipe that are read.
        roles: the roles whose maskers are read.

    Raises MissingResourceError, in one line, which names each package that is missing.
    """
    registry, missing = plugins().registry, []
    for one in read_config(folder).components:
        section, _, rest = one.place.partition(".")
        read = section in sections and (section != "maskers" or rest in roles)
        if read and not any(known.name == one.name for known in registry.find(one.kind)):
            advice = "a newer ganzoo has it" if one.package == PACKAGE else f"pip install {one.package}=={one.version}"
            missing.append(
                f"the {one.kind} {one.name!r} of the plugin {one.plugin!r} (package {one.package} {one.version}): "
                f"{advice}, if you trust its author"
            )
    if missing:
        raise MissingResourceError(f"{folder}: it needs what is not installed: {'; '.join(missing)}")


def components_of(recipe: Recipe) -> list[NeededComponent]:
    """Return the components of a recipe, with the plugins and packages that they come from."""
    groups = {"networks": recipe.networks, "maskers": recipe.maskers, "losses": recipe.losses}
    parts = {"method": recipe.method, "data": recipe.data}
    parts |= {f"{group}.{name}": part for group, named in groups.items() for name, part in named.items()}
    parts |= {f"evaluate.metrics.{number}": part for number, part in enumerate(recipe.metrics)}
    loaded = {one.name: one for one in plugins().loaded}
    return [
        NeededComponent(
            place=place,
            kind=one.component.kind,
            name=one.component.name,
            plugin=one.component.plugin,
            package=loaded[one.component.plugin].package,
            version=loaded[one.component.plugin].version,
        )
        for place, part in parts.items()
        for one in (part, *part.inner())
    ]


def find_run(run: str | PathLike[str], *, plain_names: bool = False) -> Path:
    """Return the folder of a run; of a model on the hub, the folder of its downloaded files, which are verified later.

    Args:
        run: a path, or ``hf:USER/NAME`` with an optional ``@REVISION``.
        plain_names: whether ``USER/NAME`` also means the hub, where neither it nor a folder ``USER`` exists.

    Raises:
        GanzooError: what is on the hub was not published by ganzoo, or the name is none.
        MissingResourceError: the hub has no such model, or it cannot be read.
    """

    def list_files(folder: Path) -> list[str]:
        try:
            return list(read_config(folder).files)
        except DamagedError as error:
            raise DamagedError(f"{os.fspath(run)}: not a model that ganzoo published, or damaged ({error})") from None

    return local_folder(run, list_files, plain_names=plain_names)
