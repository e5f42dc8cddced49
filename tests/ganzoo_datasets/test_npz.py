from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganzoo.errors import GanzooError
from ganzoo.interfaces import Split
from ganzoo_datasets.npz import Npz

SPLITS: tuple[Split, Split, Split] = ("train", "validation", "test")


def shades(count: int, *shape: int, start: int = 0) -> np.ndarray:
    """Return images of which the i-th is filled with the value start + i."""
    values = np.arange(start, start + count, dtype=np.uint8)
    return np.broadcast_to(values.reshape(-1, *[1] * len(shape)), (count, *shape)).copy()


def write(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


@pytest.fixture
def A(tmp_path: Path) -> Path:  # noqa: N802
    return write(tmp_path / "a ü.npz", images=shades(100, 4, 5), labels=np.arange(100) % 7)


@pytest.fixture
def B(tmp_path: Path) -> Path:  # noqa: N802
    return write(tmp_path / "b.npz", train_images=shades(20, 6, 6, 3), test_images=shades(5, 6, 6, 3, start=50))


def complaint(**options: Any) -> str:
    with pytest.raises(GanzooError) as caught:
        Npz(**options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_shares_of_one_array(A: Path, B: Path) -> None:
    data = Npz(A=A, B=B, validation=0.2, test=0.3)
    samples = [data.sample(s, "A", i) for s in SPLITS for i in range(data.count(s, "A"))]
    assert sorted(one.image.max() for one in samples) == list(range(100))
    assert all(one.values["label"] == one.image.max() % 7 for one in samples)
    assert [data.count(s, "A") > 5 for s in SPLITS] == [True] * 3
    again = Npz(A=A, B=B, validation=0.5, test=0.3)
    assert again.parts["test", "A"].index == data.parts["test", "A"].index


def test_no_shares(A: Path, B: Path) -> None:
    data = Npz(A=A, B=B, validation=0, test=0)
    assert [data.count(s, "A") for s in SPLITS] == [100, 0, 0]
    assert [data.count(s, "B") for s in SPLITS] == [20, 0, 5]


def test_image_name_and_value(A: Path, B: Path) -> None:
    data = Npz(A=A, B=B, validation=0, test=0, label="digit")
    sample = data.sample("train", "A", 9)
    assert (sample.image.shape, sample.image.max(), sample.name) == ((4, 5, 1), 9, "000009.png")
    assert sample.values == {"digit": 2.0}
    assert data.sample("train", "B", 0).values == {}
    assert data.sample("test", "B", 1).image.max() == 51


def test_a_sample_can_be_changed_without_harm(A: Path, B: Path) -> None:
    data = Npz(A=A, B=B)
    first = data.sample("test", "B", 0).image
    first[:] = 0
    assert data.sample("test", "B", 0).image.max() == 50


def test_grey(A: Path, B: Path) -> None:
    assert Npz(A=A, B=B).channels == {"A": 1, "B": 3}
    data = Npz(A=A, B=B, grey="rgb", validation=0, test=0)
    assert data.channels == {"A": 3, "B": 3}
    assert data.sample("train", "A", 3).image.tolist() == np.full((4, 5, 3), 3).tolist()


def test_test_files(A: Path, B: Path, tmp_path: Path) -> None:
    held = write(tmp_path / "t.npz", images=shades(3, 4, 5), labels=np.array([4.5, 5, 6]))
    data = Npz(A=A, B=B, test_A=held, validation=0)
    assert [data.count(s, "A") for s in SPLITS] == [100, 0, 3]
    assert data.sample("test", "A", 0).values == {"label": 4.5}
    coloured = write(tmp_path / "c.npz", images=shades(3, 4, 5, 3))
    text = complaint(A=A, B=B, test_A=coloured)
    assert text.startswith(f"{coloured}: its test images have 3 channels, but those for training in {A} have 1")


def test_keys(A: Path, B: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "o.npz", x=shades(4, 2, 2), y=np.ones(4))
    data = Npz(A=other, B=B, image_key={"A": "x"}, label_key={"A": "y"})
    assert data.sample("train", "A", 0).values == {"label": 1.0}
    both = Npz(A=other, B=other, image_key="x", label_key="y")
    assert both.sample("train", "B", 0).values == {"label": 1.0}


def test_missing_keys(A: Path, B: Path) -> None:
    text = complaint(A=A, B=B, image_key={"A": "image"})
    assert text == f"{A}: it has no key 'image'; set image_key (did you mean 'images'?)"
    assert "it has no key 'digits'; set label_key" in complaint(A=A, B=B, label_key={"A": "digits"})


@pytest.mark.parametrize("images", [np.zeros((3, 4, 5)), np.zeros((3, 4), np.uint8), np.zeros((0, 4, 4), np.uint8)])
def test_wrong_images(B: Path, tmp_path: Path, images: np.ndarray) -> None:
    text = complaint(A=write(tmp_path / "w.npz", images=images), B=B)
    assert f"'images' is {images.dtype} of shape {images.shape}, not uint8 of (N, H, W)" in text


@pytest.mark.parametrize("labels", [np.zeros(2), np.zeros((3, 1)), np.array(["a", "b", "c"])])
def test_wrong_labels(B: Path, tmp_path: Path, labels: np.ndarray) -> None:
    file = write(tmp_path / "w.npz", images=shades(3, 4, 4), labels=labels)
    assert "not one number for each of the 3 images" in complaint(A=file, B=B)


def test_bad_files(B: Path, tmp_path: Path) -> None:
    assert complaint(A=tmp_path / "no.npz", B=B) == f"{tmp_path}/no.npz: no such file; check the path"
    single = tmp_path / "single.npz"
    with single.open("wb") as file:
        np.save(file, shades(3, 4, 4))
    assert "a single array" in complaint(A=single, B=B)
    whole = B.read_bytes()
    for content in (b"", b"no archive", whole[:200], whole[: len(whole) // 2]):
        (tmp_path / "x.npz").write_bytes(content)
        assert "not a readable .npz file" in complaint(A=tmp_path / "x.npz", B=B)


def test_pickles_are_refused(B: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "p.npz", images=np.array([{}], dtype=object))
    assert "allow_pickle=False" in complaint(A=file, B=B)


def test_no_permission(A: Path, B: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # root may read any file, so the refusal comes from a stand-in for numpy's call
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(np, "load", refuse)
    assert "no permission to read it" in complaint(A=A, B=B)
