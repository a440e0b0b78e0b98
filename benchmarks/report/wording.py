"""Numbers as people read them; a no-break space stands between number and unit."""

from __future__ import annotations

import math
import re
from datetime import datetime

_SPACE = "\u00a0"


def ms(value: float) -> str:
    r"""Give milliseconds with three significant digits.

    >>> ms(86.0), ms(3.14159), ms(0.0423)
    ('86.0\xa0ms', '3.14\xa0ms', '0.0423\xa0ms')
    """
    return significant(value) + _SPACE + "ms"


def speed(mm_s: float) -> str:
    r"""Give a belt's speed.

    >>> speed(500.0), speed(1234.5)
    ('500\xa0mm/s', '1,234\xa0mm/s')
    """
    return _trimmed(significant(mm_s)) + _SPACE + "mm/s"


def percent(rate: float) -> str:
    r"""Give a rate in [-1, 1] as a percentage with at most three significant digits.

    >>> percent(0.0487), percent(0.001), percent(0.05), percent(0.0), percent(1.0)
    ('4.87\xa0%', '0.1\xa0%', '5\xa0%', '0\xa0%', '100\xa0%')
    """
    return _trimmed(significant(100 * rate)) + _SPACE + "%"


def named(row: str) -> str:
    """Give a row's name as it stands in a sentence.

    >>> named("teacher"), named("student-16")
    ('the teacher', 'student-16')
    """
    return "the teacher" if row == "teacher" else row


def minus(number: str) -> str:
    """Give a number with a proper minus sign."""
    return number.replace("-", "\N{MINUS SIGN}")


def tied(sentence: str) -> str:
    r"""Tie numbers to their units, so that no line breaks between them.

    >>> tied("at most 5 % within 86.0 ms of all")
    'at most 5\xa0% within 86.0\xa0ms of all'
    """
    return re.sub(r"(?<=\d) (?=%|ms\b|mm/s)", _SPACE, sentence)


def moment(text: str) -> str:
    """Give an ISO 8601 time as a date and a time of day; what is none stays as it is.

    >>> moment("2026-03-14T09:26:53+00:00"), moment("yesterday")
    ('14 March 2026, 09:26 UTC', 'yesterday')
    """
    try:
        return re.sub("^0", "", datetime.fromisoformat(text).strftime("%d %B %Y, %H:%M %Z")).strip()
    except ValueError:
        return text


def count(number: int) -> str:
    """Give a whole number with separators.

    >>> count(13105)
    '13,105'
    """
    return f"{number:,}"


def plural(number: int, noun: str) -> str:
    """Give a number with its noun.

    >>> plural(1, "frame"), plural(2500, "frame")
    ('1 frame', '2,500 frames')
    """
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def size(size_bytes: int) -> str:
    r"""Give bytes in decimal units, as on a disk's label.

    >>> size(812), size(431_000), size(52_400_000)
    ('812\xa0B', '431\xa0kB', '52.4\xa0MB')
    """
    if size_bytes < 1000:
        return f"{size_bytes}{_SPACE}B"
    return _scaled(size_bytes, (("kB", 1e3), ("MB", 1e6), ("GB", 1e9)))


def large(number: int) -> str:
    r"""Give parameters or operations in thousands, millions or thousand millions.

    >>> large(412), large(431_000), large(1_820_000_000)
    ('412', '431\xa0k', '1.82\xa0G')
    """
    return str(number) if number < 1000 else _scaled(number, (("k", 1e3), ("M", 1e6), ("G", 1e9)))


def times(ratio: float) -> str:
    r"""Give a factor.

    >>> [times(ratio).rstrip("\N{MULTIPLICATION SIGN}") for ratio in (24.31, 3.14, 1234.0)]
    ['24', '3.1', '1,234']
    """
    return f"{ratio:,.0f}\u00d7" if ratio >= 10 else f"{ratio:.1f}\u00d7"


def auroc(value: float | None) -> str:
    """Give an area under the ROC curve with three digits after the point; a dash where there was no defect.

    >>> auroc(0.9714)
    '0.971'
    """
    return "\N{EN DASH}" if value is None else f"{value:.3f}"


def significant(value: float, digits: int = 3) -> str:
    """Give a number with that many significant digits and no exponent; whole digits are never dropped.

    >>> significant(1234.5), significant(0.00034567), significant(0)
    ('1,234', '0.000346', '0')
    """
    if not value:
        return "0"
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:,.{decimals}f}"


def _trimmed(number: str) -> str:
    return number.rstrip("0").rstrip(".") if "." in number else number


def _scaled(value: float, units: tuple[tuple[str, float], ...]) -> str:
    unit, factor = next(pair for pair in reversed(units) if value >= pair[1])
    return significant(value / factor) + _SPACE + unit
