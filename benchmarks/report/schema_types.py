"""The numbers and words that a report is made of, with their ranges."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

VerdictWord = Literal["fits", "misses", "inconclusive"]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Unit = Annotated[float, Field(ge=0, le=1)]
OpenUnit = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=0)]
