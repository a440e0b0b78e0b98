"""A whole station with its web server, on a real engine process, started once for a module."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from beltline.station.front import Front
from beltline.station.service import Service
from beltline.station.settings import StationSettings

pytest.importorskip("aiohttp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A station that answers."""

    service: Service
    front: Front

    @property
    def port(self) -> int:
        assert self.front.web is not None
        return self.front.web.port

    def ask(
        self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None, *, method: str | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Ask over a connection of its own; gives status, headers and body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method or ("GET" if body is None else "POST"), path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def json(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, Any]:
        """Ask, and read the answer as JSON."""
        status, _, answer = self.ask(path, body, headers)
        return status, json.loads(answer)


@contextmanager
def station(bundle: Any, **changes: Any) -> Iterator[Running]:
    """Run a station with a deadline that a busy machine keeps."""
    http_settings = {"port": 0, "requests_per_s": 100_000, **changes.pop("http", {})}
    base = {"bundle": bundle.path, "deadline_ms": 60_000, "largest_frame_mb": 1, "http": http_settings}
    service = Service(StationSettings.model_validate({**base, **changes}))
    try:
        front = Front(service)
        service.start()
        front.start()
        try:
            yield Running(service=service, front=front)
        finally:
            service.stop()
            front.stop()
    except BaseException:
        service.stop()
        raise


@pytest.fixture(scope="session")
def running(bundle: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The station that most tests ask."""
    ring = {"folder": str(tmp_path_factory.mktemp("ring")), "keep_free_mb": 0}
    with station(
        bundle, ring=ring, results=[{"json_lines": {"path": str(tmp_path_factory.mktemp("out") / "r.jsonl")}}]
    ) as made:
        yield made
