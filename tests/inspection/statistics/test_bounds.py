from __future__ import annotations

import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.statistics.bounds import (
    clustered_lower,
    clustered_upper,
    frames_needed,
    rate_lower,
    rate_upper,
)
from numpy.typing import NDArray

_CONFIDENCE = 0.95

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
    ("call", "message"),
    [
        (lambda: rate_upper(5, 4, confidence=0.95), "count must be in"),
        (lambda: rate_upper(-1, 4, confidence=0.95), "count must be in"),
        (lambda: rate_upper(1, 4, confidence=95), "for 95 % write 0.95"),
        (lambda: frames_needed(0.0, confidence=0.95), "max_rate must be in"),
        (lambda: frames_needed(0.1, confidence=0.95, misses=-1), "misses must be >= 0"),
    ],
)
def test_impossible_numbers_are_named(call, message: str) -> None:  # noqa: ANN001
    with pytest.raises(DataError, match=message):
        call()


def _groups(sizes: NDArray[np.int64]) -> list[str]:
    return [f"part{part}" for part, size in enumerate(sizes.tolist()) for _ in range(size)]


def _covered(rate: float, likeness: float, sizes: NDArray[np.int64], *, lines: int = 400) -> tuple[float, float]:
    """How often the bound over groups, and the one over images, hold; `likeness` is the correlation within a part."""
    random, groups = np.random.default_rng(5), _groups(sizes)
    clustered = exact = 0
    for _ in range(lines):
        spread = (1 - likeness) / likeness
        by_part = random.beta(rate * spread, (1 - rate) * spread, sizes.size)
        wrong = random.random(sizes.sum()) < np.repeat(by_part, sizes)
        clustered += clustered_upper(wrong, groups, confidence=_CONFIDENCE) >= rate
        exact += rate_upper(int(wrong.sum()), wrong.size, confidence=_CONFIDENCE) >= rate
    return clustered / lines, exact / lines


@pytest.mark.parametrize("rate", [0.03, 0.1])
@pytest.mark.parametrize("likeness", [0.3, 0.7, 0.99])
@pytest.mark.parametrize("sizes", [np.full(35, 6), np.arange(35) % 12 + 1, np.full(12, 6)], ids=["6", "1-12", "few"])
def test_the_bound_covers_as_often_as_it_says_where_that_over_images_does_not(
    rate: float, likeness: float, sizes: NDArray[np.int64]
) -> None:
    clustered, exact = _covered(rate, likeness, sizes)
    assert clustered >= 0.93
    assert clustered >= exact
    assert likeness < 0.5 or exact < 0.93 or sizes.size == 12  # 12 parts prove nothing of a rate of 3 %


@pytest.mark.parametrize("count", [0, 1, 4, 40, 60])
def test_without_groups_it_is_the_exact_bound(count: int) -> None:
    wrong, alone = np.arange(60) < count, [str(image) for image in range(60)]
    assert clustered_upper(wrong, alone, confidence=0.95) == pytest.approx(
        rate_upper(count, 60, confidence=0.95), abs=0.002
    )
    assert clustered_lower(wrong, alone, confidence=0.95) == pytest.approx(
        rate_lower(count, 60, confidence=0.95), abs=0.002
    )


def test_nothing_wrong_counts_parts_not_images() -> None:
    groups = _groups(np.full(35, 10))
    assert clustered_upper(np.zeros(350, dtype=bool), groups, confidence=0.95) == pytest.approx(
        rate_upper(0, 35, confidence=0.95)
    )
    assert clustered_lower(np.zeros(350, dtype=bool), groups, confidence=0.95) == 0.0


def test_an_event_makes_no_rate_surer_to_be_low() -> None:
    groups = _groups(np.full(35, 10))
    none, one = np.zeros(350, dtype=bool), np.arange(350) < 1
    bounds = [clustered_upper(wrong, groups, confidence=0.95) for wrong in (none, one)]
    assert bounds[1] >= bounds[0]


def test_a_part_that_goes_wrong_as_a_whole_weighs_as_one() -> None:
    groups, whole = _groups(np.full(35, 10)), np.arange(350) < 10
    assert clustered_upper(whole, groups, confidence=0.95) >= rate_upper(1, 35, confidence=0.95)


def test_nothing_seen_and_one_part_bound_little() -> None:
    assert clustered_upper(np.zeros(0, dtype=bool), [], confidence=0.95) == 1.0
    assert clustered_upper(np.zeros(50, dtype=bool), ["a"] * 50, confidence=0.95) == pytest.approx(0.95)
    half = np.arange(50) % 2 == 0
    assert clustered_upper(half, ["a"] * 50, confidence=0.95) > 0.95
