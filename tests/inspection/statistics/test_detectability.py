import numpy as np
import pytest
from beltline.inspection.decision.findings import Box, Finding
from beltline.inspection.statistics.detectability import detectability
from beltline.inspection.statistics.matching import MISSED, findings_seen, iou


def _drawn(generator: np.random.Generator, count: int, a50: float, slope: float) -> tuple[list[float], list[bool]]:
    sizes = np.exp(generator.uniform(np.log(0.1), np.log(10), count))
    chance = 1 / (1 + (sizes / a50) ** -slope)
    return sizes.tolist(), (generator.random(count) < chance).tolist()


def test_the_size_found_nine_times_in_ten_is_recovered() -> None:
    sizes, found = _drawn(np.random.default_rng(0), 2000, a50=1.0, slope=3.0)
    fit = detectability(sizes, found, unit="mm")
    true_a90 = 9 ** (1 / 3.0)
    assert fit.a90 == pytest.approx(true_a90, rel=0.08)
    assert fit.a90_95 is not None
    assert fit.a90 is not None
    assert fit.a90 < fit.a90_95 < fit.a90 * 1.1


def test_the_bound_holds_as_often_as_it_says() -> None:
    generator, true_a90 = np.random.default_rng(1), 9 ** (1 / 3.0)
    bounds = [detectability(*_drawn(generator, 100, a50=1.0, slope=3.0), unit="mm").a90_95 for _ in range(30)]
    said = [bound for bound in bounds if bound is not None]
    assert len(said) > 25
    assert np.mean([bound >= true_a90 for bound in said]) > 0.85  # 95 %, of 30 draws


@pytest.mark.parametrize(
    ("sizes", "found", "why"),
    [
        ([1.0] * 59, [True] * 58 + [False], "at least 60"),
        ([1.0] * 60, [True] * 60, "no defect was missed"),
        ([1.0] * 60, [False] * 60, "no defect was found"),
        ([1.0] * 30 + [2.0] * 30, [False] * 30 + [True] * 30, "above one size"),
        ([1.0, 2.0] * 40, [True, False] * 40, "not surely found more often"),
    ],
)
def test_what_cannot_be_said_is_refused_with_the_reason(sizes: list[float], found: list[bool], why: str) -> None:
    fit = detectability(sizes, found, unit="px")
    assert fit.a90_95 is None
    assert why in fit.why_not


def _at(left: float, top: float, side: float, kind: str, peak: float = 0.9) -> Finding:
    return Finding(
        kind=kind,
        box=Box(left, top, side, side),
        contour=[],
        area=side**2,
        length=side,
        width=side,
        peak=peak,
        mean=0.5,
    )


def test_findings_are_matched_with_what_was_marked() -> None:
    marked = [[_at(0, 0, 10, "pit"), _at(50, 50, 10, "stain")], [], [_at(20, 20, 4, "pit")]]
    found = [[_at(1, 0, 10, "pit"), _at(52, 50, 10, "pit")], [_at(5, 5, 3, "pit")], []]
    seen = findings_seen(marked, found, knows_kinds=True, pixels_per_mm=10)
    assert {(each.kind, each.taken_for): each.count for each in seen.confusion} == {
        ("pit", "pit"): 1,
        ("pit", MISSED): 1,
        ("stain", "pit"): 1,
    }
    assert (seen.kinds_right, seen.false_findings) == (0.5, 1)
    assert seen.f1 == pytest.approx(2 * 2 / (3 + 3))
    assert seen.side_error == pytest.approx(0.05)
    assert (seen.detectability.defects, seen.detectability.found, seen.detectability.unit) == (3, 2, "mm")


def test_two_findings_on_one_defect_are_one_right_and_one_too_many() -> None:
    marked, found = [[_at(0, 0, 10, "pit")]], [[_at(0, 0, 10, "pit", 0.6), _at(1, 1, 10, "pit", 0.9)]]
    seen = findings_seen(marked, found, knows_kinds=False, pixels_per_mm=None)
    assert seen.f1 == pytest.approx(2 / 3)
    assert seen.kinds_right is None
    assert iou(Box(0, 0, 1, 1), Box(2, 2, 1, 1)) == 0.0
