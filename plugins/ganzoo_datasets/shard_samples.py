"""Choose the images, masks and values of a domain among the members of shards, for the data set ``webdataset``."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ganzoo.interfaces import IMAGE_SUFFIXES, GanzooError
from ganzoo_datasets.domain_rows import Value, as_number, matches
from ganzoo_datasets.files import Entry
from ganzoo_datasets.tar_shards import Shard, TarMember

_Members = Mapping[str, TarMember]


@dataclass(frozen=True)
class Fields:
    """What is read of each sample of a domain: the endings of members, in lower case and without the first dot.

    Args:
        image: the image; empty for the one member that is an image by its ending, without a second dot.
        mask: the mask; empty if there is none.
        labels: the label map; empty if there is none.
        partner: the image of the same scene in the other domain; empty if there is none.
        label: the number for metrics, as a recipe names it: a member, or a field of a JSON member as in ``json.age``;
            empty for none.
        where: conditions: member or field, as for ``label`` → the value, or the values, that the domain's samples have.
        naming: the ending of the samples' names; empty for that of the image.
    """

    image: str = ""
    mask: str = ""
    labels: str = ""
    partner: str = ""
    label: str = ""
    where: Mapping[str, Value | list[Value]] = field(default_factory=dict)
    naming: str = ""


def entries_of(shards: Iterable[Shard], fields: Fields) -> Iterator[Entry]:
    """Yield the images of a domain, in the order of the shards and of the samples in them.

    Samples without an image, or that do not meet the conditions, are left out. Raises GanzooError if a sample with an
    image lacks its mask, label map, partner or label, or if it has several images and ``fields.image`` is empty.
    """
    for shard in shards:
        for key, members in shard.samples.items():
            image = _image(members, fields, f"{shard.file}: {key}")
            if image is None or not _meets(members, fields.where):
                continue
            where = f"{shard.file}: the sample {key}"
            planes = {
                name: _member(members, getattr(fields, option), where, option)
                for name, option in (("mask", "mask"), ("labels", "labels"), ("target", "partner"))
            }
            values = {}
            if fields.label:
                values["label"] = as_number(_value(members, fields.label), f"{where}: {fields.label}")
            yield Entry(members[image], f"{shard.label}/{key}.{fields.naming or image}", **planes, values=values)


def _image(members: _Members, fields: Fields, where: str) -> str | None:
    """Return the ending of a sample's image; None if it has none."""
    if fields.image:
        return fields.image if fields.image in members else None
    planes = (fields.mask, fields.labels)
    found = [one for one in members if "." not in one and f".{one}" in IMAGE_SUFFIXES and one not in planes]
    if len(found) > 1:
        raise GanzooError(f"{where}: several images ({', '.join(found)}); set data.image to the ending of one")
    return found[0] if found else None


def _member(members: _Members, ending: str, where: str, option: str) -> TarMember | None:
    if ending and ending not in members:
        named = "image" if option == "partner" else option
        raise GanzooError(f"{where} has no {ending}, which data.{named} names; it has {', '.join(members)}")
    return members[ending] if ending else None


def _meets(members: _Members, where: Mapping[str, Value | list[Value]]) -> bool:
    return all(matches(_value(members, name), wanted) for name, wanted in where.items())


def _value(members: _Members, name: str) -> Any:
    """Return the text of a member, or a field of a JSON member; None if the sample does not have it.

    Capitals count in the keys of JSON, but not in the endings of members. Raises GanzooError if the member is no text,
    or no JSON object.
    """
    name = name.removeprefix(".")
    if name.lower() in members:
        member = members[name.lower()]
        try:
            return member.read().decode().strip()
        except UnicodeDecodeError:
            raise GanzooError(f"{member}: no text (UTF-8); name another member") from None
    first, _, rest = name.partition(".")
    ending = first.lower()
    if not rest or ending not in members:
        return None
    try:
        value = json.loads(members[ending].read())
    except (ValueError, RecursionError) as error:
        raise GanzooError(f"{members[ending]}: no JSON ({error}); pack it again") from None
    for key in rest.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    return value
