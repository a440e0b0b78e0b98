"""The deadline holds from the moment a photograph is noticed, however long decoding takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import cv2
import numpy as np
import pytest
from beltline.export.contracts import Frame
from beltline.inspection.base.errors import DataError
from beltline.station.frames import NoticedFrame
from beltline.station.intake.decoding import MOST_HUNG
from beltline.station.outcomes import Seen
from beltline.station.service import Service
from stationing import eventually, running, settings_of
from web_station import station

DEADLINE_MS = 150.0
DECODERS, WAITING = 2, 5


@pytest.fixture(scope="module")
def service(bundle: Any) -> Iterator[Service]:
    decode = {"threads": DECODERS, "frames": WAITING}
    watchdog = {"engine_s": 30, "source_stuck_s": 60}
    wanted = settings_of(bundle=bundle.path, largest_frame_mb=1, decode=decode, watchdog=watchdog)
    with running(wanted) as started:
        yield started


def noticed(
    load: Callable[[int], Frame], *, due_in_ms: float, dismiss: Callable[[], None] = lambda: None
) -> NoticedFrame:
    captured_ns = time.monotonic_ns() - round((60_000 - due_in_ms) * 1e6)
    return NoticedFrame(number=1, source="test", name="a", captured_ns=captured_ns, load=load, dismiss=dismiss)


def test_a_photograph_that_is_decoded_in_time_is_decided(service: Service, bundle: Any, frames: list[Frame]) -> None:
    outcome = service.offer(noticed(lambda most: frames[0] if most == 1_000_000 else frames[1], due_in_ms=60_000))
    assert outcome.result(60).score == pytest.approx(bundle.parts.golden.scores["onnx_runtime"][0], abs=1e-6)


def test_what_is_not_decoded_at_its_deadline_is_answered_then(service: Service, frames: list[Frame]) -> None:
    release, dismissed = Event(), list[int]()

    def slow(_: int) -> Frame:
        release.wait(60)
        return frames[0]

    asked_ns = time.monotonic_ns()
    futures = [
        service.offer(noticed(slow, due_in_ms=DEADLINE_MS, dismiss=lambda: dismissed.append(1))) for _ in range(WAITING)
    ]
    outcomes = [future.result(60) for future in futures]
    assert [(each.standing, each.answer) for each in outcomes] == [("late", "reject")] * WAITING
    assert {each.detail for each in outcomes} == {"it was not decoded at its deadline"}
    assert all(each.decided_ns >= asked_ns + DEADLINE_MS * 0.9e6 for each in outcomes)
    assert not release.is_set()
    release.set()
    eventually(lambda: len(dismissed) == WAITING - DECODERS)
    eventually(lambda: service._dispatcher.idle)
    tally = service.counters.snapshot()
    assert tally.under_way == 0


def test_several_are_decoded_at_once_and_so_many_wait(service: Service, frames: list[Frame]) -> None:
    release, begun, dismissed = Event(), list[int](), list[int]()

    def slow(_: int) -> Frame:
        begun.append(1)
        release.wait(60)
        return frames[0]

    shown = [
        service.offer(noticed(slow, due_in_ms=60_000, dismiss=lambda: dismissed.append(1))) for _ in range(WAITING + 2)
    ]
    eventually(lambda: len(begun) == DECODERS)
    refused = [future.result(0) for future in shown if future.done()]
    assert [(each.standing, each.detail) for each in refused] == [
        ("refused", f"{WAITING} photographs wait to be decoded already")
    ] * 2
    assert len(dismissed) == 2
    release.set()
    assert [future.result(60).standing for future in shown[:WAITING]] == ["answered"] * WAITING


def test_what_cannot_be_decoded_or_does_not_fit_is_faulty(service: Service) -> None:
    seen: list[Seen] = []
    service.subscribe("noticed", seen.append)

    def broken(_: int) -> Frame:
        msg = "torn"
        raise DataError(msg)

    def crash(_: int) -> Frame:
        return np.zeros((1, 1, 1), np.uint8)[5]

    def misfit(_: int) -> Frame:
        return np.zeros((80, 100, 3), np.uint8)

    outcomes = [service.offer(noticed(load, due_in_ms=60_000)).result(60) for load in (broken, crash, misfit)]
    assert {(each.standing, each.answer) for each in outcomes} == {("faulty", "reject")}
    assert outcomes[0].detail == "torn"
    assert outcomes[1].detail.startswith("IndexError")
    eventually(lambda: len(seen) == 3)
    assert {each.image is None for each in seen} == {True}


def test_decoders_that_hang_are_given_up(bundle: Any, frames: list[Frame]) -> None:
    release = Event()

    def hanging(_: int) -> Frame:
        release.wait(120)
        return frames[0]

    wanted = settings_of(bundle=bundle.path, decode={"threads": 1}, watchdog={"source_stuck_s": 0.05})
    with running(wanted) as service:
        futures = [service.offer(noticed(hanging, due_in_ms=2000))]
        assert service.offer(noticed(lambda _: frames[0], due_in_ms=60_000)).result(60).standing == "answered"
        assert service.healthy() == ""
        for hung in range(1, MOST_HUNG):
            assert service.counters.snapshot().restarts["decoder"] == hung
            futures.append(service.offer(noticed(hanging, due_in_ms=2000)))
            eventually(lambda: service.counters.snapshot().restarts["decoder"] > hung)  # noqa: B023 - called at once
        assert {future.result(60).standing for future in futures} == {"late"}
        eventually(lambda: service.healthy() == "decoding hangs over and over")
        release.set()


def test_a_folder_of_large_photographs_answers_each_at_its_deadline(bundle: Any, tmp_path: Path) -> None:
    """Twelve megapixels take longer to decode than the deadline leaves: each is answered at the deadline, not after."""
    rng = np.random.default_rng(1)
    ok, content = cv2.imencode(".png", rng.integers(0, 256, (3000, 4000), np.uint8))
    assert ok
    wanted = settings_of(bundle=bundle.path, deadline_ms=60, sources=[{"folder": {"path": tmp_path, "then": "remove"}}])
    seen: list[Seen] = []
    with running(wanted) as service:
        service.subscribe("audit", seen.append, with_pixels=False)
        time.sleep(0.2)
        for number in range(6):
            (tmp_path / f"{number}.tmp").write_bytes(bytes(content))
            (tmp_path / f"{number}.tmp").rename(tmp_path / f"{number}.png")
        eventually(lambda: len(seen) == 6)
        eventually(lambda: not list(tmp_path.iterdir()))
    assert all(each.outcome.standing in ("late", "faulty") for each in seen)
    late = [each.outcome.latency_ms for each in seen if each.outcome.standing == "late"]
    assert late
    assert all(60 <= each < 60 + 1000 for each in late)


def test_cut_off_photographs_of_twelve_megapixels_at_full_rate_are_faulty_and_hold_nobody_up(
    bundle: Any, tmp_path: Path, frames: list[Frame]
) -> None:
    """Half of each file is missing: all are counted, each is answered by its deadline, and a good part is decided."""
    rng = np.random.default_rng(1)
    noisy = np.tile(rng.integers(0, 256, (300, 400), np.uint8), (10, 10))
    cut = {kind: cv2.imencode(kind, noisy)[1].tobytes()[:400_000] for kind in (".png", ".jpg", ".tiff")}
    source = {"folder": {"path": tmp_path, "then": "remove"}}
    wanted = settings_of(bundle=bundle.path, deadline_ms=20_000, decode={"frames": 40}, sources=[source])
    seen: list[Seen] = []
    with running(wanted) as service:
        service.subscribe("audit", seen.append, with_pixels=False)
        time.sleep(0.2)
        for number in range(30):
            kind = (".png", ".jpg", ".tiff")[number % 3]
            (tmp_path / "part.tmp").write_bytes(cut[kind])
            (tmp_path / "part.tmp").rename(tmp_path / f"{number}{kind}")
            time.sleep(0.02)
        (tmp_path / "part.tmp").write_bytes(cv2.imencode(".png", frames[0])[1].tobytes())
        (tmp_path / "part.tmp").rename(tmp_path / "whole.png")
        eventually(lambda: len(seen) == 31)
        tally = service.counters.snapshot()
    standings = {each.outcome.name: each.outcome.standing for each in seen}
    assert standings.pop("whole.png") == "answered"
    assert len(standings) == 30
    assert set(standings.values()) == {"faulty"}
    assert all(each.outcome.latency_ms < 20_000 for each in seen)
    assert tally.restarts.get("decoder", 0) == 0


def test_a_posted_photograph_is_answered_at_its_deadline_too(bundle: Any) -> None:
    """Both decoders are busy with others; the part is answered when its deadline comes, not when they are done."""
    pytest.importorskip("aiohttp")
    release = Event()

    def hanging(_: int) -> Frame:
        release.wait(60)
        return np.zeros((80, 100, 1), np.uint8)

    with station(bundle, deadline_ms=200) as posted:
        for _ in range(2):
            posted.service.take(noticed(hanging, due_in_ms=60_000))
        status, facts = posted.json("/frames", b"an image that nobody comes to decode")
        release.set()
    assert (status, facts["standing"], facts["answer"]) == (200, "late", "reject")
    assert facts["detail"] == "it was not decoded at its deadline"
    assert 200 <= facts["latency_ms"] < 2000
