from __future__ import annotations

from math import ceil

import numpy as np
import pytest
from beltline.benchmarks.proof.interim_looks import InterimLook, frames_to_fit, plan_looks
from beltline.benchmarks.proof.miss_rate import decide, frames_to_fit_as_seen, prove
from beltline.inspection.line.gates import MissGate
from numpy.typing import NDArray

_GATE = MissGate(max=0.02, confidence=0.95)
_LINES = 1_000


def _line(random: np.random.Generator, rate: float, frames: int, burst: int) -> NDArray[np.bool_]:
    """Draw late frames at a true rate; they come in bursts of `spell`."""
    starts = random.random(frames) < rate / burst
    late = starts.copy()
    for step in range(1, burst):
        late[step:] |= starts[:-step]
    return late


def _verdicts(rate: float, *, burst: int = 1, allowed: int = 1, lines: int = _LINES) -> dict[str, float]:
    random, frames = np.random.default_rng(7), 1_500 * allowed
    looks = plan_looks(_GATE, limit_frames=frames, first_frames=32, burst_frames=allowed)
    found = [prove(_line(random, rate, frames, burst), gate=_GATE, looks=looks).verdict for _ in range(lines)]
    return {verdict: found.count(verdict) / lines for verdict in ("fits", "misses", "inconclusive")}


@pytest.mark.parametrize("rate", [0.0201, 0.025])
def test_false_fits_stay_below_the_allowed_error(rate: float) -> None:
    assert _verdicts(rate)["fits"] <= 0.05


@pytest.mark.parametrize("rate", [0.0199, 0.01])
def test_false_misses_stay_below_the_allowed_error(rate: float) -> None:
    assert _verdicts(rate)["misses"] <= 0.05


@pytest.mark.parametrize("allowed", [1, 3])
def test_spells_of_late_frames_do_not_raise_false_misses_even_if_longer_than_allowed_for(allowed: int) -> None:
    assert _verdicts(0.0195, burst=10, allowed=allowed)["misses"] <= 0.05


def test_false_fits_stay_below_the_allowed_error_where_spells_are_allowed_for() -> None:
    assert _verdicts(0.0201, burst=3, allowed=3)["fits"] <= 0.05
    assert _verdicts(0.0201, burst=3, allowed=1)["fits"] > 0.1  # and this is why they must be


def test_lines_that_are_late_in_spells_are_decided_too() -> None:
    assert _verdicts(0.001, burst=3, allowed=3, lines=100)["fits"] > 0.95
    assert _verdicts(0.1, burst=3, allowed=3, lines=100)["misses"] > 0.95
    assert _verdicts(0.002, burst=1, allowed=3, lines=100)["fits"] > 0.95


def test_clear_cases_are_decided() -> None:
    assert _verdicts(0.001, lines=100)["fits"] > 0.95
    assert _verdicts(0.1, lines=100)["misses"] > 0.95
    assert _verdicts(1.0, lines=3)["misses"] == 1.0


def test_peeking_at_every_frame_would_break_the_confidence() -> None:
    # Why the looks are planned: the plain 95 % bound, asked at every frame, is wrong far more often than 5 %.
    from beltline.inspection.statistics.bounds import frames_needed

    passing = {frames_needed(0.02, confidence=0.95, misses=count): count for count in range(60)}
    random = np.random.default_rng(3)
    wrong = 0
    for _ in range(1_000):
        misses = np.cumsum(_line(random, 0.0201, 1_500, 1))
        wrong += any(misses[frames - 1] <= count for frames, count in passing.items() if frames <= 1_500)
    assert wrong / 1_000 > 0.08


def test_the_error_is_spent_once() -> None:
    for limit in (100, 4_603, 5_296, 5_297, 200_000):
        looks = plan_looks(MissGate(), limit_frames=limit)
        spent = sum(1 - look.fits_confidence for look in looks if look.fits_up_to >= 0)
        against = sum(1 - look.misses_confidence for look in looks if look.misses_from <= look.frames)
        assert spent <= 0.01 + 1e-12
        assert against <= 0.01 + 1e-12
        assert looks[-1].frames == limit
        assert [look.frames for look in looks] == sorted({look.frames for look in looks})


def test_a_limit_of_the_table_passes_with_no_late_frame_at_full_confidence() -> None:
    looks = plan_looks(MissGate(), limit_frames=4_603)
    proof = prove(np.zeros(4_603, dtype=bool), gate=MissGate(), looks=looks)
    assert (proof.verdict, proof.misses, proof.frames_needed) == ("fits", 0, 0)
    assert proof.upper <= 0.001
    almost = prove(np.zeros(4_602, dtype=bool), gate=MissGate(), looks=looks)
    assert (almost.verdict, almost.frames_needed) == ("inconclusive", 1)


def test_one_early_stall_condemns_no_device() -> None:
    late = np.zeros(5_296, dtype=bool)
    late[20:30] = True
    proof = prove(late, gate=MissGate(), looks=plan_looks(MissGate(), limit_frames=5_296))
    assert proof.verdict == "inconclusive"
    assert proof.misses == 10


def test_a_growing_backlog_ends_at_the_first_look() -> None:
    late = np.ones(5_000, dtype=bool)
    late[:3] = False
    looks = plan_looks(MissGate(), limit_frames=5_000, first_frames=134)
    proof = prove(late, gate=MissGate(), looks=looks)
    assert (proof.verdict, proof.frames) == ("misses", 134)
    assert proof.lower > 0.001


def test_a_run_that_was_cut_short_can_only_miss() -> None:
    looks = plan_looks(MissGate(), limit_frames=5_000, first_frames=134)
    assert prove(np.ones(9, dtype=bool), gate=MissGate(), looks=looks).verdict == "misses"
    assert prove(np.zeros(9, dtype=bool), gate=MissGate(), looks=looks).verdict == "inconclusive"


def test_a_run_that_was_cut_short_is_judged_as_if_the_rest_had_been_in_time() -> None:
    gate = MissGate(max=0.02, confidence=0.95)
    looks = plan_looks(gate, limit_frames=1_000, first_frames=200)
    late = np.zeros(60, dtype=bool)
    late[::10] = True  # 6 of 60 would condemn by themselves, but whoever stops a run may have waited for them
    assert prove(late, gate=gate, looks=looks).verdict == "inconclusive"
    late[::5] = True
    assert prove(late, gate=gate, looks=looks).verdict == "misses"


def test_late_frames_fill_events() -> None:
    look = InterimLook(
        frames=300, fits_up_to=2, misses_from=9, fits_confidence=0.9, misses_confidence=0.9, burst_frames=3
    )
    assert decide(look, misses=6, bursts=6) == "fits"
    assert decide(look, misses=7, bursts=1) == "inconclusive"
    assert decide(look, misses=27, bursts=8) == "inconclusive"  # no more events than series
    assert decide(look, misses=26, bursts=26) == "inconclusive"  # nor than they fill
    assert decide(look, misses=27, bursts=9) == "misses"
    assert decide(look, misses=225, bursts=1) == "misses"  # a backlog


def test_the_frames_of_all_cameras_fall_due_together() -> None:
    late = np.zeros(600, dtype=bool)
    late[100:120:2] = True  # only the second camera's frames, during one stall
    looks = plan_looks(_GATE, limit_frames=600)
    assert prove(late, gate=_GATE, looks=looks).bursts == 10
    assert prove(late, gate=_GATE, looks=looks, cameras=2).bursts == 1


@pytest.mark.parametrize("gate", [MissGate(), MissGate(max=0.02, confidence=0.95), MissGate(max=0.1, confidence=0.8)])
@pytest.mark.parametrize("burst_frames", [1, 7])
def test_frames_to_fit_is_the_shortest_run_that_passes(gate: MissGate, burst_frames: int) -> None:
    for events in (0, 1, 2, 3, 5, 9):
        frames = frames_to_fit(gate, events=events, burst_frames=burst_frames)
        late = np.zeros(frames, dtype=bool)
        late[: events * burst_frames] = True
        looks = plan_looks(gate, limit_frames=frames, first_frames=frames, burst_frames=burst_frames)
        assert prove(late, gate=gate, looks=looks).verdict == "fits"
        shorter = plan_looks(gate, limit_frames=frames - 1, first_frames=frames - 1, burst_frames=burst_frames)
        assert prove(late[:-1], gate=gate, looks=shorter).verdict != "fits"


def test_the_frames_needed_are_those_of_a_run_planned_anew() -> None:
    gate, late = MissGate(), np.zeros(6_000, dtype=bool)
    late[3_000] = True
    proof = prove(late, gate=gate, looks=plan_looks(gate, limit_frames=6_000))
    assert (proof.verdict, proof.frames + proof.frames_needed) == ("inconclusive", frames_to_fit(gate, events=1))
    expected = frames_to_fit_as_seen(gate, proof)
    assert expected is not None
    assert frames_to_fit(gate, events=ceil(expected / 6_000)) <= expected
    late[::800] = True
    assert frames_to_fit_as_seen(gate, prove(late, gate=gate, looks=plan_looks(gate, limit_frames=6_000))) is None


def test_no_frames_say_nothing() -> None:
    proof = prove(np.zeros(0, dtype=bool), gate=_GATE, looks=plan_looks(_GATE, limit_frames=10))
    assert (proof.verdict, proof.upper, proof.lower) == ("inconclusive", 1.0, 0.0)


def test_a_look_decides_by_integers() -> None:
    look = InterimLook(frames=100, fits_up_to=0, misses_from=5, fits_confidence=0.9, misses_confidence=0.9)
    assert decide(look, misses=0, bursts=0) == "fits"
    assert decide(look, misses=40, bursts=4) == "inconclusive"
    assert decide(look, misses=40, bursts=5) == "misses"
    assert decide(look, misses=75, bursts=1) == "misses"
