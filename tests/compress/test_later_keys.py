"""A key that came later must not make another stage of a file that does not name it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from beltline.compress.recipe import Step
from beltline.compress.teacher.settings import TeacherSettings

VIEWS = {"crop", "symmetries", "zoom", "aspect", "rotation_deg", "lighting", "invert", "synthetic_defects"}
FIT = {"epochs", "samples_per_epoch", "batch", "learning_rate", "weight_decay", "patience", "augmentation"}
SAID: list[dict[str, Any]] = [
    {"fit": {"ema": 0.99}},
    {"fit": {"stop_at_overkill": 0.05}},
    {"teacher": {"features": {}}},
    {"teacher": {"ramps": {"score": {"start": 1, "end": 0}}}},
]


def written(options: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = Step.model_validate({"distill": options}).model_dump(mode="json")["distill"]
    return found


def test_what_is_not_said_is_not_written() -> None:
    step = written({})
    assert set(step) == {"network", "fit", "teacher", "input_size"}
    assert (set(step["fit"]), set(step["fit"]["augmentation"])) == (FIT, VIEWS)
    assert step["teacher"] == {"score": 1.0, "heatmap": 1.0, "temperature": 2.0}
    assert set(TeacherSettings().model_dump(mode="json", include={"fit"})["fit"]) == FIT


def test_a_default_that_is_said_is_the_same_as_one_that_is_not() -> None:
    assert written({"fit": {"ema": 0.998, "stop_at_overkill": None}, "teacher": {"ramps": {}}}) == written({})


@pytest.mark.parametrize("options", SAID, ids=json.dumps)
def test_what_is_said_is_written_and_comes_back(options: dict[str, Any]) -> None:
    step = Step.model_validate({"distill": options})
    assert written(options) != written({})
    assert Step.model_validate(json.loads(json.dumps(step.model_dump(mode="json")))) == step
