from __future__ import annotations

import pytest
from beltline.compress.recipe import Step
from beltline.compress.training.teacher_terms import DistillWeights, Ramp, Ramps
from pydantic import ValidationError


def test_a_ramp_is_level_then_a_line_then_level() -> None:
    ramp = Ramp(start=2, end=1, since=0.25, until=0.75)
    assert [ramp.at(done) for done in (0, 0.25, 0.5, 0.75, 1)] == [2, 2, 1.5, 1, 1]


def test_without_a_ramp_a_weight_stays() -> None:
    ramps = Ramps(heatmap=Ramp())
    assert (ramps.multiple("score", 0.0), ramps.multiple("heatmap", 0.0), ramps.multiple("heatmap", 1.0)) == (1, 0, 1)


def test_a_ramp_without_length_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"wanted until after since, got 0\.5 to 0\.5"):
        Ramp(since=0.5, until=0.5)


def test_silence_is_no_weight_and_no_features() -> None:
    assert DistillWeights(score=0, heatmap=0).silent
    assert not DistillWeights.model_validate({"score": 0, "heatmap": 0, "features": {}}).silent


def test_classes_are_refused_with_the_way_out() -> None:
    with pytest.raises(ValidationError, match=r"dkd .* needs more than two classes, .* write score"):
        Step.model_validate({"distill": {"teacher": {"dkd": {"alpha": 1, "beta": 8}}}})
