"""What one gate says of a row, before all gates are put together."""

from __future__ import annotations

from dataclasses import dataclass

from .miss_rate import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The outcome of one gate.

    Attributes:
        outcome: Of this gate alone.
        reason: One sentence with the numbers behind it.
        next_step: What to do where it does not hold; empty where it does.
    """

    outcome: Outcome
    reason: str
    next_step: str = ""


def percent(share: float) -> str:
    """Give a share as it stands in a sentence.

    >>> percent(0.001), percent(0.0487)
    ('0.1 %', '4.87 %')
    """
    return f"{100 * share:.3g} %"
