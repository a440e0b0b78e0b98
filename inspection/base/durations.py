"""Durations as people write them: `30m`, `1h30m`, `7d`."""

from __future__ import annotations

import re

from .errors import LineFileError

_UNITS_S = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0}
_DURATION = re.compile(r"(?:(?P<d>\d{1,9}(?:\.\d+)?)d)?(?:(?P<h>\d{1,9}(?:\.\d+)?)h)?"
                       r"(?:(?P<m>\d{1,9}(?:\.\d+)?)m)?(?:(?P<s>\d{1,9}(?:\.\d+)?)s)?")  # fmt: skip
_LONGEST_S = 366 * 86_400.0


def seconds_of(text: str) -> float:
    """Read a duration.

    Raises:
        LineFileError: It is none, 0, or longer than a year.

    >>> [seconds_of(text) for text in ("90s", "30m", "1h30m", "0.5d")]
    [90.0, 1800.0, 5400.0, 43200.0]
    """
    found = _DURATION.fullmatch(text.strip())
    seconds = sum(float(found[unit]) * length for unit, length in _UNITS_S.items() if found[unit]) if found else 0.0
    if not 0 < seconds <= _LONGEST_S:
        msg = f"wanted a duration up to a year such as 90s, 30m, 1h30m or 7d, got {text!r}"
        raise LineFileError(msg)
    return seconds


def describe_duration(seconds: float) -> str:
    """Write a duration as one would say it, three digits.

    >>> [describe_duration(seconds) for seconds in (45, 1800, 5400, 604_800)]
    ['45 s', '30 min', '90 min', '7 days']
    """
    for unit_s, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit_s:
            return f"{seconds / unit_s:.3g} {unit}"
    return f"{seconds:.3g} s"
