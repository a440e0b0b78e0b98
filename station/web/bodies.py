"""Bodies of requests: bounded in size, time and memory; the slowest gives way to a newcomer."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...inspection.base.errors import DataError
from .connections import Connections

if TYPE_CHECKING:
    from aiohttp import web

WHOLE_S, SILENT_S = 10.0, 2.0
"""A body must be there within the first, and never pause for the second."""

GIVES_WAY_S = 0.25
"""Where memory is used up, the slowest of those that took longer than this gives way."""

HELD_FRAMES = 16
"""Bodies in memory, from their first byte until their requests are answered: so many times the largest frame."""

_WINDOW_BITS = {"gzip": 31, "deflate": 15}


@dataclass(slots=True, eq=False)
class _Receiving:
    protocol: web.RequestHandler
    peer: str
    size_bytes: int = 0
    begun_s: float = field(default_factory=time.monotonic)

    @property
    def bytes_per_s(self) -> float:
        return self.size_bytes / max(1e-3, time.monotonic() - self.begun_s)


class Bodies:
    """Receives the bodies of one server; used in one event loop."""

    def __init__(
        self, connections: Connections, *, largest_bytes: int, note_refused: Callable[[str, str], None]
    ) -> None:
        """Receive none yet.

        Args:
            connections: Hear which ones wait for a body: those give way to newcomers as idle ones do.
            largest_bytes: Of a frame.
            note_refused: Takes why a body was not received, and the address of who sent it.
        """
        self._connections = connections
        self._most_held_bytes = HELD_FRAMES * largest_bytes
        self._note_refused = note_refused
        self._receiving: list[_Receiving] = []
        self._held_bytes = 0

    @asynccontextmanager
    async def received(self, request: web.Request, *, most: int) -> AsyncIterator[bytes]:
        """Receive a body and, where it is compressed with gzip or deflate, unpack it; it counts until the block ends.

        Args:
            request: Whose body it is.
            most: Bytes that it may have, packed and unpacked.

        Raises:
            HTTPException: It is too large, packed in another way, came too slowly, or memory is used up.
            DataError: It cannot be unpacked.
        """
        from aiohttp import web

        encoding = request.headers.get("Content-Encoding", "identity").strip().lower()
        if encoding not in ("identity", *_WINDOW_BITS):
            raise web.HTTPUnsupportedMediaType(
                text=f"wanted a body as it is, or in gzip or deflate, got {encoding[:80]}"
            )
        if request.content_length is not None and request.content_length > most:
            raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=request.content_length)
        mine = _Receiving(request.protocol, request.remote or "")
        try:
            body = await self._read(request, mine, most)
            if encoding != "identity":
                body = await asyncio.to_thread(unpacked, body, encoding, most=most)
                self._hold(mine, len(body) - mine.size_bytes)
            yield body
        finally:
            self._held_bytes -= mine.size_bytes
            mine.size_bytes = 0

    async def _read(self, request: web.Request, mine: _Receiving, most: int) -> bytes:
        from aiohttp import web

        self._receiving.append(mine)
        self._connections.note_ended(request.protocol)
        parts: list[bytes] = []
        try:
            while not request.content.at_eof():
                left_s = mine.begun_s + WHOLE_S - time.monotonic()
                part = await asyncio.wait_for(request.content.readany(), max(0.0, min(SILENT_S, left_s)))
                parts.append(part)
                self._connections.note_heard(request.protocol)
                self._hold(mine, len(part))
                if mine.size_bytes > most:
                    raise web.HTTPRequestEntityTooLarge(max_size=most, actual_size=mine.size_bytes)
        except asyncio.TimeoutError:
            self._note_refused("bodies", mine.peer)
            text = f"the body did not come within {WHOLE_S:g} s, or nothing of it came for {SILENT_S:g} s"
            raise web.HTTPRequestTimeout(text=text) from None
        except (ConnectionError, web.RequestPayloadError):
            raise web.HTTPBadRequest(text="whoever asked hung up, or sent a body that is damaged") from None
        finally:
            self._connections.note_begun(request.protocol)
            if mine in self._receiving:
                self._receiving.remove(mine)
        return b"".join(parts)

    def _hold(self, mine: _Receiving, more_bytes: int) -> None:
        """Count memory; where it is used up, the slowest body gives way, or else this one."""
        from aiohttp import web

        while self._held_bytes + more_bytes > self._most_held_bytes:
            now_s = time.monotonic()
            slow = [each for each in self._receiving if each is not mine and now_s - each.begun_s > GIVES_WAY_S]
            slowest = min(slow, key=lambda each: each.bytes_per_s, default=None)
            self._note_refused("bodies", (slowest or mine).peer)
            if slowest is None:
                raise web.HTTPServiceUnavailable(text=f"{self._held_bytes} bytes of frames are in memory already")
            self._receiving.remove(slowest)
            self._held_bytes -= slowest.size_bytes
            slowest.size_bytes = 0
            if isinstance(slowest.protocol.transport, asyncio.Transport):
                slowest.protocol.transport.abort()
        self._held_bytes += more_bytes
        mine.size_bytes += more_bytes


def unpacked(body: bytes, encoding: str, *, most: int) -> bytes:
    """Unpack a body, taking no more memory than allowed, whatever it claims.

    Args:
        body: Packed.
        encoding: `gzip` or `deflate`.
        most: Bytes that it may have unpacked.

    Raises:
        DataError: It is damaged, cut short, followed by something, or larger.

    >>> unpacked(zlib.compress(b"ab"), "deflate", most=2)
    b'ab'
    """
    unpacker = zlib.decompressobj(_WINDOW_BITS[encoding])
    try:
        whole = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        msg = f"wanted a body in {encoding}, got a damaged one: {error}"
        raise DataError(msg) from error
    if len(whole) > most:
        msg = f"wanted a body of at most {most} bytes, got more once it was unpacked"
        raise DataError(msg)
    if not unpacker.eof or unpacker.unused_data:
        msg = f"wanted a whole body in {encoding}, got {'more behind it' if unpacker.eof else 'one that is cut short'}"
        raise DataError(msg)
    return whole
