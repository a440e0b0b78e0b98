from __future__ import annotations

import numpy as np
import pytest
from beltline.benchmarks.proof.ratio import block_frames, ratio_of_rounds, ratios_of_runs
from beltline.inspection.base.errors import MeasurementError
from beltline.inspection.statistics.quantile import quantiles
from numpy.typing import NDArray

SHARES = {"p50": 0.5, "p99": 0.99}


def alike_neighbours(random: np.random.Generator, frames: int, *, ratio: float = 1.0) -> NDArray[np.int64]:
    """Response times about 1 ms whose logarithms are an autoregressive series (lag-1 correlation 0.7)."""
    noise = random.normal(0, 0.1, frames + 50)
    for index in range(1, noise.size):
        noise[index] += 0.7 * noise[index - 1]
    return (1e6 * ratio * np.exp(noise[50:])).astype(np.int64)


def test_drift_of_the_machine_cancels_where_models_take_turns() -> None:
    random = np.random.default_rng(0)
    machine = np.linspace(1.0, 2.0, 10) * np.exp(random.normal(0, 0.2, 10))
    found = ratio_of_rounds("p50", (0.8 * machine).tolist(), machine.tolist())
    assert found.ratio == pytest.approx(0.8)
    assert found.upper - found.lower < 1e-9
    assert found.by_round == pytest.approx([0.8] * 10)


def test_the_interval_of_rounds_holds_the_truth_as_often_as_it_says() -> None:
    random = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        logs = random.normal(np.log(1.1), 0.05, 8)
        found = ratio_of_rounds("p50", np.exp(logs).tolist(), [1.0] * 8)
        held += found.lower <= 1.1 <= found.upper
    assert 0.925 <= held / 400 <= 0.975


def test_the_other_way_round_is_the_reciprocal() -> None:
    one, other = [1.0, 1.2, 1.1, 0.9], [2.0, 2.1, 2.5, 1.9]
    forth, back = ratio_of_rounds("p50", one, other), ratio_of_rounds("p50", other, one)
    assert forth.ratio == pytest.approx(1 / back.ratio)
    assert (forth.lower, forth.upper) == pytest.approx((1 / back.upper, 1 / back.lower))
    assert forth.differs
    assert not ratio_of_rounds("p50", [1.0, 1.2, 0.9], [1.1, 1.0, 1.0]).differs


@pytest.mark.parametrize(
    ("times", "against", "message"),
    [
        ([1.0], [1.0], "2 or more rounds of both, got 1 and 1"),
        ([1.0, 2.0], [1.0, 2.0, 3.0], "got 2 and 3"),
        ([1.0, 0.0], [1.0, 1.0], "times above 0"),
        ([1.0, float("nan")], [1.0, 1.0], "times above 0"),
    ],
)
def test_rounds_that_give_no_ratio_are_refused(times: list[float], against: list[float], message: str) -> None:
    with pytest.raises(MeasurementError, match=message):
        ratio_of_rounds("p50", times, against)


def test_the_interval_of_two_runs_holds_the_truth_though_frames_hang_together() -> None:
    random = np.random.default_rng(2)
    held = narrow = 0
    for _ in range(40):
        one, other = alike_neighbours(random, 400, ratio=1.2), alike_neighbours(random, 500)
        found = ratios_of_runs(one, other, shares={"p50": 0.5})["p50"]
        held += found.lower <= 1.2 <= found.upper
        shuffled = ratios_of_runs(random.permutation(one), random.permutation(other), shares={"p50": 0.5})["p50"]
        narrow += shuffled.upper - shuffled.lower < found.upper - found.lower
    assert held >= 34, "85 %: a block bootstrap of 400 frames is known to be somewhat narrow"
    assert narrow >= 37, "without blocks the interval would be too narrow"


def test_the_same_runs_give_the_same_interval() -> None:
    random = np.random.default_rng(3)
    one, other = alike_neighbours(random, 200), alike_neighbours(random, 200)
    first = ratios_of_runs(one, other, shares=SHARES)
    assert first == ratios_of_runs(one, other, shares=SHARES)
    assert first["p99"].method == "block bootstrap"
    assert first["p50"].ratio == quantiles(one, [0.5])[0] / quantiles(other, [0.5])[0]


def test_runs_that_are_too_short_are_refused() -> None:
    times = np.full(60, 1_000_000)
    with pytest.raises(MeasurementError, match="got 10; measure longer"):
        ratios_of_runs(times, times[:10], shares=SHARES)
    with pytest.raises(MeasurementError, match="times above 0"):
        ratios_of_runs(times, times * 0, shares=SHARES)


def test_blocks_are_longer_where_frames_hang_together() -> None:
    random = np.random.default_rng(4)
    loose = random.integers(1, 1000, 5000)
    assert block_frames(loose) == round(5000 ** (1 / 3))
    assert block_frames(alike_neighbours(random, 5000)) > 1.5 * block_frames(loose)
    assert block_frames(np.full(100, 7)) == round(100 ** (1 / 3))
