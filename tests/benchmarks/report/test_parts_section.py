from __future__ import annotations

from collections.abc import Callable

import pytest
from beltline.benchmarks.report.sections.parts import made_of, part_rows
from beltline.benchmarks.timing.measurement import Measurement

Belt = Callable[..., Measurement]


def test_parts_of_every_group_of_frames_add_up_to_its_time(belt: Belt) -> None:
    """The third and fourth frame wait for the second: 21 ms of work, 10 ms apart."""
    run = belt([2.0] * 398 + [21.0, 4.0], cold_ms=[90.0])
    typical, slow, slowest = made_of(run)
    assert typical.total_ms == pytest.approx(2.0)
    assert (slow.name, slow.total_ms) == ("The 4 slowest, on average", pytest.approx((21 + 15 + 2 + 2) / 4))
    assert slowest.total_ms == pytest.approx(21.0)
    assert [name for name, _, _ in slowest.parts_ms] == ["waiting", "pre-processing", "engine", "post-processing"]
    assert slowest.parts_ms[0][2] == 0
    assert slow.parts_ms[0][2] == pytest.approx(11 / 4)


def test_shares_of_the_parts_make_up_the_whole(belt: Belt) -> None:
    rows = part_rows(belt([10.0] * 100, period_ms=5.0))
    shares = [float(row.share.split("\xa0")[0]) for row in rows]
    assert sum(shares[:-1]) == pytest.approx(100, abs=0.2)
    assert (shares[-1], rows[-1].name) == (100, "whole decision")
    assert rows[0].slowest == "495\xa0ms"


def test_a_single_frame_is_typical_and_slowest(belt: Belt) -> None:
    assert [made.total_ms for made in made_of(belt([3.0]))] == pytest.approx([3.0, 3.0])
