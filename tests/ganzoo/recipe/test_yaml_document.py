"""Reading YAML safely with the place of every key, and merging files with bases and overrides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganzoo.errors import GanzooError
from ganzoo.recipe.networks import normalize_component
from ganzoo.recipe.yaml_document import NAME, Document, apply_overrides, merge, read_value, read_with_base, read_yaml


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(text: str | bytes, name: str = "r.yaml") -> Document:
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_yaml(Path(name))


def refusal(text: str | bytes) -> str:
    with pytest.raises(GanzooError) as error:
        read(text)
    return str(error.value)


def overridden(text: str, *overrides: str) -> Document:
    return apply_overrides(read(text), overrides)


def test_every_key_has_its_line() -> None:
    document = read("# a remark\nmethod:\n  method: cyclegan\n\ntrain: {steps: 5,\n  batch: 2}\nlist: [a,\n  b]\n")
    assert document.data == {
        "method": {"method": "cyclegan"},
        "train": {"steps": 5, "batch": 2},
        "list": ["a", "b"],
    }
    lines = {".".join(map(str, path)): place for path, place in document.places.items()}
    assert lines == {
        "": "r.yaml:1", "method": "r.yaml:2", "method.method": "r.yaml:3", "train": "r.yaml:5",
        "train.steps": "r.yaml:5", "train.batch": "r.yaml:6", "list": "r.yaml:7", "list.0": "r.yaml:7",
        "list.1": "r.yaml:8",
    }  # fmt: skip
    assert document.place(("train", "lr", "x")) == "r.yaml:5"
    assert document.place(("nothing",)) == "r.yaml:1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "r.yaml: empty; a recipe needs at least a method and data"),
        ("# only a remark\n", "r.yaml: empty"),
        ("- a\n- b\n", "r.yaml:1: a recipe is a mapping"),
        ("just words", "r.yaml:1: a recipe is a mapping"),
        ("a: 1\nb:\n\t- x\n", "r.yaml:3: not YAML: found character '\\t' that cannot start any token"),
        ("a: 1\nb: [1, 2\nc: 3\n", "r.yaml:3: not YAML: "),
        ("a: 1\nb: *nobody\n", "r.yaml:2: not YAML: found undefined alias"),
        ("a: 1\n---\nb: 2\n", "r.yaml:2: not YAML: "),
        ("a: x\0y\n", "r.yaml: not YAML: special characters are not allowed"),
        (b"a: \xff\xfe\n", "r.yaml: not a text file (UTF-8)"),
        ("a: 1\nb: 2\na: 3\n", "r.yaml:3: duplicate key 'a' (first at r.yaml:1)"),
        ("a:\n  b: {c: 1, c: 2}\n", "r.yaml:2: duplicate key 'c' (first at r.yaml:2)"),
        ("a: 1\ntrue: 2\n", "r.yaml:2: the key 'true' is read as True; put it in quotes"),
        ("a: {1: x}\n", "r.yaml:1: the key '1' is read as 1; put it in quotes"),
        ("a: {[b, c]: x}\n", "r.yaml:1: a key must be a single word, not a list or a mapping"),
        ("a: 1\nb: &x [*x]\n", "r.yaml:2: this part contains itself"),
        ("a: 1\nb: !!int 2020-13-45\n", "r.yaml:2: not YAML: '2020-13-45' is not of the type int"),
        ("a: 1\nb: !!bool maybe\n", "r.yaml:2: not YAML: 'maybe' is not of the type bool"),
        ("a: 1\nb: !!timestamp 2020-01-01\n", "r.yaml:2: not YAML: could not determine a constructor for the tag"),
        ("a: " + "[" * 5000, "r.yaml: nested too deeply"),
    ],
)
def test_an_invalid_file_gets_an_error_of_one_line(text: str | bytes, message: str) -> None:
    error = refusal(text)
    assert error.startswith(message)
    assert "\n" not in error


@pytest.mark.parametrize(
    "tagged",
    [
        '!!python/object/apply:os.system ["touch harm"]',
        '!!python/object/apply:os.mkdir {args: ["harm"]}',
        "!!python/object/new:os.mkdir [harm]",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/tuple [a, b]",
        "!!set {a, b}",
        "!mine {a: b}",
    ],
)
def test_tags_are_refused_and_nothing_is_executed(tagged: str) -> None:
    assert refusal(f"a: 1\nb: {tagged}\n").startswith("r.yaml:2: ")
    with pytest.raises(GanzooError, match=r"^command line: "):
        overridden("a: 1", f"b={tagged}")
    assert not Path("harm").exists()


def test_an_unreadable_file_gets_an_error_of_one_line() -> None:
    Path("runs/a").mkdir(parents=True)
    with pytest.raises(GanzooError, match=r"^runs/a: a folder, not a recipe; give the recipe's file$"):
        read_yaml(Path("runs/a"))
    Path("runs/a/recipe.yaml").touch()
    with pytest.raises(GanzooError, match=r"^runs/a: a folder, not a recipe; give the recipe that the run began"):
        read_yaml(Path("runs/a"))
    with pytest.raises(GanzooError, match=r"^nowhere.yaml: no such file$"):
        read_yaml(Path("nowhere.yaml"))


def test_anchors_and_merge_keys_work_as_in_any_yaml() -> None:
    text = "a: &one {x: 1, y: 2}\nb:\n  <<: *one\n  y: 3\nc: *one\nd: &two\n  <<: *one\n  y: 4\ne: *two\n"
    document = read(text)
    assert document.data["b"] == {"x": 1, "y": 3}
    assert document.data["c"] == {"x": 1, "y": 2}
    assert document.data["e"] == document.data["d"] == {"x": 1, "y": 4}
    assert document.place(("b", "x")) == "r.yaml:1"
    assert document.place(("b", "y")) == "r.yaml:4"


def test_bases_are_merged_under_each_other() -> None:
    Path("deep").mkdir()
    read("a: 1\nb: {x: 1, y: 1}\nc: 1\n", "deep/ground.yaml")
    read("base: ground.yaml\nb: {y: 2}\n", "deep/middle.yaml")
    read("base: deep/middle.yaml\nc:\n  - 3\n", "top.yaml")
    document = read_with_base(Path("top.yaml"))
    assert document.data == {"a": 1, "b": {"x": 1, "y": 2}, "c": [3]}
    assert document.place(("a",)) == "deep/ground.yaml:1"
    assert document.place(("b", "x")) == "deep/ground.yaml:2"
    assert document.place(("b", "y")) == "deep/middle.yaml:2"
    assert document.place(("c", 0)) == "top.yaml:3"
    assert document.place(()) == "top.yaml:1"


def test_variables_in_the_path_of_a_base_are_filled_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    read("a: 1\n", "ground.yaml")
    for name in ("$HOME", "~"):
        read(f"base: {name}/ground.yaml\n", "top.yaml")
        assert read_with_base(Path("top.yaml")).data == {"a": 1}


def test_circular_missing_and_wrong_bases_are_refused() -> None:
    read("base: b.yaml\n", "a.yaml")
    read("x: 1\nbase: a.yaml\n", "b.yaml")
    with pytest.raises(GanzooError, match=r"circular base: a.yaml → b.yaml → a.yaml$"):
        read_with_base(Path("a.yaml"))
    read("x: 1\nbase: gone.yaml\n", "c.yaml")
    with pytest.raises(GanzooError, match=r"^c.yaml:2: no such recipe: gone.yaml$"):
        read_with_base(Path("c.yaml"))
    read("base: [a.yaml]\n", "d.yaml")
    with pytest.raises(GanzooError, match=r"^d.yaml:1: base is \['a.yaml'\]; it must be the path of another recipe$"):
        read_with_base(Path("d.yaml"))
    read("base:\nx: 1\n", "e.yaml")
    assert read_with_base(Path("e.yaml")).data == {"x": 1}


def merged(base: str, over: str) -> dict[str, Any]:
    return merge(read(base, "base.yaml"), read(over, "over.yaml")).data


@pytest.mark.parametrize(
    ("base", "over", "data"),
    [
        ("method: {method: m, cycle: 10}", "method: {method: m, pool: 1}", {"method": "m", "cycle": 10, "pool": 1}),
        ("method: {method: m, cycle: 10}", "method: {pool: 1}", {"method": "m", "cycle": 10, "pool": 1}),
        ("method: {method: m, cycle: 10}", "method: {method: n, pool: 1}", {"method": "n", "pool": 1}),
        ("method: {method: m, cycle: 10}", "method: n", "n"),
        ("method: {method: m}", "method:", None),
        ("method: m", "method: {pool: 1}", {NAME: "m", "pool": 1}),
        ("method: m", "method: {method: n, pool: 1}", {"method": "n", "pool": 1}),
    ],
)
def test_another_component_replaces_the_old_one_and_the_same_one_is_merged(base: str, over: str, data: Any) -> None:
    assert merged(base, over)["method"] == data


def test_options_merged_over_a_plain_name_do_not_leak_into_another_component() -> None:
    document = merge(read("method: m", "a.yaml"), read("method: {pool: 1}", "b.yaml"))
    assert merge(document, read("method: {method: n, cycle: 2}", "c.yaml")).data["method"] == {
        "method": "n",
        "cycle": 2,
    }
    same = merge(document, read("method: {method: m, cycle: 2}", "c.yaml")).data["method"]
    assert normalize_component(same, "method") == {"method": "m", "pool": 1, "cycle": 2}


def test_sections_are_not_taken_for_components_whatever_their_keys_are_called() -> None:
    text = "method: m\ndata: d\nlosses: {loss: l1, metric: {loss: l1}}\n"
    assert merged(text, "method: n\nlosses: {loss: l2}") == {
        "method": "n",
        "data": "d",
        "losses": {"loss": "l2", "metric": {"loss": "l1"}},
    }


@pytest.mark.parametrize(
    ("base", "over", "train"),
    [
        ("{epochs: 100, lr: 1}", "{steps: 5}", {"lr": 1, "steps": 5}),
        ("{steps: 5}", "{epochs: 2, batch: 3}", {"epochs": 2, "batch": 3}),
        ("{steps: 5}", "{steps: 6}", {"steps": 6}),
        ("{steps: 5}", "{batch: 6}", {"steps": 5, "batch": 6}),
    ],
)
def test_a_length_in_the_other_unit_replaces_that_of_the_base(base: str, over: str, train: dict[str, int]) -> None:
    assert merged(f"train: {base}", f"train: {over}") == {"train": train}
    assert merged(f"data: {base}", f"data: {over}")["data"].keys() >= train.keys()


FOLDERS = "data: {dataset: folders, root: r, channels: 1}"


@pytest.mark.parametrize(
    ("base", "over", "data"),
    [
        (FOLDERS, ["data.A=a", "data.B=b"], {"channels": 1, "A": "a", "B": "b"}),
        (FOLDERS, ["data={A: a, B: b}"], {"channels": 1, "A": "a", "B": "b"}),
        ("data: {dataset: folders, A: a, B: b, test_A: t}", ["data.root=r"], {"root": "r"}),
        ("data: {dataset: folders, root: r, A: null, B: null}", ["data.A=a"], {"A": "a", "B": None}),
        (FOLDERS, ["data.A="], {"root": "r", "channels": 1, "A": None}),
        (FOLDERS, ["data={A: a, root: s}"], {"channels": 1, "A": "a", "root": "s"}),
        (FOLDERS, ["data.channels=3"], {"root": "r", "channels": 3}),
    ],
)
def test_an_option_replaces_inherited_ones_that_it_excludes(base: str, over: list[str], data: dict[str, Any]) -> None:
    assert overridden(base, *over).data["data"] == {"dataset": "folders", **data}


def test_options_of_an_unknown_component_exclude_none() -> None:
    assert overridden("data: {dataset: nobodys, root: r}", "data.A=a").data["data"] == {
        "dataset": "nobodys", "root": "r", "A": "a",
    }  # fmt: skip


def test_replaced_keys_have_the_place_of_the_replacement() -> None:
    base = "networks:\n  G: {generator: resnet, blocks: 9}\nlosses:\n  x: {loss: l1}\n"
    document = merge(read(base, "base.yaml"), read("networks:\n\n  G: {generator: unet}\nlosses:\n", "over.yaml"))
    assert document.data == {"networks": {"G": {"generator": "unet"}}, "losses": None}
    assert document.place(("networks", "G", "generator")) == "over.yaml:3"
    assert document.place(("networks", "G", "blocks")) == "over.yaml:3"
    assert document.place(("losses", "x")) == "over.yaml:4"


def test_overrides_are_yaml_and_do_not_change_other_places() -> None:
    text = "method: {method: cyclegan, cycle: 10}\ntrain: {steps: 5}\n"
    document = overridden(text, "train.steps=7", "method.cycle={A: 1, B: 2}", "new.deep.key=[x, 1]", "train.note=")
    assert document.data == {
        "method": {"method": "cyclegan", "cycle": {"A": 1, "B": 2}},
        "train": {"steps": 7, "note": None},
        "new": {"deep": {"key": ["x", 1]}},
    }
    assert document.place(("train", "steps")) == "command line: train.steps=7"
    assert document.place(("method", "cycle", "B")) == "command line: method.cycle={A: 1, B: 2}"
    assert document.place(("new", "deep")) == "command line: new.deep.key=[x, 1]"
    assert document.place(("train",)) == "r.yaml:2"
    assert document.place(("method", "method")) == "r.yaml:1"
    assert document.place(()) == "r.yaml:1"


def test_files_and_overrides_follow_yaml_1_2() -> None:
    words = {"batch": 10, "save": "1:30", "cache": "no", "on": "off", "lr": 2e-4}
    text = "{batch: 010, save: 1:30, cache: no, on: off, lr: 2e-4}"
    assert read(f"a: {text}").data == overridden("a: 1", f"a={text}").data == {"a": words}


def test_later_overrides_win_and_a_value_may_hold_an_equals_sign() -> None:
    assert overridden("a: 1", "a=2", "a=3").data == {"a": 3}
    assert overridden("a: 1", "a=x=y").data == {"a": "x=y"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train.steps", "command line: 'train.steps' is not of the form key.path=value, without spaces around ="),
        ("=5", "command line: '=5' is not of the form"),
        ("train..steps=5", "command line: 'train..steps=5' is not of the form"),
        ("a=[1", "command line: the value of 'a=[1' is not YAML; put it in quotes"),
        ("a={x: 1, x: 2}", "command line: a={x: 1, x: 2}: duplicate key 'x'"),
        ("a={null: 1}", "command line: a={null: 1}: the key 'null' is read as None; put it in quotes"),
    ],
)
def test_malformed_overrides_are_refused(text: str, message: str) -> None:
    with pytest.raises(GanzooError) as error:
        overridden("a: 1", text)
    assert str(error.value).startswith(message)


def test_a_length_in_steps_replaces_one_in_epochs_and_the_other_way_round(tmp_path: Path) -> None:
    base = tmp_path / "base.yaml"
    base.write_text("train: {epochs: 200, batch: 1}\n")
    assert apply_overrides(read_with_base(base), ["train.steps=5"]).data["train"] == {"batch": 1, "steps": 5}
    over = tmp_path / "over.yaml"
    over.write_text("base: base.yaml\ntrain: {steps: 600}\n")
    document = read_with_base(over)
    assert document.data["train"] == {"batch": 1, "steps": 600}
    assert apply_overrides(document, ["train.epochs=3"]).data["train"] == {"batch": 1, "epochs": 3}
    assert apply_overrides(document, ["train.batch=3"]).data["train"] == {"batch": 3, "steps": 600}


FM = "losses: {fm: {loss: feature_matching, discriminator: D_A, weight: 5}}"


@pytest.mark.parametrize(
    ("base", "over", "found"),
    [
        (FM, "losses.fm.discriminator=D_B", {"loss": "feature_matching", "discriminator": "D_B", "weight": 5}),
        (
            "losses: {fm: one}",
            "losses.fm.discriminator=D_B",
            {NAME: "one", "discriminator": "D_B"},
        ),
        (FM, "losses.fm={loss: lpips}", {"loss": "lpips"}),
        ("losses: {x: {loss: one, part: {generator: a, size: 2}}}", "losses.x.part.generator=b", None),
    ],
)
def test_an_option_that_is_called_as_a_kind_names_no_component(base: str, over: str, found: Any) -> None:
    losses = overridden(base, over).data["losses"]
    assert losses == ({"fm": found} if found else {"x": {"loss": "one", "part": {"generator": "b"}}})


@pytest.mark.parametrize(
    ("overrides", "of_epochs", "of_steps"),
    [
        (["train.steps=500", "train.epochs=0"], {"steps": 500, "epochs": 0}, {"steps": 500, "epochs": 0}),
        (["train.epochs=0", "train.steps=500"], {"steps": 500}, {"steps": 500}),
        (["train.steps=500", "train.epochs=3"], {"epochs": 3}, {"epochs": 3}),
        (["train.epochs=0"], {"epochs": 0}, {"steps": 9, "epochs": 0}),
        (["train.steps=0"], {"epochs": 9, "steps": 0}, {"steps": 0}),
        (["train={epochs: 0, lr: 1}"], {"epochs": 0, "lr": 1}, {"steps": 9, "epochs": 0, "lr": 1}),
    ],
)
def test_a_length_of_0_does_not_remove_the_other_one(
    overrides: list[str], of_epochs: dict[str, int], of_steps: dict[str, int]
) -> None:
    assert overridden("train: {epochs: 9}", *overrides).data["train"] == of_epochs
    assert overridden("train: {steps: 9}", *overrides).data["train"] == of_steps
    both = "train: {epochs: 9, steps: 9}"  # the error says: remove one, or set it to 0
    assert overridden(both, "train.epochs=0").data["train"] == {"epochs": 0, "steps": 9}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{metric: fd", r"--metric '\{metric: fd': not YAML: expected ',' or '}', but got '<stream end>'$"),
        ("fd], [swd", r"--metric 'fd\], \[swd': not YAML: "),
    ],
)
def test_a_text_that_is_no_yaml_is_named_as_it_was_given(text: str, problem: str) -> None:
    assert read_value("swd, {metric: fd}", "--metric", items=True) == ["swd", {"metric": "fd"}]
    with pytest.raises(GanzooError, match=f"^{problem}"):
        read_value(text, "--metric", items=True)


def test_a_demo_is_merged_over_its_base_by_the_same_rules() -> None:
    """Another data set inherits no options, and another length replaces the inherited one."""
    own = "data: {dataset: folders, A: sA, B: sB}, train: {steps: 10}, networks: {G: {generator: unet, levels: 2}}"
    new = "data: {dataset: striped_digits}, train: {epochs: 1}, networks: {G: {generator: resnet}}"
    Path("b.yaml").write_text(f"demo: {{{own}}}\n")
    Path("d.yaml").write_text(f"base: b.yaml\ndemo: {{{new}}}\n")
    assert read_with_base(Path("d.yaml")).data["demo"] == {
        "data": {"dataset": "striped_digits"}, "train": {"epochs": 1}, "networks": {"G": {"generator": "resnet"}},
    }  # fmt: skip
