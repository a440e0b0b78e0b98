"""A partner that is away: one is kept, tried again, given up when it is old."""

from __future__ import annotations

import gc
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from beltline.inspection.base.errors import DeliveryError
from beltline.station.outcomes import Outcome, result_kinds
from beltline.station.publishing.delivery import Delivery
from station_parts import outcome


class Partner:
    """Takes outcomes, after it was away for so many attempts."""

    def __init__(self, *, refusals: int = 0, failures: int = 0) -> None:
        self.refusals, self.failures = refusals, failures
        self.taken: list[int] = []
        self.opened = self.closed = 0

    def connect(self) -> Partner:
        if self.refusals:
            self.refusals -= 1
            raise ConnectionRefusedError(111, "nobody there")
        self.opened += 1
        return self

    def deliver(self, each: Outcome) -> None:
        if self.failures:
            self.failures -= 1
            raise TimeoutError(110, "no answer")
        self.taken.append(each.number)

    def close(self) -> None:
        self.closed += 1


def test_one_connection_serves_many() -> None:
    partner = Partner()
    sink = Delivery("a partner", partner.connect, keep_s=5)
    for number in range(3):
        sink.send(outcome(number=number))
    assert (partner.taken, partner.opened, partner.closed) == ([0, 1, 2], 1, 0)
    sink.close()
    assert partner.closed == 1


def test_an_outcome_is_kept_until_the_partner_is_back() -> None:
    partner = Partner(refusals=2, failures=1)
    sink = Delivery("a partner", partner.connect, keep_s=20)
    sink.send(outcome(number=7))
    assert partner.taken == [7]
    assert (partner.opened, partner.closed) == (2, 1)


def test_an_old_outcome_is_given_up_without_asking_anybody() -> None:
    partner = Partner()
    sink = Delivery("PLC", partner.connect, keep_s=2)
    old = outcome(number=3)
    with pytest.raises(DeliveryError, match=r"PLC: outcome 3 was not taken within 2 s \(nothing was tried\)"):
        sink.send(replace(old, decided_ns=old.decided_ns - 3_000_000_000))
    assert partner.opened == 0


def test_what_the_partner_said_last_is_told() -> None:
    sink = Delivery("PLC", Partner(refusals=99).connect, keep_s=0.3)
    with pytest.raises(DeliveryError, match="ConnectionRefusedError"):
        sink.send(outcome())


def test_closing_ends_a_wait() -> None:
    sink = Delivery("PLC", Partner(refusals=9999).connect, keep_s=600)
    ended: list[Exception] = []

    def send() -> None:
        try:
            sink.send(outcome())
        except DeliveryError as error:
            ended.append(error)

    thread = Thread(target=send)
    thread.start()
    time.sleep(0.05)
    sink.close()
    thread.join(30)
    assert not thread.is_alive()
    assert len(ended) == 1


@pytest.mark.parametrize("kind", ["json_lines", "modbus_tcp", "mqtt", "opc_ua"])
def test_partners_that_are_away_hold_no_descriptors_and_no_threads(kind: str, tmp_path: Path) -> None:
    if (missing := result_kinds()[kind].missing()) is not None:
        pytest.skip(missing)
    with socket.socket() as bound:  # nobody listens here
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        settings: dict[str, dict[str, Any]] = {
            "json_lines": {"path": tmp_path},
            "modbus_tcp": {"host": "127.0.0.1", "port": port},
            "mqtt": {"host": "127.0.0.1", "port": port},
            "opc_ua": {"url": f"opc.tcp://127.0.0.1:{port}", "variables": {"number": "i=1"}},
        }
        chosen = result_kinds()[kind].settings_type.model_validate({**settings[kind], "keep_s": 0.25})
        sink = result_kinds()[kind].open(chosen)
        with pytest.raises(DeliveryError):
            sink.send(outcome())
        before = held()
        for _ in range(5):
            with pytest.raises(DeliveryError):
                sink.send(outcome())
        assert held() <= before
        sink.close()


def held() -> tuple[int, int]:
    """Count descriptors and threads."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()
