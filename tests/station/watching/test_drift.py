"""Windows of frames against a bundle's reference: drift is found, chance is not, a new bundle begins anew."""

from __future__ import annotations

import numpy as np
import pytest
from beltline.export.bundles.reference import reference_of
from beltline.inspection.data.appearance import APPEARANCE, appearance_of
from beltline.station.watching.drift import DriftSettings, DriftWatch, Samples
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
