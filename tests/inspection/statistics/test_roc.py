from __future__ import annotations

import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.statistics.roc import auroc, auroc_interval
from sklearn.metrics import roc_auc_score


@pytest.mark.parametrize("decimals", [1, 2, 9])
def test_the_area_is_scikit_learns_ties_included(decimals: int) -> None:
    random = np.random.default_rng(decimals)
    defective = random.random(300) < 0.3
    scores = np.round(random.random(300) * 0.5 + 0.2 * defective, decimals)
    assert auroc(scores, defective) == pytest.approx(roc_auc_score(defective, scores), abs=1e-12)


def test_the_interval_is_that_of_drawing_groups_one_by_one() -> None:
    scores, defective, groups = _images(groups=30, images_each=4, seed=1)
    random = np.random.default_rng(9)
    names = sorted(set(groups))
    areas = []
    for _ in range(300):
        drawn = [int(name) for name in random.choice(names, len(names))]
        chosen = np.concatenate([np.arange(4 * group, 4 * group + 4) for group in drawn])
        areas.append(roc_auc_score(defective[chosen], scores[chosen]))
    assert auroc_interval(scores, defective, groups) == pytest.approx(np.percentile(areas, (2.5, 97.5)), abs=0.03)


def test_groups_widen_the_interval() -> None:
    scores, defective, groups = _images(groups=40, images_each=5, seed=2)
    by_group = np.diff(auroc_interval(scores, defective, groups))
    by_image = np.diff(auroc_interval(scores, defective, [str(index) for index in range(len(groups))]))
    assert by_group > 1.4 * by_image


def test_the_interval_covers_about_as_often_as_it_says() -> None:
    truth = auroc(*_images(groups=20_000, images_each=3, seed=3)[:2])
    covered = 0
    for seed in range(200):
        lower, upper = auroc_interval(*_images(groups=60, images_each=3, seed=100 + seed), resamples=300)
        covered += lower <= truth <= upper
    assert covered / 200 > 0.89


def test_one_seed_gives_one_interval_whatever_the_memory() -> None:
    scores, defective, groups = _images(groups=700, images_each=3, seed=4)
    assert auroc_interval(scores, defective, groups, seed=5) == auroc_interval(scores, defective, groups, seed=5)


def test_resamples_without_a_class_are_left_out() -> None:
    assert auroc_interval([0.1, 0.9], [False, True], ["a", "b"]) == (1.0, 1.0)


@pytest.mark.parametrize(
    ("scores", "defective", "groups", "message"),
    [
        ([0.1, 0.2], [True, True], ["a", "b"], "got 2 defective of 2"),
        ([0.1, 0.2], [True, False], ["a"], "one group per image"),
    ],
)
def test_what_has_no_area_is_named(scores: list[float], defective: list[bool], groups: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        auroc_interval(scores, defective, groups)


def _images(*, groups: int, images_each: int, seed: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Scores that a group's images share in part."""
    random = np.random.default_rng(seed)
    defective = np.repeat(random.random(groups) < 0.4, images_each)
    shared = np.repeat(random.normal(size=groups), images_each)
    scores = 1.2 * defective + shared + 0.5 * random.normal(size=groups * images_each)
    return scores, defective, [f"{index:05d}" for index in np.repeat(np.arange(groups), images_each)]
