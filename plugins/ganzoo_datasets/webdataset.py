"""The data set ``webdataset``: tar files of samples, as the WebDataset tools write them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from ganzoo.interfaces import GanzooError, Split, describe_unread
from ganzoo_datasets.domain_rows import PerDomain, Where, check_paired, domains_of, refuse_equal_domains
from ganzoo_datasets.entry_dataset import EntryDataset
from ganzoo_datasets.files import (
    Channels,
    ChannelsOption,
    Domain,
    Entries,
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
from ganzoo_datasets.shard_files import ShardFiles
from ganzoo_datasets.shard_samples import Fields, entries_of
from ganzoo_datasets.split import Limit, Share
from ganzoo_datasets.tar_shards import Shard, read_shard

Shards = str | Path | list[str | Path]
"""Paths, patterns and addresses of shards."""
NO_SAMPLE = "check the options image and where"


class WebDataset(EntryDataset):
    """Samples in tar files (shards), local ones or by address; each sample's files have the same name but the ending.

    Shards are indexed, not streamed: image i is always the same one, by the order of the shards and of the samples in
    them, and any image can be read at any time. Shards with an address, http or https, are downloaded once into the
    cache folder. They must be plain tar files, not compressed ones. Members such as ``.pickle`` are never opened.

    Args:
        A: the shards of A's training images: a path, a pattern such as ``horses-*.tar``, an address, or a list of them;
            ``{000..019}`` stands for all numbers in between.
        B: the same for B. Without it, A's shards hold both domains, if ``image`` or ``where`` has an entry for B.
        test_A: the shards of A's test images; optional.
        test_B: the same for B.
        validation_A: the shards of A's validation images; optional.
        validation_B: the same for B.
        image: the ending of the image, for both domains or for each: ``jpg``, or ``{A: sketch.png, B: photo.jpg}``. By
            default the one member of a sample that is an image by its ending, which has no second dot.
        mask: the ending of the mask, such as ``mask.png``; by default there are no masks.
        labels: the ending of the label map, such as ``labels.png``; by default there are none.
        label: the member with a number for metrics, ``cls``, or a field of a JSON member, ``json.age``. Metrics find it
            as ``label_A`` and ``label_B``.
        where: what the samples of a domain have: ``{A: {cls: 3}, B: {json.animal: [zebra, okapi]}}``.
        paired: whether a sample's two images, which ``image`` names, show the same scene.
        foreground: the classes that are the foreground in palette masks; by default all but 0.
        channels: 1 or 3, or any number for ``npy`` members, for both domains or for each; 3 by default.
        classes: ``{A: 19}``: the images of A are label maps; see ``folders``.
        range: for images of more than 8 bits, the lowest and the highest value; see ``folders``.
        validation: the share of the training images held out for validation, in a domain without validation shards.
        train_limit: the largest number of training images of a domain; see ``folders``. 0: all.
        limit: the size in GiB that the downloaded shards of this data set may have together.
    """

    def __init__(
        self,
        *,
        A: Shards,
        B: Shards | None = None,
        test_A: Shards | None = None,
        test_B: Shards | None = None,
        validation_A: Shards | None = None,
        validation_B: Shards | None = None,
        image: PerDomain | None = None,
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
        limit: Annotated[float, Field(gt=0)] = 20,
    ) -> None:
        domains = domains_of(B, image, where)
        if paired:
            check_paired("webdataset", B, image, where)
        if "B" not in domains:
            refuse_b(
                "webdataset", {"mask": mask, "labels": labels, "label": label, "channels": channels, "classes": classes}
            )
        else:
            refuse_equal_domains("webdataset", B, image, where)
        self.paired = paired
        self.foreground = foreground
        self.classes = classes_of(classes, channels)
        every = {**channels_of(channels), **self.classes}
        self.channels = {domain: every[domain] for domain in domains}
        self.ranges = ranges_of(range, classes)
        both = "B" in domains and B is None
        named: dict[tuple[Split, Domain], Shards | None] = {
            ("train", "A"): A,
            ("train", "B"): A if both else B,
            ("validation", "A"): validation_A,
            ("validation", "B"): validation_A if both and validation_B is None else validation_B,
            ("test", "A"): test_A,
            ("test", "B"): test_A if both and test_B is None else test_B,
        }
        files = ShardFiles(limit)
        self.shards: dict[Path, Shard] = {}
        """The shards that were read, by their files."""
        self.texts: set[str] = set()
        """The endings of the members with values."""
        self.entries: Entries = {key: [] for key in named}
        for (split, domain), place in named.items():
            option = f"data.{domain if split == 'train' else f'{split}_{domain}'}"
            if place is not None and domain not in domains:
                raise GanzooError(f"{option} is set, but there are no training images of B; set data.B, or remove it")
            shards = [self._shard(file, label) for label, file in files.find(_texts(place), option)]
            fields = _fields(domain, image, mask, labels, label, where, paired)
            self.entries[split, domain] = list(entries_of(shards, fields))
            named_values = [_ending(name) for name in (fields.label, *fields.where) if name]
            self.texts |= {one for name in named_values for one in (name, name.partition(".")[0])}
            if shards and not self.entries[split, domain]:
                raise GanzooError(f"{option}: no sample of {domain} in {shards[0].file}{_more(shards)}; {NO_SAMPLE}")
        if foreground is not None:
            check_foreground("webdataset", foreground, self.entries)
        hold_out_validation(self.entries, validation)
        limit_training(self.entries, train_limit)

    def notes(self) -> list[str]:
        """Return what is left out: members that are not read, pages, transparency, depth."""
        used = {str(file) for entries in self.entries.values() for entry in entries for file in entry.files}
        members = [
            one.name
            for shard in self.shards.values()
            for each in shard.samples.values()
            for ending, one in each.items()
            if str(one) not in used and ending not in self.texts
        ]
        lines = [describe_unread("data: shards", members)]
        unusable = [name for shard in self.shards.values() for name in shard.unusable]
        if unusable:
            lines.append(
                f"data: shards: {len(unusable)} members are not read: links, or paths that lead out of the tar file "
                f"({unusable[0]!r})"
            )
        return [*filter(None, lines), *notes_of(self.entries, self.ranges)]

    def _shard(self, file: Path, label: str) -> Shard:
        if file not in self.shards:
            self.shards[file] = read_shard(file, label)
        return self.shards[file]


def _texts(shards: Shards | None) -> list[str]:
    if shards is None:
        return []
    return [str(one) for one in (shards if isinstance(shards, list) else [shards])]


def _fields(
    domain: Domain,
    image: PerDomain | None,
    mask: PerDomain | None,
    labels: PerDomain | None,
    label: PerDomain | None,
    where: Where | None,
    paired: bool,
) -> Fields:
    """Return what the options say about a domain."""
    endings = {
        name: _ending(choose(option, domain)) for name, option in (("image", image), ("mask", mask), ("labels", labels))
    }
    partner = _ending(choose(image, "B" if domain == "A" else "A")) if paired else ""
    # both partners have one name, so that the same samples are held out for validation
    naming = _ending(choose(image, "A")) if paired else ""
    value = choose(label, domain) or ""  # as it is written: the keys of JSON members have capitals
    return Fields(**endings, partner=partner, label=value, where=(where or {}).get(domain, {}), naming=naming)


def _ending(text: str | None) -> str:
    return (text or "").removeprefix(".").lower()


def _more(shards: list[Shard]) -> str:
    return f" and {len(shards) - 1} more" if len(shards) > 1 else ""
