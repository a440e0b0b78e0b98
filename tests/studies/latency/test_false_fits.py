from __future__ import annotations

import json

import numpy as np
import pytest
from beltline.inspection.statistics.bounds import rate_lower
from beltline.studies.latency.false_fits import Cell, cases, interval, main, study
from beltline.studies.latency.synthetic_lines import DEADLINE_MS, Behaviour, draw_lines

_LINES = 150
_CHANCE = 0.9999


def _cells(*names: str, factors: tuple[float, ...], lines: int = _LINES) -> list[Cell]:
    chosen = [case for case in cases() if case.name in names]
    assert len(chosen) == len(names)
    return list(study(chosen, lines=lines, factors=factors))


@pytest.mark.parametrize("name", ["independent", "bursts of 3", "bursts of 10", "bursts of 1 to 10"])
def test_wrong_verdicts_stay_within_the_error_allowed(name: str) -> None:
    for cell in _cells(name, factors=(0.98, 1.02)):
        assert rate_lower(cell.wrong, cell.lines, confidence=_CHANCE) <= 1 - cell.confidence


def test_clear_lines_are_told_apart() -> None:
    for cell in _cells("independent", "bursts of 3", factors=(0.25, 3.0), lines=60):
        assert cell.right / cell.lines > 0.85


def test_spells_longer_than_assumed_break_the_confidence_as_the_docs_say() -> None:
    (cell,) = _cells("bursts of 10, taken for 1", factors=(1.02,), lines=60)
    assert cell.burst_frames == 1
    assert rate_lower(cell.fits, cell.lines, confidence=_CHANCE) > 0.05


def test_response_times_that_hang_together_are_not_taken_for_independent_ones() -> None:
    (cell,) = _cells("AR(1) with 0.9, taken for 1", factors=(1.02,), lines=100)
    assert cell.fits <= 5


@pytest.mark.parametrize(
    "behaviour",
    [
        Behaviour(),
        Behaviour(correlation=0.8),
        Behaviour(burst=3),
        Behaviour(burst=10),
        Behaviour(burst=7, shortest_burst=2),
    ],
)
def test_the_true_rate_is_the_one_named(behaviour: Behaviour) -> None:
    random = np.random.default_rng(1)
    late = np.concatenate(
        [block > DEADLINE_MS for block in draw_lines(behaviour, rate=0.04, lines=400, frames=1_000, random=random)]
    )
    assert late.shape == (400, 1_000)
    by_line = late.mean(axis=1)
    assert by_line.mean() == pytest.approx(0.04, abs=4 * by_line.std() / 20)
    assert late[:, 0].mean() == pytest.approx(0.04, abs=0.04)  # the line has long been running when the run begins


def test_stalls_make_as_many_frames_late_as_they_should() -> None:
    random = np.random.default_rng(2)
    (block,) = draw_lines(Behaviour(burst=4), rate=0.002, lines=200, frames=2_000, random=random)
    late = (block > DEADLINE_MS).ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[0], late.astype(int), [0]])))
    lengths = edges[1::2] - edges[::2]
    assert np.median(lengths) == 4
    assert np.count_nonzero(lengths == 4) / lengths.size > 0.9


def test_one_seed_gives_one_table_whatever_else_is_in_it() -> None:
    alone = _cells("bursts of 3", factors=(1.1,), lines=20)
    beside = _cells("independent", "bursts of 3", factors=(0.5, 1.1), lines=20)
    assert alone[0] in beside


def test_intervals_are_exact() -> None:
    assert interval(0, 2_000) == (0.0, pytest.approx(1 - 0.025 ** (1 / 2_000)))


def test_the_command_prints_json_or_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--lines", "1", "--json"]) == 0
    notified = json.loads(capsys.readouterr().out)
    assert len(notified["cells"]) == 8 * len(cases())
    assert {"case", "factor", "fits", "misses", "wrong", "interval"} <= set(notified["cells"][0])
    assert main(["--lines", "1"]) == 0
    text = capsys.readouterr().out
    for message in ("Judged to fit, in % of 1 lines each", "bursts of 10, taken for 1 *", "Frames until the end, mean"):
        assert message in text
    with pytest.raises(SystemExit):
        main(["--lines", "0"])
