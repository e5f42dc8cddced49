"""The data set ``torchvision`` reads torchvision's formats, downloads with checksums, and fails in one line."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torchvision.datasets  # type: ignore[import-untyped]

from ganzoo.data.types import SPLITS
from ganzoo.errors import MissingResourceError
from ganzoo.interfaces import Split
from ganzoo_datasets.torchvision import Torchvision
from tests.support.torchvision_files import write_mnist, write_usps

NOWHERE = "http://127.0.0.1:9/"


def write_svhn(root: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    root.mkdir(parents=True, exist_ok=True)
    images = np.random.default_rng(2).integers(0, 256, (30, 32, 32, 3), dtype=np.uint8)
    numbers = np.arange(30) % 10
    known: dict[str, Any] = {}
    for split, part in (("train", slice(20)), ("test", slice(20, 30))):
        file = root / f"{split}_32x32.mat"
        written = np.where(numbers[part] == 0, 10, numbers[part])  # SVHN's class of the digit 0 is 10
        scipy.io.savemat(file, {"X": images[part].transpose(1, 2, 3, 0), "y": written[:, None]})
        known[split] = [NOWHERE, file.name, hashlib.md5(file.read_bytes()).hexdigest()]
    monkeypatch.setattr(torchvision.datasets.SVHN, "split_list", known)
    return images


def test_mnist_and_usps(tmp_path: Path) -> None:
    images = {"A": write_mnist(tmp_path), "B": write_usps(tmp_path)}
    data = Torchvision(A="MNIST", B="USPS", root=tmp_path, validation=0, download=False, label="digit")
    assert data.channels == {"A": 1, "B": 1}
    for domain, expected in images.items():
        assert [data.count(split, domain) for split in SPLITS] == [20, 0, 10]
        starts: dict[Split, int] = {"train": 0, "test": 20}
        for split, start in starts.items():
            for index in (0, 7):
                sample = data.sample(split, domain, index)
                assert np.array_equal(sample.image[..., 0], expected[start + index])
                assert sample.values == {"digit": (start + index) % 10}


def test_svhn_has_three_channels_and_mnist_gets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images = write_svhn(tmp_path, monkeypatch)
    write_mnist(tmp_path)
    data = Torchvision(A="SVHN", B="MNIST", root=tmp_path, validation=0, grey="rgb", download=False)
    assert data.channels == {"A": 3, "B": 3}
    assert np.array_equal(data.sample("test", "A", 3).image, images[23])
    assert [data.sample("train", "A", i).values["label"] for i in range(11)] == [*range(10), 0]


def test_a_few_samples_are_drawn_for_each_domain(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    write_usps(tmp_path)

    def drawn(**options: Any) -> list[list[str]]:
        data = Torchvision(A="MNIST", B="USPS", root=tmp_path, validation=0, download=False, **options)
        return [[data.sample("train", one, i).name for i in range(data.count("train", one))] for one in "AB"]

    few = drawn(train_limit={"A": 7, "B": 5})
    assert [len(names) for names in few] == [7, 5]
    assert drawn(train_limit={"A": 7, "B": 5}) == few
    assert drawn(train_limit={"A": 7, "B": 5}, draw=1) != few
    assert [len(names) for names in drawn(train_limit=6)] == [6, 6]
    assert [len(names) for names in drawn(train_limit={"B": 6})] == [20, 6]


def test_validation_images_are_held_out_of_the_training_images(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    data = Torchvision(A="MNIST", B="MNIST", root=tmp_path, validation=0.3, download=False)
    assert data.count("train", "A") + data.count("validation", "A") == 20
    assert data.count("test", "A") == 10


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *words: object) -> None:
        pass


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Serve a folder's files at an address until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_missing_files_are_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_usps(tmp_path / "server")
    write_mnist(tmp_path)
    with serving(tmp_path / "server") as address:
        known = {}
        for split, name in (("train", "usps.bz2"), ("test", "usps.t.bz2")):
            known[split] = [address + name, name, hashlib.md5((tmp_path / "server" / name).read_bytes()).hexdigest()]
        monkeypatch.setattr(torchvision.datasets.USPS, "split_list", known)
        data = Torchvision(A="MNIST", B="USPS", root=tmp_path, validation=0)
        assert data.count("train", "B") == 20
        (tmp_path / "usps.bz2").unlink()
        known["train"][2] = "0" * 32
        with pytest.raises(MissingResourceError, match=r"torchvision has no USPS in .*check the network"):
            Torchvision(A="MNIST", B="USPS", root=tmp_path, validation=0)
    assert Torchvision(A="MNIST", B="MNIST", root=tmp_path).count("test", "B") == 10


@pytest.mark.parametrize("name", ["MNIST", "USPS", "SVHN"])
@pytest.mark.parametrize("download", [True, False])
def test_files_that_cannot_be_had_are_an_error_of_one_line(
    name: Any, download: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [NOWHERE])
    for kind in (torchvision.datasets.USPS, torchvision.datasets.SVHN):
        absent = {split: [NOWHERE + values[1], *values[1:]] for split, values in kind.split_list.items()}
        monkeypatch.setattr(kind, "split_list", absent)
    with pytest.raises(MissingResourceError) as caught:
        Torchvision(A=name, B=name, root=tmp_path / "ü", download=download)
    text = str(caught.value)
    assert text.startswith(f"data: torchvision has no {name} in {tmp_path / 'ü'} (")
    assert ("check the network" if download else "set download=true") in text
    assert "\n" not in text


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write_usps(tmp_path)
    (tmp_path / "usps.bz2").write_bytes((tmp_path / "usps.bz2").read_bytes()[:100])
    with pytest.raises(MissingResourceError, match=r"torchvision has no USPS in .*EOFError.*delete damaged files"):
        Torchvision(A="USPS", B="USPS", root=tmp_path)
