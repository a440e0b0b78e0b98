import numpy as np
import pytest
from beltline.inspection.decision.findings import View, find
from beltline.studies.station.box_sides import covered, errors_px, heatmap_of, sides_at


def test_sides_are_read_as_findings_are() -> None:
    generator = np.random.default_rng(0)
    for _ in range(20):
        left, top = generator.uniform(16, 20, 2)
        heat = heatmap_of(covered((left, top, left + 15, top + 9), 16, 4), "share", 255)
        [found] = find(heat, View(threshold=0.4), size=(64, 64))
        box = found.box
        wanted = (box.left, box.top, box.left + box.width, box.top + box.height)
        assert sides_at(heat, 128, 4) == pytest.approx(wanted, abs=1e-3)


def test_the_rule_of_training_makes_boxes_too_large_and_shares_do_not() -> None:
    assert errors_px(16, 4, "defective")[0.5].mean() == pytest.approx(2.0, abs=0.1)
    assert errors_px(16, 4, "good")[0.5].mean() == pytest.approx(1.0, abs=0.1)
    assert errors_px(16, 4, "share")[0.5].mean() == pytest.approx(0.0, abs=0.05)
