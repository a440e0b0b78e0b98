from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from beltline.benchmarks.soak import segment as module
from beltline.benchmarks.soak.segment import Rows, Segment, SegmentFacts, read_segment, write_segment
from beltline.inspection.base.errors import MeasurementError
from beltline.inspection.line.arrivals import Arrivals

FACTS = SegmentFacts(
    soak="sha256:s",
    session=2,
    index=7,
    first_frame=900,
    unix_s=1.5e9,
    conditions={"temperature_c": None, "clock_mhz": 2600.0},
    counters={"steal_ms": 10.0},
)


@pytest.mark.parametrize("frames", [1, 2, 300])
def test_what_is_written_is_read_to_the_nanosecond(frames: int, belt_rows: Callable[..., Rows], tmp_path: Path) -> None:
    work_ms = np.random.default_rng(0).gamma(2.0, 9.0, frames)
    written = Segment(facts=FACTS, rows=belt_rows(work_ms, Arrivals(period_ns=15_000_000, jitter_ns=4_000_000)))
    write_segment(tmp_path / "a.npz", written)
    found = read_segment(tmp_path / "a.npz")
    assert found.facts == FACTS
    assert np.array_equal(found.rows, written.rows)


def test_a_frame_takes_some_nine_bytes(belt_rows: Callable[..., Rows], tmp_path: Path) -> None:
    work_ms = np.random.default_rng(0).gamma(4.0, 0.3, 4_000)
    write_segment(tmp_path / "a.npz", Segment(facts=FACTS, rows=belt_rows(work_ms, Arrivals(period_ns=10_000_000))))
    assert (tmp_path / "a.npz").stat().st_size < 12 * 4_000


@pytest.mark.parametrize("share", [0.0, 0.3, 0.99])
def test_a_segment_cut_short_is_refused_by_name(share: float, belt_rows: Callable[..., Rows], tmp_path: Path) -> None:
    path = tmp_path / "000007.npz"
    write_segment(path, Segment(facts=FACTS, rows=belt_rows([1.0] * 200, Arrivals(period_ns=10_000_000))))
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(MeasurementError, match=r"000007\.npz: not a readable part of a soak"):
        read_segment(path)


def test_a_flipped_bit_is_found(belt_rows: Callable[..., Rows], tmp_path: Path) -> None:
    path = tmp_path / "000007.npz"
    write_segment(path, Segment(facts=FACTS, rows=belt_rows([1.0] * 200, Arrivals(period_ns=10_000_000))))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    with pytest.raises(MeasurementError, match=r"000007\.npz"):
        read_segment(path)


def test_another_version_and_facts_that_cannot_be_are_refused(
    belt_rows: Callable[..., Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, rows = tmp_path / "a.npz", belt_rows([1.0] * 3, Arrivals(period_ns=10_000_000))
    write_segment(path, Segment(facts=replace(FACTS, first_frame=-1), rows=rows))
    with pytest.raises(MeasurementError, match="facts cannot be true"):
        read_segment(path)
    monkeypatch.setattr(module, "SEGMENT_FORMAT", 9)
    write_segment(path, Segment(facts=FACTS, rows=rows))
    monkeypatch.undo()
    with pytest.raises(MeasurementError, match="format 9 is not 1"):
        read_segment(path)


def test_a_small_file_that_unpacks_to_a_huge_one_is_not_unpacked(
    belt_rows: Callable[..., Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.npz"
    write_segment(path, Segment(facts=FACTS, rows=belt_rows([1.0] * 3_000, Arrivals(period_ns=10_000_000))))
    monkeypatch.setattr(module, "_MOST_BYTES", 100_000)
    assert path.stat().st_size < 100_000
    with pytest.raises(MeasurementError, match="at most 100000 are read"):
        read_segment(path)
