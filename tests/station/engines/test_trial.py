"""A trial's rules on made-up frames: what counts, what chance explains, and how often a sound bundle is sent back."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from beltline.station.engines.trial import History, Recent, Trial, chance_of_more
from beltline.station.settings import SwitchSettings
from scipy.stats import fisher_exact
from station_parts import outcome


def trial(before: History, **settings: Any) -> Trial:
    new: Any = SimpleNamespace(at_work=SimpleNamespace(version="new-1"))
    return Trial(new, new, SwitchSettings(**settings), before)


def before(*, answered: int = 1000, rejected: int = 20, unanswered: int = 0) -> History:
    return History(answered=answered, rejected=rejected, unanswered=unanswered, shapes=frozenset())


def verdicts(of: Trial, ends: list[tuple[str, str]]) -> list[str]:
    found = []
    for standing, answer in ends:
        found.append(of.note(outcome(bundle="new-1", standing=standing, answer=answer)))
        if found[-1] != "goes on":
            break
    return found


@pytest.mark.parametrize(("many", "of", "had", "of_before"), [(3, 8, 1, 40), (1, 4, 500, 1000), (16, 16, 2, 900)])
def test_the_chance_is_fisher_s(many: int, of: int, had: int, of_before: int) -> None:
    table = [[many, of - many], [had, of_before - had]]
    assert chance_of_more(many, of, had, of_before) == pytest.approx(fisher_exact(table, "greater").pvalue)


def test_frames_of_another_bundle_do_not_count() -> None:
    going = trial(before(), trial_frames=1)
    assert going.note(outcome(bundle="old-1", standing="late")) == "goes on"
    assert verdicts(going, [("answered", "pass")]) == ["passed"]


def test_photographs_that_were_faulty_before_are_no_fault_of_the_new_bundle() -> None:
    ends = [("faulty", "reject"), ("answered", "pass")] * 32
    assert verdicts(trial(before(unanswered=900), trial_frames=64), ends)[-1] == "passed"
    assert len(verdicts(trial(before(unanswered=0), trial_frames=64), ends)) == 8


def test_no_answer_at_all_is_no_health() -> None:
    failing = trial(before(answered=0, rejected=0), trial_frames=2, trial_refused=9)
    assert verdicts(failing, [("refused", "reject")] * 2)[-1] == "failed"
    assert "its model answered none of its first 2 frames" in failing.summary()


def test_fewer_rejects_pass_and_are_pointed_out() -> None:
    passing = trial(before(rejected=200), trial_frames=256)
    assert verdicts(passing, [("answered", "pass")] * 256)[-1] == "passed"
    assert "fewer than chance explains: check what passes" in passing.summary()


def test_a_sound_bundle_is_sent_back_less_often_than_allowed() -> None:
    """Parts are rejected at the same rate before and after; the false alarms allowed are one in twenty here."""
    rng = np.random.default_rng(11)
    failed = 0
    for _ in range(300):
        was = before(answered=400, rejected=int(rng.binomial(400, 0.1)))
        ends = [("answered", "reject" if each else "pass") for each in rng.random(128) < 0.1]
        failed += verdicts(trial(was, trial_frames=128, trial_alarm=0.05), ends)[-1] == "failed"
    assert failed <= 15


def test_what_is_remembered_is_the_last_thousand() -> None:
    recent = Recent()
    for number in range(1500):
        recent.note(outcome(number=number, answer="reject" if number < 600 else "pass"), (4, 5, 1))
    recent.note(outcome(standing="faulty", answer="reject"), None)
    assert recent.history() == History(answered=999, rejected=99, unanswered=1, shapes=frozenset({(4, 5, 1)}))
    recent.forget()
    assert recent.history().answered == 0
