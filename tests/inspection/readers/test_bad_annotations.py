"""Annotations that are wrong: each is refused with one message that names the file and the way out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import annotated_trees as trees
import pytest
from annotated_trees import BOX, image, text
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.readers import _documents, readers


def _load(root: Path, **settings: Any) -> Dataset:
    return load_dataset(DataSettings.model_validate({"root": root, "near_duplicates": False, **settings}))


def _coco(root: Path, annotations: list[dict[str, Any]], **other: Any) -> None:
    for at in range(3):
        image(root / f"{at}.png")
    text(root / "all.json", trees.coco_json(["0.png", "1.png", "2.png"], annotations, **other))


def _problem(root: Path, reader: str) -> str:
    return next(str(each.problem) for each in readers()[reader].read(root) if each.problem)


def test_an_annotation_without_image(tmp_path: Path) -> None:
    trees.voc(tmp_path)
    (tmp_path / "IMAGES" / "patches_3.jpg").unlink()
    with pytest.raises(DataError, match=r"patches_3.xml belongs to 'patches_3.jpg', but no image .*skip_unreadable"):
        _load(tmp_path)
    dataset = _load(tmp_path, skip_unreadable=True)
    assert len({each.path for each in dataset.samples}) == 23
    assert any("1 of 24 images were skipped" in caution for caution in dataset.cautions)


def test_a_box_outside_of_its_image(tmp_path: Path) -> None:
    _coco(tmp_path, [{**trees.coco_box(1), "bbox": [60, 5, 10, 10]}])
    with pytest.raises(DataError, match=r"0.png: crack at \(60, 5\) to \(70, 15\) lies outside of its image of 48"):
        _load(tmp_path)


def test_a_box_that_reaches_beyond_its_image_is_cut_and_counted(tmp_path: Path) -> None:
    trees.coco_roboflow(tmp_path)
    file = tmp_path / "train" / "_annotations.coco.json"
    file.write_text(file.read_text().replace("[10, 8, 12, 12]", "[40, 8, 12, 12]"))
    dataset = _load(tmp_path)
    assert any("2 images have marked areas that reach beyond them" in caution for caution in dataset.cautions)
    assert max(area.box[2] for sample in dataset.samples for area in sample.areas) == 48


def test_corners_taken_for_sides(tmp_path: Path) -> None:
    _coco(tmp_path, [{**trees.coco_box(1), "bbox": [30, 25, 46, 38]}])
    assert "wanted [left, top, width, height], not [left, top, right, bottom]" in _problem(tmp_path, "coco")


def test_an_unknown_category(tmp_path: Path) -> None:
    _coco(tmp_path, [trees.coco_box(1, 7)])
    with pytest.raises(DataError, match=r"all.json: annotation 1 is of category 7; wanted one of 1 crack, 2 stain"):
        readers()["coco"].read(tmp_path)


def test_an_annotation_of_an_image_that_is_not_listed(tmp_path: Path) -> None:
    _coco(tmp_path, [trees.coco_box(9)])
    with pytest.raises(DataError, match=r"annotation 1 belongs to image 9, which the file does not list"):
        readers()["coco"].read(tmp_path)


def test_categories_of_one_name_are_one_kind_and_one_number_has_one_name(tmp_path: Path) -> None:
    _coco(tmp_path, [trees.coco_box(1, 1), trees.coco_box(1, 2)])
    file, same = tmp_path / "all.json", '"name": "crack"'
    file.write_text(file.read_text().replace('"name": "stain"', same))
    assert {area.kind for each in readers()["coco"].read(tmp_path) for area in each.areas} == {"crack"}
    file.write_text(file.read_text().replace('"id": 2, "name": "crack"', '"id": 1, "name": "stain"'))
    with pytest.raises(DataError, match=r"category 1 is called 'crack' and 'stain'"):
        readers()["coco"].read(tmp_path)


def test_two_images_of_one_name_in_two_folders(tmp_path: Path) -> None:
    for seed, folder in enumerate(("monday", "tuesday")):
        image(tmp_path / folder / "1.png", seed)
    text(tmp_path / "all.json", trees.coco_json(["1.png"], [trees.coco_box(1)]))
    assert "may be monday/1.png or tuesday/1.png: two images of one name" in _problem(tmp_path, "coco")


def test_an_image_that_two_files_annotate(tmp_path: Path) -> None:
    image(tmp_path / "1.jpg")
    for folder in ("ann", "bob"):
        text(tmp_path / folder / "1.json", trees.labelme_json("1.jpg", trees.labelme_shape()))
    assert "1.jpg is annotated by 2 files; keep one" in _problem(tmp_path, "labelme")


@pytest.mark.parametrize("points", [[[1, 1], [5, 5]], [[1, 1]], []])
def test_a_polygon_of_two_points(points: list[list[float]], tmp_path: Path) -> None:
    image(tmp_path / "1.jpg")
    text(tmp_path / "1.json", trees.labelme_json("1.jpg", trees.labelme_shape(points=points)))
    wanted = rf"1.json: shape 1 \(pitting, polygon\): a polygon needs at least three points, got {len(points)}"
    with pytest.raises(DataError, match=wanted):
        _load(tmp_path)


def test_degrees_where_radians_belong(tmp_path: Path) -> None:
    image(tmp_path / "1.jpg")
    turned = "<name>a</name><robndbox><cx>20</cx><cy>20</cy><w>9</w><h>5</h><angle>45</angle></robndbox>"
    text(tmp_path / "1.xml", trees.voc_xml("1.jpg", turned))
    assert "1.xml: object 1: wanted an angle in radians, got 45, more than a whole turn: is it in degrees?" in _problem(
        tmp_path, "voc"
    )


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("2 0.5 0.5 0.1 0.1", r"label files use class 2, data.yaml names 0 crack, 1 stain; numbers seem to begin at 1"),
        ("0 0.5 0.5 0.1 0.1\n5 0.5 0.5 0.1 0.1", r"label files use class 5, .*add its name to data.yaml"),
        ("1 240 180 30 30", r"train0.txt line 1: wanted shares of the image, 0 to 1, got 240; are these pixels\?"),
        ("1 0.5 0.5 0.1 0.1 0.7", r"5 numbers after the class: a box and an angle, or a confidence\?"),
        ("1 0.1 0.1 0.2", r"a polygon needs at least three points"),
        ("1 0.1 0.1 0.2 0.2 0.3 0.3 0.4", r"a polygon needs at least three points, got 7 values"),
        ("1 0.5 0.5 0 0.1", r"wanted a box with left < right"),
        ("1 0.5 nan 0.1 0.1", r"wanted numbers"),
        ("crack 0.5 0.5 0.1 0.1", r"wanted a class number, got 'crack'"),
    ],
)
def test_yolo_lines(lines: str, said: str, tmp_path: Path) -> None:
    image(tmp_path / "train" / "images" / "train0.png")
    text(tmp_path / "train" / "labels" / "train0.txt", lines + "\n")
    text(tmp_path / "data.yaml", "names: {0: crack, 1: stain}\n")
    with pytest.raises(DataError, match=said):
        _load(tmp_path)


@pytest.mark.parametrize("names", ["{0: crack, 0: stain}", "{0: crack, '0': stain}"])
def test_a_class_of_yolo_that_is_named_twice(names: str, tmp_path: Path) -> None:
    image(tmp_path / "train" / "images" / "train0.png")
    text(tmp_path / "train" / "labels" / "train0.txt", "0 0.5 0.5 0.1 0.1\n")
    text(tmp_path / "data.yaml", f"names: {names}\n")
    with pytest.raises(DataError, match=r"data.yaml: names: class 0 is called 'crack' and 'stain'; correct"):
        readers()["yolo"].read(tmp_path)


def test_a_shape_of_label_studio_that_nobody_named_is_no_good_image(tmp_path: Path) -> None:
    image(tmp_path / "1.png")
    bare = trees.label_studio_result("rectangle", x=10, y=10, width=20, height=20, rotation=0)
    text(tmp_path / "export.json", json.dumps([trees.label_studio_task("1.png", {**bare, "id": "a"})]))
    assert "1.png): a shape has no label; name its kind" in _problem(tmp_path, "label_studio")
    named = {**bare, "type": "labels", "id": "a", "value": {**bare["value"], "labels": ["crack"]}}
    text(tmp_path / "export.json", json.dumps([trees.label_studio_task("1.png", {**bare, "id": "a"}, named)]))
    assert [len(each.areas) for each in readers()["label_studio"].read(tmp_path)] == [1]


@pytest.mark.parametrize("reader", ["labelme", "voc", "cvat"])
def test_paths_of_another_machine(reader: str, tmp_path: Path) -> None:
    image(tmp_path / "photos" / "1.png")
    path = "C:\\Users\\ann\\photos\\1.png"
    box = '<box label="crack" xtl="1" ytl="1" xbr="9" ybr="9"/>'
    content = {
        "labelme": ("1.json", trees.labelme_json(path, trees.labelme_shape())),
        "voc": ("1.xml", trees.voc_xml(path, trees.voc_box("crack"))),
        "cvat": (
            "annotations.xml",
            f'<annotations><image id="0" name="{path}" width="48" height="40">{box}</image></annotations>',
        ),
    }
    text(tmp_path / "labels" / content[reader][0], content[reader][1])
    [found] = readers()[reader].read(tmp_path)
    assert (found.path, len(found.areas), found.problem) == ("photos/1.png", 1, None)


def test_a_large_file_is_refused_with_its_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _coco(tmp_path, [trees.coco_box(1)])
    with (tmp_path / "all.json").open("r+b") as stream:
        stream.truncate(2 << 30)  # a hole: it takes no room on the disk
    with pytest.raises(DataError, match=r"all.json: wanted an annotation file of at most 512 MiB, got 2,048 MiB"):
        readers()["coco"].read(tmp_path)
    monkeypatch.setattr(_documents, "MOST_BYTES", 10)
    text(tmp_path / "x.xml", "<annotation>" + " " * (2 << 20) + "</annotation>")
    with pytest.raises(DataError, match="got 2 MiB"):
        _documents.xml_of(tmp_path / "x.xml")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"images": [', "no whole JSON"),
        ('{"images": [], "annotations": 3, "categories": []}', "got no list of annotations"),
        ('{"images": [' + "[" * 100_000, "no whole JSON|nested too deeply"),
        ('{"images": [{"id": "x", "file_name": "0.png"}], "annotations": [], "categories": []}', "whole number as id"),
    ],
)
def test_json_that_is_none(content: str, said: str, tmp_path: Path) -> None:
    text(tmp_path / "all.json", content)
    with pytest.raises(DataError, match=said):
        readers()["coco"].read(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        '<!DOCTYPE a [<!ENTITY x "ha"><!ENTITY y "&x;&x;">]><annotation><object><name>&y;</name></object></annotation>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><filename>&x;</filename></annotation>',
    ],
)
def test_xml_with_entities(content: str, tmp_path: Path) -> None:
    image(tmp_path / "1.jpg")
    text(tmp_path / "1.xml", content)
    assert "declares the entity 'x', which no label tool writes" in _problem(tmp_path, "voc")


def test_paths_out_of_the_folder_find_no_file(tmp_path: Path) -> None:
    image(tmp_path / "secret.png")
    image(tmp_path / "data" / "own.png")
    text(tmp_path / "data" / "all.json", trees.coco_json(["../secret.png", "../../etc/passwd"], []))
    found = readers()["coco"].read(tmp_path / "data")
    assert all("no image of this name lies below" in str(each.problem) for each in found if each.label and each.problem)
    assert not any("secret" in each.path for each in found)


def test_an_annotation_of_another_size_is_scaled_or_refused(tmp_path: Path) -> None:
    trees.coco_roboflow(tmp_path)
    for split in trees.SPLITS:
        file = tmp_path / split / "_annotations.coco.json"
        content = json.loads(file.read_text())
        for each in content["images"]:
            each["width"], each["height"] = 96, 80
        for each in content["annotations"]:
            each["bbox"] = [2 * value for value in each["bbox"]]
        file.write_text(json.dumps(content))
    dataset = _load(tmp_path)
    assert {area.box for sample in dataset.samples for area in sample.areas} == {BOX}
    assert any("have another size than their annotation says" in caution for caution in dataset.cautions)
    file.write_text(file.read_text().replace('"width": 96, "height": 80', '"width": 40, "height": 48'))
    with pytest.raises(DataError, match=r"for 40 x 48 pixels, the image has 48 x 40: the sides are swapped"):
        _load(tmp_path)


def test_label_studios_short_form_and_cvats_tracks_say_what_to_export(tmp_path: Path) -> None:
    text(tmp_path / "l" / "export.json", '[{"id": 1, "image": "/data/upload/1.png", "label": []}]')
    with pytest.raises(DataError, match=r"export as `JSON`, not `JSON-MIN`"):
        readers()["label_studio"].read(tmp_path / "l")
    text(tmp_path / "c" / "annotations.xml", "<annotations><track id='0' label='a'/></annotations>")
    with pytest.raises(DataError, match=r"export the task as `CVAT for images 1.1`"):
        readers()["cvat"].read(tmp_path / "c")


@pytest.mark.parametrize("runs", ["5 3 9", "0 4", "9 3 4 2", "a b", "1900 90"])
def test_run_lengths_that_cannot_be(runs: str, tmp_path: Path) -> None:
    trees.severstal(tmp_path)
    table = (tmp_path / "train.csv").read_text().splitlines()
    text(tmp_path / "train.csv", "\n".join([table[0], f"0000.jpg,1,{runs}", *table[2:]]) + "\n")
    with pytest.raises(DataError, match=r"train.csv line 2: wanted pairs of start and length|cover 1989 pixels"):
        _load(tmp_path)
