"""What a bundle brings to be compared with: golden frames with their decisions, and samples of good parts.

A frame is stored as Netpbm (`.pgm` grey, `.ppm` colour; netpbm.sourceforge.net/doc/pgm.html): exact, readable for
people, and so plain that a device needs no image decoder for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...inspection.base.errors import BundleError
from ...inspection.data.appearance import APPEARANCE
from ..contracts import Frame
from .manifest import Sentence, Word

FRAMES = 48
_NEAREST = 16
_MAX_BYTES = 64 << 20
_LEAST_FRAMES = 6
_HUGE_BYTES = 128 << 20
ROUNDING = 1e-4
"""Another processor may round a score by so much; a frame that near to the threshold would prove nothing."""

_HEADER = re.compile(rb"P([56])\n(\d{1,5}) (\d{1,5})\n255\n")
_STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)
Score = Annotated[float, Field(ge=0, le=1)]


class GoldenFrame(BaseModel):
    """One frame.

    Attributes:
        file: Its name in the bundle.
        label: What the data set calls it: `good` or a kind of defect.
        source: Its path in the data set.
    """

    model_config = _STRICT
    file: str
    label: Annotated[str, Field(max_length=200)]
    source: Annotated[str, Field(max_length=1000)]


class Golden(BaseModel):
    """All golden frames.

    Attributes:
        frames: In the order of the scores.
        scores: By backend: the score of each frame.
        rejects: By backend: what was decided.
    """

    model_config = _STRICT
    frames: Annotated[tuple[GoldenFrame, ...], Field(min_length=1, max_length=1000)]
    scores: dict[Word, tuple[Score, ...]]
    rejects: dict[Word, tuple[bool, ...]]

    @model_validator(mode="after")
    def _lengths_match(self) -> Golden:
        rows = [*self.scores.values(), *self.rejects.values()]
        if self.scores.keys() != self.rejects.keys() or any(len(row) != len(self.frames) for row in rows):
            msg = "every backend needs one score and one decision for each frame"
            raise ValueError(msg)
        return self


def choose_golden(
    scores: NDArray[np.float64],
    defective: Sequence[bool],
    *,
    threshold: float,
    size_bytes: int,
    margin: float = ROUNDING,
) -> list[int]:
    """Choose the frames that tell most about a model.

    Those nearest to the threshold come first, from both sides of it; the others are spread evenly over the good and
    over the defective ones, from the lowest score to the highest.

    Args:
        scores: Shape `[frames]`.
        defective: For each of them.
        threshold: Of the model.
        size_bytes: Of one frame: large frames are fewer, 64 MiB in all, but never below 6; above 128 MiB each 2.
        margin: Frames nearer to the threshold than this are left out: another runtime may score them on its other side.

    Returns:
        Positions, ascending.

    >>> choose_golden(np.array([0.1, 0.4, 0.6, 0.9]), [False, False, True, True], threshold=0.5, size_bytes=1)
    [0, 1, 2, 3]
    """
    least = 2 if size_bytes > _HUGE_BYTES else _LEAST_FRAMES
    count = min(FRAMES, max(least, _MAX_BYTES // max(1, size_bytes)))
    distance = np.abs(scores - threshold)
    usable = np.flatnonzero(distance >= margin)
    near = [int(each) for each in usable[np.argsort(distance[usable], kind="stable")]]
    nearest = min(_NEAREST, count // 3)
    below = [each for each in near if scores[each] < threshold][: nearest // 2]
    above = [each for each in near if scores[each] >= threshold][: nearest - nearest // 2]
    chosen = {*below, *above}
    for kind in (False, True):
        rest = [each for each in near if bool(defective[each]) is kind and each not in chosen]
        rest.sort(key=lambda each: float(scores[each]))
        chosen |= set(_spread(rest, (count - nearest) // 2))
    return sorted(chosen)


def frame_bytes(frame: Frame) -> bytes:
    r"""Give a frame, uint8 `[height, width, 1 or 3]`, as Netpbm.

    >>> frame_bytes(np.zeros((1, 2, 1), np.uint8))
    b'P5\n2 1\n255\n\x00\x00'
    """
    height, width, channels = frame.shape
    return b"P%d\n%d %d\n255\n" % (5 if channels == 1 else 6, width, height) + frame.tobytes()


def frame_of(raw: bytes, *, name: str) -> Frame:
    """Read a frame that `frame_bytes` wrote.

    Raises:
        BundleError: It is something else.
    """
    header = _HEADER.match(raw[:32])
    if header is not None:
        width, height, channels = int(header[2]), int(header[3]), 1 if header[1] == b"5" else 3
        pixels = np.frombuffer(raw, np.uint8, offset=header.end())
        if pixels.size == width * height * channels > 0:
            return pixels.reshape(height, width, channels)
    msg = f"{name}: wanted a golden frame in Netpbm (P5 or P6, 8 bits), got something else; do not use this bundle"
    raise BundleError(msg)


def golden_of(
    frames: Sequence[GoldenFrame], scores: Mapping[str, Sequence[float]], thresholds: Mapping[str, float]
) -> Golden:
    """Put golden frames together; the decisions follow from scores and thresholds."""
    plain = {name: tuple(float(score) for score in row) for name, row in scores.items()}
    rejects = {name: tuple(score >= thresholds[name] for score in row) for name, row in plain.items()}
    return Golden(frames=tuple(frames), scores=plain, rejects=rejects)


def _spread(positions: Sequence[int], count: int) -> list[int]:
    places = np.linspace(0, len(positions) - 1, min(count, len(positions))).astype(int) if positions else ()
    return [positions[int(place)] for place in places]


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
