"""The networks of a recipe: groups, networks that change options of their group, and errors."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
import yaml

from ganzoo.errors import GanzooError
from ganzoo.recipe.reader import read_recipe
from tests.support.stand_in_components import COMPLETE, mistakes, mistakes_of_section, read
from tests.support.tiny_run import write_recipe

pytestmark = pytest.mark.usefixtures("stand_ins")


def test_a_group_applies_to_its_networks_and_each_mistake_is_reported_once_in_its_place() -> None:
    assert mistakes_of_section(
        """\
        networks:
          G:
            generator: resnet
            blocks: -1
          G_BA:
            widht: 3
          D: {discriminator: patch,
              norm: btch}
        """
    ) == [
        "r.yaml:7: networks.G.blocks: blocks is -1: input should be greater than or equal to 0",
        "r.yaml:9: networks.G_BA.widht: unknown option 'widht' (did you mean 'width'?)",
        "r.yaml:11: networks.D.norm: norm is 'btch' (did you mean 'batch'?)",
    ]


def test_a_network_changes_options_of_its_group_and_another_component_drops_them() -> None:
    recipe = read(
        COMPLETE
        + dedent("""\
        networks:
          G: {generator: resnet, blocks: 1, width: 8}
          G_AB: {width: 4}
          G_BA: {generator: unet}
        """)
    )
    assert (recipe.networks["G_AB"].options["blocks"], recipe.networks["G_AB"].options["width"]) == (1, 4)
    assert recipe.networks["G_BA"].options["width"] == 64


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("networks: [resnet]", "networks: networks is ['resnet']; it must be a mapping"),
        ("networks: {S: resnet}", "networks.S: the method has no network 'S' (there are: D, D_A, D_B, G, G_AB, G_BA)"),
        ("networks: {G_AA: resnet}", "networks.G_AA: the method has no network 'G_AA' (did you mean 'G_"),
        ("networks: {D_A: 7}", "networks.D_A: it is 7; a discriminator must be a mapping"),
        ("networks: {D_A: {discriminator: 7}}", "networks.D_A.discriminator: discriminator is 7; it must be a name"),
        ("networks: {G_AB: {generator: patch}}", "networks.G_AB.generator: unknown generator 'patch' (there are: "),
        ("networks: {G_AB: {generator: codec}}", "networks.G_AB: the option 'size' (int) is missing"),
    ],
)
def test_wrong_networks_are_reported_with_their_place(section: str, message: str) -> None:
    lines = mistakes_of_section(section)
    assert len(lines) == 1
    assert lines[0].startswith(f"r.yaml:4: {message}")


def test_a_network_must_have_the_functions_that_the_method_calls() -> None:
    text, serve = "method: picky\ndata: striped_digits\n", "those that can: drit, munit, starganv2, unit"
    (default,) = mistakes(text)
    about = "r.yaml:1: method: method 'picky' of plugin 'testing': the default of its slot 'G_A': "
    assert default.startswith(f"{about}'codec' cannot serve as G_A: its class defines no decode(); {serve} (")
    assert "stand_in_components.py:" in default
    assert mistakes(text + "networks:\n  G:\n    generator: resnet\n")[0] == (
        f"r.yaml:5: networks.G.generator: 'resnet' cannot serve as G_A: its class defines no encode(); {serve}"
    )
    (cut,) = mistakes("method: cut\ndata: striped_digits\ntrain: {steps: 1}\nnetworks: {G: {generator: resnet}}\n")
    assert "'resnet' cannot serve as G_AB: its class defines no features(); those that can: smooth_resnet, style" in cut


def test_a_network_that_is_set_to_null_counts_as_absent(tmp_path: Path) -> None:
    file = write_recipe(tmp_path, method={"without": ["gan_AB", "gan_BA"]})
    with pytest.raises(GanzooError, match="the method has no network 'D'"):
        read_recipe(file)
    assert set(read_recipe(file, ["networks.D=null"]).networks) == {"G_AB", "G_BA"}


OWN = r"override networks\.G_AB\.blocks, networks\.G_BA\.blocks"


@pytest.mark.parametrize(
    ("networks", "override", "message"),
    [
        (
            "{G_AB: {blocks: 9}, G_BA: {blocks: 9}}",
            "networks.G.blocks=2",
            OWN,
        ),
        (
            "{G_AB: {blocks: 9}, G_BA: {blocks: 9}}",
            "networks.G={blocks: 2}",
            OWN,
        ),
        ("{G_AB: {blocks: 9}}", "networks.G.blocks=2", ""),
        ("{G: {blocks: 9}}", "networks.G.blocks=2", ""),
    ],
)
def test_an_override_of_a_group_without_effect_is_refused(
    tmp_path: Path, networks: str, override: str, message: str
) -> None:
    recipe = write_recipe(tmp_path)
    data = yaml.safe_load(recipe.read_text())
    data["networks"] = yaml.safe_load(networks)
    recipe.write_text(yaml.safe_dump(data))
    if not message:
        assert read_recipe(recipe, [override]).networks["G_BA"].options["blocks"] == 2
        return
    with pytest.raises(GanzooError, match=rf"^command line: .*: networks\.G\.blocks: it has no effect.*{message}$"):
        read_recipe(recipe, [override])
