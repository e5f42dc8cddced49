from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.interfaces import cached_file
from ganzoo.provenance.images import image_list, read_images
from ganzoo_datasets.webdataset import WebDataset
from tests.support.archives import noise, png, write_tar
from tests.support.command_line import Run
from tests.support.file_server import FileServer, serving
from tests.support.image_folders import names
from tests.support.tiny_run import write_recipe


def pixels(seed: int, size: tuple[int, int] = (6, 4)) -> np.ndarray:
    """Return what ``noise`` encodes."""
    return np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two shards of A with masks, label maps and values, one of B, in a folder."""
    for shard in range(2):
        members: dict[str, bytes] = {}
        for number in range(3):
            seed = 3 * shard + number
            members |= {
                f"deep/{number:04}.png": noise(seed),
                f"deep/{number:04}.mask.png": png(255 * (number % 2), mode="L"),
                f"deep/{number:04}.labels.png": png(seed, mode="L"),
                f"deep/{number:04}.cls": str(seed).encode(),
                f"deep/{number:04}.json": json.dumps({"animal": {"name": "horse" if number else "zebra"}}).encode(),
            }
        write_tar(tmp_path / f"horses-{shard:03}.tar", members)
    write_tar(tmp_path / "zebras.tar", {f"{number}.jpg": noise(100 + number, form="JPEG") for number in range(4)})
    return tmp_path


def test_samples_come_in_the_order_of_shards_and_members(shards: Path) -> None:
    data = WebDataset(A=f"{shards}/horses-{{000..001}}.tar", B=shards / "zebras.tar", validation=0)
    assert names(data, "train", "A") == [f"horses-{s:03}/deep/{n:04}.png" for s in range(2) for n in range(3)]
    assert names(data, "train", "B") == [f"zebras/{n}.jpg" for n in range(4)]
    for seed in (5, 0, 3):
        sample = data.sample("train", "A", seed)
        assert np.array_equal(sample.image, pixels(seed))
        assert sample.mask is None and sample.labels is None and sample.values == {}
    assert (data.count("test", "A"), data.paired, data.channels) == (0, False, {"A": 3, "B": 3})
    assert data.notes() == ["data: shards: 24 files are not read: 6 .cls, 6 .json, 12 .png"]
    turned = WebDataset(A=[str(shards / "horses-001.tar"), str(shards / "horses-000.tar")], validation=0)
    assert np.array_equal(turned.sample("train", "A", 0).image, pixels(3))
    assert names(WebDataset(A=f"{shards}/horses-*.tar", validation=0), "train", "A") == names(data, "train", "A")


def test_masks_label_maps_and_numbers(shards: Path) -> None:
    planes = {"mask": "mask.png", "labels": ".LABELS.png", "label": "cls"}
    data = WebDataset(A=f"{shards}/horses-*.tar", validation=0, **planes)  # type: ignore[arg-type]
    for index in range(6):
        sample = data.sample("train", "A", index)
        assert sample.mask is not None and (sample.mask == 255 * (index % 3 % 2)).all()
        assert sample.labels is not None and (sample.labels == index).all()
        assert sample.values == {"label": index}
    assert set(data.channels) == {"A"}
    assert [file.name for file in data.files_of("train", "A", 0)] == [
        "deep/0000.png", "deep/0000.mask.png", "deep/0000.labels.png",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("where", "of_a", "of_b"),
    [
        ({"A": {"json.animal.name": "horse"}, "B": {"json.animal.name": "zebra"}}, [1, 2, 4, 5], [0, 3]),
        ({"A": {"cls": [0, 1]}, "B": {"cls": 5}}, [0, 1], [5]),
        ({"A": {"cls": ["4"]}, "B": {"cls": [4, 5], "json.animal.name": "horse"}}, [4], [4, 5]),
    ],
)
def test_both_domains_from_the_same_shards(shards: Path, where: Any, of_a: list[int], of_b: list[int]) -> None:
    data = WebDataset(A=f"{shards}/horses-*.tar", where=where, validation=0)
    for domain, seeds in (("A", of_a), ("B", of_b)):
        assert data.count("train", domain) == len(seeds)
        for index, seed in enumerate(seeds):
            assert np.array_equal(data.sample("train", domain, index).image, pixels(seed))


def test_capitals_count_in_json_and_not_in_endings(tmp_path: Path) -> None:
    members: dict[str, bytes] = {}
    for number in range(4):
        fields = {"AESTHETIC_SCORE": number + 0.5, "Kind": {"Name": "ab"[number % 2]}, "kind": "other"}
        members |= {f"{number}.PNG": noise(number), f"{number}.JSON": json.dumps(fields).encode()}
        members[f"{number}.Cls"] = str(number).encode()
    path = write_tar(tmp_path / "a.tar", members)
    for where in ({"A": {"json.Kind.Name": "b"}}, {"A": {"Json.Kind.Name": "b", ".CLS": [1, 3]}}):
        data = WebDataset(A=path, label="json.AESTHETIC_SCORE", where=where, validation=0)  # type: ignore[arg-type]
        assert [data.sample("train", "A", index).values for index in range(2)] == [{"label": 1.5}, {"label": 3.5}]
        assert data.count("train", "A") == 2 and [line for line in data.notes() if "json" in line] == []
    assert WebDataset(A=path, label=".CLS", validation=0).sample("train", "A", 3).values == {"label": 3}


def test_pairs(tmp_path: Path) -> None:
    members: dict[str, bytes] = {}
    for number in range(20):
        members |= {f"{number:02}.a.jpg": noise(number, form="JPEG"), f"{number:02}.b.png": noise(50 + number)}
    path = write_tar(tmp_path / "pairs.tar", members)
    data = WebDataset(A=path, image={"A": "a.jpg", "B": "b.png"}, paired=True, validation=0.3)
    assert data.paired
    for split in ("train", "validation"):
        assert names(data, split, "A") == names(data, split, "B") != []
        for index in range(data.count(split, "A")):
            one, two = (data.sample(split, domain, index) for domain in "AB")
            assert one.target is not None and two.target is not None
            assert np.array_equal(one.image, two.target) and np.array_equal(two.image, one.target)
            assert np.array_equal(two.image, pixels(50 + int(two.name.removeprefix("pairs/")[:2])))


def test_a_limit_of_the_training_images_keeps_pairs_together(tmp_path: Path) -> None:
    members = {f"{number:02}.{end}": noise(number) for number in range(30) for end in ("a.png", "b.png")}
    pairs: Any = {"A": write_tar(tmp_path / "p.tar", members), "image": {"A": "a.png", "B": "b.png"}, "paired": True}
    few, more, every = (WebDataset(**pairs, train_limit=limit) for limit in (5, 10, 0))
    assert names(few, "train", "A") == names(few, "train", "B") and few.count("train", "A") == 5
    assert set(names(few, "train", "A")) < set(names(more, "train", "A")) < set(names(every, "train", "A"))
    assert names(few, "validation", "A") == names(every, "validation", "A") != []


def test_validation_and_test_shards(shards: Path) -> None:
    first, second, zebras = (str(shards / f"{name}.tar") for name in ("horses-000", "horses-001", "zebras"))
    data = WebDataset(A=first, B=zebras, validation_A=second, test_A=second, test_B=zebras, validation=0.5)
    assert [data.count(split, "A") for split in ("train", "validation", "test")] == [3, 3, 3]
    assert data.count("train", "B") + data.count("validation", "B") == 4 == data.count("test", "B")
    assert 0 < data.count("train", "B") < 4


def test_threads_read_the_same_shard(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {f"{number:03}.png": noise(number) for number in range(50)})
    data = WebDataset(A=path, validation=0)
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda i: data.sample("train", "A", i % 50).image, range(500)))
    assert all(np.array_equal(image, pixels(i % 50)) for i, image in enumerate(images))


def test_changed_images_have_other_checksums_and_remembered_ones_the_same(tmp_path: Path) -> None:
    def checksums(**members: bytes) -> Any:
        write_tar(tmp_path / "a.tar", {f"{key}.png": content for key, content in members.items()})
        return image_list(read_images(WebDataset(A=tmp_path / "a.tar", validation=0)))["train/A"]

    first = checksums(a=noise(0), b=noise(1))
    assert checksums(c=noise(2), a=noise(0), b=noise(1)) == {**first, "a/c.png": checksums(c=noise(2))["a/c.png"]}
    assert checksums(a=noise(0), b=noise(2))["a/b.png"] != first["a/b.png"]


def test_what_is_no_image_is_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        for name, kind in (("link.png", tarfile.SYMTYPE), ("hard.png", tarfile.LNKTYPE), ("folder", tarfile.DIRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            archive.addfile(info)
        for name in ("ok.png", "bad.pickle", "bad.pyd", "../out.png", "/root.png", ".hid.png", "n"):
            info = tarfile.TarInfo(name)
            info.size = len(png())
            archive.addfile(info, io.BytesIO(png()))
    data = WebDataset(A=path)
    assert names(data, "train", "A") == ["a/ok.png"]
    assert data.notes() == [
        "data: shards: 3 files are not read: 1 without an ending, 1 .pickle, 1 .pyd",
        "data: shards: 4 members are not read: links, or paths that lead out of the tar file ('link.png')",
    ]


PNG = png()


def edited(path: Path, change: Any) -> None:
    content = bytearray(write_tar(path, {"a.png": PNG, "b.png": noise(0, (60, 60))}).read_bytes())
    path.write_bytes(change(content))


def joined(content: bytearray) -> bytes:
    return bytes(content + content)


def broken_header(content: bytearray) -> bytes:
    content[1024 + 150] ^= 0xFF
    return bytes(content)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda content: content[:2000], "truncated"),
        (lambda content: content[:1500], "a header at byte 1,024 is damaged|truncated"),
        (lambda content: content[:1024], r"truncated \(it has no end mark"),
        (lambda content: content[:700], "truncated"),
        (joined, "goes on after its end mark"),
        (broken_header, "a header at byte 1,024 is damaged"),
        (lambda content: b"", "truncated|no tar file"),
        (lambda content: b"GIF89a" * 300, "no tar file"),
        (lambda content: b"\x1f\x8b" + bytes(600), "compressed by gzip"),
    ],
)
def test_a_tar_file_that_is_not_whole_is_an_error_of_one_line(tmp_path: Path, change: Any, problem: str) -> None:
    path = tmp_path / "a.tar"
    edited(path, change)
    with pytest.raises(GanzooError, match=problem) as caught:
        WebDataset(A=path)
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_a_shard_that_is_cut_after_its_members_were_listed(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "a.tar", {"a.png": noise(0, (60, 60))})
    data = WebDataset(A=path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(GanzooError, match=r"a\.tar/a\.png: the tar file was truncated"):
        data.sample("train", "A", 0)
    path.unlink()
    with pytest.raises(MissingResourceError, match=r"a\.tar/a\.png"):
        data.sample("train", "A", 0)


@pytest.mark.parametrize(
    ("members", "options", "problem"),
    [
        ({"a.png": PNG, "a.PNG": PNG}, {}, "a.PNG is there twice"),
        ({"a.png": PNG, "a.jpg": PNG}, {}, r"several images \(png, jpg\); set data.image"),
        ({"a.png": PNG}, {"mask": "mask.png"}, "the sample a has no mask.png, which data.mask names; it has png"),
        ({"a.txt": b""}, {}, "data.A: no sample of A"),
        ({"a.png": PNG, "a.cls": b"x"}, {"label": "cls"}, "'x' is no number"),
        ({"a.png": PNG, "a.json": b"["}, {"label": "json.x"}, "a.json: no JSON"),
        ({"a.png": PNG, "a.cls": b"\xff"}, {"where": {"A": {"cls": 1}}}, "no text"),
        ({"a.png": PNG}, {"test_B": "x.tar"}, "data.test_B is set, but there are no training images of B"),
        ({"a.png": PNG}, {"image": {"A": "png", "B": "png"}}, "A and B would have the same images"),
        ({"a.png": PNG}, {"channels": {"B": 1}}, "webdataset: channels.B is set, but there are no images of B"),
        ({"a.png": PNG}, {"foreground": (1,)}, "webdataset: foreground names classes of masks, but there are none"),
        ({"a.png": PNG}, {"paired": True}, "name the two images of a sample"),
        ({"a.png": PNG}, {"paired": True, "B": "b.tar"}, "remove B"),
        ({"a.a.png": PNG}, {"paired": True, "image": {"A": "a.png", "B": "b.png"}}, "no b.png, which data.image names"),
    ],
)
def test_wrong_samples_and_options(tmp_path: Path, members: dict[str, bytes], options: Any, problem: str) -> None:
    path = write_tar(tmp_path / "s.tar", members)
    with pytest.raises(GanzooError, match=problem):
        WebDataset(A=path, **options)


@pytest.mark.parametrize(
    ("shard", "problem"),
    [
        ("pipe:cat a.tar", "pipe: is not read, and nothing that a recipe names is executed"),
        ("s3://bucket/a.tar", "s3: is not read"),
        ("gs://bucket/a.tar", "gs: is not read"),
        ("file:///etc/a.tar", "file: is not read"),
        ("nowhere-{3..1}.tar", "must go up"),
        ("x-{0..9999}-{0..9999}.tar", "more than 100,000 shards"),
        ("nowhere.tar", "data.A: nowhere.tar: no such shard"),
        ("nowhere-*.tar", "no such shard"),
    ],
)
def test_shards_that_are_not_read(shard: str, problem: str) -> None:
    with pytest.raises(GanzooError, match=problem):
        WebDataset(A=shard)


def test_the_same_shard_twice_is_refused(shards: Path) -> None:
    with pytest.raises(GanzooError, match="two shards are called zebras"):
        WebDataset(A=[shards / "zebras.tar", shards / "zebras.tar"])


@pytest.fixture
def server(shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("ganzoo.weights.download.PAUSE", 0)
    with serving((shards / "zebras.tar").read_bytes(), etag='"one"') as one:
        one.address = one.address.replace("net.pth", "zebras.tar?download=true")
        yield one


def test_shards_by_address_are_downloaded_once_and_named_as_local_ones(server: FileServer, shards: Path) -> None:
    data = WebDataset(A=server.address, validation=0)
    local = WebDataset(A=shards / "zebras.tar", validation=0)
    assert names(data, "train", "A") == names(local, "train", "A")
    assert image_list(read_images(data)) == image_list(read_images(local))
    WebDataset(A=server.address)
    assert len(server.asked) == 1


def test_a_recipe_may_name_an_address(server: FileServer, tmp_path: Path, run: Run) -> None:
    recipe = write_recipe(tmp_path)
    content = yaml.safe_load(recipe.read_text())
    data = {"dataset": "webdataset", "A": server.address, "B": str(tmp_path / "zebras.tar")}
    recipe.write_text(yaml.safe_dump({**content, "data": data, "images": {"size": 8}}))
    code, out, err = run("check", recipe, "--quick")
    assert code == 0, err
    assert server.address in out and len(server.asked) == 1
    code, _, err = run("check", recipe, "--quick", "data.A=pipe:echo")
    assert code == 2 and "pipe: is not read" in err and len(err.splitlines()) == 1


def test_an_interrupted_download_of_a_shard_is_resumed(server: FileServer) -> None:
    server.cuts = [4096] + [0] * 10
    with pytest.raises(MissingResourceError, match=r"name the files in data.A"):
        WebDataset(A=server.address)
    server.cuts = []
    WebDataset(A=server.address)
    assert server.asked[-1]["Range"] == "bytes=4096-"


def test_the_limit_holds_for_all_shards_together(server: FileServer) -> None:
    one = len(server.content) / 2**30
    with pytest.raises(MissingResourceError, match=r"at most .* raise data.limit"):
        WebDataset(A=server.address, limit=one * 0.9)
    assert not cached_file(server.address, "shards").exists()
    other = server.address.replace("zebras.tar", "okapis.tar")
    with pytest.raises(MissingResourceError, match=r"raise data.limit"):
        WebDataset(A=server.address, B=other, limit=one * 1.5)
    with pytest.raises(MissingResourceError, match=r"other shards take all of the limit"):
        WebDataset(A=server.address, B=other, limit=one)
    WebDataset(A=server.address, B=other, limit=one * 2.1)
    WebDataset(A=server.address, limit=one / 2)  # nothing is downloaded
