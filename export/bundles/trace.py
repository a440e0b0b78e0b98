"""The run behind a bundle's verdict, frame by frame: what tells whether it fits on a device beside other bundles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from ...inspection.base.errors import LineFileError
from ...inspection.line.arrivals import Arrivals
from .manifest import Word

MOST_FRAMES = 100_000
_LONGEST_US = 1 << 31
Busy = Annotated[tuple[Annotated[int, Field(ge=0, le=_LONGEST_US)], ...], Field(min_length=1, max_length=MOST_FRAMES)]


class Trace(BaseModel):
    """How long each frame kept the device busy, in the order in which they came.

    Attributes:
        arrivals: The rule by which frames were due, as `Arrivals` has it.
        busy_us: By backend: of each judged frame, in microseconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    arrivals: dict[Word, int]
    busy_us: dict[Word, Busy]

    @model_validator(mode="after")
    def _possible(self) -> Trace:
        try:
            self.rule()
        except (TypeError, LineFileError) as error:
            raise ValueError(str(error)) from error
        return self

    def rule(self) -> Arrivals:
        """Give the rule by which frames were due."""
        return Arrivals(**self.arrivals)


def trace_of(arrivals: Arrivals, busy_ns: Mapping[str, NDArray[np.int64]]) -> Trace:
    """Put a trace together, of the first 100,000 frames.

    Args:
        arrivals: When frames were due.
        busy_ns: By backend: how long each judged frame kept the device busy, int64 `[frames]`.

    >>> trace_of(Arrivals(period_ns=20_000_000), {"open_vino": np.array([1_500_000, 999])}).busy_us
    {'open_vino': (1500, 1)}
    """
    rounded = {name: np.ceil(row[:MOST_FRAMES] / 1000).astype(int).tolist() for name, row in busy_ns.items()}
    return Trace(arrivals=asdict(arrivals), busy_us={name: tuple(row) for name, row in rounded.items()})
