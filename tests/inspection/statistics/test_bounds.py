from __future__ import annotations

import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.statistics.bounds import frames_needed, rate_lower, rate_upper

# design table: quantile, confidence -> frames for 0, 1, 2 and 5 misses
FRAMES = {
    (0.90, 0.99): (44, 64, 81, 127),
    (0.99, 0.99): (459, 662, 838, 1307),
    (0.999, 0.95): (2995, 4742, 6294, 10511),
    (0.999, 0.99): (4603, 6636, 8403, 13105),
    (0.9999, 0.95): (29956, 47437, 62956, 105128),
    (0.9999, 0.99): (46050, 66381, 84057, 131081),
}


@pytest.mark.parametrize(("quantile", "confidence"), FRAMES)
def test_frames_needed_gives_the_whole_table(quantile: float, confidence: float) -> None:
    found = tuple(frames_needed(1 - quantile, confidence=confidence, misses=misses) for misses in (0, 1, 2, 5))
    assert found == FRAMES[quantile, confidence]


def test_frames_needed_is_the_first_count_whose_bound_holds() -> None:
    needed = frames_needed(0.02, confidence=0.95, misses=3)
    assert rate_upper(3, needed, confidence=0.95) <= 0.02 < rate_upper(3, needed - 1, confidence=0.95)


def test_frames_needed_ends_for_rates_no_line_can_prove() -> None:
    assert frames_needed(1e-9, confidence=0.99) == pytest.approx(4.6e9, rel=0.01)


@pytest.mark.parametrize(("defects", "percent"), [(60, 4.87), (109, 2.71), (300, 0.99), (1000, 0.30)])
def test_no_escape_still_leaves_a_rate(defects: int, percent: float) -> None:
    assert 100 * rate_upper(0, defects, confidence=0.95) == pytest.approx(percent, abs=0.005)


def test_bounds_enclose_the_share_and_mirror_each_other() -> None:
    lower, upper = rate_lower(7, 50, confidence=0.95), rate_upper(7, 50, confidence=0.95)
    assert lower < 7 / 50 < upper
    assert lower == pytest.approx(1 - rate_upper(43, 50, confidence=0.95))


def test_nothing_seen_bounds_nothing() -> None:
    assert (rate_lower(0, 0, confidence=0.95), rate_upper(0, 0, confidence=0.95)) == (0.0, 1.0)
    assert rate_upper(9, 9, confidence=0.95) == 1.0


@pytest.mark.parametrize("rate", [0.003, 0.02, 0.3])
def test_the_upper_bound_covers_as_often_as_it_says(rate: float) -> None:
    counts = np.random.default_rng(0).binomial(200, rate, size=4000)
    uppers = {count: rate_upper(int(count), 200, confidence=0.95) for count in set(counts)}
    assert np.mean([uppers[count] >= rate for count in counts]) >= 0.945


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: rate_upper(5, 4, confidence=0.95), "count must be in"),
        (lambda: rate_upper(-1, 4, confidence=0.95), "count must be in"),
        (lambda: rate_upper(1, 4, confidence=95), "for 95 % write 0.95"),
        (lambda: frames_needed(0.0, confidence=0.95), "max_rate must be in"),
        (lambda: frames_needed(0.1, confidence=0.95, misses=-1), "misses must be >= 0"),
    ],
)
def test_impossible_numbers_are_named(call, said: str) -> None:  # noqa: ANN001
    with pytest.raises(DataError, match=said):
        call()
