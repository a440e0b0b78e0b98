"""The threshold that good parts alone set, and that its guarantee is true: by simulation and on real good parts."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.statistics.bounds import frames_needed
from beltline.inspection.statistics.threshold import operating_point
from numpy.typing import NDArray

TILES = Path(__file__).parents[4] / "shared" / "data" / "magnetic_tile"
PARTS, DRAWS, MAX, CONFIDENCE = 120, 1000, 0.05, 0.95
MOST_WRONG = (1 - CONFIDENCE) + 3 * np.sqrt(CONFIDENCE * (1 - CONFIDENCE) / DRAWS)
"""The share of draws that may exceed the limit, and three standard errors of that share."""

Drawn = tuple[NDArray[np.float64], list[str]]


def _point(scores: Sequence[float], groups: Sequence[str]) -> float:
    point = operating_point(scores, [False] * len(scores), max_overkill=MAX, confidence=CONFIDENCE, groups=groups)
    assert point.proven
    return point.threshold


def test_a_part_counts_once_with_its_highest_score() -> None:
    scores, groups = [0.1, 0.9, 0.2, 0.3], ["a", "a", "b", "c"]
    point = operating_point(scores, [0, 0, 0, 0], max_overkill=0.05, confidence=0.95, groups=groups)
    assert (point.overkill.count, point.overkill.of) == (0, 3)
    assert point.threshold > 0.9
    assert not point.proven


def test_59_good_parts_prove_5_percent_and_149_prove_2() -> None:
    assert [frames_needed(limit, confidence=0.95) for limit in (0.05, 0.02)] == [59, 149]
    for count in (58, 59):
        groups = [str(each) for each in range(count)]
        point = operating_point(np.arange(count) / 100, [0] * count, max_overkill=0.05, confidence=0.95, groups=groups)
        assert point.proven == (count == 59)


def test_defects_do_not_move_the_rank_that_good_parts_set() -> None:
    rng = np.random.default_rng(0)
    good, groups = rng.normal(size=100), [str(each) for each in range(100)]
    alone = operating_point(good, [0] * 100, max_overkill=MAX, confidence=CONFIDENCE, groups=groups)
    both = operating_point(
        [*good, *rng.normal(2, 1, 50)],
        [0] * 100 + [1] * 50,
        max_overkill=MAX,
        confidence=CONFIDENCE,
        groups=[*groups, *(f"bad {each}" for each in range(50))],
    )
    assert both.overkill == alone.overkill


def test_without_a_good_part_there_is_no_threshold() -> None:
    with pytest.raises(DataError, match="at least one good part"):
        operating_point([0.5], [1], max_overkill=MAX, confidence=CONFIDENCE, groups=["a"])


def _alike(rng: np.random.Generator, parts: int) -> Drawn:
    """Photographs of a part are nearly the same: counted one by one, they would seem to say much."""
    counts = rng.integers(1, 7, parts)
    level = np.repeat(rng.standard_normal(parts), counts)
    groups = np.repeat(np.arange(parts), counts).astype(str).tolist()
    return level + 0.05 * rng.standard_normal(level.size), groups


def _heavy(rng: np.random.Generator, parts: int) -> Drawn:
    """Some parts are photographed often and lie far out."""
    counts = np.where(rng.random(parts) < 0.2, 12, 1)
    level = np.repeat(rng.standard_t(2, parts), counts)
    groups = np.repeat(np.arange(parts), counts).astype(str).tolist()
    return level + rng.standard_normal(level.size), groups


@pytest.mark.parametrize("draw", [_alike, _heavy])
def test_overkill_exceeds_the_bound_in_at_most_5_of_100_draws(
    draw: Callable[[np.random.Generator, int], Drawn],
) -> None:
    rng = np.random.default_rng(1)
    true_scores, true_groups = draw(rng, 20_000)
    highest = _highest(true_scores, true_groups)
    wrong = 0
    for _ in range(DRAWS):
        threshold = _point(*draw(rng, PARTS))
        wrong += float((highest >= threshold).mean()) > MAX
    assert wrong / DRAWS <= MOST_WRONG


def test_counting_photographs_instead_of_parts_would_break_the_promise() -> None:
    rng = np.random.default_rng(2)
    true_scores, true_groups = _alike(rng, 20_000)
    highest = _highest(true_scores, true_groups)
    wrong = 0
    for _ in range(300):
        scores, _ = _alike(rng, PARTS)
        point = operating_point(scores, [False] * len(scores), max_overkill=MAX, confidence=CONFIDENCE)
        wrong += float((highest >= point.threshold).mean()) > MAX
    assert wrong / 300 > 2 * MOST_WRONG


def test_the_bound_holds_in_random_draws_of_real_good_parts() -> None:
    """Any score will do: here the local contrast of the magnetic tiles' good photographs, by part."""
    if not TILES.is_dir():
        pytest.skip("shared/data/magnetic_tile is not here")
    scores, groups = _tile_contrast()
    parts = sorted(set(groups))
    own = {part: [score for score, group in zip(scores, groups, strict=True) if group == part] for part in parts}
    highest = np.array([max(own[part]) for part in parts])
    rng, wrong = np.random.default_rng(3), 0
    for _ in range(DRAWS):
        drawn = [parts[at] for at in rng.integers(0, len(parts), PARTS)]
        photographs = [(score, str(at)) for at, part in enumerate(drawn) for score in own[part]]
        threshold = _point([score for score, _ in photographs], [group for _, group in photographs])
        wrong += float((highest >= threshold).mean()) > MAX
    assert wrong / DRAWS <= MOST_WRONG


def _highest(scores: NDArray[np.float64], groups: Sequence[str]) -> NDArray[np.float64]:
    index = np.array(groups, dtype=np.int64)
    highest = np.full(index.max() + 1, -np.inf)
    np.maximum.at(highest, index, scores)
    return highest


def _tile_contrast() -> tuple[list[float], list[str]]:
    import cv2

    with (TILES / "labels.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["label"] == "good" and row["split"] != "test"]
    grey = [cv2.imread(str(TILES / row["path"]), cv2.IMREAD_GRAYSCALE) for row in rows]
    return [float(np.abs(np.diff(each.astype(np.float32))).max()) for each in grey], [row["group"] for row in rows]
