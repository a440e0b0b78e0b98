import json
import pickle
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from beltline.inspection.decision.connected import MOST_FINDINGS
from beltline.inspection.decision.findings import Finding, View, find
from beltline.inspection.decision.zones import Zone
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

VIEW = View(threshold=0.5, pixels_per_mm=10)


def _empty(rows: int = 40, columns: int = 60) -> NDArray[np.uint8]:
    return np.zeros((rows, columns), np.uint8)


def test_nothing_is_found_on_an_empty_heatmap() -> None:
    assert find(_empty(), VIEW, size=(160, 240)) == ()


@pytest.mark.parametrize("edge", [0, 20, 36])
def test_a_rectangle_is_measured_to_a_fraction_of_a_cell(edge: int) -> None:
    heat = _empty()
    heat[edge : edge + 4, 10:22] = 255
    [found] = find(heat, VIEW, size=(160, 240))  # 4 x 4 px a cell
    assert found.box == pytest.approx((40, edge * 4, 48, 16), abs=0.05)
    assert (found.length, found.width) == pytest.approx((48, 16), abs=0.1)
    assert found.length_mm == pytest.approx(4.8, abs=0.01)
    assert found.area == pytest.approx(48 * 16, rel=0.02)
    assert (found.peak, found.mean, found.kind) == (1.0, 1.0, "defect")


def test_the_rim_runs_between_cells_where_the_heatmap_says_so() -> None:
    heat = _empty()
    heat[10, 10:14] = (64, 255, 255, 192)  # reaches a third of a cell to the left, and across the fourth
    [found] = find(heat, VIEW, size=(40, 60))
    left = 11.5 - (255 - 127.5) / (255 - 64)
    right = 13.5 + (192 - 127.5) / 192
    assert found.box.left == pytest.approx(left, abs=0.01)
    assert found.box.left + found.box.width == pytest.approx(right, abs=0.01)


def test_a_slanted_scratch_is_as_long_as_it_is() -> None:
    fine = np.zeros((640, 640), np.uint8)
    cv2.line(fine, (100, 100), (400, 500), 255, 16)
    heat = cv2.resize(fine, (160, 160), interpolation=cv2.INTER_AREA)
    [found] = find(heat, VIEW, size=(640, 640))
    assert found.length == pytest.approx(500 + 16, rel=0.02)
    assert found.width == pytest.approx(16, abs=1.5)
    assert found.area == pytest.approx(np.count_nonzero(fine), rel=0.05)


def test_a_ring_has_no_area_in_its_hole_and_holds_another_finding() -> None:
    heat = np.zeros((100, 100), np.uint8)
    cv2.circle(heat, (50, 50), 30, 255, 4)
    heat[48:52, 48:52] = 255
    ring, dot = find(heat, VIEW, size=(100, 100))
    assert dot.area == pytest.approx(16, rel=0.1)
    assert ring.area == pytest.approx(np.count_nonzero(heat) - 16, rel=0.05)


def test_faint_areas_are_found_beside_clear_ones_and_do_not_widen_them() -> None:
    heat = _empty()
    heat[5:10, 5:10] = 255
    heat[4:11, 4:11] = np.maximum(heat[4:11, 4:11], 40)  # the skirt of the clear one
    heat[20:24, 30:36] = 60
    view = View(threshold=0.1)
    clear, faint = find(heat, view, size=(40, 60))
    assert clear.box == pytest.approx((5, 5, 5, 5), abs=0.2)
    assert faint.peak == pytest.approx(60 / 255)
    assert faint.box == pytest.approx((30, 20, 6, 4), abs=0.2)


def test_a_faint_area_in_the_box_of_a_clear_one_is_not_lost() -> None:
    heat = _empty()
    heat[5, 5:30] = heat[5:30, 5] = 255  # an L
    heat[15:18, 15:18] = 50  # in its box
    heat[25:28, 25:28] = 255
    found = find(heat, View(threshold=0.1), size=(40, 60))
    assert sorted(round(each.peak, 2) for each in found) == [0.2, 1.0, 1.0]


def test_the_threshold_decides_which_areas_are_findings() -> None:
    heat = _empty()
    heat[5:8, 5:8] = 180
    heat[20:23, 20:23] = 250
    assert len(find(heat, View(threshold=0.6), size=(40, 60))) == 2
    [found] = find(heat, View(threshold=0.9), size=(40, 60))
    assert found.box.left == pytest.approx(20, abs=0.1)
    assert find(heat, View(threshold=1.0), size=(40, 60)) == ()


def test_a_kind_is_that_of_the_strongest_heatmap_within_the_area() -> None:
    heat, kinds = _empty(), np.zeros((3, 40, 60), np.uint8)
    heat[5:10, 5:10] = heat[20:25, 20:25] = 255
    kinds[1, 5:10, 5:10], kinds[2, 5:10, 5:10] = 200, 50
    kinds[0, 20:25, 20:25] = 250
    view = View(threshold=0.5, kinds=("pit", "scratch", "stain"))
    found = {each.box.left < 15: each for each in find(heat, view, size=(40, 60), kinds=kinds)}
    assert (found[True].kind, found[True].sure) == ("scratch", 0.8)
    assert (found[False].kind, found[False].sure) == ("pit", 1.0)


def test_zones_and_region_are_in_camera_pixels() -> None:
    heat = _empty()
    heat[5:10, 10:20] = 255
    zones = (
        ("left", Zone(polygon=((0, 0), (0.25, 0), (0.25, 1), (0, 1)), relative=True)),
        ("far", Zone(polygon=((300, 300), (340, 300), (340, 340)))),
    )
    view = View(threshold=0.5, left=100, top=200, zones=zones)
    [found] = find(heat, view, size=(40, 60))
    assert found.box == pytest.approx((110, 205, 10, 5), abs=0.05)
    assert found.zones == pytest.approx({"left": 0.5})


def test_no_more_than_so_many_are_measured() -> None:
    heat = np.zeros((200, 200), np.uint8)
    heat[::4, ::4] = 255
    found = find(heat, View(threshold=0.5), size=(200, 200))
    assert len(found) == MOST_FINDINGS
    assert all(len(each.contour) >= 4 for each in found)


def test_findings_leave_as_json_and_come_back() -> None:
    heat = _empty()
    heat[5:10, 10:20] = 255
    [found] = find(heat, VIEW, size=(160, 240))
    written = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert written["length_mm"] == pytest.approx(4.0, abs=0.01)
    again = Finding.from_json(written, pixels_per_mm=10)
    assert again.to_json() == written


def test_random_maps_give_boxes_within_the_frame_and_areas_that_add_up() -> None:
    generator = np.random.default_rng(0)
    for _ in range(50):
        noise = cv2.GaussianBlur(generator.random((48, 64)).astype(np.float32), (0, 0), 1.5)
        heat = ((noise - noise.min()) / np.ptp(noise) * 255).astype(np.uint8)
        found = find(heat, View(threshold=float(generator.uniform(0.1, 0.9))), size=(480, 640))
        for each in found:
            left, top, width, height = each.box
            assert 0 <= left <= left + width <= 640.01
            assert 0 <= top <= top + height <= 480.01
            assert each.width <= each.length * 1.001
            assert 0 < each.area <= each.length * each.width * 1.001


def _neighbours(row: int, column: int) -> tuple[tuple[int, int], ...]:
    return (row, column - 1), (row, column + 1), (row - 1, column), (row + 1, column)


def _by_definition(heat: NDArray[np.uint8], level: int) -> Iterator[tuple[list[float], int, float]]:
    """Area by area and cell by cell: box, peak and mean of what is to be found."""
    outside = np.pad(heat.astype(int), 1)
    count, labels = cv2.connectedComponents((heat >= min(level, 128)).astype(np.uint8), connectivity=8)
    for label in range(1, count):
        peak = int(heat[labels == label].max())
        rim = 128 if peak >= 128 else max(level, (peak + 1) // 2)
        parts, inner = cv2.connectedComponents(((labels == label) & (heat >= rim)).astype(np.uint8), connectivity=8)
        for part in range(1, parts if peak >= level else 1):
            sides = [[], [], [], []]
            for row, column in np.argwhere(inner == part):
                value = int(heat[row, column])
                for way, (r, c) in enumerate(_neighbours(row + 1, column + 1)):
                    reach = (value - rim + 0.5) / (value - outside[r, c]) if outside[r, c] < rim else 0.0
                    sides[way].append((column, column, row, row)[way] + 0.5 + (-reach, reach, -reach, reach)[way])
            left, right, top, bottom = min(sides[0]), max(sides[1]), min(sides[2]), max(sides[3])
            own = heat[inner == part]
            yield [left, top, right - left, bottom - top], int(own.max()), float(own.mean())


def _noise(generator: np.random.Generator) -> NDArray[np.uint8]:
    noise = cv2.GaussianBlur(generator.random((24, 32)).astype(np.float32), (0, 0), generator.uniform(0.6, 2))
    heat = (noise - noise.min()) / np.ptp(noise)
    return np.asarray(255 * heat ** generator.uniform(0.5, 4), np.uint8)


def test_random_maps_give_what_the_definition_says() -> None:
    generator = np.random.default_rng(1)
    for _ in range(60):
        heat, level = _noise(generator), int(generator.integers(1, 256))
        wanted = sorted(_by_definition(heat, level))
        found = find(heat, View(threshold=level / 255), size=heat.shape)
        got = sorted(([*each.box], round(each.peak * 255), each.mean * 255) for each in found)
        if len(wanted) > MOST_FINDINGS:
            assert len(found) == MOST_FINDINGS
            continue
        assert [each[1] for each in got] == [each[1] for each in wanted]
        for (box, _, mean), (right_box, _, right_mean) in zip(got, wanted, strict=True):
            assert box == pytest.approx(right_box, abs=1e-3)
            assert mean == pytest.approx(right_mean)


_STEPS = st.sampled_from([0, 0, 0, 1, 40, 63, 64, 65, 90, 127, 128, 129, 200, 255])


@settings(max_examples=150, deadline=None)
@given(
    heat=arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=_STEPS),
    level=st.one_of(st.integers(1, 255), st.sampled_from([64, 65, 127, 128, 129])),
)
def test_small_maps_give_what_the_definition_says(heat: NDArray[np.uint8], level: int) -> None:
    """Values and levels around one half and its half, where areas are split, widened and left out."""
    found = find(heat, View(threshold=level / 255), size=heat.shape)
    wanted = sorted(_by_definition(heat, level))
    got = sorted(([*each.box], round(each.peak * 255), each.mean * 255) for each in found)
    assert np.array([box for box, *_ in got]) == pytest.approx(np.array([box for box, *_ in wanted]), abs=1e-3)
    assert [peak for _, peak, _ in got] == [peak for _, peak, _ in wanted]
    assert [mean for *_, mean in got] == pytest.approx([mean for *_, mean in wanted])


def test_outlines_are_followed_when_asked_for_and_leave_the_process_as_lists() -> None:
    generator = np.random.default_rng(2)
    for _ in range(20):
        for each in find(_noise(generator), View(threshold=0.3), size=(240, 320)):
            corners = np.array(each.contour)
            low, high = corners.min(axis=0), corners.max(axis=0)
            assert low == pytest.approx(each.box[:2], abs=10)  # tips are cut, by less than a cell
            assert high - low == pytest.approx(each.box[2:], abs=20)
            assert len(each.contour) == len(corners)
            again = pickle.loads(pickle.dumps(each))
            assert type(again.contour) is list
            assert again == each


def test_a_ring_is_no_finding_because_of_what_lies_in_its_hole() -> None:
    heat = np.zeros((100, 100), np.uint8)
    cv2.circle(heat, (50, 50), 30, 150, 4)
    heat[48:52, 48:52] = 255
    [dot] = find(heat, View(threshold=0.8), size=(100, 100))
    assert dot.box == pytest.approx((48, 48, 4, 4), abs=0.5)
    faint = np.where(heat == 150, 50, heat).astype(np.uint8)
    assert sorted(round(each.peak * 255) for each in find(faint, View(threshold=0.1), size=(100, 100))) == [50, 255]


def _coverage(box: tuple[float, float, float, float], cells: int, cell: int) -> NDArray[np.uint8]:
    """Give the ideal heatmap of a box: which share of each cell it covers."""
    left, top, right, bottom = box
    starts = np.arange(cells) * cell
    across = np.clip(np.minimum(right, starts + cell) - np.maximum(left, starts), 0, cell) / cell
    down = np.clip(np.minimum(bottom, starts + cell) - np.maximum(top, starts), 0, cell) / cell
    return np.asarray(np.rint(np.outer(down, across) * 255), np.uint8)


@pytest.mark.parametrize("cell", [4, 8])
def test_the_box_of_an_ideal_heatmap_has_no_bias(cell: int) -> None:
    """Whatever lies where between cells: no side is off by much, and on the average none is off at all."""
    generator, errors = np.random.default_rng(3), []
    for _ in range(400):
        left, top = generator.uniform(20, 60, 2)
        width, height = generator.uniform(4 * cell, 10 * cell, 2)
        heat = _coverage((left, top, left + width, top + height), 160 // cell * 2, cell)
        [found] = find(heat, View(threshold=0.4), size=(320, 320))
        sides = found.box.left + found.box.width, found.box.top + found.box.height
        errors.append((left - found.box.left, top - found.box.top, sides[0] - left - width, sides[1] - top - height))
    assert np.abs(errors).max() < 0.1 * cell
    assert np.abs(np.mean(errors, axis=0)).max() < 0.01 * cell
