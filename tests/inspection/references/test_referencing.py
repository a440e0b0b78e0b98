"""Which reference belongs to which image, what is refused, and that no test design's reference is ever fitted on."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from beltline.compress.teacher.frames import frame_spec
from beltline.compress.teacher.settings import TeacherSettings
from beltline.compress.teacher.teacher import train_teacher
from beltline.inspection.base.errors import DataError
from beltline.inspection.data import streaming
from beltline.inspection.data.camera import CameraSettings
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.data.streaming import read_sample
from beltline.inspection.references.moving import moved
from drawn_boards import board, movement
from numpy.typing import NDArray

_SIDE = 96
_DESIGNS = {"train": ("a", "b"), "val": ("c",), "test": ("d",)}


def save(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def part(design: str, number: int, *, defective: bool) -> NDArray[np.uint8]:
    pixels = moved(board(ord(design), _SIDE, _SIDE), movement((number - 2, 1), 0, 1, (_SIDE, _SIDE)), (_SIDE, _SIDE))
    pixels[:2, : 10 * number + 1] = number  # no two files are alike
    if defective:
        cv2.circle(pixels, (30 + 5 * number, 50), 5, 255, -1)
    return pixels


@pytest.fixture
def boards(tmp_path: Path) -> Path:
    """Four designs, three good and three defective parts of each, a photograph of each design beside them."""
    rows = [("path", "label", "split", "group", "golden")]
    for split, designs in _DESIGNS.items():
        for design in designs:
            save(tmp_path / f"golden/{design}.png", board(ord(design), _SIDE, _SIDE))
            for number in range(6):
                path = f"parts/{design}/{number}.png"
                save(tmp_path / path, part(design, number, defective=number % 2 == 1))
                label = "good" if number % 2 == 0 else "blob"
                rows.append((path, label, split, design, f"golden/{design}.png"))
    with (tmp_path / "labels.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)
    return tmp_path


def loaded(root: Path, reference: str, **written: object) -> Dataset:
    return load_dataset(DataSettings.model_validate({"root": root, "reference": reference, **written}))


@pytest.mark.parametrize("reference", ["golden", "golden/{group}.png"])
def test_a_column_a_folder_and_a_pattern_name_the_same_references(boards: Path, reference: str) -> None:
    data = loaded(boards, reference)
    assert data.referenced
    assert {sample.group: sample.reference for sample in data.samples} == {
        design: f"golden/{design}.png" for designs in _DESIGNS.values() for design in designs
    }
    assert not any("belong to no sample" in note for note in data.notes)


def test_a_folder_is_searched_by_path_name_and_group(boards: Path) -> None:
    (boards / "labels.csv").write_text((boards / "labels.csv").read_text().replace(",golden\n", ",other\n"))
    assert loaded(boards, "golden").samples[0].reference == "golden/a.png"


def test_a_sample_is_read_above_its_reference_and_its_frame_spec_says_so(boards: Path) -> None:
    data = loaded(boards, "golden")
    pair = read_sample(data, data.samples[0])
    assert pair.shape == (2 * _SIDE, _SIDE, 1)
    assert np.array_equal(pair[_SIDE:], board(ord("a"), _SIDE, _SIDE))
    spec = frame_spec(data)
    assert (spec.reference, spec.planes, spec.frame_height) == (True, 3, _SIDE)


def test_another_reference_is_another_data_set(boards: Path) -> None:
    before = loaded(boards, "golden").digest
    save(boards / "golden/d.png", board(77, _SIDE, _SIDE))
    assert loaded(boards, "golden").digest != before
    assert load_dataset(DataSettings(root=boards, unlabelled=("golden",))).digest not in (before, "")


def _without_one(root: Path) -> None:
    (root / "golden/b.png").unlink()


def _other_size(root: Path) -> None:
    save(root / "golden/b.png", board(3, _SIDE, 2 * _SIDE))


def _its_own(root: Path) -> None:
    table = root / "labels.csv"
    table.write_text(
        table.read_text().replace("parts/c/0.png,good,val,c,golden/c.png", "parts/c/0.png,good,val,c,parts/c/0.png")
    )


def _of_another_split(root: Path) -> None:
    table = root / "labels.csv"
    table.write_text(table.read_text().replace(",train,a,golden/a.png", ",train,a,parts/d/0.png"))


def _left_empty(root: Path) -> None:
    table = root / "labels.csv"
    table.write_text(table.read_text().replace("golden/b.png", ""))


def _twice(root: Path) -> None:
    (root / "labels.csv").write_text((root / "labels.csv").read_text().replace(",golden\n", ",other\n"))
    save(root / "golden/B.bmp", board(3, _SIDE, _SIDE))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_twice, r"one reference for parts/b/0\.png, got golden/B\.bmp and golden/b\.png; keep one"),
        (_without_one, r"golden/b.png"),
        (_other_size, r"golden/b\.png: wanted the size of the image .* 96 x 96, got 192 x 96"),
        (_its_own, r"parts/c/0\.png is its own reference"),
        (_of_another_split, r"parts/d/0\.png, the reference of parts/a/\d\.png \(train\), is a sample of test"),
        (_left_empty, r"names no reference for 6 of 24 images, such as parts/b/0\.png"),
    ],
)
def test_what_cannot_be_a_reference_is_refused(boards: Path, spoil: Callable[[Path], None], message: str) -> None:
    spoil(boards)
    with pytest.raises(DataError, match=message):
        loaded(boards, "golden")


def test_strips_too_narrow_to_be_aligned_are_refused(boards: Path) -> None:
    strip = {"left": 0, "top": 10, "width": _SIDE, "height": _SIDE // 5}
    settings = DataSettings.model_validate({"root": boards, "reference": "golden"})
    with pytest.raises(DataError, match=r"wanted frames of at most 4 : 1 to move references onto, got 96 x 19"):
        load_dataset(settings, camera=CameraSettings.model_validate({"region": strip}))


@pytest.mark.parametrize("wanted", ["goldn", "golden/{design}.png", "golden/{group"])
def test_what_names_nothing_is_refused_with_what_would(boards: Path, wanted: str) -> None:
    with pytest.raises(DataError, match=r"data\.reference: .*(pattern|column)"):
        loaded(boards, wanted)


def test_images_whose_reference_is_missing_may_be_left_out(boards: Path) -> None:
    _without_one(boards)
    data = loaded(boards, "golden", skip_unreadable=True)
    assert {sample.group for sample in data.samples} == {"a", "c", "d"}


def test_one_reference_for_all_splits_is_noted(boards: Path) -> None:
    for design in "bcd":
        (boards / f"golden/{design}.png").unlink()
    table = boards / "labels.csv"
    table.write_text("".join(line.rpartition(",")[0] + "\n" for line in table.read_text().splitlines()))
    data = loaded(boards, "golden")
    assert {sample.reference for sample in data.samples} == {"golden/a.png"}
    assert any("not trained with is not measured" in note for note in data.notes)


def test_an_mvtec_tree_has_a_folder_of_references(boards: Path) -> None:
    (boards / "labels.csv").unlink()
    for split, designs in (("train", ("a", "b")), ("test", ("c", "d"))):
        for design in designs:
            for number in range(6):
                kind = "good" if number % 2 == 0 else "blob"
                name = f"{design}{number}.png"
                save(boards / split / kind / name, part(design, number, defective=number % 2 == 1))
                save(boards / "reference" / split / kind / name, board(ord(design), _SIDE, _SIDE))
    data = loaded(boards, "reference", unlabelled=("parts", "golden"))
    assert data.referenced
    assert all(str(sample.reference) == f"reference/{sample.path}" for sample in data.samples)


def test_no_reference_of_a_test_design_enters_a_training(
    boards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, read, honest = loaded(boards, "golden"), set[str](), streaming.read_frame

    def watched(path: Path, **options: object) -> NDArray[np.uint8]:
        read.add(path.relative_to(boards).as_posix())
        return honest(path, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(streaming, "read_frame", watched)
    settings = TeacherSettings.model_validate(
        {"kind": "reference", "network": {"family": "plain", "width": 4, "depth": 1}, "device": "cpu",
         "fit": {"epochs": 1, "samples_per_epoch": 8, "batch": 4, "augmentation": {"lighting": 0.3, "invert": 0.5,
                 "synthetic_defects": 0.5}}}
    )  # fmt: skip
    train_teacher(settings, data, tmp_path / "t.safetensors", partial=tmp_path, seed=0, progress=lambda *_: None)
    assert {"golden/a.png", "golden/b.png", "golden/c.png"} <= read
    assert not [path for path in read if "d" in Path(path).parts or path == "golden/d.png"]


def test_the_test_split_may_change_without_changing_what_is_trained(boards: Path) -> None:
    data = loaded(boards, "golden")
    fewer = replace(data, samples=tuple(sample for sample in data.samples if sample.split != "test"))
    assert frame_spec(data) == frame_spec(fewer)
