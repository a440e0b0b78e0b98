"""What scores show of a model: useful, useless, inverted, or too few parts to say."""

from __future__ import annotations

import numpy as np
import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.dataset import Sample
from beltline.inspection.statistics.usefulness import usefulness


def samples(good: int, bad: int, *, images: int = 1) -> list[Sample]:
    return [
        Sample(
            path=f"{part}_{image}.png",
            label="scratch" if part >= good else "good",
            defective=part >= good,
            mask=None,
            group=str(part),
            split="val",
            digest="",
            height=8,
            width=8,
        )
        for part in range(good + bad)
        for image in range(images)
    ]


def scores(parts: list[Sample], shift: float, seed: int = 0) -> np.ndarray:
    """Score a part's images alike: a normal draw per part, moved by `shift` for defective ones."""
    random = np.random.default_rng(seed)
    drawn = {sample.group: random.normal() for sample in parts}
    return np.array([drawn[sample.group] + shift * sample.defective for sample in parts])


@pytest.mark.parametrize(
    ("good", "bad", "shift", "finding"),
    [
        (40, 40, 2.0, "useful"),
        (40, 40, 0.0, "chance"),
        (40, 40, -2.0, "inverted"),
        (4, 4, 0.0, "too few"),
        (200, 3, 0.0, "too few"),
    ],
)
def test_each_finding(good: int, bad: int, shift: float, finding: str) -> None:
    parts = samples(good, bad)
    assert usefulness(scores(parts, shift, seed=3), parts).finding == finding


def test_scores_that_are_all_alike_are_no_matter_of_chance() -> None:
    parts = samples(2, 2)
    found = usefulness(np.full(4, 0.25), parts)
    assert (found.finding, found.score, found.auroc) == ("alike", 0.25, 0.5)


def test_many_images_of_a_few_parts_are_still_too_few() -> None:
    parts = samples(4, 4, images=50)
    found = usefulness(scores(parts, 0.0), parts)
    assert (found.finding, found.defective, found.defective_parts) == ("too few", 200, 4)


def test_useless_models_are_rarely_called_useful_and_good_ones_rarely_refused() -> None:
    parts = samples(60, 30)
    useless = [usefulness(scores(parts, 0.0, seed), parts, seed=seed).finding for seed in range(100)]
    good = [usefulness(scores(parts, 1.2, seed), parts, seed=seed).finding for seed in range(100)]
    assert useless.count("useful") <= 8, "2.5 % are expected of a two-sided 95 % interval"
    assert good.count("useful") >= 98


def test_a_few_parts_that_come_out_well_by_chance_are_not_called_useful() -> None:
    parts = samples(200, 3)
    found = [usefulness(scores(parts, 0.0, seed), parts, seed=seed) for seed in range(100)]
    resampled = sum(each.interval[0] > 0.5 for each in found)
    assert [each.finding for each in found].count("useful") < resampled, "resampling three parts is too sure of itself"


def test_without_defects_it_says_so_and_nothing_else() -> None:
    (one, other) = (samples(3, 0), samples(0, 3))
    alone = one if not any(each.defective for each in one) else other
    assert usefulness(np.arange(3.0), alone).finding == "no defects"
    assert usefulness(np.ones(3), alone).finding == "alike"


def test_nan_and_missing_good_parts_are_refused() -> None:
    parts = samples(3, 3)
    with pytest.raises(DataError):
        usefulness(np.full(6, np.nan), parts)
    (one, other) = (samples(3, 0), samples(0, 3))
    with pytest.raises(DataError):
        usefulness(np.arange(3.0), one if any(each.defective for each in one) else other)
