from __future__ import annotations

from beltline.pipeline.search.halving import Score, area, goes_on, pareto_front, ranked, rung_epochs
from hypothesis import given, settings
from hypothesis import strategies as st


def score(p99_ms: float, escape_rate: float) -> Score:
    return Score(p99_ms=p99_ms, escape_rate=escape_rate)


SCORES = st.lists(st.builds(score, st.sampled_from([0.5, 1, 2, 4]), st.sampled_from([0.0, 0.1, 0.5, 1.0])), min_size=1)


def test_each_rung_is_three_times_as_long_and_the_last_is_whole() -> None:
    assert rung_epochs(27, 3) == (1, 3, 9, 27)
    assert rung_epochs(1, 4) == (1,)


def test_a_rung_too_short_to_sort_by_is_left_out_but_never_the_last() -> None:
    assert rung_epochs(27, 3, fewest=4) == (9, 27)
    assert rung_epochs(6, 2, fewest=50) == (6,)


def test_only_the_better_third_goes_on_but_the_first_always_does() -> None:
    before = [score(1 + place, 0.5) for place in range(8)]
    assert goes_on(score(9, 0.9), [])
    assert goes_on(score(0.5, 0.5), before)
    assert not goes_on(score(20, 0.6), before)


def test_what_is_fast_and_sees_nothing_adds_nothing() -> None:
    front = [score(0.1, 1.0), score(1, 0.2), score(2, 0.1)]
    assert ranked(front)[-1] == 0


def test_a_little_faster_does_not_outweigh_three_times_the_escapes() -> None:
    """Of these three of `examples/pcb`, after six epochs, the last was once trained on."""
    seen = [score(0.300, 41 / 700), score(0.275, 54 / 700), score(0.262, 118 / 700)]
    assert ranked(seen)[0] == 0


@settings(max_examples=80, deadline=None)
@given(SCORES)
def test_the_front_holds_what_nobody_beats_and_ranks_first(scores: list[Score]) -> None:
    edge = pareto_front(scores)
    assert all(not any(other.beats(scores[place]) for other in scores) for place in edge)
    assert [scores[place].p99_ms for place in edge] == sorted(scores[place].p99_ms for place in edge)
    order = ranked(scores)
    assert sorted(order) == list(range(len(scores)))
    assert not any(other.beats(scores[order[0]]) for other in scores)
    ranks = {place: rank for rank, place in enumerate(order)}
    beaten = [(a, b) for a in ranks for b in ranks if scores[a].beats(scores[b])]
    assert all(ranks[a] < ranks[b] for a, b in beaten)


@settings(max_examples=60, deadline=None)
@given(SCORES, SCORES)
def test_more_trials_never_shrink_the_area(some: list[Score], more: list[Score]) -> None:
    assert area([*some, *more], slowest_ms=8) >= area(some, slowest_ms=8) - 1e-12
