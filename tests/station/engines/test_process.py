"""Waiting for the next frame: whatever the rhythm, every message is taken, in order."""

from __future__ import annotations

import socket
import time
from threading import Thread

import pytest
from beltline.station.engines.process import Prewake


@pytest.mark.parametrize("ready_ns", [0, 300_000, 10_000_000])
def test_nothing_is_missed_in_step_out_of_step_and_at_the_end(ready_ns: int) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    pauses_s = [*[0.004] * 10, 0.0, 0.0, 0.02, 0.001, *[0.004] * 6]

    def send() -> None:
        for number, pause_s in enumerate(pauses_s):
            time.sleep(pause_s)
            ours.send(b"%d" % number)
        ours.close()

    thread = Thread(target=send)
    thread.start()
    waiting = Prewake(theirs, ready_ns=ready_ns)
    taken = []
    while raw := waiting.next_message(64):
        taken.append(int(raw))
    thread.join()
    theirs.close()
    assert taken == list(range(len(pauses_s)))
