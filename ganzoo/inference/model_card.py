"""Write the model card of a published folder: README.md, with the metadata that the hub reads."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.inference.publish_files import Networks
from ganzoo.inference.scrub import scrub
from ganzoo.interfaces import Method
from ganzoo.provenance.fingerprint import recipe_key
from ganzoo.recipe.published import PublishedConfig
from ganzoo.utils.core_yaml import dump_yaml
from ganzoo.utils.formatting import format_bytes
from ganzoo.utils.jsonl import write_text
from ganzoo.utils.reading import is_number

CARD = "README.md"
TASK = "image-to-image"
ARXIV = re.compile(r"arxiv\.org/abs/([\w.]+)")


@dataclass(frozen=True)
class Card:
    """What a model card says besides what the published files say.

    Args:
        name: the model's name on the hub, ``USER/NAME``; empty if it has none.
        folder: name of the published folder.
        licence: the licence's identifier.
        datasets: names of the data sets on the hub.
        samples: name of the image with samples; empty without one.
    """

    name: str
    folder: str
    licence: str
    datasets: Sequence[str] = ()
    samples: str = ""


def write_card(
    out: Path, card: Card, config: PublishedConfig, networks: Networks, records: Sequence[Mapping[str, Any]]
) -> None:
    """Write README.md.

    Args:
        out: the published folder.
        card: what the author says.
        config: the content of config.json.
        networks: the published networks.
        records: the records of the published checkpoint, without paths, the latest last.
    """
    values = _latest_values(_of_own_data(records, networks))
    metadata = f"---\n{dump_yaml(_metadata(card, config, networks, values))}---\n"
    sections = [
        _introduction(card, config, networks),
        _usage(card, config, networks),
        _data(card, config, networks),
        _preprocessing(config),
        _values(values),
        _limits(config),
        _files(config),
    ]
    write_text(out / CARD, "\n".join([metadata, *sections]))


def _of_own_data(records: Sequence[Mapping[str, Any]], networks: Networks) -> list[Mapping[str, Any]]:
    """Return the records of the run's own recipe and of the latest images of each split.

    ``ganzoo evaluate --set`` adds records of other data and sizes. An import has no data of its own: its values are
    those of the latest recipe.
    """
    trained = networks.sessions or not records
    wanted = recipe_key(networks.recipe) if trained else records[-1]["recipe_key"]
    own = [one for one in records if one["recipe_key"] == wanted]
    latest = {one["split"]: one["data"]["keys"] for one in own}
    return [one for one in own if one["data"]["keys"] == latest[one["split"]]]


def _latest_values(records: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], Mapping[str, Any]]:
    """Return (split, name of a value) → the latest record that has it."""
    return {(one["split"], name): one for one in records for name in one["values"]}


def _metadata(
    card: Card, config: PublishedConfig, networks: Networks, values: Mapping[tuple[str, str], Mapping[str, Any]]
) -> dict[str, Any]:
    arxiv = ARXIV.findall(networks.recipe.method.component.paper) if networks.sessions else []
    tags = ["ganzoo", "gan", TASK, config.method.replace("_", "-"), *(f"arxiv:{one}" for one in arxiv)]
    fields: dict[str, Any] = {"license": card.licence, "library_name": "ganzoo", "pipeline_tag": TASK, "tags": tags}
    if card.datasets:
        fields["datasets"] = list(card.datasets)
    metrics: dict[str, list[dict[str, Any]]] = {}
    for (split, name), record in values.items():
        value = record["values"][name]
        if is_number(value) and math.isfinite(value):
            kind = record["about"].get(name, {}).get("metric", name)
            metrics.setdefault(split, []).append({"name": name, "type": kind, "value": value})
    if not (data := card.datasets[0] if card.datasets else _data_name(networks)):
        return fields
    results = [
        {"task": {"type": TASK}, "dataset": {"name": data, "type": data, "split": split}, "metrics": of_split}
        for split, of_split in metrics.items()
    ]
    if results:
        fields["model-index"] = [{"name": card.name.rpartition("/")[2] or card.folder, "results": results}]
    return fields


def _data_name(networks: Networks) -> str:
    """Return the name of the data set: that of its folder if it has one, else that of the component; "" of an import.

    The recipe of an import names no data of the networks.
    """
    if not networks.sessions:
        return ""
    options = networks.recipe.data.options
    paths = [value.name for value in options.values() if isinstance(value, Path) and value.name]
    return paths[0] if paths else networks.recipe.data.component.name


def _introduction(card: Card, config: PublishedConfig, networks: Networks) -> str:
    title = f"# {card.name.rpartition('/')[2] or card.folder}\n\nTranslates images between two domains, A and B. "
    if not networks.sessions:
        return f"""{title}The networks were
imported from another program's checkpoint; ganzoo {config.ganzoo} runs them by the method `{config.method}`.
"""
    method: type[Method] = networks.recipe.method.component.load()
    first = " ".join((inspect.getdoc(method) or "").split("\n\n")[0].split())
    paper = networks.recipe.method.component.paper
    cited = f" Paper: <{paper}>" if paper else ""
    image = f"\n![Samples]({card.samples})\n" if card.samples else ""
    version = networks.sessions[-1]["core"].split()[0]
    return f"""{title}Trained with ganzoo
{version} by the method `{config.method}`, {config.step} steps (checkpoint `{config.checkpoint}`).

**The method**: {first}{cited}
{image}"""


def _usage(card: Card, config: PublishedConfig, networks: Networks) -> str:
    name = f"hf:{card.name}" if card.name else "FOLDER"
    note = "" if card.name else "\n`FOLDER` is the folder of this file, or `hf:USER/NAME` once it is on the hub.\n"
    directions, mask = config.preprocessing["directions"], config.preprocessing["mask"]
    direction = directions[0] if directions else "AB"
    method: type[Method] = networks.recipe.method.component.load()
    chosen = directions[:1] != [*method.directions[:1]]
    arguments = ['"image.png"', *([f'"{direction}"'] if chosen else ()), *(['mask="mask.png"'] if mask else ())]
    if mask:
        note += (
            "\nTranslations need a mask for each image: `MASKS` is a folder of masks with the names of the images.\n"
        )
    packages = sorted({one.package for one in config.components})
    return f"""## How to use it

```sh
pip install {" ".join(packages)}
ganzoo translate {name} IMAGES -o OUT --direction {direction}{" --mask MASKS" if mask else ""}
```

```python
import ganzoo

image = ganzoo.load("{name}").translate({", ".join(arguments)})
```

Directions: {", ".join(directions)}. `ganzoo export {name} -o model.onnx{f" --direction {direction}" if chosen else ""}`
writes a file that needs no ganzoo.
{note}"""


def _data(card: Card, config: PublishedConfig, networks: Networks) -> str:
    named = f"On the hub: {', '.join(f'`{one}`' for one in card.datasets)}.\n" if card.datasets else ""
    if not networks.sessions:
        return f"## Data\n\n{named or 'The data that these networks were trained on are not known here.'}\n"
    options = {name: value for name, value in scrub(networks.recipe.data.options).items() if value is not None}
    sums = networks.sessions[-1]["images"]
    lines = "".join(f"- images of {split}: checksum `{key}`\n" for split, key in sums.items())
    return f"""## Data

{named}The recipe's data set is `{networks.recipe.data.component.name}` with {options}; paths are only names.
{lines}"""


def _preprocessing(config: PublishedConfig) -> str:
    about = config.preprocessing
    rows = "".join(
        f"| {name} | {one['classes'] or 'images'} | {one['channels']} | {one['range'] or '0 … 255'} |\n"
        for name, one in about["domains"].items()
    )
    return f"""## Preprocessing

Images are scaled {about["scaled"]}.
The size is {about["size"]}, the filter {about["resample"]} (for label maps the nearest neighbour).
Tensors are in {about["tensors"]}.
`config.json` says the same for programs.

| domain | classes of label maps | channels | values in files that become −1 and 1 |
| --- | --- | ---: | --- |
{rows}"""


def _values(values: Mapping[tuple[str, str], Mapping[str, Any]]) -> str:
    if not values:
        return "## Metric values\n\nNone were recorded for this checkpoint.\n"
    rows = ""
    for (split, name), record in values.items():
        about = record["about"].get(name, {})
        counts = ", ".join(f"{word[2:]} {about[word]}" for word in ("n_fake", "n_real") if about.get(word) is not None)
        value = record["values"][name]
        shown = f"{value:.6g}" if is_number(value) else str(value)
        rows += f"| `{name}` | {shown} | {split} | {counts} | {record['seed']} | {record['time']} |\n"
    last = list(values.values())[-1]
    code: dict[str, list[str]] = {}
    for (_, name), record in values.items():
        plugins = [f"{plugin} {one['version']} `{one['code']}`" for plugin, one in record["plugins"].items()]
        code.setdefault(f"ganzoo {record['core']}; plugins: {', '.join(plugins)}", []).append(f"`{name}`")
    several = len(code) > 1
    codes = "\n".join(f"- the code{' of ' + ', '.join(code[one]) if several else ''}: {one}" for one in code)
    keys = {split: key for one in values.values() for split, key in one["data"]["keys"].items()}
    images = ", ".join(f"{split} `{key}`" for split, key in keys.items())
    return f"""## Metric values

| value | | images of | number of images | seed | measured |
| --- | ---: | --- | --- | ---: | --- |
{rows}
Values of one training; another seed gives others. They follow from these, each with its checksum:

- the weights: `{last["weights"]}`
- the recipe: `{last["recipe_key"]}`
- the images: {images or "not known"}
{codes}

`results.jsonl` has the whole records, with versions of packages and the device.
"""


def _limits(config: PublishedConfig) -> str:
    return f"""## Limits

- The networks know images like those of the data above, of size {config.preprocessing["size"]}.
  What they make of other images, sizes and cameras is not known.
- A translation is invented: details need not be in the image, and may show biases of the data. Do not
  read facts from it, such as a diagnosis or a person's identity.
- Metric values hold for their images only.
- Discriminators and optimizers are not published: the training cannot be resumed. `train.start` of a
  recipe begins another one with these networks.
"""


def _files(config: PublishedConfig) -> str:
    rows = "".join(f"- `{name}`, {format_bytes(one.size)}\n" for name, one in config.files.items())
    return f"""## Files

Networks are safetensors; nothing is pickled, and no code is run from this folder. `config.json` has the
checksum of each file.

{rows}"""
