import math
import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from beltline.benchmarks.report.charts.gauge import gauge, score_gauge
from beltline.benchmarks.report.charts.histogram import latency_histogram
from beltline.benchmarks.report.charts.over_run import latency_over_run
from beltline.benchmarks.report.charts.pareto import Point, frontier, pareto_chart
from beltline.benchmarks.report.charts.svg import Box, Scale, place_label
from beltline.benchmarks.report.charts.tail import Curve, latency_tail
from beltline.benchmarks.report.schema_parts import WhatIf
from beltline.benchmarks.report.sections.belt_speed import belt_speed_chart
from beltline.benchmarks.report.sections.budget import budget_bar, segments
from beltline.benchmarks.report.sections.parts import Made, parts_chart


def drawn(svg: str) -> ET.Element:
    """Parse it as XML and see that no coordinate is missing or infinite."""
    assert not re.search(r"\b(nan|inf|None)\b", svg)
    return ET.fromstring(svg)


def of_class(root: ET.Element, name: str) -> list[ET.Element]:
    return [each for each in root.iter() if name in each.get("class", "").split()]


def points(number: int, *, seed: int = 0) -> list[Point]:
    generator = np.random.default_rng(seed)
    verdicts = ("fits", "misses", "inconclusive")
    return [
        Point(
            number=index + 1,
            name=f"row-{index + 1} <&>",
            latency_ms=float(generator.lognormal(2, 1)),
            auroc=float(generator.uniform(0.8, 0.99)),
            interval=(0.78, 1.0),
            verdict=verdicts[index % 3],
            selected=index == 0,
        )
        for index in range(number)
    ]


def test_log_scale_spreads_decades_evenly() -> None:
    scale = Scale(low=0.1, high=1000, start=0, end=400, log=True)
    assert [scale.at(value) for value in (0.1, 1, 10, 100, 1000)] == pytest.approx([0, 100, 200, 300, 400])
    assert scale.at(1e9) == 400


@pytest.mark.parametrize("log", [True, False])
@pytest.mark.parametrize(("low", "high"), [(0.001, 3.0), (0.97, 0.978), (1.0, 1e7), (85.9, 86.1)])
def test_ticks_are_few_and_inside(low: float, high: float, log: bool) -> None:
    ticks = Scale(low=low, high=high, start=0, end=1, log=log).ticks(6)
    assert len(ticks) <= 7
    assert all(low * 0.998 <= tick <= high * 1.002 for tick in ticks)


def test_budget_segments_fill_the_budget_end_to_end() -> None:
    parts = segments(
        {"exposure": 1, "plc": 5}, [("pre", "pre", 0.5), ("engine", "engine", 3)], slowest_ms=7, deadline_ms=80
    )
    for before, after in pairwise(parts):
        assert after.start_ms == pytest.approx(before.start_ms + before.length_ms)
    assert parts[-1].kind == "slack"
    assert parts[-1].start_ms + parts[-1].length_ms == pytest.approx(86)


def test_budget_overrun_is_drawn_beyond_the_ejector() -> None:
    parts = segments({"plc": 5}, [("engine", "engine", 70)], slowest_ms=120, deadline_ms=86)
    assert [part.kind for part in parts] == ["fixed", "engine", "tail", "over"]
    assert parts[-1].length_ms == pytest.approx(34)
    root = drawn(budget_bar(parts, fixed_ms=5, deadline_ms=86, width=900))
    (over,) = of_class(root, "over")
    assert float(over.get("x", 0)) == pytest.approx(1 + 898 * 91 / 125, abs=0.1)


def test_a_typical_time_beyond_the_deadline_leaves_no_slack() -> None:
    parts = segments({}, [("engine", "engine", 100)], slowest_ms=100, deadline_ms=86)
    assert [part.kind for part in parts] == ["engine"]
    drawn(budget_bar(parts, fixed_ms=0, deadline_ms=86, width=350))


def test_budget_names_are_escaped() -> None:
    parts = segments({"<script>": 50}, [("engine", "engine", 1)], slowest_ms=1, deadline_ms=5)
    svg = budget_bar(parts, fixed_ms=50, deadline_ms=5, width=900)
    assert "<script>" not in svg
    drawn(svg)


def test_histogram_counts_every_frame_and_no_bar_lies_across_the_deadline() -> None:
    times = np.concatenate([np.full(500, 3.0), np.full(7, 86.0), np.full(2, 86.001), [900.0]])
    root = drawn(latency_histogram(times, deadline_ms=86.0, width=510))
    bars, late = of_class(root, "bar"), of_class(root, "late")
    counts = [int((bar[0].text or "").split()[0].replace(",", "")) for bar in bars]
    assert sum(counts) == len(times)
    assert sum(int((bar[0].text or "").split()[0]) for bar in late) == 3


@pytest.mark.parametrize("times", [[0.0], [5.0, 5.0], [1e-6, 1e6]])
def test_histogram_bears_degenerate_runs(times: list[float]) -> None:
    drawn(latency_histogram(np.array(times), deadline_ms=10, width=350))


def test_tail_ends_at_the_slowest_frame() -> None:
    times = np.concatenate([np.full(999, 2.0), [40.0]])
    curves = [Curve(number=1, name="a & b", response_ms=times, emphasised=True)]
    root = drawn(latency_tail(curves, deadline_ms=86, miss_max=0.001, confidence=0.99, width=510))
    (curve,) = of_class(root, "chosen")
    last = re.findall(r"([\d.]+) ([\d.]+)", curve.get("d", ""))[-1]
    scale = Scale(low=1.6, high=86 * 1.3, start=52, end=496, log=True)
    assert float(last[0]) == pytest.approx(scale.at(40.0), abs=0.1)
    assert float(last[1]) == 300


def test_tail_shades_what_the_gate_forbids() -> None:
    curves = [Curve(number=1, name="a", response_ms=np.array([2.0, 90.0]))]
    (corner,) = of_class(
        drawn(latency_tail(curves, deadline_ms=86, miss_max=0.01, confidence=0.99, width=510)), "forbidden"
    )
    assert float(corner.get("width", 0)) > 0
    assert 0 < float(corner.get("height", 0)) < 264


@pytest.mark.parametrize(
    ("frames", "burst", "passes"), [(4603, 1, True), (4602, 1, False), (9206, 2, True), (9205, 2, False)]
)
def test_the_bound_of_the_tail_passes_below_the_corner_where_the_gate_holds(
    frames: int, burst: int, passes: bool
) -> None:
    """0.1 % at 99 % confidence takes 4,603 independent frames without a late one."""
    curves = [Curve(number=1, name="a", response_ms=np.full(frames, 2.0), emphasised=True, burst_frames=burst)]
    root = drawn(latency_tail(curves, deadline_ms=86, miss_max=0.001, confidence=0.99, width=510))
    (corner,), (bound,) = of_class(root, "forbidden"), of_class(root, "bound")
    last = float(re.findall(r"([\d.]+) ([\d.]+)", bound.get("d", ""))[-1][1])
    edge = float(corner.get("y", 0)) + float(corner.get("height", 0))
    assert (last >= edge - 0.005) == passes


def test_the_bound_never_lies_below_the_curve() -> None:
    times = np.random.default_rng(0).lognormal(1, 0.5, 700)
    curves = [Curve(number=1, name="a", response_ms=times, emphasised=True)]
    root = drawn(latency_tail(curves, deadline_ms=86, miss_max=0.01, confidence=0.9, width=510))
    (curve,), (bound,) = of_class(root, "chosen"), of_class(root, "bound")
    seen, upper = (steps_of(each) for each in (curve, bound))
    for at, height in seen:
        assert max((y for x, y in upper if x < at - 0.005), default=0.0) <= height + 0.01


def steps_of(path: ET.Element) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", path.get("d", ""))]


def test_run_marks_every_late_frame_or_the_worst_of_its_neighbours() -> None:
    times = np.full(5000, 3.0)
    times[[7, 2500, 4999]] = [90.0, 300.0, 87.0]
    few = of_class(drawn(latency_over_run(times, warmup=10, deadline_ms=86, width=1040)), "miss")
    assert [(each[0].text or "").split(" late")[0] for each in few] == ["frame 2,500", "frame 4,999"]
    many = of_class(drawn(latency_over_run(np.full(5000, 90.0), warmup=0, deadline_ms=86, width=1040)), "miss")
    assert len(many) <= 160
    assert sum(int((each[0].text or "").split(" and ")[1].split()[0]) + 1 for each in many) == 5000


def test_parts_of_a_bar_add_up_to_its_length() -> None:
    bars = [Made(name="Typical <b>", parts_ms=(("waiting", "wait", 1.0), ("engine", "engine", 3.0))),
            Made(name="Slowest", parts_ms=(("waiting", "wait", 0.0), ("engine", "engine", 8.0)))]  # fmt: skip
    root = drawn(parts_chart(bars, deadline_ms=10, width=510))
    wide = [float(each.get("width", 0)) + 1 for each in of_class(root, "segment")]
    assert len(wide) == 3
    assert wide[0] + wide[1] == pytest.approx(wide[2] / 2, abs=0.05)
    assert len(of_class(root, "deadline")) == 1
    assert not of_class(drawn(parts_chart(bars, deadline_ms=100, width=350)), "deadline")


def point(speed: float, deadline_ms: float, *, slowest_ms: float = 8.0, p99_ms: float | None = 4.0) -> dict[str, Any]:
    return {"speed_mm_s": speed, "factor": speed / 500, "period_ms": 1e5 / speed, "deadline_ms": deadline_ms,
            "utilisation": 0.1, "frames": 5000, "misses": 0, "miss_upper": 0.0009, "p50_ms": 3.0, "p99_ms": p99_ms,
            "slowest_ms": slowest_ms, "backlog_frames": 1, "backlog_ms": 2.0, "seems_to_hold": True,
            "holds": True}  # fmt: skip


def test_belt_speeds_are_shaded_from_the_highest_proven_and_from_the_highest_seen() -> None:
    points = [point(250, 200), point(500, 86), point(800, 40), point(1000, 8), point(1200, -5, p99_ms=None)]
    facts = WhatIf.model_validate(
        {"predicted": True, "today": points[1], "proven": points[2], "seen": points[3], "points": points}
    )
    root = drawn(belt_speed_chart(facts, width=1040))
    doubtful, forbidden = (of_class(root, name)[0] for name in ("doubtful", "forbidden"))
    along = Scale(low=250, high=1200, start=52, end=1026)
    for zone, low, high in ((doubtful, 800, 1000), (forbidden, 1000, 1200)):
        assert float(zone.get("x", 0)) == pytest.approx(along.at(low), abs=0.1)
        assert float(zone.get("width", 0)) == pytest.approx(along.at(high) - along.at(low), abs=0.1)
    assert "seen up to 1,000 mm/s" in (root.get("aria-label") or "").replace("\xa0", " ")


@pytest.mark.parametrize("kept", [(), ("seen",)])
def test_belt_speeds_bear_that_nothing_is_proven_or_nothing_holds(kept: tuple[str, ...]) -> None:
    points = [point(250, 200, p99_ms=None), point(500, -1, slowest_ms=0.0, p99_ms=None)]
    facts = {"predicted": True, "today": points[0], "points": points, **dict.fromkeys(kept, points[0])}
    root = drawn(belt_speed_chart(WhatIf.model_validate(facts), width=350))
    assert len(of_class(root, "forbidden")) == 1
    assert not of_class(root, "doubtful")


def test_run_shows_cold_frames_apart() -> None:
    times = np.concatenate([np.linspace(20, 4, 15), np.full(1000, 3.0), [80.0]])
    root = drawn(latency_over_run(times, warmup=15, deadline_ms=86, width=1040))
    assert len(of_class(root, "cold")) == 15
    assert len(of_class(root, "band")) == 1


def test_of_very_many_cold_frames_the_slowest_is_still_there() -> None:
    times = np.full(5000, 3.0)
    times[3210] = 70.0
    root = drawn(latency_over_run(times, warmup=4000, deadline_ms=86, width=1040))
    dots = [float(dot.get("cy", 0)) for dot in of_class(root, "cold")]
    assert len(dots) <= 320
    assert min(dots) < 40


@pytest.mark.parametrize(("frames", "warmup"), [(1, 0), (1, 1), (3, 3), (5, 0)])
def test_run_bears_few_frames(frames: int, warmup: int) -> None:
    drawn(latency_over_run(np.full(frames, 2.0), warmup=warmup, deadline_ms=5, width=350))


def test_frontier_holds_what_no_other_row_beats() -> None:
    rows = points(40)
    edge = frontier(rows)
    for row in rows:
        beaten = any(other.latency_ms < row.latency_ms and other.auroc >= row.auroc for other in rows)
        assert (row in edge) != beaten


@pytest.mark.parametrize("width", [350.0, 1040.0])
@pytest.mark.parametrize("number", [1, 2, 14])
def test_pareto_shows_every_row_by_the_shape_of_its_verdict(width: float, number: int) -> None:
    rows = points(number)
    root = drawn(pareto_chart(rows, deadline_ms=20, width=width, title="time"))
    assert len(of_class(root, "whisker")) == number
    assert len(of_class(root, "ring")) == 1
    assert len(of_class(root, "mark-fits")) == math.ceil(number / 3)
    assert len(of_class(root, "cross")) == 2 * sum(row.verdict == "misses" for row in rows)


def test_labels_keep_clear_of_each_other_and_stay_inside() -> None:
    room, taken = Box(left=0, top=0, right=300, bottom=200), list[Box]()
    for index in range(8):
        box = place_label(150 + index, 100 - index, "student-16-int8", taken=taken, room=room)
        if box is not None:
            assert box.within(room)
            assert not any(box.overlaps(other) for other in taken)
            taken.append(box)
    assert len(taken) >= 6


def test_gauges_say_their_numbers_aloud() -> None:
    svg = gauge(-0.01, 0.03, 0.02, label="rise, limit", kind="inconclusive")
    assert drawn(svg).get("aria-label") == "rise, limit"
    assert "threshold 0.4" in (drawn(score_gauge(0.31, 0.4)).get("aria-label") or "")
