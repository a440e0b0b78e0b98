"""The `search` part of report.json: what was tried before the rows were."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from .schema_types import Count, Finite, NonNegative, Positive, Unit


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class SearchTrial(_Part):
    """One trial; escapes are on val at the overkill gate.

    `p99_ms` is of the engine: at line rate where the trial was trained whole, else back to back, as
    `back_to_back_p99_ms` is for all.

    `ending`: trained `whole`, `stopped` at a rung, `too slow` for the belt, `failed`, `under way` when time was over.
    """

    number: Count
    name: Annotated[str, Field(min_length=1)]
    words: str
    ending: Literal["whole", "stopped", "too slow", "failed", "under way"]
    p99_ms: Positive | None = None
    back_to_back_p99_ms: Positive | None = None
    escapes: Count | None = None
    defects: Count | None = None
    increase: Finite | None = None
    auroc: Unit | None = None
    epochs: Count | None = None
    holds: bool = False
    on_edge: bool = False
    is_row: bool = False
    error: str | None = None
    ended_s: NonNegative | None = None

    @property
    def comparable_p99_ms(self) -> float | None:
        """The 99th percentile in the engine that trials can be compared by, however far they came."""
        return self.back_to_back_p99_ms or self.p99_ms

    @property
    def caught(self) -> float | None:
        """Share of val's defective parts rejected."""
        return None if self.escapes is None or not self.defects else 1 - self.escapes / self.defects

    @model_validator(mode="after")
    def _counts_fit(self) -> SearchTrial:
        if self.escapes is not None and (self.defects is None or self.escapes > self.defects):
            msg = f"escapes must be at most defects ({self.defects}), got {self.escapes}"
            raise ValueError(msg)
        return self


class Search(_Part):
    """A search, as far as it came; `rungs` are epochs."""

    trials: Annotated[list[SearchTrial], Field(min_length=1)]
    rungs: Annotated[list[Count], Field(min_length=1)]
    asked_trials: Count
    asked_minutes: Positive
    spent_minutes: NonNegative
    engine: str = "local"
