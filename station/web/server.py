"""The web server in a thread and an event loop of its own; whatever comes in, the line does not wait for it."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from threading import Thread
from typing import TYPE_CHECKING, Any

from ...inspection.base.errors import DataError, MissingPartError, StationError
from ...inspection.base.packages import missing_package
from ..secret_files import read_secret
from ..settings import HttpSettings
from .certificates import Certificates
from .connections import Connections
from .facade import StationFacade
from .guard import Guard
from .routes import Routes

if TYPE_CHECKING:
    from aiohttp import web

_LOG = logging.getLogger(__name__)
_KEEP_ALIVE_S = 10.0
_RENEW_CHECK_S = 2.0
_LINGER_S = 2.0
_START_S = 20.0
_END_S = 2.0
_HEAD_BYTES = 4096
_KNOCKING = 256
_JSON_SPARE_BYTES = 1 << 20
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_HANGS_UP = frozenset({401, 403, 408, 413, 415, 429, 503})
"""After a refusal the connection is closed: whoever goes on has to come again."""


class WebServer:
    """One server for everything; start it once.

    Attributes:
        port: Where it listens once it is started.
        connections: Once it is started.
    """

    def __init__(self, settings: HttpSettings, facade: StationFacade) -> None:
        """Take what it needs to know.

        Raises:
            MissingPartError: What it needs is not installed.
            LineFileError: Token, certificate or key cannot be used.
        """
        if (missing := web_missing()) is not None:
            raise MissingPartError(missing)
        self._settings, self._facade = settings, facade
        self._token = None if settings.token_file is None else read_secret(settings.token_file)
        self._certificates: Certificates | None = None
        if settings.tls_certificate is not None and settings.tls_key is not None:
            self._certificates = Certificates(
                settings.tls_certificate, settings.tls_key, note_incident=facade.note_incident
            )
        self._thread: Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over: asyncio.Event | None = None
        self.port = settings.port
        self.connections: Connections | None = None

    @property
    def url(self) -> str:
        """Where it is reached."""
        host = f"[{self._settings.host}]" if ":" in self._settings.host else self._settings.host
        return f"{'http' if self._certificates is None else 'https'}://{host}:{self.port}"

    def start(self) -> None:
        """Listen; returns when requests are answered.

        Raises:
            StationError: The address is taken or not this machine's.
        """
        started: Future[int] = Future()
        self._thread = Thread(target=self._run, args=(started,), name="web", daemon=True)
        self._thread.start()
        try:
            self.port = started.result(_START_S)
        except OSError as error:
            msg = f"cannot listen at {self._settings.host}:{self._settings.port}: {error}; choose another http.port"
            raise StationError(msg) from error

    def stop(self) -> None:
        """End it; requests under way are given a moment."""
        if self._loop is not None and self._over is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._over.set)
        if self._thread is not None:
            self._thread.join(_START_S)

    def _run(self, started: Future[int]) -> None:
        try:
            asyncio.run(self._serve(started))
        except Exception as error:  # noqa: BLE001 - the line goes on without its web server, whatever ended it
            if started.done():
                _LOG.exception("the web server ended")
            else:
                started.set_exception(error)

    async def _serve(self, started: Future[int]) -> None:
        from aiohttp import web

        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        application = web.Application(client_max_size=self._facade.largest_frame_bytes + _JSON_SPARE_BYTES)
        runner = web.AppRunner(
            application,
            access_log=None,
            logger=_quiet_log(),
            auto_decompress=False,
            max_line_size=_HEAD_BYTES,
            max_field_size=_HEAD_BYTES,
            keepalive_timeout=_KEEP_ALIVE_S,
            lingering_time=_LINGER_S,
            shutdown_timeout=_END_S,
        )
        self.connections = connections = Connections(runner, tls=self._context, note_refused=self._facade.note_refused)
        guard = Guard(self._settings, token=self._token)
        application.middlewares.append(answering(guard, connections, self._facade.note_refused))
        for method, path, handler in Routes(self._facade, connections).table():
            application.router.add_route(method, path, handler)
        await runner.setup()
        try:
            await self._listen(connections, started)
        finally:
            await connections.close()
            await runner.cleanup()

    async def _listen(self, connections: Connections, started: Future[int]) -> None:
        """Take connections until it is over."""
        listening = socket.create_server(
            (self._settings.host, self._settings.port), family=self._family(), backlog=_KNOCKING
        )
        listening.setblocking(False)
        started.set_result(int(listening.getsockname()[1]))
        tasks = [asyncio.create_task(work) for work in (connections.serve(listening), self._renew())]
        if self._over is not None:
            await self._over.wait()
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        listening.close()

    def _context(self) -> ssl.SSLContext | None:
        return None if self._certificates is None else self._certificates.context

    async def _renew(self) -> None:
        while self._certificates is not None:
            await asyncio.sleep(_RENEW_CHECK_S)
            await asyncio.to_thread(self._certificates.look)

    def _family(self) -> socket.AddressFamily:
        return socket.AF_INET6 if ":" in self._settings.host else socket.AF_INET


def _quiet_log() -> logging.Logger:
    """Give the library a log that takes no tracebacks: it writes one for each malformed request, which fills disks."""
    log = logging.getLogger(f"{__name__}.library")
    log.setLevel(logging.CRITICAL)
    return log


def web_missing() -> str | None:
    """Say what the server needs and is not installed, or None."""
    packages = ("aiohttp", "cv2", "prometheus_client")
    return next((found for name in packages if (found := missing_package(name, "station")) is not None), None)


def answering(guard: Guard, connections: Connections, note_refused: Callable[[str, str], None]) -> Any:
    """Make the middleware: the guard first; whatever happens becomes an answer, `{"error": ...}` if need be.

    Args:
        guard: Looks at each request's head.
        connections: Hear when a request begins and ends.
        note_refused: Takes why a request was refused, and the address of who asked.
    """
    from aiohttp import web

    @web.middleware
    async def middleware(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        connections.note_begun(request.protocol)
        try:
            refusal = guard.refusal(request.remote or "", request.headers, method=request.method, path=request.path)
            if refusal is not None:
                note_refused(refusal.kind, request.remote or "")
                return _error(refusal.why, refusal.status, refusal.headers)
            response = await _answered(request, handler)
        finally:
            connections.note_ended(request.protocol)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    return middleware


async def _answered(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    from aiohttp import web

    try:
        return await handler(request)
    except web.HTTPException as error:
        return _error(error.text or error.reason, error.status)
    except DataError as error:
        return _error(str(error), 400)
    except (asyncio.TimeoutError, StationError) as error:
        return _error(str(error) or "the station did not answer in time", 503)
    except Exception:  # noqa: BLE001 - a bug costs one request, and is logged with its traceback
        _LOG.exception("a request could not be answered: %s %s", request.method, request.path[:200])
        return _error("the station could not answer this request; its log says why", 500)


def _error(why: str, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    from aiohttp import web

    response = web.json_response({"error": why[:1000]}, status=status, headers={**_HEADERS, **(headers or {})})
    if status in _HANGS_UP:
        response.force_close()
    return response
