"""Each layout is recognised by one reader, and read as it is meant."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from itertools import pairwise
from math import pi
from pathlib import Path
from typing import Any

import annotated_trees as trees
import cv2
import numpy as np
import pytest
from annotated_trees import BOX, HEIGHT, WIDTH, image, text
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.areas import mask_of_runs, runs_area
from beltline.inspection.data.dataset import Dataset, Listing
from beltline.inspection.data.kinds import defect_mask, kind_masks
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.data.streaming import read_sample
from beltline.inspection.readers import reader_for, readers
from beltline.inspection.readers.coco import runs_of_text

_BOX_PIXELS = (BOX[2] - BOX[0]) * (BOX[3] - BOX[1])


def _load(root: Path, **settings: Any) -> Dataset:
    return load_dataset(DataSettings.model_validate({"root": root, "near_duplicates": False, **settings}))


def _by_name(root: Path, reader: str) -> dict[str, Listing]:
    return {Path(each.path).stem: each for each in readers()[reader].read(root)}


@pytest.mark.parametrize(
    ("build", "settings", "kinds", "good"),
    [
        (trees.coco_roboflow, {}, ("crack", "stain"), 6),
        (trees.coco, {}, ("crack", "stain"), 4),
        (trees.yolo, {}, ("crack", "stain"), 6),
        (trees.voc, {}, ("crazing", "patches"), 24),
        (trees.labelme, {"unlabelled": "good"}, ("pitting",), 18),
        (trees.cvat, {}, ("crack",), 12),
        (trees.label_studio, {}, ("crack",), 12),
        (trees.severstal, {}, ("class_1", "class_2", "class_3"), 12),
        (trees.masks, {}, ("defect",), 12),
        (trees.folders, {"good": ["OK"]}, ("NG",), 12),
        (trees.dagm, {}, ("defect",), 8),
    ],
)
def test_a_published_layout_is_recognised_and_read_at_the_first_try(
    build: Callable[[Path], None], settings: dict[str, Any], kinds: tuple[str, ...], good: int, tmp_path: Path
) -> None:
    build(tmp_path)
    assert reader_for(tmp_path).name == build.__name__.removesuffix("_roboflow")
    dataset = _load(tmp_path, **settings)
    assert dataset.kinds == kinds
    assert sum(not sample.defective for sample in dataset.samples) == good
    for sample in dataset.samples:
        if sample.marked:
            drawn = int(defect_mask(dataset, sample).sum())
            assert _BOX_PIXELS <= drawn <= _BOX_PIXELS * 1.2, sample  # an outline's own line is marked too
    assert dataset.digest == _load(tmp_path, **settings).digest


def test_folders_of_roboflow_are_splits_and_an_image_has_several_kinds(tmp_path: Path) -> None:
    trees.coco_roboflow(tmp_path)
    dataset = _load(tmp_path)
    assert {(Path(each.path).parts[0], each.split) for each in dataset.samples} == {
        ("train", "train"), ("valid", "val"), ("test", "test"),
    }  # fmt: skip
    both = next(each for each in dataset.samples if len(each.kinds) == 2)
    assert kind_masks(dataset, both).sum(axis=(1, 2)).tolist() == [_BOX_PIXELS, _BOX_PIXELS]
    assert both.label == "stain"  # which fewer images have


def test_a_set_with_train_and_val_alone_is_judged_on_val(tmp_path: Path) -> None:
    trees.coco(tmp_path)
    dataset = _load(tmp_path)
    assert {each.split for each in dataset.samples if "val2017" in each.path} == {"test"}
    assert any("val serves as the test" in note for note in dataset.notes)


def test_without_a_good_image_what_lies_outside_of_the_boxes_is_good(tmp_path: Path) -> None:
    trees.voc(tmp_path)
    dataset = _load(tmp_path)
    twins = [each for each in dataset.samples if not each.defective]
    assert any("no image is good" in caution for caution in dataset.cautions)
    for twin in twins:
        own = next(each for each in dataset.samples if each.path == twin.path and each.defective)
        assert (own.group, own.split) == (twin.group, twin.split)
        left, top, width, height = twin.good_area or (0, 0, 0, 0)
        assert not defect_mask(dataset, own)[top : top + height, left : left + width].any()
        frame, whole = read_sample(dataset, twin), read_sample(dataset, own)
        assert frame.shape == whole.shape
        area = np.s_[top : top + height, left : left + width]
        assert np.array_equal(frame[area], whole[area])


def test_whole_parts_are_not_judged_without_a_good_photograph(tmp_path: Path) -> None:
    trees.voc(tmp_path)
    with pytest.raises(DataError, match=r"data.decide: any: wanted photographs of good parts"):
        _load(tmp_path, decide="any", group=r"_(\d)")


def test_images_without_an_annotation_are_refused_with_counts_unless_they_are_good(tmp_path: Path) -> None:
    trees.labelme(tmp_path)
    with pytest.raises(
        DataError, match=r"looks like labelme: 12 images are annotated and 18 are not.*unlabelled: good"
    ):
        _load(tmp_path)
    with pytest.raises(DataError, match=r"12 images are annotated"):
        _load(tmp_path, unlabelled=["label"])


def test_coco_outlines_and_run_lengths(tmp_path: Path) -> None:
    left, top, right, bottom = BOX
    marked = np.zeros((HEIGHT, WIDTH), np.bool_)
    marked[top:bottom, left:right] = True
    flat = marked.ravel(order="F")
    ends = [0, *(np.flatnonzero(np.diff(flat.astype(int))) + 1).tolist(), len(flat)]
    runs = {"size": [HEIGHT, WIDTH], "counts": np.diff(ends).tolist()}
    ring = [left, top, right, top, right, bottom, left, bottom]
    shapes = ([ring], [ring, [30, 30, 34, 30, 34, 34]], runs, {**runs, "counts": _compressed(runs["counts"])})
    names = [f"{at}.png" for at in range(len(shapes))]
    for name in names:
        image(tmp_path / name)
    annotations = [{**trees.coco_box(at), "segmentation": shape} for at, shape in enumerate(shapes, 1)]
    text(tmp_path / "labels.json", trees.coco_json(names, annotations))
    listed = _by_name(tmp_path, "coco")
    assert [len(listed[str(at)].areas[0].rings) for at in range(4)] == [1, 2, 0, 0]
    for name in ("2", "3"):
        assert listed[name].areas[0].box == BOX
        assert listed[name].areas[0].runs == tuple(runs["counts"])


def _compressed(counts: list[int]) -> str:
    """Encode run lengths as pycocotools' rleToString does."""
    coded = ""
    for at, count in enumerate(counts):
        value, more = count - counts[at - 2] if at > 2 else count, True
        while more:
            bits = value & 0x1F
            value >>= 5
            more = value != -1 if bits & 0x10 else value != 0
            coded += chr((bits | (0x20 if more else 0)) + 48)
    return coded


def test_run_lengths_that_pycocotools_wrote() -> None:
    marked = np.zeros((40, 60), np.bool_)
    marked[8:20, 10:22] = marked[:, 30:32] = marked[35:, 55:] = True
    runs = runs_of_text("h<<l0000000000000000000000h9T2Wc0eMXSO0000000")
    assert np.array_equal(mask_of_runs(runs, (40, 60)), marked)
    assert runs_area("pit", marked).runs == runs


def test_paths_of_another_machine_are_found_by_their_ends(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        image(tmp_path / folder / "1.png")
    names = ["C:\\Users\\ann\\export\\a\\1.png", "/home/ann/b/1.png"]
    text(tmp_path / "all.json", trees.coco_json(names, [trees.coco_box(1)]))
    assert {each.path: each.label for each in readers()["coco"].read(tmp_path)} == {"a/1.png": None, "b/1.png": "good"}


def test_labelme_shapes(tmp_path: Path) -> None:
    mask = cv2.imencode(".png", np.full((12, 12), 255, np.uint8))[1].tobytes()
    shapes = {
        "rectangle": trees.labelme_shape(form="rectangle", points=[[22, 20], [10, 8]]),
        "circle": trees.labelme_shape(form="circle", points=[[16, 14], [22, 14]]),
        "linestrip": trees.labelme_shape(form="linestrip", points=[[10, 8], [22, 8], [22, 20]]),
        "mask": {
            **trees.labelme_shape(form="mask", points=[[10, 8], [21, 19]]),
            "mask": base64.b64encode(mask).decode(),
        },
    }
    for name, shape in shapes.items():
        image(tmp_path / f"{name}.jpg")
        text(tmp_path / f"{name}.json", trees.labelme_json(f"{name}.jpg", shape))
    listed = _by_name(tmp_path, "labelme")
    for name in shapes:
        assert listed[name].problem is None
        assert listed[name].areas[0].box == pytest.approx(BOX, abs=0.1)


def test_turned_boxes_are_in_radians_in_voc_and_in_degrees_in_cvat_and_label_studio(tmp_path: Path) -> None:
    left, top, right, bottom = BOX
    upright = (left, top, right, bottom - 4)  # 12 x 8, turned by a quarter: 8 x 12 about the same centre
    expected = (left + 2, top - 2, right - 2, bottom - 2)
    centre = f"<cx>{(left + right) / 2}</cx><cy>{(top + bottom - 4) / 2}</cy><w>12</w><h>8</h>"
    for at, folder in enumerate(("v", "c", "l")):
        image(tmp_path / folder / f"{at}.png")
    turned = f"<name>crack</name><robndbox>{centre}<angle>{pi / 2}</angle></robndbox>"
    text(tmp_path / "v" / "0.xml", trees.voc_xml("0.png", turned))
    corners = 'xtl="{}" ytl="{}" xbr="{}" ybr="{}"'.format(*upright)
    box = f'<box label="crack" {corners} rotation="90"/>'
    row = f'<image id="0" name="1.png" width="{WIDTH}" height="{HEIGHT}">{box}</image>'
    text(tmp_path / "c" / "annotations.xml", f"<annotations>{row}</annotations>")
    value = {"x": 100 * (right - 2) / WIDTH, "y": 100 * (top - 2) / HEIGHT, "width": 25, "height": 20, "rotation": 90}
    result = trees.label_studio_result(**value, rectanglelabels=["crack"])
    text(tmp_path / "l" / "export.json", json.dumps([trees.label_studio_task("2.png", result)]))
    for folder, reader in (("v", "voc"), ("c", "cvat"), ("l", "label_studio")):
        (listing,) = readers()[reader].read(tmp_path / folder)
        assert listing.areas[0].box == pytest.approx(expected)
        assert listing.areas[0].shape == "polygon"


def test_masks_of_cvat_and_of_label_studios_brush(tmp_path: Path) -> None:
    left, top, right, bottom = BOX
    image(tmp_path / "c" / "1.png")
    rle = f"0, {_BOX_PIXELS}"
    mask = f'<mask label="a" rle="{rle}" left="{left}" top="{top}" width="{right - left}" height="{bottom - top}"/>'
    row = f'<image id="0" name="1.png" width="{WIDTH}" height="{HEIGHT}">{mask}</image>'
    text(tmp_path / "c" / "annotations.xml", f"<annotations>{row}</annotations>")
    image(tmp_path / "l" / "2.png")
    levels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    levels[top:bottom, left:right] = 255
    result = trees.label_studio_result("brushlabels", format="rle", rle=_brushed(levels), brushlabels=["a"])
    text(tmp_path / "l" / "export.json", json.dumps([trees.label_studio_task("2.png", result)]))
    for folder, reader in (("c", "cvat"), ("l", "label_studio")):
        (listing,) = readers()[reader].read(tmp_path / folder)
        assert listing.problem is None
        assert listing.areas[0].box == BOX
        assert sum(listing.areas[0].runs[1::2]) == _BOX_PIXELS


def _brushed(levels: np.ndarray) -> list[int]:
    """Encode levels as Label Studio's brush does, in runs of at most 2^16 and without literal pieces."""
    flat = levels.ravel()
    bits = f"{len(flat):032b}" + f"{7:05b}" + "".join(f"{size - 1:04b}" for size in (3, 4, 8, 16))
    starts = [0, *(np.flatnonzero(np.diff(flat.astype(int))) + 1).tolist(), len(flat)]
    for start, end in pairwise(starts):
        bits += f"1{3:02b}{end - start - 1:016b}{int(flat[start]):08b}"
    bits += "0" * (-len(bits) % 8)
    return [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]


def test_values_of_masks_are_kinds_where_they_are_named(tmp_path: Path) -> None:
    for at in range(24):
        image(tmp_path / "images" / f"{at}.png")
        mask = np.zeros((HEIGHT, WIDTH), np.uint8)
        mask[4:8, 4:8], mask[20:30, 20:30] = (1 + at % 2 if at < 12 else 0), (3 if at < 4 else 0)
        (tmp_path / "masks").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "masks" / f"{at}.png"), mask)
    assert _load(tmp_path).kinds == ("value_1", "value_2", "value_3")
    dataset = _load(tmp_path, mask={"kinds": {1: "crack", 2: "pit", 3: "crack"}})
    assert dataset.kinds == ("crack", "pit")
    first = next(each for each in dataset.samples if each.path == "images/1.png")
    assert kind_masks(dataset, first).sum(axis=(1, 2)).tolist() == [100, 16]
    with pytest.raises(DataError, match=r"data.mask: kinds: no mask holds 9; they hold 0, 1, 2, 3"):
        _load(tmp_path, mask={"kinds": {9: "crack"}})


def test_cityscapes_and_voc_masks_are_paired_by_their_stems(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        image(tmp_path / "c" / "leftImg8bit" / split / "aachen" / "a_1_leftImg8bit.png")
        image(tmp_path / "c" / "gtFine" / split / "aachen" / "a_1_gtFine_labelIds.png", mask=True)
        image(tmp_path / "c" / "gtFine" / split / "aachen" / "a_1_gtFine_color.png", mask=True)
    found = reader_for(tmp_path / "c").read(tmp_path / "c")
    assert [(each.split, Path(str(each.mask)).name) for each in found] == [
        (split, "a_1_gtFine_labelIds.png") for split in ("test", "train", "val")
    ]
    image(tmp_path / "v" / "JPEGImages" / "a.jpg")
    image(tmp_path / "v" / "SegmentationClass" / "a.png", mask=True)
    text(tmp_path / "v" / "ImageSets" / "Segmentation" / "train.txt", "a\n")
    text(tmp_path / "v" / "labelmap.txt", "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncrack:255,255,255::\n")
    (listing,) = reader_for(tmp_path / "v").read(tmp_path / "v")
    assert (listing.split, listing.mask) == ("train", "SegmentationClass/a.png")
    assert (255, "crack") in listing.mask_kinds


def test_kinds_that_mean_good_are_no_defects(tmp_path: Path) -> None:
    trees.cvat(tmp_path)
    file = tmp_path / "annotations.xml"
    file.write_text(file.read_text().replace("crack", "OK", 6))
    with pytest.raises(DataError, match=r"label 'OK' reads like a good part.*data.good: \[good, OK\]"):
        _load(tmp_path)
    assert sum(not each.defective for each in _load(tmp_path, good=["OK"]).samples) == 18


def test_a_folder_of_several_data_sets_says_which(tmp_path: Path) -> None:
    for name in ("Class1", "Class2"):
        trees.dagm(tmp_path / name)
    with pytest.raises(
        DataError, match=r"holds 2 folders that are data sets of their own \(Class1, Class2\); name one"
    ):
        reader_for(tmp_path)


def test_the_regular_expression_for_groups_holds_for_every_reader(tmp_path: Path) -> None:
    trees.severstal(tmp_path)
    assert len({each.group for each in _load(tmp_path, group=r"(\d)\.jpg").samples}) == 10
