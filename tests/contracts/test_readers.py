"""What every data layout promises, built in or from another package; a new file needs no edit here."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import annotated_trees
import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.dataset import SPLITS
from beltline.inspection.readers import Reader, readers

_READERS = [pytest.param(reader, id=name) for name, reader in readers().items()]


def _image(path: Path, value: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.full((4, 4), value, np.uint8))[1].tobytes())


def _labels_csv(root: Path) -> None:
    (root / "labels.csv").write_text("path,label\na.png,good\nb.png,pit\n")
    _image(root / "a.png")
    _image(root / "b.png")


def _mvtec(root: Path) -> None:
    for path in ("train/good/0.png", "test/good/0.png", "test/pit/0.png"):
        _image(root / path)


def _kolektor(root: Path) -> None:
    for path, value in (("train/1.png", 9), ("train/1_GT.png", 0), ("test/2.png", 9), ("test/2_GT.png", 255)):
        _image(root / path, value)


def _visa(root: Path) -> None:
    (root / "split_csv").mkdir()
    rows = "object,split,label,image,mask\nx,train,normal,x/0.png,\nx,test,anomaly,x/1.png,\n"
    (root / "split_csv" / "1cls.csv").write_text(rows)
    _image(root / "x" / "0.png")
    _image(root / "x" / "1.png")


_ANNOTATED = [
    getattr(annotated_trees, name)
    for name in ("coco", "cvat", "dagm", "folders", "label_studio", "labelme", "masks", "severstal", "voc", "yolo")
]
_TREES = [_labels_csv, _mvtec, _kolektor, _visa, *_ANNOTATED]


@pytest.mark.parametrize("reader", _READERS)
def test_a_reader_tells_its_name_and_layout(reader: Reader) -> None:
    assert reader.name.isidentifier()
    assert reader.layout
    assert reader.layout.isprintable()


@pytest.mark.parametrize("name", [tree.__name__.lstrip("_") for tree in _TREES])
def test_a_built_in_reader_is_called_after_its_file(name: str) -> None:
    module = import_module(f"beltline.inspection.readers.{name}")
    assert module.READER is readers()[name]
    assert module.READER.name == name


@pytest.mark.parametrize("reader", _READERS)
def test_a_reader_does_not_claim_what_it_does_not_know(reader: Reader, tmp_path: Path) -> None:
    assert reader.detects(tmp_path) is False
    _image(tmp_path / "somewhere" / "a.png")
    (tmp_path / "train").touch()
    (tmp_path / "notes.txt").write_text("no data set")
    assert reader.detects(tmp_path) is False
    assert reader.detects(tmp_path / "none") is False


@pytest.mark.parametrize("reader", _READERS)
def test_a_reader_forced_upon_a_strange_folder_finds_no_defect_or_says_why(reader: Reader, tmp_path: Path) -> None:
    _image(tmp_path / "a.png")
    try:
        listings = reader.read(tmp_path)
    except DataError:
        return
    assert listings == [] or all(listing.label == "good" for listing in listings)


@pytest.mark.parametrize("tree", _TREES)
def test_exactly_one_reader_detects_a_tree(tree: Callable[[Path], None], tmp_path: Path) -> None:
    tree(tmp_path)
    fitting = [name for name, reader in readers().items() if reader.detects(tmp_path)]
    assert fitting == [tree.__name__.lstrip("_")]


@pytest.mark.parametrize("tree", _TREES)
def test_listings_are_relative_labelled_and_repeatable(tree: Callable[[Path], None], tmp_path: Path) -> None:
    tree(tmp_path)
    (reader,) = [reader for reader in readers().values() if reader.detects(tmp_path)]
    listings = reader.read(tmp_path)
    assert listings == reader.read(tmp_path)
    assert len({listing.path for listing in listings}) == len(listings)
    labels = {listing.label for listing in listings}
    assert len(labels) > 1 or labels == {None}  # whose masks or areas are the label
    for listing in listings:
        assert (tmp_path / listing.path).is_file()
        assert not Path(listing.path).is_absolute()
        assert listing.problem is None
        assert listing.mask is None or (listing.defective and (tmp_path / listing.mask).is_file())
        assert listing.split in (*SPLITS, None)


@pytest.mark.parametrize("tree", _TREES[1:])
def test_a_table_of_ones_own_overrules_the_tree(tree: Callable[[Path], None], tmp_path: Path) -> None:
    tree(tmp_path)
    (tmp_path / "labels.csv").write_text("path,label\na.png,good\n")
    assert [name for name, reader in readers().items() if reader.detects(tmp_path)] == ["labels_csv"]
