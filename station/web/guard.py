"""Who may ask: nobody from another page, nobody without the token where there is one, nobody too often.

On a loopback address without a token, two things could still come in through an operator's browser: a strange page that
posts to it (told by the header Origin) and a strange name that resolves to 127.0.0.1 (told by the header Host).
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..settings import HttpSettings

_OWN_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_MOST_PEERS = 1024
_BURST_S = 2.0
_LEAST_BURST = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is not answered.

    Attributes:
        status: Of HTTP.
        why: In words.
        headers: That the answer needs.
    """

    status: int
    why: str
    headers: Mapping[str, str]


class Guard:
    """Looks at the head of each request; used by one thread."""

    def __init__(self, settings: HttpSettings, *, token: str | None) -> None:
        self._settings, self._token = settings, token
        self._most = max(_LEAST_BURST, settings.requests_per_s * _BURST_S)
        self._peers: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def refusal(self, peer: str, headers: Mapping[str, str]) -> Refusal | None:
        """Say why a request is refused; None: it may go on.

        Args:
            peer: Address of who asks.
            headers: Of the request, names in any case.
        """
        if not self._has_turn(peer):
            return Refusal(status=429, why="too many requests; come more slowly", headers={"Retry-After": "1"})
        host, origin = headers.get("Host", ""), headers.get("Origin")
        if self._settings.loopback and _name_of(f"//{host}") not in {*_OWN_NAMES, self._settings.host}:
            return Refusal(status=403, why=f"this station is not called {host[:80]!r}", headers={})
        if origin is not None and host_of_origin(origin) != host:
            return Refusal(status=403, why="requests from other pages are not answered", headers={})
        if self._token is not None and not hmac.compare_digest(_secret_in(headers), self._token.encode()):
            challenge = {"WWW-Authenticate": 'Basic realm="beltline", charset="UTF-8"'}
            return Refusal(
                status=401, why="wanted the station's token, as Bearer or as Basic password", headers=challenge
            )
        return None

    def _has_turn(self, peer: str) -> bool:
        """Keep a bucket for each address: it fills at the rate allowed, and a request takes one from it."""
        now_s = time.monotonic()
        left, at_s = self._peers.pop(peer, (self._most, now_s))
        left = min(self._most, left + (now_s - at_s) * self._settings.requests_per_s)
        self._peers[peer] = (left - 1 if left >= 1 else left, now_s)
        if len(self._peers) > _MOST_PEERS:
            self._peers.popitem(last=False)
        return left >= 1


def host_of_origin(origin: str) -> str | None:
    """Give host and port of an origin such as `http://127.0.0.1:8080`; None: it is none.

    >>> host_of_origin("http://127.0.0.1:8080"), host_of_origin("null")
    ('127.0.0.1:8080', None)
    """
    try:
        return urlsplit(origin).netloc or None
    except ValueError:
        return None


def _name_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _secret_in(headers: Mapping[str, str]) -> bytes:
    kind, _, given = headers.get("Authorization", "").partition(" ")
    raw = given.strip().encode("utf-8", "surrogateescape")
    if kind.lower() == "bearer":
        return raw
    if kind.lower() != "basic":
        return b""
    try:
        return base64.b64decode(raw, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""
