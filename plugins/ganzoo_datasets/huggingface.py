"""The data set ``huggingface``: tables of images from the Hugging Face hub, parquet files or image folders."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ganzoo.interfaces import GanzooError, Split, suggest
from ganzoo_datasets.domain_rows import (
    PerDomain,
    Value,
    Where,
    as_number,
    check_paired,
    domains_of,
    matches,
    refuse_equal_domains,
)
from ganzoo_datasets.entry_dataset import EntryDataset
from ganzoo_datasets.files import (
    Channels,
    ChannelsOption,
    Entries,
    Entry,
    RangeOption,
    channels_of,
    check_foreground,
    choose,
    classes_of,
    hold_out_validation,
    limit_training,
    notes_of,
    ranges_of,
    refuse_b,
)
from ganzoo_datasets.hub_tables import Table, load_tables
from ganzoo_datasets.split import Limit, Share

USUAL: dict[Split, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("validation", "val", "valid", "dev"),
    "test": ("test",),
}
"""The names of splits that are tried if the recipe does not name one."""


class HuggingFace(EntryDataset):
    """Rows of a table with images: a data set on the Hugging Face hub, local parquet files, or a folder of images.

    The package ``datasets`` loads it (extra ``huggingface``) and keeps it in its own cache, so a data set is downloaded
    once. It never runs code of a data set. A local folder has parquet files, whose names begin with ``train`` and
    ``test``, or images in the layout of ``datasets``, such as ``train/horse/1.jpg``; the column ``label`` is then the
    class, ``horse``.

    Args:
        A: the data set of A: a name on the hub such as ``USER/NAME``, a folder, or parquet files (``a-*.parquet``).
        B: the same for B. Without it, A's data set holds both domains, if ``image`` or ``where`` has an entry for B.
        config: the configuration of the data set, for both domains or for each: ``{A: horse, B: zebra}``.
        revision: the branch, tag or commit on the hub, for both domains or for each; by default the newest.
        splits: the names of the splits in the data set: ``{train: full, test: null}``; null leaves one out.
        image: the column of the images, for both domains or for each: ``{A: sketch, B: photo}``; ``image`` by default.
        mask: the column of the masks; by default there are none.
        labels: the column of the label maps; by default there are none.
        label: the column with a number for each image, such as its class. Metrics find it as ``label_A`` and
            ``label_B``.
        where: what the rows of a domain have: ``{A: {label: horse}, B: {label: [zebra, okapi]}}``.
        paired: whether a row's two images, which ``image`` names, show the same scene.
        foreground: the classes that are the foreground in palette masks; by default all but 0.
        channels: 1 or 3, for both domains or for each; 3 by default.
        classes: ``{A: 19}``: the images of A are label maps; see ``folders``.
        range: for images of more than 8 bits, the lowest and the highest value; see ``folders``.
        validation: the share of the training images held out for validation, in a domain without such a split.
        train_limit: the largest number of training images of a domain; see ``folders``. 0: all.
    """

    def __init__(
        self,
        *,
        A: str | Path,
        B: str | Path | None = None,
        config: PerDomain | None = None,
        revision: PerDomain | None = None,
        splits: dict[Split, str | None] | None = None,
        image: PerDomain = "image",
        mask: PerDomain | None = None,
        labels: PerDomain | None = None,
        label: PerDomain | None = None,
        where: Where | None = None,
        paired: bool = False,
        foreground: tuple[int, ...] | None = None,
        channels: ChannelsOption | None = None,
        classes: Channels | None = None,
        range: RangeOption | None = None,
        validation: Share = 0.1,
        train_limit: Limit = 0,
    ) -> None:
        if B is None and isinstance(config, Mapping) and "B" in config:
            B = A
        domains = domains_of(B, image, where)
        if paired:
            check_paired("huggingface", B, image, where)
        if "B" not in domains:
            refuse_b(
                "huggingface",
                {"mask": mask, "labels": labels, "label": label, "channels": channels, "classes": classes},
            )
        else:
            refuse_equal_domains("huggingface", B, image, where, "image")
        self.paired = paired
        self.foreground = foreground
        self.classes = classes_of(classes, channels)
        every = {**channels_of(channels), **self.classes}
        self.channels = {domain: every[domain] for domain in domains}
        self.ranges = ranges_of(range, classes)
        self.entries: Entries = {(split, domain): [] for split in USUAL for domain in ("A", "B")}
        self.empty = 0
        """Number of rows without an image."""
        loaded: dict[tuple[str, str | None, str | None], dict[str, Table]] = {}
        for domain in domains:
            name = str(B if domain == "B" and B is not None else A)
            source = (name, choose(config, domain), choose(revision, domain))
            if source not in loaded:
                loaded[source] = load_tables(*source)
            for split in USUAL:
                table = _split(name, loaded[source], split, splits or {})
                if table is None:
                    continue
                chosen = _chosen(table, (where or {}).get(domain, {}))
                columns = {
                    "image": choose(image, domain) or "image",
                    "mask": choose(mask, domain),
                    "labels": choose(labels, domain),
                    "target": choose(image, "B" if domain == "A" else "A") if paired else None,
                }
                naming = choose(image, "A") or "image" if paired else columns["image"]
                found = _entries(table, chosen, columns, choose(label, domain), str(naming))
                self.empty += len(chosen) - len(found)
                self.entries[split, domain] = found
            if not self.entries["train", domain]:
                raise GanzooError(f"{name}: no training image of {domain}; check data.image and data.where")
        if foreground is not None:
            check_foreground("huggingface", foreground, self.entries)
        hold_out_validation(self.entries, validation)
        limit_training(self.entries, train_limit)

    def notes(self) -> list[str]:
        """Return what is left out: rows without an image, pages, transparency, depth."""
        lines = [f"data: {self.empty} rows have no image and are left out"] if self.empty else []
        return [*lines, *notes_of(self.entries, self.ranges)]


def _split(name: str, tables: Mapping[str, Table], split: Split, named: Mapping[Split, str | None]) -> Table | None:
    """Return the table of a split; None if there is none, and if the recipe leaves it out.

    Raises GanzooError if the recipe names a split that the data set lacks, or if there is none for training.
    """
    if split in named:
        own = named[split]
        if own is not None and own not in tables:
            raise GanzooError(f"{name}: it has no split {own!r}; set data.splits{suggest(own, tables)}")
        return None if own is None else tables[own]
    found = next((tables[one] for one in USUAL[split] if one in tables), None)
    if found is None and split == "train":
        raise GanzooError(f"{name}: it has no split 'train'; set data.splits{suggest('train', tables)}")
    return found


def _chosen(table: Table, where: Mapping[str, Value | list[Value]]) -> list[int]:
    """Return the numbers of the rows that meet some conditions: column → the value, or the values, that they have.

    A class may be given by its name or its number; what is the name of a class is no number. Raises GanzooError for an
    unknown column, and for a class that the column does not know.
    """
    rows = list(range(len(next(iter(table.columns.values())))))
    for name, wanted in where.items():
        values = table.column(name, "data.where").to_pylist()
        classes = table.classes.get(name, ())
        accepted = wanted if isinstance(wanted, list) else [wanted]
        for one in accepted:
            if classes and isinstance(one, str) and one not in classes and not one.isdecimal():
                raise GanzooError(f"{table.name}: {name} has no class {one!r}; set data.where{suggest(one, classes)}")
        accepted = [classes.index(str(one)) if str(one) in classes else one for one in accepted]
        rows = [row for row in rows if matches(values[row], accepted)]
    return rows


def _entries(
    table: Table, rows: list[int], columns: Mapping[str, str | None], label: str | None, naming: str
) -> list[Entry]:
    """Return the images of some rows of a table; rows without an image are left out.

    Args:
        table: the table.
        rows: the numbers of the rows.
        columns: ``image``, ``mask``, ``labels`` and ``target`` → the column, or None.
        label: the column of numbers for metrics, or None.
        naming: the column whose images give the rows their names.

    Raises GanzooError if a column is missing or wrong, or if a row with an image lacks one of the others.
    """
    options = {"image": "image", "mask": "mask", "labels": "labels", "target": "image"}
    files = {one: table.images(name, f"data.{options[one]}", rows) for one, name in columns.items() if name}
    names = table.names(naming)
    numbers = table.column(label, "data.label").to_pylist() if label else []
    entries = []
    for position, row in enumerate(rows):
        planes = {one: column[position] for one, column in files.items()}
        path = planes.pop("image")
        if path is None:
            continue
        for one, plane in planes.items():
            if plane is None:
                raise GanzooError(
                    f"{table.name}, row {row}: no {columns[one]}, but an image; add it, or remove the row"
                )
        values = {"label": as_number(numbers[row], f"{table.name}, row {row}: {label}")} if label else {}
        entries.append(Entry(path, names[row], **planes, values=values))
    return entries
