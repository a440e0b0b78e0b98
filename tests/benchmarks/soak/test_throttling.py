from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from beltline.benchmarks.soak.histogram import histogram_of
from beltline.benchmarks.soak.points import Point
from beltline.benchmarks.soak.throttling import throttling_of, unseen_of

Readings = dict[str, float | None]


def points(
    p50_ms: Callable[[int], float] = lambda _: 2.0,
    conditions: Callable[[int], Readings] = lambda _: {},
    counters: Callable[[int], Readings] = lambda _: {},
    sessions: Callable[[int], int] = lambda _: 0,
) -> list[Point]:
    return [
        Point(
            session=sessions(place),
            place=place,
            frames=1,
            misses=0,
            bursts=0,
            response=histogram_of(np.array([round(p50_ms(place) * 1e6)])),
            conditions=conditions(place),
            counters=counters(place),
        )
        for place in range(100)
    ]


def test_a_cool_device_is_not_accused() -> None:
    calm = points(conditions=lambda place: {"temperature_c": 50 + place % 3, "clock_mhz": 3000.0 - place % 2})
    assert throttling_of(calm, measured_s=100) == ()
    assert unseen_of(calm) is None


def test_a_counter_that_rises_is_heat() -> None:
    rising = points(counters=lambda place: {"throttle_events": 7.0 + (place > 50)})
    assert throttling_of(rising, measured_s=100) == ("Heat: the processor reports that it slowed itself down 1 times.",)


def test_a_counter_that_begins_anew_after_an_interruption_is_none() -> None:
    anew = points(
        counters=lambda place: {"throttle_events": 900.0 if place >= 50 else 3.0}, sessions=lambda place: place // 50
    )
    assert throttling_of(anew, measured_s=100) == ()


@pytest.mark.parametrize(("name", "who"), [("quota_stopped_ms", "container"), ("steal_ms", "hypervisor")])
def test_whoever_takes_the_processor_is_named_where_it_is_worth_it(name: str, who: str) -> None:
    taken = points(counters=lambda place: {name: 10.0 * place})
    (sentence,) = throttling_of(taken, measured_s=100)
    assert who in sentence
    assert "1.0 s of 100 s" in sentence
    assert throttling_of(taken, measured_s=10_000) == ()


def test_cooling_that_slows_the_device_is_named() -> None:
    cooled = points(conditions=lambda place: {"slowed_steps": 3.0 if place == 40 else 0.0})
    assert throttling_of(cooled, measured_s=100) == ("Cooling slowed the device by up to 3 steps.",)


def test_a_falling_clock_counts_only_with_slower_responses() -> None:
    def clock(place: int) -> Readings:
        return {"clock_mhz": 3000.0 if place < 30 else 2400.0}

    (sentence,) = throttling_of(points(lambda place: 2.0 if place < 30 else 2.5, clock), measured_s=100)
    assert "from 3,000 to 2,400 MHz" in sentence
    assert "rose by 25 %" in sentence
    assert throttling_of(points(lambda _: 2.0, clock), measured_s=100) == ()


def test_times_that_rise_with_warmth_are_heat() -> None:
    def warmth(place: int) -> Readings:
        return {"temperature_c": 40.0 + place / 2}

    (sentence,) = throttling_of(points(lambda place: 2.0 + place / 200, warmth), measured_s=100)
    assert sentence.startswith("Heat: from 40 to 90 degrees")
    assert throttling_of(points(lambda place: 2.0 + (place % 2) / 20, warmth), measured_s=100) == ()


def test_a_device_that_shows_nothing_says_so() -> None:
    blind = points(
        conditions=lambda _: {"temperature_c": None, "clock_mhz": 2600.0}, counters=lambda _: {"steal_ms": 0.0}
    )
    assert "neither its temperature nor its throttling" in (unseen_of(blind) or "")
