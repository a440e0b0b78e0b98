from __future__ import annotations

from typing import Any, Literal

import pytest
from beltline.inspection.base.validation import describe_validation, shown
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    ratio: float = Field(default=0.5, gt=0, lt=1)
    kind: Literal["a", "b"] = "a"
    name: str = Field(default="x", pattern="^[a-z]+$")
    pair: tuple[int, ...] = Field(default=(1,), min_length=1, max_length=2)
    short: str = Field(default="x", min_length=1, max_length=2)

    @field_validator("name")
    @classmethod
    def _no_z(cls, name: str) -> str:
        if "z" in name:
            msg = "wanted a name without z; take another"
            raise ValueError(msg)
        return name


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    steps: tuple[Inner, ...]


def refused(value: Any, **options: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(value)
    return describe_validation(caught.value, **options)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "steps: is missing"),
        ({"steps": [{"ratio": 1.5}]}, "steps[0].ratio: wanted a number < 1, got 1.5"),
        ({"steps": [{}, {"ratio": "much"}]}, 'steps[1].ratio: wanted a number, got "much"'),
        ({"steps": [{"kind": "c"}]}, "steps[0].kind: wanted 'a' or 'b', got \"c\""),
        ({"steps": [{"name": "A"}]}, 'steps[0].name: wanted text that matches ^[a-z]+$, got "A"'),
        ({"steps": [{"name": "zoo"}]}, "steps[0].name: wanted a name without z; take another"),
        ({"steps": [{"rate": 1}]}, "steps[0].rate: unknown key"),
        ({"steps": [{"pair": []}]}, "steps[0].pair: wanted a list of at least 1, got []"),
        ({"steps": [{"pair": [1, 2, 3]}]}, "steps[0].pair: wanted a list of at most 2, got [1, 2, 3]"),
        ({"steps": [{"short": ""}]}, 'steps[0].short: wanted text of at least 1 characters, got ""'),
        ({"steps": [{"short": "abc"}]}, 'steps[0].short: wanted text of at most 2 characters, got "abc"'),
        ({"steps": [7]}, "steps[0]: wanted a block of keys (`key: value`), got 7"),
        ({"steps": None}, "steps: wanted a list (lines that begin with `-`), got nothing"),
    ],
)
def test_the_place_what_was_wanted_and_what_was_got(value: Any, text: str) -> None:
    assert refused(value) == text


def test_several_are_named_and_the_rest_is_counted() -> None:
    value = {"steps": [{"ratio": 2}] * 4}
    assert refused(value) == "steps[0].ratio: wanted a number < 1, got 2"
    text = refused(value, most=2, below="prune")
    assert text.startswith("prune.steps[0].ratio: wanted")
    assert text.endswith("; and 2 more")


def test_what_comes_from_outside_cannot_flood_or_paint_a_terminal() -> None:
    text = refused({"steps": [{"\x1b[31m" + "k" * 999: 1}], "n" * 999: "\x1b[2J" * 999}, most=9)
    assert text.isprintable()
    assert len(text) < 300
    assert shown("\u202e" + "a" * 999).isprintable()
