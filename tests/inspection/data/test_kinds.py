"""Areas drawn, and what a sample shows of each kind."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from beltline.inspection.data.areas import Area, box_area, mask_of_runs, polygon_area, runs_area
from beltline.inspection.data.dataset import Dataset, MaskRule, Sample
from beltline.inspection.data.kinds import defect_mask, defects_of, draw_area, kind_masks

_SIZE = (20, 30)


def _sample(label: str = "good", **facts: object) -> Sample:
    known = {"path": "a.png", "mask": None, "group": "a", "split": "train", "digest": "sha256:0"}
    return Sample(**{**known, "label": label, "defective": label != "good", "height": 20, "width": 30, **facts})


def _dataset(*samples: Sample, root: Path = Path("/x"), masks: MaskRule = MaskRule()) -> Dataset:  # noqa: B008
    return Dataset(name="x", root=root, channels=1, bit_depth=8, samples=samples, masks=masks)


def _drawn(area: Area) -> np.ndarray:
    marked = np.zeros(_SIZE, np.bool_)
    draw_area(marked, area)
    return marked


def test_a_box_marks_the_pixels_between_its_sides() -> None:
    marked = _drawn(box_area("pit", (3, 5, 10, 9)))
    assert marked.sum() == 7 * 4
    assert marked[5:9, 3:10].all()


def test_a_box_thinner_than_a_pixel_marks_one() -> None:
    assert _drawn(box_area("pit", (3.1, 5.1, 3.3, 5.4))).sum() == 1


def test_rings_of_one_defect_add_up() -> None:
    marked = _drawn(polygon_area("pit", [2, 2, 8, 2, 8, 8, 2, 8], [20, 10, 26, 10, 26, 16, 20, 16]))
    assert marked[4, 4]
    assert marked[12, 22]
    assert not marked[9, 14]
    assert abs(int(marked.sum()) - 72) <= 26  # the outline itself counts as marked


@pytest.mark.parametrize("seed", range(4))
def test_runs_give_the_mask_and_its_box_back(seed: int) -> None:
    marked = np.random.default_rng(seed).random(_SIZE) < (0.02, 0.5, 0.98, 0)[seed]
    area = runs_area("pit", marked)
    assert np.array_equal(mask_of_runs(area.runs, area.size), marked)
    rows, columns = np.nonzero(marked)
    expected = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if marked.any() else (0, 0, 0, 0)
    assert area.box == pytest.approx(expected)


def test_kinds_may_overlap_and_stand_in_the_order_of_the_data_set() -> None:
    both = _sample("stain", areas=(box_area("stain", (0, 0, 10, 10)), box_area("crack", (5, 5, 15, 15))))
    dataset = _dataset(both, _sample("pit", path="b.png"), _sample(path="c.png"))
    masks = kind_masks(dataset, both)
    assert dataset.kinds == ("crack", "pit", "stain")
    assert both.kinds == ("crack", "stain")
    assert masks.sum(axis=(1, 2)).tolist() == [100, 0, 100]
    assert defect_mask(dataset, both).sum() == 175
    assert defects_of(dataset, both) == [("stain", (0, 0, 10, 10)), ("crack", (5, 5, 15, 15))]
    assert both.marked
    assert both.coarse


def test_a_label_without_a_place_marks_nothing() -> None:
    sample = _sample("pit")
    dataset = _dataset(sample)
    assert (sample.kinds, sample.marked, dataset.kinds) == (("pit",), False, ("pit",))
    assert not kind_masks(dataset, sample).any()


def test_a_mask_file_is_of_the_label_or_of_the_kinds_that_its_values_stand_for(tmp_path: Path) -> None:
    mask = np.zeros(_SIZE, np.uint8)
    mask[2:5, 2:6], mask[10:15, 20:25] = 1, 3
    cv2.imwrite(str(tmp_path / "m.png"), mask)
    sample = _sample("crack", mask="m.png")
    single = _dataset(sample, root=tmp_path)
    assert kind_masks(single, sample).sum(axis=(1, 2)).tolist() == [37]
    assert sorted(defects_of(single, sample)) == [("crack", (2, 2, 6, 5)), ("crack", (20, 10, 25, 15))]
    of_kinds = replace(sample, kinds=("crack", "stain"))
    several = _dataset(of_kinds, root=tmp_path, masks=MaskRule(kinds=((1, "stain"), (3, "crack"))))
    assert kind_masks(several, of_kinds).sum(axis=(1, 2)).tolist() == [25, 12]


def test_areas_are_part_of_what_decides_a_result_and_old_digests_stay() -> None:
    bare, marked = _sample("pit"), _sample("pit", areas=(box_area("pit", (0, 0, 5, 5)),))
    assert _dataset(bare).digest != _dataset(marked).digest
    assert _dataset(bare).digest == "sha256:d43d56fb2442e12cbde5ef269e42f04b347dd8b3ee47c4a1b60163a41c645d85"
