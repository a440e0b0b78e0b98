"""Parity: differences, ranks and flipped decisions."""

from __future__ import annotations

import json

import numpy as np
import pytest
from beltline.export.parity import compare_scores, require_no_flips
from beltline.inspection.base.errors import DataError, ParityError
from scipy.stats import spearmanr


def test_same_scores_agree() -> None:
    scores = np.linspace(0, 1, 9)
    parity = compare_scores(scores, scores.copy(), threshold=0.5, against="torch_eager")
    assert (parity.max_abs, parity.rank_correlation, parity.flips, parity.frames) == (0.0, 1.0, 0, 9)
    require_no_flips(parity, stage="open_vino")


def test_flips_are_counted_both_ways_and_located() -> None:
    parity = compare_scores(
        np.array([0.1, 0.6, 0.4, 0.9]), np.array([0.1, 0.4, 0.5, 0.9]), threshold=0.5, against="torch_eager"
    )
    assert (parity.flips, parity.flipped) == (2, (1, 2))
    assert parity.max_abs == pytest.approx(0.2)
    with pytest.raises(ParityError, match=r"open_vino fp32: .* 2 flipped of 4 frames .* first at frame 1"):
        require_no_flips(parity, stage="open_vino fp32")


def test_a_score_at_the_threshold_rejects() -> None:
    assert compare_scores(np.array([0.5]), np.array([0.5 - 1e-9]), threshold=0.5, against="a").flips == 1


def test_rank_correlation_is_spearmans() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 20, (2, 50)) / 20
    parity = compare_scores(first, second, threshold=0.5, against="a")
    assert parity.rank_correlation == pytest.approx(spearmanr(first, second).statistic)


@pytest.mark.parametrize(("other", "expected"), [([0.3, 0.3], 1.0), ([0.1, 0.2], 0.0)])
def test_rank_correlation_of_constant_scores_is_finite(other: list[float], expected: float) -> None:
    assert (
        compare_scores(np.array([0.2, 0.2]), np.array(other), threshold=0.5, against="a").rank_correlation == expected
    )


def test_json_form_is_finite() -> None:
    parity = compare_scores(np.array([0.2]), np.array([0.7]), threshold=0.5, against="a")
    assert json.loads(json.dumps(parity.to_json(), allow_nan=False))["flipped"] == [0]


@pytest.mark.parametrize(
    ("reference", "other", "message"),
    [([], [], "length >= 1"), ([0.1], [0.1, 0.2], "got shapes"), ([np.nan], [0.1], "NaN"), ([0.1], [np.inf], "NaN")],
)
def test_what_cannot_be_compared_is_refused(reference: list[float], other: list[float], message: str) -> None:
    with pytest.raises(DataError, match=message):
        compare_scores(np.array(reference), np.array(other), threshold=0.5, against="a")
