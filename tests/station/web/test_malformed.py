"""Requests that nobody should send: none crashes the station, none hangs it, none takes a frame's answer away.

The suite sends some hundred; `python -m pytest -m slow tests/station/web/test_malformed.py` sends 10,000.
"""

from __future__ import annotations

import http.client
import json
import select
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

import cv2
import numpy as np
import pytest
from beltline.export.contracts import Frame
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

PATIENCE_S = 30
ANSWERS = {200, 400, 401, 403, 404, 405, 408, 411, 413, 414, 415, 422, 431, 503}

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
SIZES = st.integers(-2, 70_000) | JSON


def often(usual: Any) -> SearchStrategy[Any]:
    """Mostly what is right, so that the fault lies deeper."""
    return st.one_of(st.just(usual), st.just(usual), st.just(usual), JSON)


TENSORS = st.fixed_dictionaries(
    {
        "name": often("frame"),
        "datatype": often("UINT8"),
        "shape": often([4, 5, 1]) | st.lists(SIZES, max_size=6),
    },
    optional={
        "data": often([7] * 20) | st.lists(SIZES, max_size=30) | st.just([[7] * 5] * 4),
        "parameters": often({"binary_data_size": 20}) | st.fixed_dictionaries({"binary_data_size": SIZES}),
    },
)
OUTPUTS = st.lists(st.fixed_dictionaries({"name": often("score")}, optional={"parameters": JSON}) | JSON, max_size=4)
REQUESTS = st.fixed_dictionaries(
    {"inputs": st.lists(TENSORS, min_size=1, max_size=1) | st.lists(TENSORS, max_size=3) | JSON},
    optional={"id": often("a"), "outputs": OUTPUTS | JSON, "parameters": JSON},
)
NESTED = st.integers(1, 60_000).map(lambda depth: b'{"inputs":' + b"[" * depth)
HEADS = REQUESTS.map(lambda request: json.dumps(request).encode()) | JSON.map(lambda v: json.dumps(v).encode()) | NESTED
LETTERS = st.text(st.characters(codec="ascii", categories=["L", "N"]))
TAILS = st.just(bytes(20)) | st.binary(max_size=64)
LINES = st.sampled_from(
    [
        b"GET /live.json HTTP/1.1", b"POST /frames HTTP/1.1", b"GET / HTTP/9.9", b"\x16\x03\x01\x02\x00\x01\x00",
        b"POST /v2/models/tiny/infer HTTP/1.1", b"PRI * HTTP/2.0", b"GET /" + b"a" * 9000 + b" HTTP/1.1", b"",
    ]
) | st.binary(max_size=40)  # fmt: skip
FIELDS = st.sampled_from(
    [
        b"Host: 127.0.0.1", b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999999999999",
        b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip, chunked", b"Expect: 100-continue", b": empty",
        b"Connection: upgrade", b"Upgrade: websocket", b"Content-Encoding: deflate", b"Accept-Encoding: gzip",
        b"Authorization: Basic \xff\xfe", b"Origin: http://[", b"Range: bytes=0-", b"X: " + b"y" * 9000, b" folded",
    ]
) | st.binary(max_size=40)  # fmt: skip


@st.composite
def raw_requests(draw: st.DrawFn) -> bytes:
    lines = [draw(LINES), *draw(st.lists(FIELDS, max_size=6))]
    return draw(st.sampled_from([b"\r\n", b"\n"])).join(lines) + b"\r\n\r\n" + draw(st.binary(max_size=60))


@st.composite
def damaged_images(draw: st.DrawFn, images: list[bytes]) -> bytes:
    content = bytearray(draw(st.sampled_from(images)))
    for _ in range(draw(st.integers(0, 6))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content[: draw(st.integers(0, len(content)))]) if draw(st.booleans()) else bytes(content)


def eventually(met: Callable[[], bool]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < until_s, "did not come about"
        time.sleep(0.01)


def many(count: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=count, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
    )


def send_raw(running: Any, raw: bytes) -> None:
    """Send, say that nothing more comes, and read until the station hangs up, which it must."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE_S) as link, suppress(ConnectionError):
        link.sendall(raw)
        link.shutdown(socket.SHUT_WR)
        while link.recv(65_536):
            pass


def ask(running: Any, path: str, body: bytes, headers: dict[str, str]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=PATIENCE_S)
    connection.request("POST", path, body, headers)
    answer = connection.getresponse()
    notified = json.loads(answer.read()) if answer.getheader("Content-Type", "").startswith("application/json") else {}
    connection.close()
    assert answer.status in ANSWERS, (answer.status, notified)
    assert answer.status in (200, 422) or "error" in notified


def require_sound(running: Any, frame: Frame, score: float) -> None:
    """The station goes on as before: every frame was answered, and a good one is answered rightly."""
    assert running.service.healthy() == ""
    eventually(lambda: running.service.counters.snapshot().under_way == 0)
    status, facts = running.json("/frames", bytes(cv2.imencode(".png", frame)[1]))
    assert (status, facts["standing"]) == (200, "answered")
    assert facts["score"] == pytest.approx(score, abs=1e-6)
    assert not any(running.service.counters.snapshot().restarts.values())


def flood(running: Any, bundle: Any, frames: list[Frame], *, share: int) -> None:
    """Send three kinds of malformed requests, `share` of each."""
    score = bundle.parts.golden.scores["onnx_runtime"][0]
    kinds = (".png", ".jpg", ".bmp", ".tiff")
    images = [bytes(cv2.imencode(kind, frames[0])[1]) for kind in kinds]

    @many(share)
    @given(raw_requests())
    def raw(request: bytes) -> None:
        send_raw(running, request)

    @many(share)
    @given(
        HEADS, TAILS, st.none() | st.integers(-9, 300) | st.text(st.characters(codec="ascii", categories=["L", "N"]))
    )
    def infer(head: bytes, tail: bytes, notified: int | str | None) -> None:
        length = str(len(head)) if notified is None else str(notified)
        headers = {} if notified == 0 else {"Inference-Header-Content-Length": length}
        ask(running, "/v2/models/tiny/infer", head + tail, headers)

    @many(share)
    @given(damaged_images(images) | st.binary(max_size=200), LETTERS)
    def frame(content: bytes, name: str) -> None:
        ask(running, f"/frames?name={name}", content, {})

    for each in (raw, infer, frame):
        each()
        require_sound(running, frames[0], score)


def test_hundreds_of_malformed_requests_change_nothing(running: Any, bundle: Any, frames: list[Frame]) -> None:
    flood(running, bundle, frames, share=100)


@pytest.mark.slow
def test_ten_thousand_malformed_requests_change_nothing(running: Any, bundle: Any, frames: list[Frame]) -> None:
    flood(running, bundle, frames, share=3334)


def test_whoever_connects_and_says_nothing_keeps_nobody_else_out(running: Any, frames: list[Frame]) -> None:
    silent = [socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE_S) for _ in range(40)]
    try:
        for link in silent[:20]:
            link.sendall(b"POST /frames HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nhalf")
        assert running.json("/frames", bytes(cv2.imencode(".png", frames[0])[1]))[0] in (200, 503)
        assert running.json("/v2/health/live")[0] == 200
    finally:
        for link in silent:
            link.close()


def test_more_connections_than_allowed_are_hung_up_on(running: Any) -> None:
    with ExitStack() as kept:
        links = [
            kept.enter_context(socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE_S))
            for _ in range(160)
        ]
        eventually(lambda: len(select.select(links, (), (), 0)[0]) >= 24)
        refused = select.select(links, (), (), 0)[0]
        assert [link.recv(1) for link in refused] == [b""] * len(refused)

    def answers() -> bool:
        try:
            return bool(running.json("/v2/health/live")[0] == 200)
        except (OSError, http.client.HTTPException):
            return False

    eventually(answers)


def test_frames_are_taken_up_to_the_largest_size(running: Any) -> None:
    for columns, expected in ((1000, "answered"), (1200, "faulty")):
        head = {"inputs": [{"name": "frame", "datatype": "UINT8", "shape": [1000, columns, 1],
                            "parameters": {"binary_data_size": 1000 * columns}}]}  # fmt: skip
        raw = json.dumps(head).encode()
        body = raw + np.zeros((1000, columns), np.uint8).tobytes()
        status, facts = running.json("/v2/models/tiny/infer", body, {"Inference-Header-Content-Length": str(len(raw))})
        assert (status, facts["outputs"][2]["data"]) == (200, [expected])
