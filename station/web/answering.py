"""Around every request: the guard first, and whatever happens becomes an answer, `{"error": ...}` if need be."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from ...inspection.base.errors import DataError, StationError
from .guard import Guard

if TYPE_CHECKING:
    from aiohttp import web

_LOG = logging.getLogger(__name__)
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def answering(guard: Guard, note_spoke: Callable[[asyncio.BaseTransport | None], None]) -> Any:
    """Make the middleware.

    Args:
        guard: Looks at each request's head.
        note_spoke: Told the connection of each request.
    """
    from aiohttp import web

    @web.middleware
    async def middleware(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        note_spoke(request.transport)
        refusal = guard.refusal(request.remote or "", request.headers)
        if refusal is not None:
            return _error(refusal.why, refusal.status, refusal.headers)
        response = await _answered(request, handler)
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

    return web.json_response({"error": why[:1000]}, status=status, headers={**_HEADERS, **(headers or {})})
