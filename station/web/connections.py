"""Connections to the web server: so many and no more, TLS handshakes among them; what is idle gives way."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ...inspection.base.errors import StationError

if TYPE_CHECKING:
    from aiohttp import web

MOST = 128
"""Connections at once, those that still shake hands included."""

MOST_PER_CLIENT = 32
"""Of one address; this machine's own programs all have the same one, and share all of them."""

HANDSHAKE_S = 5.0
HEAD_S = 10.0
_SHORT_OF_DESCRIPTORS_S = 0.2
_PAUSE_S = 0.002
"""Between two newcomers where all places are taken: so each has a quarter of a second until it may have to give way."""


@dataclass(slots=True, eq=False)
class _Connection:
    """One of them.

    Attributes:
        peer: Address of the client.
        protocol: Of aiohttp; it has a transport from when the connection is let in until it is lost.
        task: Lets it in: shakes hands where there is TLS.
        busy: Requests under way on it that were received whole.
        spoke: Whether a whole request came on it.
        quiet_s: Since when nothing came and nothing is under way.
    """

    peer: str
    protocol: web.RequestHandler
    task: asyncio.Task[None] | None = None
    busy: int = 0
    spoke: bool = False
    quiet_s: float = field(default_factory=time.monotonic)

    @property
    def gone(self) -> bool:
        return self.task is not None and self.task.done() and self.protocol.transport is None

    def end(self) -> None:
        if self.task is not None:
            self.task.cancel()
        if isinstance(self.protocol.transport, asyncio.Transport):
            self.protocol.transport.abort()


class Connections:
    """Takes connections in and knows of each what it is doing; used in one event loop."""

    def __init__(
        self,
        runner: web.AppRunner,
        *,
        tls: Callable[[], ssl.SSLContext | None],
        note_refused: Callable[[str, str], None],
    ) -> None:
        """Take none yet.

        Args:
            runner: Set up; makes the protocol of each.
            tls: Gives what encrypts the next connection; None: nothing does.
            note_refused: Takes why a connection was not taken, and the address of who came.
        """
        self._runner = runner
        self._tls = tls
        self._note_refused = note_refused
        self._all: list[_Connection] = []

    async def serve(self, listening: socket.socket) -> None:
        """Take connections for ever.

        Args:
            listening: Non-blocking.
        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                arrived, address = await loop.sock_accept(listening)
            except OSError:  # no descriptor is left, or whoever came is gone
                await asyncio.sleep(_SHORT_OF_DESCRIPTORS_S)
                continue
            peer, crowded = str(address[0]), len(self._all) >= MOST
            if not self._has_room(peer):
                await asyncio.sleep(_PAUSE_S)
                arrived.close()
                self._note_refused("connections", peer)
                continue
            connection = _Connection(peer, self._protocol())
            connection.task = loop.create_task(self._let_in(connection, arrived))
            self._all.append(connection)
            await asyncio.sleep(_PAUSE_S if crowded else 0)  # let those that are in be heard

    def note_begun(self, protocol: web.RequestHandler) -> None:
        """Note that work on a request begins: its head came, or its body is whole."""
        for each in self._all:
            if each.protocol is protocol:
                each.busy, each.spoke = each.busy + 1, True

    def note_ended(self, protocol: web.RequestHandler) -> None:
        """Note that a request was answered, or that its body is waited for."""
        for each in self._all:
            if each.protocol is protocol:
                each.busy, each.quiet_s = each.busy - 1, time.monotonic()

    def note_heard(self, protocol: web.RequestHandler) -> None:
        """Note that a part of a body came."""
        for each in self._all:
            if each.protocol is protocol:
                each.quiet_s = time.monotonic()

    async def close(self) -> None:
        """Let those go that are not let in yet; the others are the runner's."""
        tasks = [each.task for each in self._all if each.task is not None and not each.task.done()]
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _protocol(self) -> web.RequestHandler:
        if self._runner.server is None:
            msg = "the web server was not set up"
            raise StationError(msg)
        return self._runner.server()

    def _has_room(self, peer: str) -> bool:
        """Make room for a newcomer where need be: the one that is quiet longest gives way, of whoever has most."""
        self._all = [each for each in self._all if not each.gone]
        held = Counter(each.peer for each in self._all)
        if held[peer] >= MOST_PER_CLIENT and not peer.startswith("127.") and peer != "::1":
            return self._made_room([each for each in self._all if each.peer == peer])
        if len(self._all) < MOST:
            return True
        quiet = [each for each in self._all if not each.busy]
        most = max((held[each.peer] for each in quiet), default=0)
        return self._made_room([each for each in quiet if held[each.peer] == most])

    def _made_room(self, candidates: list[_Connection]) -> bool:
        quietest = min((each for each in candidates if not each.busy), key=lambda each: each.quiet_s, default=None)
        if quietest is None:
            return False
        quietest.end()
        self._all.remove(quietest)
        self._note_refused("connections", quietest.peer)
        return True

    async def _let_in(self, connection: _Connection, arrived: socket.socket) -> None:
        loop, tls = asyncio.get_running_loop(), self._tls()
        try:
            await loop.connect_accepted_socket(
                lambda: connection.protocol,
                arrived,
                ssl=tls,
                ssl_handshake_timeout=None if tls is None else HANDSHAKE_S,
            )
        except (OSError, asyncio.CancelledError):
            with suppress(OSError):
                arrived.close()
            return
        loop.call_later(HEAD_S, self._hang_up_if_silent, connection)

    def _hang_up_if_silent(self, connection: _Connection) -> None:
        if not connection.spoke and connection.protocol.transport is not None:
            connection.protocol.transport.close()
