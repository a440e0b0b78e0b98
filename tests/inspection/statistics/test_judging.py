from __future__ import annotations

from dataclasses import replace

import pytest
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.dataset import Sample
from beltline.inspection.line.gates import Gates
from beltline.inspection.statistics.bounds import rate_lower, rate_upper
from beltline.inspection.statistics.judging import by_part, decide, judge_quality

SCORES = [0.1, 0.2, 0.6, 0.3, 0.8, 0.9]
DEFECTIVE = [False, False, False, True, True, True]


def test_counts_are_those_of_the_threshold() -> None:
    quality = judge_quality(SCORES, _samples(), threshold=0.5, gates=Gates())
    assert (quality.escape.count, quality.escape.of) == (1, 3)
    assert (quality.overkill.count, quality.overkill.of) == (1, 3)
    assert quality.auroc == pytest.approx(8 / 9)
    assert quality.auroc_interval[0] <= quality.auroc <= quality.auroc_interval[1]
    assert quality.paired is None


def test_a_score_on_the_threshold_rejects() -> None:
    assert judge_quality(SCORES, _samples(), threshold=0.3, gates=Gates()).escape.count == 0


def test_the_upper_bound_of_a_rate_looks_at_groups() -> None:
    scores, defective = [0.9] * 12 + [0.1] * 108 + [0.9], [*[False] * 120, True]
    alone = _samples(defective)
    together = _samples(defective, images_per_part=12)
    quality = [judge_quality(scores, samples, threshold=0.5, gates=Gates()) for samples in (alone, together)]
    assert quality[1].overkill.count == quality[0].overkill.count == 12
    assert quality[1].overkill.upper > 1.5 * quality[0].overkill.upper


def test_no_wrong_image_of_few_parts_proves_no_more_than_as_many_parts() -> None:
    scores, defective = [0.1] * 120 + [0.9], [*[False] * 120, True]
    together = judge_quality(scores, _samples(defective, images_per_part=12), threshold=0.5, gates=Gates())
    assert together.overkill.upper == pytest.approx(rate_upper(0, 10, confidence=0.95))
    assert together.overkill.lower == 0.0


def test_the_teacher_is_compared_part_by_part() -> None:
    teacher = decide("teacher", [0, 0, 0, 1, 0, 1], _samples(), threshold=0.5)
    paired = judge_quality(SCORES, _samples(), threshold=0.5, gates=Gates(), teacher=teacher).paired
    assert paired is not None
    assert (paired.against, paired.new_escapes, paired.recovered) == ("teacher", 1, 1)
    assert paired.new_escape_paths == ("image003.png",)


def test_one_seed_gives_one_quality() -> None:
    first, second = (judge_quality(SCORES, _samples(), threshold=0.5, gates=Gates(), seed=4) for _ in range(2))
    assert first == second


def test_a_teacher_that_saw_other_images_is_refused() -> None:
    teacher = decide("teacher", SCORES[:4], _samples()[:4], threshold=0.5)
    with pytest.raises(DataError, match=r"got none for 2, first image004.png"):
        judge_quality(SCORES, _samples(), threshold=0.5, gates=Gates(), teacher=teacher)


def test_a_missing_score_is_refused() -> None:
    with pytest.raises(DataError, match="one length"):
        judge_quality(SCORES[:-1], _samples(), threshold=0.5, gates=Gates())


def _samples(defective: list[bool] = DEFECTIVE, *, images_per_part: int = 1) -> list[Sample]:
    return [
        Sample(
            path=f"image{index:03d}.png",
            label="pit" if bad else "good",
            defective=bad,
            mask=None,
            group=f"part{index // images_per_part}",
            split="test",
            digest=f"sha256:{index:064x}",
            height=128,
            width=128,
        )
        for index, bad in enumerate(defective)
    ]


def test_groups_of_many_photographs_are_counted_apart_with_exact_intervals() -> None:
    samples = _samples([True] * 4 + [False] * 6 + [True] * 2 + [False] * 8 + [False], images_per_part=10)
    scores = [0.1, *[0.9] * 4, *[0.1] * 5, *[0.9] * 2, *[0.1] * 9]
    worse, better = judge_quality(scores, samples, threshold=0.5, gates=Gates()).by_design
    assert (worse.name, worse.escape.count, worse.escape.of) == ("part0", 1, 4)
    assert worse.escape.lower == rate_lower(1, 4, confidence=0.95)
    assert worse.escape.upper == rate_upper(1, 4, confidence=0.95)
    assert (worse.overkill.count, worse.overkill.of) == (1, 6)
    assert (better.name, better.escape.count, better.overkill.count) == ("part1", 0, 0)
    assert judge_quality(scores[:10], samples[:10], threshold=0.5, gates=Gates()).by_design == ()


def test_escapes_are_counted_for_each_kind_and_group() -> None:
    kinds = ["pit", "pit", "scratch", "good"]
    samples = [
        replace(sample, label=kind, group=group)
        for sample, kind, group in zip(_samples([True, True, True, False]), kinds, ["a", "a", "b", "c"], strict=True)
    ]
    quality = judge_quality([0.1, 0.9, 0.9, 0.2], samples, threshold=0.5, gates=Gates())
    assert [(each.name, each.rate.count, each.rate.of) for each in quality.by_kind] == [
        ("pit", 1, 2),
        ("scratch", 0, 1),
    ]
    assert [(each.name, each.rate.count, each.rate.of) for each in quality.by_group] == [("a", 1, 2)]
    assert (quality.escape.parts, quality.escape.different) == (2, 2)
    assert quality.by_kind[0].rate.upper >= rate_upper(1, 2, confidence=0.95)


def test_a_part_is_rejected_if_any_of_its_photographs_is_and_counted_once() -> None:
    defective = [True, True, False, False, False, False]
    samples = [
        replace(sample, group=group)
        for sample, group in zip(_samples(defective), ["a", "a", "b", "b", "c", "c"], strict=True)
    ]
    scores, parts = by_part([0.1, 0.9, 0.2, 0.7, 0.3, 0.1], samples)
    assert scores.tolist() == [0.9, 0.7, 0.3]
    assert [part.group for part in parts] == ["a", "b", "c"]
    assert [part.path for part in parts] == ["image000.png", "image003.png", "image004.png"]
    quality = judge_quality(scores, parts, threshold=0.5, gates=Gates())
    assert (quality.escape.count, quality.escape.of) == (0, 1)
    assert (quality.overkill.count, quality.overkill.of) == (1, 2)
    assert quality.overkill.upper == pytest.approx(rate_upper(1, 2, confidence=0.95))
    by_photograph = judge_quality([0.1, 0.9, 0.2, 0.7, 0.3, 0.1], samples, threshold=0.5, gates=Gates())
    assert (by_photograph.escape.count, by_photograph.escape.of) == (1, 2)


def test_a_part_with_one_defective_photograph_is_defective_and_stands_under_the_same_path_whatever_the_scores() -> None:
    samples = [replace(sample, group="a") for sample in _samples([False, True, False])]
    for scores in ([0.9, 0.1, 0.2], [0.1, 0.2, 0.9]):
        (highest,), (part,) = by_part(scores, samples)
        assert highest == 0.9
        assert (part.defective, part.path) == (True, "image001.png")


def test_whole_parts_are_compared_with_the_teacher() -> None:
    samples = [
        replace(sample, group=f"part{index // 2}") for index, sample in enumerate(_samples([True] * 4 + [False] * 2))
    ]
    teacher_scores, parts = by_part([0.1, 0.9, 0.1, 0.2, 0.0, 0.1], samples)
    teacher = decide("teacher", teacher_scores, parts, threshold=0.5)
    scores, parts = by_part([0.2, 0.1, 0.8, 0.1, 0.3, 0.0], samples)
    paired = judge_quality(scores, parts, threshold=0.5, gates=Gates(), teacher=teacher).paired
    assert paired is not None
    assert (paired.new_escapes, paired.recovered, paired.new_escape_paths) == (1, 1, ("image000.png",))


def test_escapes_are_counted_by_the_length_of_the_defect() -> None:
    samples = _samples()
    lengths = {sample.path: 5.0 if at % 2 else 17.0 for at, sample in enumerate(samples) if sample.defective}
    quality = judge_quality(SCORES, samples, threshold=0.5, gates=Gates(), lengths_px=lengths)
    assert [each.from_px for each in quality.by_size] == [4, 16]
    assert sum(each.escape.of for each in quality.by_size) == quality.escape.of
    assert sum(each.escape.count for each in quality.by_size) == quality.escape.count
    assert judge_quality(SCORES, samples, threshold=0.5, gates=Gates()).by_size == ()
    alike = dict.fromkeys(lengths, 9.0)
    assert judge_quality(SCORES, samples, threshold=0.5, gates=Gates(), lengths_px=alike).by_size == ()
