"""One definition of every p50, p99 and p999."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from beltline.inspection.statistics.quantile import quantile, quantiles

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("size", [1, 2, 3, 99, 100, 101, 4603])
@pytest.mark.parametrize("share", [0.5, 0.9, 0.99, 0.999])
def test_it_is_the_smallest_value_that_the_share_does_not_exceed(size: int, share: float) -> None:
    values = np.random.default_rng(size).permutation(size) + 1.0
    found = quantile(values, share)
    assert found in values
    assert (values <= found).mean() >= share - 1e-12
    assert found == 1 or (values <= found - 1).mean() < share
    assert quantiles(values, [share, 0.5])[0] == found


def test_several_along_an_axis() -> None:
    values = np.arange(12).reshape(3, 4)
    assert quantiles(values, [0.5, 0.99], axis=1).tolist() == [[1, 5, 9], [3, 7, 11]]


def test_no_other_definition_of_a_times_quantile_is_left() -> None:
    """Intervals from resampling interpolate (`ratio`, `roc`), and so do thresholds on sorted conditions."""
    folders = ("inspection", "targets", "compress", "export", "benchmarks", "station", "pipeline", "studies")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    found = [
        file.relative_to(ROOT).as_posix()
        for file in files
        if re.search(r"np\.(nan)?(quantile|percentile)\(", file.read_text(encoding="utf-8"))
    ]
    assert set(found) == {
        "benchmarks/proof/ratio.py",
        "benchmarks/proof/steadiness.py",
        "benchmarks/soak/throttling.py",
        "inspection/statistics/quantile.py",
        "inspection/statistics/roc.py",
    }
