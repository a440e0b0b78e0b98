"""Clients that hold what they do not use, never end what they began, or come too often: the owner is answered."""

from __future__ import annotations

import socket
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from threading import Event, Thread
from types import SimpleNamespace
from typing import Any

import cv2
import pytest
from beltline.export.contracts import Frame
from beltline.station.web import bodies, connections, server
from beltline.station.web.bodies import HELD_FRAMES
from beltline.station.web.connections import MOST, MOST_PER_CLIENT, Connections, _Connection
from stationing import eventually
from web_station import Running, station

POST = b"POST /frames HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 5000\r\n\r\n"
ASK = b"GET /v2/health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture(scope="module")
def own(bundle: Any) -> Iterator[Running]:
    with station(bundle) as made:
        yield made


def connected(running: Running, stack: ExitStack) -> socket.socket:
    return stack.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=60))


def png(frame: Frame) -> bytes:
    return bytes(cv2.imencode(".png", frame)[1])


def hung_up(link: socket.socket) -> bool:
    """Read until the station hangs up."""
    with suppress(ConnectionError):
        while link.recv(65_536):
            pass
    return True


@pytest.mark.parametrize("first", [b"", b"GET / HTTP/1.1\r\nHo", ASK])
def test_connections_that_are_held_give_way(own: Running, frames: list[Frame], first: bytes) -> None:
    """Silent ones, heads that never end, and keep-alives."""
    with ExitStack() as stack:
        held = [connected(own, stack) for _ in range(MOST)]
        for each in held:
            each.sendall(first)
        if first == ASK:
            assert all(each.recv(65_536).startswith(b"HTTP/1.1 200") for each in held)
        for _ in range(3):
            assert own.json("/frames", png(frames[0]))[0] == 200
        assert own.front.web is not None
        assert own.front.web.connections is not None
        assert len(own.front.web.connections._all) <= MOST
        assert own.service.counters.snapshot().refused_requests["connections"] >= 1


def test_bodies_that_never_come_give_way(own: Running, frames: list[Frame]) -> None:
    with ExitStack() as stack:
        held = [connected(own, stack) for _ in range(MOST)]
        for each in held:
            each.sendall(POST)
        time.sleep(bodies.GIVES_WAY_S + 0.1)
        statuses = [own.json("/frames", png(frames[0]))[0] for _ in range(5)]
        assert statuses == [200] * 5
    eventually(lambda: own.service.counters.snapshot().under_way == 0)


def test_bodies_that_trickle_give_way_too(own: Running, frames: list[Frame]) -> None:
    with ExitStack() as stack:
        held = [connected(own, stack) for _ in range(MOST)]
        for each in held:
            each.sendall(POST)
        for _ in range(5):
            time.sleep(0.1)
            for each in held:
                each.sendall(b"x")
        assert own.json("/frames", png(frames[0]))[0] == 200


LARGE = POST.replace(b"5000", b"1000000")


def test_memory_for_bodies_is_bounded_and_the_slowest_give_way(
    own: Running, frames: list[Frame], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sixteen bodies of a megabyte each are nearly there, and go no further."""
    monkeypatch.setattr(bodies, "SILENT_S", 60)
    monkeypatch.setattr(bodies, "WHOLE_S", 60)
    with ExitStack() as stack:
        for _ in range(HELD_FRAMES):
            connected(own, stack).sendall(LARGE + bytes(999_990))
        time.sleep(1.0)
        with monkeypatch.context() as patch:
            patch.setattr(bodies, "GIVES_WAY_S", 60)
            status, facts = own.json("/frames", png(frames[0]))
            assert status == 503
            assert "bytes of frames are in memory already" in facts["error"]
        assert [own.json("/frames", png(frames[0]))[0] for _ in range(3)] == [200] * 3
    eventually(lambda: own.service.counters.snapshot().under_way == 0)


def test_a_flood_of_clients_does_not_take_the_server_from_its_owner(own: Running, frames: list[Frame]) -> None:
    stopped = Event()

    def flood(first: bytes) -> None:
        held: deque[socket.socket] = deque()
        while not stopped.is_set():
            with suppress(OSError):
                held.append(socket.create_connection(("127.0.0.1", own.port), timeout=5))
                held[-1].sendall(first)
            if len(held) > 60:
                held.popleft().close()
            time.sleep(0.002)
        for each in held:
            each.close()

    threads = [Thread(target=flood, args=(first,)) for first in (b"", POST, POST + b"x", ASK)]
    for each in threads:
        each.start()
    try:
        time.sleep(0.5)
        answers = [(own.json("/frames", png(frames[0]))[0], own.ask("/")[0]) for _ in range(40)]
    finally:
        stopped.set()
        for each in threads:
            each.join()
    assert answers == [(200, 200)] * 40


@pytest.mark.parametrize("slow", [False, True])
def test_a_body_that_stops_or_takes_too_long_is_given_up(
    own: Running, monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    monkeypatch.setattr(bodies, "SILENT_S", 60 if slow else 0.2)
    monkeypatch.setattr(bodies, "WHOLE_S", 0.5 if slow else 60)
    with ExitStack() as stack:
        link = connected(own, stack)
        link.sendall(POST + b"x")
        for _ in range(8 if slow else 0):
            time.sleep(0.1)
            with suppress(ConnectionError):
                link.sendall(b"x")
        assert b" 408 " in link.recv(65_536)
        assert hung_up(link)


def test_connections_that_say_nothing_or_nothing_more_are_closed(bundle: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.3)
    monkeypatch.setattr(server, "_KEEP_ALIVE_S", 0.3)
    with station(bundle) as running, ExitStack() as stack:
        silent, idle = connected(running, stack), connected(running, stack)
        idle.sendall(ASK)
        assert idle.recv(65_536).startswith(b"HTTP/1.1 200")
        assert hung_up(silent)
        assert hung_up(idle)


def test_a_refusal_closes_the_connection(own: Running) -> None:
    with ExitStack() as stack:
        link = connected(own, stack)
        link.sendall(ASK.replace(b"\r\n\r\n", b"\r\nOrigin: http://evil.example\r\n\r\n"))
        assert link.recv(65_536).startswith(b"HTTP/1.1 403")
        assert hung_up(link)


def test_who_posts_too_fast_does_not_take_the_page_from_anybody(bundle: Any) -> None:
    with station(bundle, http={"requests_per_s": 10}) as running:
        statuses = [running.ask("/frames", b"x")[0] for _ in range(40)]
        assert 429 in statuses
        assert running.ask("/")[0] == 200
        assert running.ask("/metrics")[0] == 200
        text = running.ask("/metrics")[2].decode()
        assert f'beltline_http_refused_total{{why="rate"}} {float(statuses.count(429))}' in text


def test_an_address_has_its_share_of_connections() -> None:
    refused: list[tuple[str, str]] = []
    made = Connections(SimpleNamespace(), tls=lambda: None, note_refused=lambda *why: refused.append(why))  # type: ignore[arg-type]

    def come(peer: str, *, busy: int = 0) -> bool:
        if taken := made._has_room(peer):
            each = _Connection(peer, SimpleNamespace(transport=object()), busy=busy)  # type: ignore[arg-type]
            made._all.append(each)
        return taken

    assert all(come("10.0.0.1", busy=1) for _ in range(MOST_PER_CLIENT))
    assert not come("10.0.0.1")
    assert all(come("10.0.0.2") for _ in range(MOST_PER_CLIENT + 5))
    assert sum(each.peer == "10.0.0.2" for each in made._all) == MOST_PER_CLIENT
    assert len(refused) == 5
    assert all(come("127.0.0.1", busy=1) for _ in range(MOST - 2 * MOST_PER_CLIENT))
    assert come("127.0.0.1")
    assert len(made._all) == MOST
    assert sum(each.peer == "10.0.0.2" for each in made._all) == MOST_PER_CLIENT - 1


def test_a_server_without_descriptors_goes_on_when_there_are_some(
    own: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    import asyncio
    import errno

    assert own.front.web is not None
    loop = own.front.web._loop
    assert loop is not None
    accept, failures = loop.sock_accept, [3]

    async def failing(listening: socket.socket) -> Any:
        if failures[0]:
            failures[0] -= 1
            raise OSError(errno.EMFILE, "too many open files")
        return await accept(listening)

    monkeypatch.setattr(loop, "sock_accept", failing)
    assert own.ask("/v2/health/live")[0] == 200  # the call that waits already
    assert own.ask("/v2/health/live")[0] == 200
    assert failures == [0]
    assert isinstance(loop, asyncio.AbstractEventLoop)
