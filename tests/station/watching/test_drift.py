"""Windows of frames against a bundle's reference: drift is found, chance is not, a new bundle begins anew."""

from __future__ import annotations

import numpy as np
import pytest
from beltline.export.bundles.golden import reference_of
from beltline.inspection.data.appearance import APPEARANCE, appearance_of
from beltline.station.watching.drift import DriftSettings, DriftWatch, Samples, smirnov_distance, smirnov_p_value
from scipy import special, stats
from station_parts import outcome, seen

WINDOW = 100


def frame(rng: np.random.Generator, *, light: float = 100.0) -> np.ndarray:
    return np.clip(rng.normal(light + rng.normal(0, 4), 20, (24, 32, 1)), 0, 255).astype(np.uint8)


@pytest.fixture
def samples() -> Samples:
    rng = np.random.default_rng(1)
    looks = [appearance_of(frame(rng)) for _ in range(200)]
    return reference_of({"onnx_runtime": rng.beta(2, 9, 200).tolist()}, looks, drawn_from="a test").samples(
        "onnx_runtime"
    )


def watch_of(samples: Samples | None, notified: list[str] | None = None) -> DriftWatch:
    settings = DriftSettings(window_frames=WINDOW)
    alarm = (notified if notified is not None else []).append
    return DriftWatch(settings, reference_of=lambda _: samples, period_ms=1000, alarm=alarm)


def feed(watch: DriftWatch, *, frames: int, light: float = 100.0, higher: float = 0.0, seed: int = 2) -> None:
    rng = np.random.default_rng(seed)
    for number in range(frames):
        score = min(1.0, float(rng.beta(2, 9)) + higher)
        watch.take(seen(outcome(number=number, score=score), image=frame(rng, light=light)))


def test_the_same_parts_do_not_drift(samples: Samples) -> None:
    notified: list[str] = []
    watch = watch_of(samples, notified)
    feed(watch, frames=20 * WINDOW)
    assert watch.latest is not None
    assert watch.latest.number == 20
    assert [each.what for each in watch.latest.findings] == ["score", *APPEARANCE]
    assert watch.latest.drifting == ()
    assert notified == []


def test_a_darker_lamp_is_named_with_its_p_value_and_told_once(samples: Samples) -> None:
    notified: list[str] = []
    watch = watch_of(samples, notified)
    feed(watch, frames=3 * WINDOW, light=80.0)
    assert watch.latest is not None
    named = {each.what: each for each in watch.latest.drifting}
    assert "brightness" in named
    assert "score" not in named
    brightness = named["brightness"]
    assert brightness.p_value < brightness.p_corrected < 1e-6
    assert brightness.median == pytest.approx(80, abs=2)
    assert brightness.reference_median == pytest.approx(100, abs=2)
    assert len(notified) == 1
    assert "two-sample Kolmogorov-Smirnov" in notified[0]


def test_scores_that_rise_are_found_and_their_end_too(samples: Samples) -> None:
    notified: list[str] = []
    watch = watch_of(samples, notified)
    feed(watch, frames=WINDOW, higher=0.2)
    assert watch.latest is not None
    assert [each.what for each in watch.latest.drifting] == ["score"]
    feed(watch, frames=WINDOW)
    assert watch.latest.drifting == ()
    feed(watch, frames=WINDOW, higher=0.2)
    assert len(notified) == 2


def test_the_correction_counts_every_look_of_a_day_and_every_number(samples: Samples) -> None:
    watch = watch_of(samples)
    feed(watch, frames=WINDOW, light=97.0)
    assert watch.latest is not None
    looks_a_day = 86_400 // WINDOW
    for each in watch.latest.findings:
        assert each.p_corrected == pytest.approx(min(1.0, each.p_value * 5 * looks_a_day))


def test_only_what_the_model_decided_counts(samples: Samples) -> None:
    watch = watch_of(samples)
    for number in range(2 * WINDOW):
        watch.take(seen(outcome(number=number, standing="late", score=None), image=np.zeros((8, 8, 1), np.uint8)))
        watch.take(seen(outcome(number=number), image=None))
    assert watch.latest is None


def test_a_new_bundle_begins_anew(samples: Samples) -> None:
    asked: list[str] = []

    def reference(version: str) -> Samples | None:
        asked.append(version)
        return None if asked.count(version) < 3 else samples

    watch = DriftWatch(DriftSettings(window_frames=WINDOW), reference_of=reference, period_ms=1000)
    rng = np.random.default_rng(3)
    for bundle in ("a", "b"):
        for number in range(WINDOW + 2):
            watch.take(seen(outcome(number=number, score=0.2, bundle=bundle), image=frame(rng)))
    assert asked == ["a", "a", "a", "b", "b", "b"]
    assert watch.latest is not None
    assert (watch.latest.bundle, watch.latest.number) == ("b", 1)


def test_a_bundle_without_reference_is_passed_over() -> None:
    watch = watch_of({})
    feed(watch, frames=2 * WINDOW)
    assert watch.latest is None


@pytest.mark.parametrize(("m", "n", "shift"), [(512, 500, 0.0), (512, 500, 0.2), (40, 300, 0.5), (700, 50, 3.0)])
def test_distance_and_p_value_are_those_of_scipy(m: int, n: int, shift: float) -> None:
    rng = np.random.default_rng(m + n)
    reference, sample = np.sort(rng.normal(size=m)), rng.normal(shift, 1, n)
    expected = stats.ks_2samp(reference, sample)
    distance = smirnov_distance(reference, sample)
    assert distance == pytest.approx(expected.statistic, abs=1e-12)
    limit = special.kolmogorov(np.sqrt(m * n / (m + n)) * distance)
    assert smirnov_p_value(distance, frames=n, reference_frames=m) == pytest.approx(limit, abs=1e-9)


def test_ties_are_counted_once() -> None:
    grey = np.repeat(np.arange(5.0), 20)
    assert smirnov_distance(grey, grey[::-1]) == 0
    assert smirnov_distance(grey, grey + 1) == pytest.approx(0.2)


@pytest.mark.parametrize("m", [100, 512])
def test_the_p_value_is_never_smaller_than_the_exact_one(m: int) -> None:
    for place in range(1, 40):
        distance = place / 60
        exact = stats.distributions.kstwo.sf(distance, round(m * 500 / (m + 500)))
        assert smirnov_p_value(distance, frames=500, reference_frames=m) >= 0.98 * exact


def test_alarms_by_chance_are_no_more_than_promised_also_with_a_tolerated_share_of_others() -> None:
    rng = np.random.default_rng(11)
    tolerated, alarms, runs = 0.05, 0, 2000
    for _ in range(runs):
        reference = np.sort(rng.uniform(size=300))
        sample = rng.uniform(size=200)
        sample[:10] = 9.0
        distance = smirnov_distance(reference, sample)
        alarms += smirnov_p_value(distance, frames=200, reference_frames=300, tolerated_share=tolerated) < 0.05
    assert alarms <= stats.binom.ppf(0.999, runs, 0.05)


def test_more_than_the_tolerated_share_is_found() -> None:
    rng = np.random.default_rng(12)
    reference, sample = np.sort(rng.uniform(size=500)), rng.uniform(size=500)
    sample[:200] = 9.0
    distance = smirnov_distance(reference, sample)
    assert smirnov_p_value(distance, frames=500, reference_frames=500, tolerated_share=0.05) < 1e-15
