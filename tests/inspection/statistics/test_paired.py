from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.statistics.paired import compare_escapes, increase_upper, mcnemar_p_value
from beltline.inspection.statistics.quality import Paired
from scipy.stats import binomtest


@pytest.mark.parametrize(("one_way", "other_way"), [(0, 1), (2, 7), (7, 2), (4, 4), (0, 40), (31, 12)])
def test_mcnemar_is_the_binomial_test_on_what_differs(one_way: int, other_way: int) -> None:
    expected = binomtest(one_way, one_way + other_way, 0.5).pvalue
    assert mcnemar_p_value(one_way, other_way) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(("risen", "fallen"), [(0.01, 0.01), (0.03, 0.0), (0.02, 0.05), (0.1, 0.1)])
def test_the_exact_bound_covers_at_least_as_often_as_it_says(risen: float, fallen: float) -> None:
    drawn = np.random.default_rng(0).multinomial(350, [risen, fallen, 1 - risen - fallen], size=3000)
    parts, order = [str(part) for part in range(350)], np.arange(350)

    @cache
    def bound(up: int, down: int) -> float:
        return increase_upper(order < up, order >= 350 - down, parts, confidence=0.95)

    assert np.mean([bound(up, down) >= risen - fallen for up, down, _ in drawn]) >= 0.95


def test_both_bounds_cover_when_images_come_in_groups() -> None:
    random = np.random.default_rng(1)
    within = [_within(random, rate=0.05) for _ in range(300)]
    assert np.mean(within) >= 0.95


def test_new_escapes_are_named_and_counted() -> None:
    paired = _compare([True, True, False, False], [False, True, True, False])
    assert (paired.new_escapes, paired.recovered, paired.increase) == (1, 1, 0.0)
    assert paired.new_escape_paths == ("0.png",)
    assert paired.increase_lower < 0 < paired.increase_upper


def test_no_difference_at_all_still_leaves_a_bound() -> None:
    paired = _compare([False] * 60, [False] * 60)
    assert paired.p_value == 1.0
    assert paired.increase_upper == pytest.approx(0.0523, abs=0.0005)


def test_a_group_that_escapes_together_weighs_more_than_its_images() -> None:
    passed = [index < 12 for index in range(120)]
    alone = _compare(passed, [False] * 120)
    together = _compare(passed, [False] * 120, groups=[str(index // 12) for index in range(120)])
    assert together.increase_upper > 1.5 * alone.increase_upper


def test_swapping_the_models_mirrors_the_comparison() -> None:
    one, other = _compare([True, False, False], [False, False, False]), _compare([False] * 3, [True, False, False])
    assert one.p_value == other.p_value
    assert one.increase == -other.increase
    assert one.increase_upper == pytest.approx(-other.increase_lower)


def test_lists_of_different_length_are_refused() -> None:
    with pytest.raises(DataError, match="lists of one length"):
        _compare([True], [True, False])
    with pytest.raises(DataError, match="at least 1"):
        _compare([], [])


def _compare(passed: list[bool], reference: list[bool], groups: list[str] | None = None) -> Paired:
    paths = [f"{index}.png" for index in range(len(passed))]
    return compare_escapes(
        np.array(passed, dtype=bool),
        np.array(reference, dtype=bool),
        paths=paths,
        groups=groups or paths,
        against="teacher",
        confidence=0.95,
    )


def _within(random: np.random.Generator, *, rate: float) -> bool:
    """Whether the upper bound covers when a part that escapes does so on nine of ten of its three images."""
    part = np.repeat(random.random(80) < rate, 3)
    passed = part & (random.random(240) < 0.9)
    groups = [str(index // 3) for index in range(240)]
    return _compare(list(passed), [False] * 240, groups).increase_upper >= 0.9 * rate
