"""What a model was set up on, in numbers: the scores of good parts and how their photographs look.

A station compares what it sees with this. Only good parts stand here: on a line nearly every part is good, while val
holds as many defective ones as could be collected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...inspection.data.appearance import APPEARANCE
from .golden import Score
from .manifest import Sentence, Word

REFERENCE_FRAMES = 512
_DIGITS = 6

Sorted = Annotated[tuple[float, ...], Field(min_length=1, max_length=4096)]


class Reference(BaseModel):
    """Samples of each number, ascending; small enough to travel in every bundle.

    Attributes:
        drawn_from: Which frames they are of, in words.
        scores: By backend.
        appearance: By name, as `inspection.appearance` has it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    drawn_from: Sentence
    scores: dict[Word, Annotated[tuple[Score, ...], Field(min_length=1, max_length=4096)]]
    appearance: dict[Word, Sorted]

    @model_validator(mode="after")
    def _ascending(self) -> Reference:
        if any(list(row) != sorted(row) for row in (*self.scores.values(), *self.appearance.values())):
            msg = "samples of a reference stand in ascending order"
            raise ValueError(msg)
        return self

    def samples(self, backend: str) -> dict[str, tuple[float, ...]]:
        """Give what a station that runs this backend compares with: `score` and the appearance."""
        scores = {"score": self.scores[backend]} if backend in self.scores else {}
        return {**scores, **self.appearance}


def reference_of(
    scores: Mapping[str, Sequence[float]], looks: Sequence[Mapping[str, float]], *, drawn_from: str
) -> Reference:
    """Put a reference together.

    Args:
        scores: By backend: of each frame.
        looks: Of each frame, as `appearance_of` gives it.
        drawn_from: Which frames they are of, in words.

    >>> look = {"brightness": 80.0, "contrast": 9.0, "sharpness": 2.0, "clipped": 0.0}
    >>> reference_of({"open_vino": [0.2, 0.1]}, [look, look], drawn_from="two").samples("open_vino")["score"]
    (0.1, 0.2)
    """
    return Reference(
        drawn_from=drawn_from,
        scores={backend: _ascending(row) for backend, row in scores.items()},
        appearance={name: _ascending([look[name] for look in looks]) for name in APPEARANCE},
    )


def _ascending(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(sorted(round(float(value), _DIGITS) for value in values))
