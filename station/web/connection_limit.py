"""Connections to the web server: so many and no more, and only such as say something soon."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from weakref import WeakSet

from ...inspection.base.errors import StationError

if TYPE_CHECKING:
    from aiohttp import web

_MOST = 128
_HEAD_S = 10.0


class ConnectionLimit:
    """Makes the protocol of each connection, as `create_server` wants it; used in one event loop."""

    def __init__(self, runner: web.AppRunner) -> None:
        self._runner = runner
        self._spoke: WeakSet[asyncio.BaseTransport] = WeakSet()

    def __call__(self) -> asyncio.BaseProtocol:
        """Let one more in, or hang up on it at once.

        Raises:
            StationError: The runner was not set up.
        """
        server = self._runner.server
        if server is None:
            msg = "the web server was not set up"
            raise StationError(msg)
        if len(server.connections) >= _MOST:
            return _Full()
        protocol = server()
        asyncio.get_running_loop().call_later(_HEAD_S, self._hang_up_if_silent, protocol)
        return protocol

    def note_spoke(self, transport: asyncio.BaseTransport | None) -> None:
        """Note that a whole request head came over a connection."""
        if transport is not None:
            self._spoke.add(transport)

    def _hang_up_if_silent(self, protocol: web.RequestHandler) -> None:
        transport = protocol.transport
        if transport is not None and transport not in self._spoke:
            transport.close()


class _Full(asyncio.Protocol):
    """One connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hang up."""
        transport.close()
