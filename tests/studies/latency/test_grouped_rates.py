from __future__ import annotations

import pytest
from beltline.studies.latency.grouped_rates import main, study


def test_bounds_over_parts_hold_where_those_over_photographs_do_not() -> None:
    found = list(study(samples=25))
    assert min(each.over_parts for each in found) > 0.8
    assert min(each.over_photographs for each in found) < 0.8
    assert list(study(samples=25)) == found


def test_the_command_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--samples", "1"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 18
    with pytest.raises(SystemExit):
        main(["--samples", "0"])
