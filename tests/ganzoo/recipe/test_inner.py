"""Components inside components: they are checked, built, resolved, merged and described as those anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pytest
import torch
import yaml
from jsonschema import Draft7Validator
from torch import Tensor, nn

from ganzoo.build import build_method, step_origins
from ganzoo.contracts.declaration import declaration_errors
from ganzoo.errors import GanzooError
from ganzoo.inference.publish_files import _write_parts
from ganzoo.inference.scrub import scrub_recipe
from ganzoo.interfaces import Inner, InnerDiscriminator, InnerKind, InnerMasker, Masker, MaskTransform
from ganzoo.plugins import Plugins, find_entry_points, plugins
from ganzoo.randomness import Draws, keyed
from ganzoo.recipe.json_schema import recipe_schema
from ganzoo.recipe.options import build, options_of
from ganzoo.recipe.published import components_of
from ganzoo.recipe.yaml_document import read_with_base
from ganzoo.registry import Component, Registration
from tests.support.stand_in_components import COMPLETE, mistakes, read, write


class Twice(nn.Module):
    """Two discriminators of one kind.

    Args:
        of: the discriminator.
    """

    def __init__(self, in_channels: int, *, of: InnerDiscriminator) -> None:
        super().__init__()
        self.both = nn.ModuleList(of.make(in_channels) for _ in range(2))

    def forward(self, images: Tensor) -> list[Tensor]:
        return [one(images) for one in self.both]


class Either(Masker):
    """The larger of some masks.

    Args:
        of: the maskers.
        also: one more.
    """

    def __init__(self, *, of: tuple[InnerMasker, ...], also: InnerMasker | None = None) -> None:
        super().__init__()
        chosen = [*of, *([also] if also else [])]
        self.of = nn.ModuleList(one.make() for one in chosen)
        self.transforms = [MaskTransform(**one.kind_options) for one in chosen]

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        masks = [transform(one(image, rng, given)) for one, transform in zip(self.of, self.transforms, strict=True)]
        return torch.stack(masks).amax(0)


class Stored(Masker):
    """A masker with a file of weights."""

    def __init__(self, *, weights: Path) -> None:
        super().__init__()

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return torch.ones_like(image[:, :1])


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Plugins:
    """Register the containers beside the installed components, and change to the test's folder."""
    loaded, additions = Plugins(), Registration("testing")
    loaded.load(find_entry_points())
    additions.add("discriminator", "twice", Twice)
    additions.add("masker", "either", Either)
    additions.add("masker", "stored", Stored)
    loaded.registry.accept(additions)
    monkeypatch.setattr("ganzoo.recipe.reader.plugins", lambda: loaded)
    monkeypatch.chdir(tmp_path)
    return loaded


NESTED = COMPLETE + (
    "networks:\n  D: {discriminator: twice, of: {discriminator: patch, layers: 2, width: 4}}\n"
    "maskers:\n  discriminator: {masker: either, of: [centered_square, {masker: full, invert: yes}]}\n"
)


def test_inner_components_are_built_with_their_options() -> None:
    recipe = read(NESTED)
    network: Any = build_method(recipe, {"A": 1, "B": 1}).networks["D_A"]
    patch = build(plugins().registry.get("discriminator", "patch"), 1, layers=2, width=4)
    one, other = (list(each.parameters()) for each in network.both)
    assert [each.shape for each in one] == [each.shape for each in patch.parameters()]
    assert not torch.equal(one[0], other[0])
    masker = recipe.maskers["discriminator"].make()
    mask = masker(torch.zeros(1, 1, 8, 8), Draws([keyed(0)]))
    assert 0 < mask.mean() < 1  # full, inverted, adds nothing to the square


def test_a_recipe_with_them_reads_back_the_same() -> None:
    recipe = read(NESTED)
    entry = recipe.resolved()["networks"]["D_A"]
    assert entry["of"] == {"discriminator": "patch"} | entry["of"] and entry["of"]["layers"] == 2
    assert recipe.resolved()["maskers"]["discriminator"]["of"][1]["invert"] is True
    assert read(yaml.safe_dump(recipe.resolved())).resolved() == recipe.resolved()


def test_mistakes_in_them_have_their_lines() -> None:
    text = """\
        method: cyclegan
        data: striped_digits
        train: {steps: 2}
        networks:
          D_A:
            discriminator: twice
            of:
              discriminator: patch
              layrs: 2
          D_B:
            discriminator: twice
            of:
              discriminator: pach
        maskers:
          discriminator:
            masker: either
            of:
              - full
              - {masker: full, thresold: 0.5}
              - {masker: unet, weights: 3}
            also: fulll
    """
    assert mistakes(text) == [
        "r.yaml:9: networks.D_A.of.layrs: unknown option 'layrs' (did you mean 'layers'?)",
        "r.yaml:13: networks.D_B.of.discriminator: unknown discriminator 'pach' (did you mean 'patch'?)",
        "r.yaml:19: maskers.discriminator.of.1.thresold: unknown option 'thresold' (did you mean 'threshold'?)",
        "r.yaml:20: maskers.discriminator.of.2.weights: weights is 3: input is not a valid path for "
        "<class 'pathlib.Path'>",
        "r.yaml:21: maskers.discriminator.also.masker: unknown masker 'fulll' (did you mean 'full'?)",
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("3", "it is 3; a discriminator must be a mapping: {discriminator: NAME, option: value, …}"),
        ("{generator: resnet}", "the key 'discriminator', which names the component, is missing; it names a generator"),
        ("{layers: 2}", "which names the component, is missing: {discriminator: NAME, …}"),
        ("{discriminator: patch, spectral_norm: yes}", "unknown option 'spectral_norm' (there are: "),
        ("{discriminator: twice}", "the option 'of' (discriminator) is missing"),
        ("{discriminator: twice, of: {discriminator: patch, layers: 0}}", "layers is 0: input should be greater than"),
    ],
)  # fmt: skip
def test_mistakes(value: str, message: str) -> None:
    lines = mistakes(COMPLETE, f"networks.D_A={{discriminator: twice, of: {value}}}")
    assert len(lines) == 1 and ": networks.D_A.of" in lines[0] and message in lines[0]


def test_a_mistake_of_an_inner_component_s_author_names_its_line(known: Plugins) -> None:
    class Loose(nn.Module):
        def __init__(self, in_channels: int, *, size: list = []) -> None:  # noqa: B006
            super().__init__()

        def forward(self, images: Tensor) -> Tensor:
            return images

    added = Registration("loose")
    added.add("discriminator", "loose", Loose)
    known.registry.accept(added)
    (line,) = mistakes(COMPLETE, "networks.D_A={discriminator: twice, of: loose}")
    assert line.startswith("command line: networks.D_A={discriminator: twice, of: loose}: networks.D_A: ")
    assert "discriminator 'loose' of plugin 'loose': its option 'size' has a default that can be changed" in line


def test_type_hints_that_cannot_be_resolved_have_their_place(known: Plugins) -> None:
    class Unresolved(nn.Module):
        def __init__(self, in_channels: int, *, size: Nowhere = 1) -> None:  # type: ignore[name-defined]  # noqa: F821
            super().__init__()

        def forward(self, images: Tensor) -> Tensor:
            return images

    added = Registration("unresolved")
    added.add("discriminator", "unresolved", Unresolved)
    known.registry.accept(added)
    lines = mistakes(COMPLETE, "networks.D_A={discriminator: twice, of: unresolved}", "train.stepz=3")
    assert len(lines) == 2 and all("command line" in line for line in lines)


def test_another_inner_component_replaces_the_old_one_and_the_same_one_is_merged() -> None:
    write(NESTED, "base.yaml")
    write("base: base.yaml\nnetworks: {D: {of: {discriminator: pixel}}}\n", "other.yaml")
    assert read_with_base(Path("other.yaml")).data["networks"]["D"]["of"] == {"discriminator": "pixel"}
    write("base: base.yaml\nnetworks: {D: {of: {layers: 3}}}\n", "same.yaml")
    merged = read_with_base(Path("same.yaml")).data["networks"]["D"]["of"]
    assert merged == {"discriminator": "patch", "layers": 3, "width": 4}


def test_functions_in_python_take_them_too(known: Plugins) -> None:
    twice = known.registry.get("discriminator", "twice")
    assert len(build(twice, 3, of={"discriminator": "pixel", "width": 2}).both) == 2
    with pytest.raises(GanzooError, match=r"^discriminator 'twice': unknown option 'wdth' \(did you mean 'width'\?\)$"):
        build(twice, 3, of={"discriminator": "pixel", "wdth": 2})


def test_their_origins_are_known_and_paths_in_them_are_not_published(tmp_path: Path) -> None:
    recipe = read(COMPLETE, "maskers.composite={masker: either, of: [full, {masker: stored, weights: /x/y/w.pt}]}")
    assert [one.name for one in recipe.maskers["composite"].inner()] == ["full", "stored"]
    assert {"full", "stored"} <= {origin.name for origin in step_origins(recipe).values()}
    with pytest.raises(GanzooError, match=r"^maskers.composite: 'stored' inside 'either' reads /x/y/w.pt, and only"):
        _write_parts(recipe, tmp_path)
    scrubbed = scrub_recipe(recipe, {})
    assert scrubbed["maskers"]["composite"]["of"][1]["weights"] == "w.pt"


def test_a_published_model_names_the_plugins_of_inner_components(known: Plugins, monkeypatch: Any) -> None:
    recipe = read(COMPLETE, "networks.D={discriminator: patch}", "maskers.discriminator={masker: either, of: [full]}")
    known.loaded.append(type(known.loaded[0])("testing", "tests", "testing", "1", 2, ""))
    monkeypatch.setattr("ganzoo.recipe.published.plugins", lambda: known)
    found = [one.name for one in components_of(recipe) if one.place == "maskers.discriminator"]
    assert found == ["either", "full"]


def test_the_schema_describes_them(known: Plugins) -> None:
    parts = [one for one in known.registry.find() if one.plugin in ("testing", "cyclegan", "maskers", "digits")]
    schema = recipe_schema(parts, lambda reason: None)
    Draft7Validator.check_schema(schema)
    validator = Draft7Validator(schema)
    valid = read_with_base(write(NESTED)).data
    assert [error.message for error in validator.iter_errors(valid)] == []
    for part in ({"discriminator": "pach"}, {"discriminator": "patch", "noise": 1}, {"masker": "full"}):
        wrong = {**valid, "networks": {"D": {"discriminator": "twice", "of": part}}}
        assert list(validator.iter_errors(wrong)), part


def test_an_option_of_a_kind_shows_the_kind() -> None:
    assert options_of(Twice)["of"].type_text == "discriminator"
    assert options_of(Either)["of"].type_text == "tuple[masker, ...]"


def test_a_default_that_is_no_component_is_the_author_s_mistake() -> None:
    class Wrong(nn.Module):
        def __init__(self, in_channels: int, *, of: Annotated[Inner, InnerKind("loss")] = "l1") -> None:  # type: ignore[assignment]
            super().__init__()

        def forward(self, images: Tensor) -> Tensor:
            return images

    (error,) = declaration_errors(Component("discriminator", "wrong", Wrong, "testing").origin)
    assert "the default of its option 'of' is 'l1': input should be a component that a recipe names" in str(error)
