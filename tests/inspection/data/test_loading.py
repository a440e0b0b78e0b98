from __future__ import annotations

import csv
import json
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import pytest
from beltline.inspection.base.errors import BeltlineError, DataError
from beltline.inspection.base.storage import digest_of_file
from beltline.inspection.data.dataset import SPLITS, Dataset
from beltline.inspection.data.loading import load_dataset, splits_json
from beltline.inspection.data.masks import read_mask
from beltline.inspection.data.settings import DataSettings
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

_COLUMNS = ("path", "label", "split", "mask", "group")


def _surface(seed: int, side: int = 48) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(size=(side, side)).astype(np.float32)
    rough = cv2.GaussianBlur(noise, (0, 0), 2)
    return np.clip(128 + 30 * rough / rough.std(), 0, 255).astype(np.uint8)


def _save(path: Path, pixels: NDArray[np.generic]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(path.suffix, pixels)[1].tobytes())
    return path


def _table(root: Path, rows: list[tuple[str, ...]]) -> None:
    with (root / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([_COLUMNS, *rows])


def _line(root: Path, *, split: bool = True) -> list[tuple[str, ...]]:
    """Four good and four defective images in each split, the latter with masks."""
    rows: list[tuple[str, ...]] = []
    for at in range(24):
        name, label = f"{at:02d}", "good" if at % 2 else "pit"
        _save(root / f"{name}.png", _surface(at))
        mask = ""
        if label == "pit":
            marked = np.zeros((48, 48), np.uint8)
            marked[4:8, 4:8] = 255
            mask = f"masks/{name}.png"
            _save(root / mask, marked)
        rows.append((f"{name}.png", label, SPLITS[at // 8] if split else "", mask, ""))
    _table(root, rows)
    return rows


def _load(root: Path, **changes: object) -> Dataset:
    return load_dataset(DataSettings.model_validate({"root": root, **changes}))


def _counts(dataset: Dataset) -> list[int]:
    return [len(dataset.of(split)) for split in SPLITS]


def test_a_given_split_stays_and_every_fact_is_there(tmp_path: Path) -> None:
    _line(tmp_path)
    dataset = _load(tmp_path)
    first = dataset.samples[0]
    assert (dataset.name, dataset.root, dataset.channels, dataset.bit_depth) == (tmp_path.name, tmp_path, 1, 8)
    assert _counts(dataset) == [8, 8, 8]
    assert (first.path, first.label, first.mask, first.group) == ("00.png", "pit", "masks/00.png", "00")
    assert (first.height, first.width, first.digest) == (48, 48, digest_of_file(tmp_path / "00.png"))
    assert dataset.notes == ()


def test_a_split_is_made_where_none_is_given_and_is_the_same_each_time(tmp_path: Path) -> None:
    rows = _line(tmp_path, split=False)
    dataset = _load(tmp_path)
    assert _counts(dataset) == [14, 6, 4]
    assert any("no split was given" in note for note in dataset.notes)
    _table(tmp_path, rows[::-1])
    assert _load(tmp_path) == dataset


def test_near_duplicates_are_put_into_one_group_and_counted(tmp_path: Path) -> None:
    rows = _line(tmp_path, split=False)
    for name, part in (("a.png", 1), ("b.jpg", 1), ("c.png", 2)):
        brighter = np.clip(_surface(part).astype(int) + 12, 0, 255).astype(np.uint8)
        _save(tmp_path / name, brighter)
        rows.append((name, rows[part][1], "", "", ""))
    _table(tmp_path, rows)
    dataset = _load(tmp_path)
    groups = {sample.path: sample.group for sample in dataset.samples}
    assert groups["a.png"] == groups["b.jpg"] == groups["01.png"] == "01"
    assert groups["c.png"] == groups["02.png"] == "02"
    assert any("5 of 27 images are near-duplicates" in note and "2 groups" in note for note in dataset.notes)
    alone = _load(tmp_path, near_duplicates=False)
    assert len({sample.group for sample in alone.samples}) == 27


def test_given_groups_stay_and_are_not_searched_for_near_duplicates(tmp_path: Path) -> None:
    rows = [(path, label, "", mask, f"part{at // 4}") for at, (path, label, _, mask, _) in enumerate(_line(tmp_path))]
    _save(tmp_path / "00.png", _surface(20) + 1)
    _table(tmp_path, rows)
    dataset = _load(tmp_path)
    assert {sample.group for sample in dataset.samples} == {f"part{at}" for at in range(6)}
    assert not any("near-duplicates" in note for note in dataset.notes)


def test_identical_files_in_two_groups_are_dealt_together(tmp_path: Path) -> None:
    rows = [(path, label, "", mask, f"part{at}") for at, (path, label, _, mask, _) in enumerate(_line(tmp_path))]
    for at in (3, 5, 7, 9, 11):
        (tmp_path / f"{at:02d}.png").write_bytes((tmp_path / "01.png").read_bytes())
    _table(tmp_path, rows)
    copies = [sample for sample in _load(tmp_path).samples if sample.path in ("01.png", "03.png", "11.png")]
    assert len({sample.split for sample in copies}) == 1


def test_identical_files_in_two_given_splits_are_refused(tmp_path: Path) -> None:
    _line(tmp_path)
    (tmp_path / "23.png").write_bytes((tmp_path / "01.png").read_bytes())
    with pytest.raises(DataError, match=r"23\.png \(test\) and 01\.png \(train\) have the same content"):
        _load(tmp_path)


def test_near_duplicates_across_given_splits_are_told(tmp_path: Path) -> None:
    _line(tmp_path)
    _save(tmp_path / "23.png", np.clip(_surface(1).astype(int) + 9, 0, 255).astype(np.uint8))
    notes = _load(tmp_path).notes
    assert [note for note in notes if note.startswith("1 images of val or test look like images of train")]


def test_contradicting_labels_of_identical_files_are_told(tmp_path: Path) -> None:
    _line(tmp_path)
    (tmp_path / "03.png").write_bytes((tmp_path / "02.png").read_bytes())
    assert any("opposite label, such as 02.png (pit) and 03.png (good)" in note for note in _load(tmp_path).notes)


def test_a_truncated_image_among_good_ones_is_named_or_skipped(tmp_path: Path) -> None:
    _line(tmp_path)
    path = tmp_path / "07.png"
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match=r"07\.png: truncated PNG.*skip_unreadable: true"):
        _load(tmp_path)
    dataset = _load(tmp_path, skip_unreadable=True)
    assert _counts(dataset) == [7, 8, 8]
    assert dataset.notes == ("1 of 24 images were skipped as unreadable: 07.png",)


def test_a_truncated_mask_takes_its_image_along(tmp_path: Path) -> None:
    _line(tmp_path)
    path = tmp_path / "masks" / "04.png"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"masks/04\.png: truncated PNG"):
        _load(tmp_path)
    dataset = _load(tmp_path, skip_unreadable=True)
    assert "04.png" not in {sample.path for sample in dataset.samples}


def test_missing_files_are_named_and_more_than_three_counted(tmp_path: Path) -> None:
    _line(tmp_path)
    for at in range(5):
        (tmp_path / f"{at:02d}.png").unlink()
    with pytest.raises(DataError, match=r"00\.png: cannot be read: No such file.*and 2 more"):
        _load(tmp_path)


def test_a_mask_of_another_size_is_refused_even_when_skipping(tmp_path: Path) -> None:
    _line(tmp_path)
    _save(tmp_path / "masks" / "02.png", np.full((24, 48), 255, np.uint8))
    with pytest.raises(DataError, match=r"masks/02\.png: wanted the size of its image 02\.png, 48 x 48, got 48 x 24"):
        _load(tmp_path, skip_unreadable=True)


def test_an_empty_mask_leaves_the_label_alone(tmp_path: Path) -> None:
    _line(tmp_path)
    _save(tmp_path / "masks" / "02.png", np.zeros((48, 48), np.uint8))
    dataset = _load(tmp_path)
    assert next(sample.mask for sample in dataset.samples if sample.path == "02.png") is None
    assert dataset.notes == (
        "1 defective images have a mask of one value, which marks nothing, and count by label alone: 02.png",
    )


def test_copying_again_is_advised_only_where_it_helps(tmp_path: Path) -> None:
    _line(tmp_path)
    whole = (tmp_path / "03.png").read_bytes()
    (tmp_path / "03.png").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"starts with b'hello'; .*: put right what they are, take them out, or set"):
        _load(tmp_path)
    (tmp_path / "03.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"truncated PNG.*: copy them again, take them out, or set"):
        _load(tmp_path)


def test_a_good_image_may_have_an_empty_mask_but_no_other(tmp_path: Path) -> None:
    rows = _line(tmp_path)
    _save(tmp_path / "masks" / "black.png", np.zeros((48, 48), np.uint8))
    rows[1] = ("01.png", "good", "train", "masks/black.png", "")
    _table(tmp_path, rows)
    assert next(sample.mask for sample in _load(tmp_path).samples if sample.path == "01.png") is None
    rows[1] = ("01.png", "good", "train", "masks/02.png", "")
    _table(tmp_path, rows)
    with pytest.raises(DataError, match=r"01\.png is labelled good, but its mask masks/02\.png marks a defect"):
        _load(tmp_path)


@pytest.mark.parametrize(("kept", "word"), [("good", "defective"), ("pit", "good")])
def test_no_image_of_a_class_at_all_is_refused(tmp_path: Path, kept: str, word: str) -> None:
    _table(tmp_path, [(*row[:3], "", row[4]) for row in _line(tmp_path) if row[1] == kept])  # without masks
    with pytest.raises(DataError, match=rf"12 images and no {word} one \(as labels_csv reads it\)"):
        _load(tmp_path)


def test_a_class_with_no_images_in_a_split_is_refused(tmp_path: Path) -> None:
    _table(tmp_path, [row for row in _line(tmp_path) if row[1:3] != ("pit", "val")])
    with pytest.raises(DataError, match="split val has no defective image"):
        _load(tmp_path)


def test_a_group_in_two_splits_is_refused(tmp_path: Path) -> None:
    rows = _line(tmp_path)
    rows[0], rows[23] = (*rows[0][:4], "tile7"), (*rows[23][:4], "tile7")
    _table(tmp_path, rows)
    with pytest.raises(DataError, match=r"23\.png \(test\) and 00\.png \(train\) have group 'tile7'"):
        _load(tmp_path)


def test_a_link_out_of_the_root_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    _line(root)
    (root / "05.png").rename(tmp_path / "05.png")
    (root / "05.png").symlink_to(tmp_path / "05.png")
    with pytest.raises(DataError, match=r"'05\.png' leaves the data folder"):
        _load(root, skip_unreadable=True)


def test_a_root_that_is_itself_a_link_is_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    _line(tmp_path / "real")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert _load(tmp_path / "link").root == tmp_path / "real"


def test_a_missing_root_an_unknown_reader_and_an_unknown_tree_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="wanted a folder with images"):
        _load(tmp_path / "none")
    with pytest.raises(DataError, match=r"wanted one of .*coco, .*good_parts, .*mvtec.*visa.*got .photos."):
        _load(tmp_path, reader="photos")
    with pytest.raises(DataError, match="none of the known layouts"):
        _load(tmp_path)


def test_parts_can_be_judged_whole_only_where_some_have_several_photographs(tmp_path: Path) -> None:
    rows = _line(tmp_path)
    with pytest.raises(
        DataError, match=r"data\.decide: wanted parts with several photographs each, got 24 photographs"
    ):
        _load(tmp_path, decide="any")
    _table(tmp_path, [(*row[:4], f"part{at // 2}") for at, row in enumerate(rows)])
    assert len({sample.group for sample in _load(tmp_path, decide="any").samples}) == 12
    with pytest.raises(ValidationError, match="decide"):
        _load(tmp_path, decide="all")


def test_settings_refuse_unknown_keys_and_impossible_depths(tmp_path: Path) -> None:
    for wrong in ({"rout": "x"}, {"bit_depth": 4}, {"channels": 2}):
        with pytest.raises(ValidationError):
            DataSettings.model_validate({"root": tmp_path, **wrong})


def test_one_colour_image_makes_the_data_set_colour_unless_told_otherwise(tmp_path: Path) -> None:
    _line(tmp_path)
    _save(tmp_path / "03.png", np.dstack((_surface(3), _surface(3), _surface(4))))
    assert _load(tmp_path).channels == 3
    assert _load(tmp_path, channels=1).channels == 1


def test_sixteen_bit_images_set_the_depth_and_dark_ones_are_told(tmp_path: Path) -> None:
    _line(tmp_path)
    _save(tmp_path / "03.png", _surface(3).astype(np.uint16) * 257)
    assert _load(tmp_path).bit_depth == 16
    _save(tmp_path / "03.png", _surface(3).astype(np.uint16) << 4)
    dark = _load(tmp_path)
    assert dark.bit_depth == 16
    assert any("consider data.bit_depth: 12" in note for note in dark.notes)
    assert _load(tmp_path, bit_depth=12).notes == ()
    with pytest.raises(DataError, match=r"03\.png: wanted values of 10 bits.*set data\.bit_depth to 12"):
        _load(tmp_path, bit_depth=10)


def test_the_cache_gives_the_same_data_set(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    _line(root)
    wanted = DataSettings(root=root)
    first = load_dataset(wanted, cache=tmp_path / "index.db")
    assert load_dataset(wanted, cache=tmp_path / "index.db") == first == load_dataset(wanted)


def test_splits_json_lists_every_file_with_its_digest(tmp_path: Path) -> None:
    _line(tmp_path)
    dataset = _load(tmp_path)
    value = json.loads(json.dumps(splits_json(dataset)))
    assert value["digest"] == dataset.digest
    assert [len(value["splits"][split]) for split in SPLITS] == [8, 8, 8]
    assert value["splits"]["train"][0] == {
        "path": "00.png",
        "digest": digest_of_file(tmp_path / "00.png"),
        "label": "pit",
        "group": "00",
    }


_TEXT = st.one_of(st.sampled_from(["a.png", "b.png", "good", "pit", "train", "val", "test", ""]), st.text(max_size=8))


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(st.tuples(_TEXT, _TEXT, _TEXT, _TEXT, _TEXT), max_size=8), skip=st.booleans())
def test_any_table_gives_a_data_set_or_a_message(rows: list[tuple[str, ...]], skip: bool) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for at, name in enumerate(("a.png", "b.png", "c.png")):
            _save(root / name, _surface(at, 8))
        try:
            with (root / "labels.csv").open("w", newline="", encoding="utf-8", errors="replace") as stream:
                csv.writer(stream).writerows([_COLUMNS, *rows])
        except csv.Error:
            return
        try:
            dataset = _load(root, skip_unreadable=skip)
        except BeltlineError:
            return
        assert set(dataset.samples)


def test_a_missing_folder_is_named_with_where_its_data_comes_from(tmp_path: Path) -> None:
    settings = DataSettings(root=tmp_path / "nothing", source="the shelf in hall 3")
    with pytest.raises(DataError, match=r"nothing, which is not there.*comes from the shelf in hall 3"):
        load_dataset(settings)


def test_a_folder_that_is_a_mask_holds_no_link_out_of_the_root(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    rows = _line(root)
    secret = _save(tmp_path / "secret.png", np.full((48, 48), 255, np.uint8))
    (root / "masks" / "02").mkdir()
    (root / "masks" / "02" / "0.png").symlink_to(secret)
    rows[2] = (*rows[2][:3], "masks/02", "")
    (root / "masks" / "02.png").unlink()
    _table(root, rows)
    with pytest.raises(DataError, match=r"'masks/02/0\.png' leaves the data folder"):
        _load(root)
    assert next(sample.mask for sample in _load(root, follow_links=True).samples if sample.path == "02.png")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"group": "part"}, "with a group in round brackets"),
        ({"group": "(part"}, "wanted a regular expression such as"),
        ({"window": [4095, 0]}, "black < white"),
        ({"window": [0, 4095], "bit_depth": 12}, "keep window"),
        ({"mask": {"ignore": -1}}, "greater than or equal to 0"),
        ({"good": []}, "at least 1"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DataSettings.model_validate({"root": tmp_path, **settings})


def test_a_window_without_sixteen_bits_and_a_folder_that_is_not_there_are_refused(tmp_path: Path) -> None:
    _line(tmp_path)
    with pytest.raises(DataError, match="is for 16-bit images, and there are none"):
        _load(tmp_path, window=(0, 4095))
    with pytest.raises(DataError, match="'extra' is no folder below"):
        _load(tmp_path, unlabelled=["extra"])


def test_sixteen_bit_soft_masks_are_cut_in_their_middle(tmp_path: Path) -> None:
    _line(tmp_path)
    soft = np.tile(np.arange(48, dtype=np.uint16) * 1366, (48, 1))
    for at in range(0, 24, 2):
        _save(tmp_path / "masks" / f"{at:02d}.png", soft)
    dataset = _load(tmp_path)
    assert dataset.masks.soft
    assert int(read_mask(tmp_path / "masks" / "00.png", dataset.masks).sum()) == int((soft > 32767).sum())


def test_how_masks_and_levels_are_read_belongs_to_the_digest(tmp_path: Path) -> None:
    _line(tmp_path)
    assert _load(tmp_path).digest != _load(tmp_path, mask={"inverted": True}).digest
