"""Read published models from the Hugging Face hub, into its own cache, and upload them; nothing is unpickled."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

from ganzoo.errors import GanzooError, MissingResourceError, one_line

if TYPE_CHECKING:
    from collections.abc import Callable

PREFIX = "hf:"
"""The start of a name on the hub where a folder could be meant, too: ``hf:USER/NAME@REVISION``."""
NAME = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?", re.ASCII)
"""A model on the hub: ``USER/NAME``, and optionally a branch, tag or commit behind ``@``."""
CONFIG = "config.json"
"""The file that describes a published folder; the hub counts a model's downloads by it."""
OLD_FILES = ("checkpoints/", "parts/", "results.jsonl", "samples.png")
"""The beginnings of the paths of an earlier version of a model that an upload replaces."""


def is_published(folder: Path) -> bool:
    """Return whether a folder was written by ``ganzoo publish``."""
    return (folder / CONFIG).is_file()


def local_folder(
    run: str | PathLike[str], list_files: Callable[[Path], list[str]], *, plain_names: bool = False
) -> Path:
    """Return the folder of a run: a path as it is; for a model on the hub, that of its files in the hub's cache.

    Args:
        run: a path, or ``hf:USER/NAME`` with an optional ``@REVISION``.
        list_files: takes the folder of a downloaded config.json; returns the paths of the model's other files in it.
        plain_names: whether ``USER/NAME`` also means the hub, where neither it nor a folder ``USER`` exists.

    Raises:
        GanzooError: the text after ``hf:`` is not a name.
        MissingResourceError: the hub has no such model, or it cannot be read.
    """
    text = os.fspath(run)
    if text.startswith(PREFIX):
        label, name = text, text.removeprefix(PREFIX)
        if not NAME.fullmatch(name):
            raise GanzooError(f"{text}: not a name on the hub: hf:USER/NAME or hf:USER/NAME@REVISION")
    elif plain_names and NAME.fullmatch(text) and not Path(text).parent.exists():
        label, name = f"{text} (no folder here, so a name on the hub)", text
    else:
        return Path(run)
    return _download(name, list_files, label)


def _download(name: str, list_files: Callable[[Path], list[str]], label: str) -> Path:
    """Return the folder of a model's files, all of one commit; download those that the hub's cache lacks.

    With ``HF_HUB_OFFLINE=1``, or without a connection, the files must be in the cache. The first file tells the commit,
    and which other files there are: nothing else of the repository is downloaded.
    """
    from huggingface_hub import hf_hub_download

    match = NAME.fullmatch(name)
    assert match is not None
    repository, revision = match[1], match[2]
    with _hub_errors(label, "it cannot be read"):
        folder = Path(hf_hub_download(repository, CONFIG, revision=revision)).parent
    files = list_files(folder)
    with _hub_errors(label, "it cannot be read"):
        for file in files:
            hf_hub_download(repository, file, revision=folder.name)  # the commit: no question to the hub if cached
    return folder


def upload(folder: Path, paths: Sequence[str], name: str, *, public: bool) -> str:
    """Upload files of a published folder as one commit; return the address of the model's page.

    A model that is not there yet is created: private unless ``public``. An existing one keeps its visibility; files of
    an earlier version in ``OLD_FILES`` are deleted by the same commit. The token is that of ``hf auth login`` or
    ``HF_TOKEN``.

    Raises GanzooError for a name that is none, and MissingResourceError if the hub refuses or cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationCopy, CommitOperationDelete, HfApi

    check_model_name(name)
    api = HfApi()
    with _hub_errors(name, "it cannot be uploaded"):
        page = api.create_repo(name, private=not public, exist_ok=True)
        before = [file for file in api.list_repo_files(name) if file.startswith(OLD_FILES) and file not in paths]
        operations: list[CommitOperationAdd | CommitOperationCopy | CommitOperationDelete] = []
        operations += [CommitOperationAdd(path, folder / path) for path in paths]
        operations += [CommitOperationDelete(file) for file in before]
        api.create_commit(name, operations, commit_message="Published by ganzoo")
    return str(page)


def check_model_name(name: str) -> None:
    """Raise GanzooError unless a text can name a model on the hub: ``USER/NAME``, without a revision."""
    match = NAME.fullmatch(name)
    if match is None or match[2]:
        raise GanzooError(f"--to {name}: not a name on the hub: USER/NAME")


@contextmanager
def _hub_errors(name: str, what: str) -> Iterator[None]:
    """Turn any error of the hub's client into a MissingResourceError of one line, without the user's token."""
    from huggingface_hub import get_token
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    reasons = {
        LocalEntryNotFoundError: "it is not in the hub's cache, and the hub cannot be reached (or HF_HUB_OFFLINE is "
        "set): connect once, or copy the cache",
        EntryNotFoundError: "it has no file that ganzoo publish wrote there: it is another program's model, or "
        "incomplete",
        RevisionNotFoundError: "there is no such branch, tag or commit",
        GatedRepoError: "its author asks for consent: accept the terms on its page, and log in with `hf auth login`",
        RepositoryNotFoundError: "there is no such model, or it is private: then log in with "
        "`hf auth login`, or set HF_TOKEN",
    }
    try:
        yield
    except Exception as error:  # the client's errors come from several libraries and have no common class
        known = next((reason for kind, reason in reasons.items() if isinstance(error, kind)), "")
        reason = known or one_line(error)[:300]
        if token := get_token():
            reason = reason.replace(token, "***")
        raise MissingResourceError(f"{name}: {what}: {reason}") from None
