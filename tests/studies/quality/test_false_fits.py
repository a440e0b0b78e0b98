"""Lines with a known share of escapes: none whose teacher is useless fits, and false fits are as rare as promised."""

from __future__ import annotations

from io import StringIO

import pytest
from beltline.inspection.line.gates import EscapeGate
from beltline.studies.quality.false_fits import DEFECTS, Judged, draw_lines, false_fits, main, write_table


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    return list(draw_lines(96, seed=3))


def test_no_line_with_a_useless_teacher_fits_though_it_would_by_the_rise_alone(judged: list[Judged]) -> None:
    useless = [each for each in judged if each.teacher == "useless"]
    assert len(useless) == 32
    assert all(each.too_many for each in useless)
    assert {each.outcome for each in useless} <= {"misses", "inconclusive"}
    assert any(each.by_rise_alone == "fits" for each in useless)


def test_too_few_defects_never_fit(judged: list[Judged]) -> None:
    few = [each for each in judged if each.defects == DEFECTS[0]]
    assert few
    assert not any(each.outcome == "fits" for each in few)


def test_false_fits_are_no_more_than_the_confidence_allows(judged: list[Judged]) -> None:
    fits, false = false_fits(judged)
    assert fits >= 5
    assert false <= (1 - EscapeGate().confidence) * fits + 1
    assert any(each.outcome == "fits" and each.defects == DEFECTS[-1] for each in judged)


def test_the_table_counts_every_line_once(judged: list[Judged]) -> None:
    stream = StringIO()
    write_table(judged, stream)
    rows = [line.split("|")[1:-1] for line in stream.getvalue().splitlines() if line.startswith("|")][2:]
    assert sum(int(row[2]) for row in rows[:-1]) == int(rows[-1][2]) == len(judged)
    for row in rows:
        assert int(row[4]) + int(row[6]) + int(row[7]) == int(row[2])


def test_the_command_refuses_no_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--lines", "0"])
    assert "at least 1" in capsys.readouterr().err
