"""Who may ask: nobody from another page, nobody without the token where there is one, nobody too often.

On a loopback address without a token, two things could still come in through an operator's browser: a strange page that
asks it (shown by Origin and Sec-Fetch-Site) and a strange name that resolves to 127.0.0.1 (shown by Host). Only who may
ask is counted against a rate: strangers cannot use up what is the owner's.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..settings import HttpSettings

_OWN_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_MOST_PEERS = 1024
_BURST_S = 2.0
_LEAST_BURST = 10.0
_GUESSES_PER_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why a request is not answered.

    Attributes:
        status: Of HTTP.
        kind: In counts: `host`, `origin`, `token`, `rate`.
        why: One sentence.
        headers: That the answer needs.
    """

    status: int
    kind: str
    why: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Guard:
    """Looks at the head of each request; used by one thread."""

    def __init__(self, settings: HttpSettings, *, token: str | None) -> None:
        self._settings, self._token = settings, token
        self._rates = _RateLimit(settings.requests_per_s, most=max(_LEAST_BURST, settings.requests_per_s * _BURST_S))
        self._guesses = _RateLimit(_GUESSES_PER_S, most=_LEAST_BURST)

    def refusal(self, peer: str, headers: Mapping[str, str], *, method: str = "GET", path: str = "/") -> Refusal | None:
        """Say why a request is refused; None: it may go on.

        Args:
            peer: Address of who asks.
            headers: Of the request, names in any case.
            method: Of HTTP.
            path: What is asked for.
        """
        host, origin = headers.get("Host", ""), headers.get("Origin")
        if self._settings.loopback and _name_of(f"//{host}") not in {*_OWN_NAMES, self._settings.host}:
            return Refusal(status=403, kind="host", why=f"this station is not called {host[:80]!r}")
        if (origin is not None and host_of_origin(origin) != host) or _is_from_another_page(headers, method):
            return Refusal(status=403, kind="origin", why="requests from other pages are not answered")
        if self._token is not None and not hmac.compare_digest(_secret_in(headers), self._token.encode()):
            return self._without_token(peer)
        if not self._rates.take((peer, _area_of(method, path))):
            why = "too many requests; come more slowly"
            return Refusal(status=429, kind="rate", why=why, headers={"Retry-After": "1"})
        return None

    def _without_token(self, peer: str) -> Refusal:
        if not self._guesses.take((peer, "token")):
            why = "too many wrong tokens; come more slowly"
            return Refusal(status=429, kind="token", why=why, headers={"Retry-After": "60"})
        challenge = {"WWW-Authenticate": 'Basic realm="beltline", charset="UTF-8"'}
        why = "wanted the station's token, as Bearer or as Basic password"
        return Refusal(status=401, kind="token", why=why, headers=challenge)


class _RateLimit:
    """A bucket for each client and use: it fills at the rate allowed, and a request takes one from it."""

    def __init__(self, per_s: float, *, most: float) -> None:
        self._per_s, self._most = per_s, most
        self._left: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._left)

    def take(self, client: tuple[str, str]) -> bool:
        """Take a turn; whether there was one."""
        now_s = time.monotonic()
        left, at_s = self._left.pop(client, (self._most, now_s))
        left = min(self._most, left + (now_s - at_s) * self._per_s)
        self._left[client] = (left - 1 if left >= 1 else left, now_s)
        if len(self._left) > _MOST_PEERS:
            self._left.popitem(last=False)
        return left >= 1


def _is_from_another_page(headers: Mapping[str, str], method: str) -> bool:
    """Whether a browser says so (Fetch Metadata, W3C): following a link to the page itself is no harm."""
    if headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
        return False
    followed = headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
    return not (followed and method == "GET")


def _area_of(method: str, path: str) -> str:
    """Name the use of a request: whoever posts parts too fast does not take the page or the metrics from anybody."""
    if method == "POST":
        return "parts"
    return "page" if path == "/" or path.startswith("/live") else "watching"


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
