from __future__ import annotations

import pytest
from beltline.inspection.base.durations import describe_duration, seconds_of
from beltline.inspection.base.errors import LineFileError


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("2.5m", 150), ("1d2h3m4s", 93_784), ("168h", 604_800), (" 30m ", 1_800)]
)
def test_durations_as_people_write_them(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "-5m", "0s", "5m1h", "nan", "1e9s", "2000d", "30 m", "m", "٣m" * 2])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(LineFileError, match="wanted a duration up to a year such as 90s, 30m"):
        seconds_of(text)


@pytest.mark.parametrize(("seconds", "message"), [(0.4, "0.4 s"), (90, "90 s"), (130, "2.17 min"), (90_000, "25 h")])
def test_durations_in_words(seconds: float, message: str) -> None:
    assert describe_duration(seconds) == message
