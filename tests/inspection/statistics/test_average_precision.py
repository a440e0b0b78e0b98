import numpy as np
import pytest
from beltline.inspection.decision.findings import Box, Finding
from beltline.inspection.statistics.average_precision import average_precision

pytest.importorskip("pycocotools", reason="pycocotools is not installed")


def _at(left: float, kind: str = "pit", *, peak: float = 0.9) -> Finding:
    return Finding(kind=kind, box=Box(left, 0, 10, 10), contour=[], area=100, length=10, width=10, peak=peak, mean=0.5)


def test_findings_as_marked_are_perfect() -> None:
    marked = [[_at(0), _at(50, "stain")], [], [_at(20)]]
    whole = average_precision(marked, marked, knows_kinds=True)
    assert whole is not None
    assert (whole.at_33, whole.at_50) == (pytest.approx(1.0), pytest.approx(1.0))


def test_overlap_kinds_and_order_count() -> None:
    marked = [[_at(0)], [_at(0)]]
    beside = average_precision(marked, [[_at(4)], [_at(4)]], knows_kinds=True)  # IoU 6 / 14
    assert beside is not None
    assert beside.at_33 == pytest.approx(1.0)
    assert beside.at_50 == 0.0
    other = average_precision(marked, [[_at(0, "stain")], [_at(0, "stain")]], knows_kinds=True)
    assert other is not None
    assert other.at_33 == 0.0
    alike = average_precision(marked, [[_at(0, "stain")], [_at(0, "stain")]], knows_kinds=False)
    assert alike is not None
    assert alike.at_50 == pytest.approx(1.0)
    late = average_precision([[_at(0)], []], [[_at(0, peak=0.3)], [_at(0, peak=0.9)]], knows_kinds=True)
    assert late is not None
    assert late.at_50 == pytest.approx(0.5)


def test_average_precision_is_the_area_under_precision_over_recall() -> None:
    generator = np.random.default_rng(0)
    marked = [[_at(100.0 * place) for place in range(10)]]
    found = [[_at(100.0 * place + 5000.0 * (place % 2), peak=float(generator.random())) for place in range(10)]]
    hits = [each.box.left < 1000 for each in sorted(found[0], key=lambda each: -each.peak)]
    precision = np.cumsum(hits) / np.arange(1, 11)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    recall = np.cumsum(hits) / 10
    wanted = np.mean([best[recall >= each - 1e-9].max(initial=0.0) for each in np.linspace(0, 1, 101)])
    got = average_precision(marked, found, knows_kinds=True)
    assert got is not None
    assert got.at_50 == pytest.approx(wanted, abs=1e-6)
