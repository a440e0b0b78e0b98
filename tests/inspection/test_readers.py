"""Each layout on a small tree; what all share is in tests/contracts/test_readers.py."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import BeltlineError, DataError
from beltline.inspection.data.dataset import SPLITS, Listing
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.readers import Reader, reader_for
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st


def _image(path: Path, seed: int = 0) -> Path:
    noise = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
    pixels = cv2.resize(noise, (32, 32), interpolation=cv2.INTER_CUBIC)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def _mask(path: Path, *, marked: bool = True) -> Path:
    pixels = np.zeros((32, 32), np.uint8)
    pixels[3:6, 3:6] = 255 if marked else 0
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def _read(root: Path, name: str) -> dict[str, Listing]:
    reader: Reader = reader_for(root)
    assert reader.name == name
    return {listing.path: listing for listing in reader.read(root)}


def test_labels_csv_gives_the_columns_of_its_table(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "path,label,split,mask,group,exposure\n./a.png,pit,val,masks/a.png,tile1,3\nb/c.png,good,,,,1\n"
    )
    assert _read(tmp_path, "labels_csv") == {
        "a.png": Listing(path="a.png", label="pit", split="val", mask="masks/a.png", group="tile1"),
        "b/c.png": Listing(path="b/c.png", label="good"),
    }


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("path,lable\na.png,good\n", "unknown column 'lable'; did you mean 'label'"),
        ("path,label\n,good\n", "line 2: path is empty"),
        ("path,label\na.png,\n", "line 2: label is empty; good parts are labelled `good`"),
        ("path,label,split\na.png,good,validation\n", "line 2: split must be train, val, test or empty"),
        ("path,label\na.png,good\nb.png,good\n./a.png,pit\n", r"line 4: a.png stands in line 2 already"),
    ],
)
def test_labels_csv_answers_mistakes_with_their_line(tmp_path: Path, rows: str, message: str) -> None:
    (tmp_path / "labels.csv").write_text(rows)
    with pytest.raises(DataError, match=message):
        reader_for(tmp_path).read(tmp_path)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.one_of(st.binary(max_size=80), st.text(max_size=80).map(str.encode)))
def test_any_labels_csv_gives_listings_or_a_message(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "labels.csv").write_bytes(b"path,label,split,mask,group\na.png,good,,,\n" + content)
    try:
        listings = reader_for(tmp_path).read(tmp_path)
    except BeltlineError:
        return
    assert listings[0] == Listing(path="a.png", label="good")


def _mvtec(root: Path, *, parts: int = 10) -> None:
    for at in range(parts):
        _image(root / "train" / "good" / f"{at:03d}.png", at)
        _image(root / "test" / "good" / f"{at:03d}.png", 100 + at)
        _image(root / "test" / "scratch" / f"{at:03d}.png", 200 + at)
        _mask(root / "ground_truth" / "scratch" / f"{at:03d}_mask.png")


def test_mvtec_takes_label_and_split_from_folders(tmp_path: Path) -> None:
    _mvtec(tmp_path, parts=2)
    _image(tmp_path / "test" / "odd one" / "x.jpg")
    listings = _read(tmp_path, "mvtec")
    assert listings["test/scratch/001.png"] == Listing(
        path="test/scratch/001.png", label="scratch", split="test", mask="ground_truth/scratch/001_mask.png"
    )
    assert listings["test/odd one/x.jpg"].mask is None
    assert listings["train/good/000.png"].split == "train"
    assert len(listings) == 7


def test_mvtec_has_no_defects_in_train_so_all_is_dealt_anew(tmp_path: Path) -> None:
    _mvtec(tmp_path)
    dataset = load_dataset(DataSettings(root=tmp_path))
    assert Counter((sample.split, sample.defective) for sample in dataset.samples) == {
        ("train", True): 6,
        ("val", True): 2,
        ("test", True): 2,
        ("train", False): 12,
        ("val", False): 4,
        ("test", False): 4,
    }
    assert any("train has no defects" in note for note in dataset.notes)
    assert len({sample.group for sample in dataset.samples}) == 30


def test_mvtec_with_defects_in_train_keeps_test_and_takes_val_from_train(tmp_path: Path) -> None:
    _mvtec(tmp_path, parts=4)
    for at in range(6):
        _image(tmp_path / "train" / "scratch" / f"{at:03d}.png", 300 + at)
        _mask(tmp_path / "ground_truth" / "train" / "scratch" / f"{at:03d}_mask.png")
    dataset = load_dataset(DataSettings(root=tmp_path))
    assert {sample.path.split("/")[0] for sample in dataset.of("test")} == {"test"}
    assert {sample.path.split("/")[0] for sample in dataset.of("val")} == {"train"}
    masks = {sample.path: sample.mask for sample in dataset.samples}
    assert masks["train/scratch/000.png"] == "ground_truth/train/scratch/000_mask.png"
    assert masks["test/scratch/000.png"] == "ground_truth/scratch/000_mask.png"


def test_mvtec_refuses_one_mask_for_two_images(tmp_path: Path) -> None:
    _mvtec(tmp_path, parts=1)
    _image(tmp_path / "train" / "scratch" / "000.png", 7)
    with pytest.raises(DataError, match=r"train/scratch/000\.png and test/scratch/000\.png share the mask"):
        _read(tmp_path, "mvtec")


def _kolektor(root: Path) -> None:
    for at in range(20):
        split = "train" if at < 15 else "test"
        _image(root / split / f"{10000 + at}.png", at)
        _mask(root / split / f"{10000 + at}_GT.png", marked=at % 3 == 0)


def test_kolektor_tells_defects_by_their_masks_and_takes_val_from_train(tmp_path: Path) -> None:
    _kolektor(tmp_path)
    listings = _read(tmp_path, "kolektor")
    assert listings["train/10000.png"] == Listing(
        path="train/10000.png", label=None, split="train", mask="train/10000_GT.png"
    )
    dataset = load_dataset(DataSettings(root=tmp_path))
    labels = {sample.path: (sample.label, sample.mask) for sample in dataset.samples}
    assert labels["train/10000.png"] == ("defect", "train/10000_GT.png")
    assert labels["train/10001.png"] == ("good", None)
    assert [len(dataset.of(split)) for split in SPLITS] == [12, 3, 5]
    assert any("a fifth of train" in note for note in dataset.notes)


def test_kolektor_names_a_missing_mask_and_skips_a_damaged_one(tmp_path: Path) -> None:
    _kolektor(tmp_path)
    damaged = tmp_path / "train" / "10001_GT.png"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"10001_GT\.png: truncated PNG"):
        load_dataset(DataSettings(root=tmp_path))
    assert len(load_dataset(DataSettings(root=tmp_path, skip_unreadable=True)).samples) == 19
    damaged.unlink()
    with pytest.raises(DataError, match=r"train/10001\.png: its mask train/10001_GT\.png is missing"):
        load_dataset(DataSettings(root=tmp_path))


def _visa(root: Path, protocol: str) -> None:
    rows, kinds = ["object,split,label,image,mask"], ["image,label,mask"]
    for at in range(20):
        split = "train" if at % 2 else "test"
        normal, anomaly = f"candle/Data/Images/Normal/{at:04d}.JPG", f"candle/Data/Images/Anomaly/{at:03d}.JPG"
        mask = f"candle/Data/Masks/Anomaly/{at:03d}.png"
        _image(root / normal, at)
        _image(root / anomaly, 100 + at)
        _mask(root / mask)
        rows += [f"candle,{split},normal,{normal},", f"candle,{split},anomaly,{anomaly},{mask}"]
        kinds += [f"{normal},normal,", f'{anomaly},"melt,bent",{mask}']
    (root / "split_csv").mkdir()
    (root / "split_csv" / protocol).write_text("\n".join(rows) + "\n")
    (root / "candle" / "image_anno.csv").write_text("\n".join(kinds) + "\n")


@pytest.mark.parametrize("protocol", ["1cls.csv", "2cls_fewshot.csv", "2cls_highshot.csv"])
def test_visa_follows_its_split_file(tmp_path: Path, protocol: str) -> None:
    _visa(tmp_path, protocol)
    assert _read(tmp_path, "visa")["candle/Data/Images/Anomaly/001.JPG"] == Listing(
        path="candle/Data/Images/Anomaly/001.JPG",
        label="anomaly",
        split="train",
        mask="candle/Data/Masks/Anomaly/001.png",
    )
    assert [len(load_dataset(DataSettings(root=tmp_path)).of(split)) for split in SPLITS] == [16, 4, 20]


def test_visa_reads_one_product_from_its_own_table(tmp_path: Path) -> None:
    _visa(tmp_path, "1cls.csv")
    listings = _read(tmp_path / "candle", "visa")
    assert listings["Data/Images/Anomaly/001.JPG"] == Listing(
        path="Data/Images/Anomaly/001.JPG", label="melt,bent", mask="Data/Masks/Anomaly/001.png"
    )
    assert len(load_dataset(DataSettings(root=tmp_path / "candle")).samples) == 40


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("candle,dev,normal,a.png,", "line 2: split must be train, val, test, got 'dev'"),
        ("candle,test,normal,,", "line 2: image and label must not be empty"),
        ("candle,test,normal,a.png,\ncandle,test,normal,a.png,", "a.png is listed twice"),
    ],
)
def test_visa_refuses_wrong_rows(tmp_path: Path, row: str, message: str) -> None:
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv" / "1cls.csv").write_text(f"object,split,label,image,mask\n{row}\n")
    with pytest.raises(DataError, match=message):
        _read(tmp_path, "visa")
