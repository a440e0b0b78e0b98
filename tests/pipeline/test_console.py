from __future__ import annotations

import io

from beltline.pipeline.console import Console


def test_details_are_for_those_who_ask() -> None:
    quiet, chatty = io.StringIO(), io.StringIO()
    for console in (Console(stream=quiet), Console(stream=chatty, verbose=True)):
        console.notify("a [bold] name stays as it is")
        console.detail("why")
    assert quiet.getvalue() == "a [bold] name stays as it is\n"
    assert chatty.getvalue().splitlines()[1] == "why"


def test_away_from_a_terminal_progress_is_a_few_plain_lines() -> None:
    stream = io.StringIO()
    with Console(stream=stream).progress("teacher") as advance:
        for done in range(1, 1001):
            advance("epoch", done, 1000)
    assert stream.getvalue() == "teacher: epoch 1000/1000\n"


def test_long_lines_are_not_broken() -> None:
    stream = io.StringIO()
    Console(stream=stream).notify("x" * 500)
    assert stream.getvalue() == "x" * 500 + "\n"
