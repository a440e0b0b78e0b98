"""What can be asked of the station over HTTP, and how it is answered."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...inspection.base.errors import DataError
from ..frames import NoticedFrame, OfferedFrame, PixelRule
from ..outcomes import Outcome, Pixels, outcome_facts
from ..reference_changes import ReferenceChanges
from .bodies import Bodies
from .connections import Connections
from .facade import StationFacade
from .inference import MOST_JSON_BYTES, infer_request, infer_response, model_facts
from .live import Rate, live_facts
from .metrics import metrics_text
from .photographs import MOST_REFERENCE_FRAMES, photographs_in

if TYPE_CHECKING:
    from aiohttp import web

SOURCE = "http"
_PAGE = Path(__file__).parent / "page"
_PAGE_KINDS = {"live.html": "text/html", "live.css": "text/css", "live.js": "text/javascript"}
_SPARE_S = 5.0
_JSON_HEADER = "Inference-Header-Content-Length"
_NAME_CHARACTERS = 200
_NO_PRODUCTS = "this station tells no products apart; write references in station.yaml"

Handler = Callable[["web.Request"], Awaitable["web.StreamResponse"]]


class Routes:
    """The handlers, around one station; they run in one event loop."""

    def __init__(self, facade: StationFacade, connections: Connections) -> None:
        self._facade = facade
        self._rate = Rate()
        self._numbers = itertools.count(1)
        self._bodies = Bodies(connections, largest_bytes=facade.largest_frame_bytes, note_refused=facade.note_refused)
        self._pages = {name: (_PAGE / name).read_bytes() for name in _PAGE_KINDS}

    def table(self) -> list[tuple[str, str, Handler]]:
        """List method, path and handler of everything that can be asked."""
        model = "/v2/models/{model}"
        return [
            ("GET", "/", self._page("live.html")),
            ("GET", "/live.css", self._page("live.css")),
            ("GET", "/live.js", self._page("live.js")),
            ("GET", "/live.json", self._live),
            ("GET", r"/live/{key:\d{1,18}}.jpg", self._picture),
            ("GET", "/metrics", self._metrics),
            ("POST", "/frames", self._frame),
            ("GET", "/product", self._product),
            ("POST", "/product", self._change_product),
            ("GET", "/references", self._references),
            ("POST", "/references/{product}", self._add_reference),
            ("DELETE", "/references/{product}", self._remove_reference),
            ("GET", "/v2", self._server),
            ("GET", "/v2/health/live", self._alive),
            ("GET", "/v2/health/ready", self._ready),
            *((method, f"{start}{end}", handler)
              for start in (model, model + "/versions/{version}")
              for method, end, handler in (
                  ("GET", "", self._model), ("GET", "/ready", self._model_ready), ("POST", "/infer", self._infer))),
        ]  # fmt: skip

    def _page(self, name: str) -> Handler:
        async def handler(_request: web.Request) -> web.Response:
            from aiohttp import web

            return web.Response(body=self._pages[name], content_type=_PAGE_KINDS[name], charset="utf-8")

        return handler

    async def _live(self, _request: web.Request) -> web.Response:
        return _json(live_facts(self._facade, self._rate))

    async def _picture(self, request: web.Request) -> web.Response:
        from aiohttp import web

        picture = self._facade.last.picture(int(request.match_info["key"]))
        if picture is None:
            return _json({"error": "this picture is gone"}, status=404)
        return web.Response(body=picture, content_type="image/jpeg", headers={"Cache-Control": "private, max-age=3600"})

    async def _metrics(self, _request: web.Request) -> web.Response:
        from aiohttp import web

        drift = None if self._facade.drift is None else self._facade.drift.latest
        ring = None if self._facade.ring is None else self._facade.ring.tally()
        text, kind = metrics_text(self._facade.snapshot(), drift=drift, ring=ring)
        return web.Response(body=text, headers={"Content-Type": kind})

    async def _server(self, _request: web.Request) -> web.Response:
        version = self._facade.served().version
        return _json({"name": "beltline", "version": version, "extensions": ["binary_tensor_data"]})

    async def _alive(self, _request: web.Request) -> web.Response:
        return _json({"live": True})

    async def _ready(self, _request: web.Request) -> web.Response:
        ready = self._facade.ready()
        return _json({"ready": ready}, status=200 if ready else 503)

    async def _model(self, request: web.Request) -> web.Response:
        return self._unknown(request) or _json(model_facts(self._facade.served()))

    async def _model_ready(self, request: web.Request) -> web.Response:
        return self._unknown(request) or await self._ready(request)

    async def _infer(self, request: web.Request) -> web.Response:
        from aiohttp import web

        if (unknown := self._unknown(request)) is not None:
            return unknown
        served = self._facade.served()
        async with self._bodies.received(request, most=self._facade.largest_frame_bytes + MOST_JSON_BYTES) as body:
            asked = infer_request(body, _json_bytes(request), served.frame)
            name = "" if asked.id is None else str(asked.id)
            outcome = await self._answer(self._offered(asked.image, name, product=asked.product))
        raw, json_bytes = infer_response(asked, outcome, served)
        if json_bytes is None:
            return web.Response(body=raw, content_type="application/json")
        headers = {_JSON_HEADER: str(json_bytes)}
        return web.Response(body=raw, content_type="application/octet-stream", headers=headers)

    async def _frame(self, request: web.Request) -> web.Response:
        """Take a photograph as an image file; one that cannot be read is a part all the same, and is answered."""
        name = request.query.get("name", "")[:_NAME_CHARACTERS]
        async with self._bodies.received(request, most=self._facade.largest_frame_bytes) as body:
            noticed = NoticedFrame(
                number=next(self._numbers),
                source=SOURCE,
                name=name,
                captured_ns=time.monotonic_ns(),
                load=partial(_decoded, body, self._facade.served().pixels),
                product=request.query.get("product", "")[:_NAME_CHARACTERS],
            )
            outcome = await self._answer(noticed)
        return _json(outcome_facts(outcome), status=422 if outcome.standing == "faulty" else 200)

    async def _product(self, _request: web.Request) -> web.Response:
        products = self._facade.products
        if products is None:
            return _json({"error": _NO_PRODUCTS}, status=404)
        now = products.current
        return _json({"product": now or None, "known": products.knows(now), "products": list(products.names)})

    async def _change_product(self, request: web.Request) -> web.Response:
        """Let frames from now on show another product, known or not: no other one's reference may judge its parts."""
        if self._facade.products is not None:
            await asyncio.to_thread(self._facade.change_product, request.query.get("name", ""))
        return await self._product(request)

    async def _references(self, _request: web.Request) -> web.Response:
        references = self._facade.references
        if references is None:
            return _json({"error": _NO_PRODUCTS}, status=404)
        return _json(await asyncio.to_thread(references.listed))

    async def _add_reference(self, request: web.Request) -> web.Response:
        """Take one photograph as it is, or several as a form with files."""
        references, product, by = self._changing(request)
        most = MOST_REFERENCE_FRAMES * self._facade.largest_frame_bytes + MOST_JSON_BYTES
        async with self._bodies.received(request, most=most) as body:
            photographs = photographs_in(body, request.headers.get("Content-Type", ""))
            return _json(await asyncio.to_thread(references.add, product, photographs, by=by))

    async def _remove_reference(self, request: web.Request) -> web.Response:
        references, product, by = self._changing(request)
        return _json(await asyncio.to_thread(references.remove, product, by=by))

    def _changing(self, request: web.Request) -> tuple[ReferenceChanges, str, str]:
        """Give what changes references, the product and who asks.

        Raises:
            HTTPException: None are told apart, or anybody on this machine could ask.
        """
        from aiohttp import web

        references = self._facade.references
        if references is None:
            raise web.HTTPNotFound(text=_NO_PRODUCTS)
        if not references.allowed:
            raise web.HTTPForbidden(text="references are changed only where requests bring a token; name token_file")
        return references, request.match_info["product"], f"HTTP from {request.remote or 'nobody knows where'}"

    def _offered(self, image: Pixels, name: str, *, product: str) -> OfferedFrame:
        return OfferedFrame(
            number=next(self._numbers),
            source=SOURCE,
            name=name,
            image=image,
            captured_ns=time.monotonic_ns(),
            product=product,
        )

    async def _answer(self, frame: OfferedFrame | NoticedFrame) -> Outcome:
        """Wait for the outcome; whoever hangs up does not cancel it, for the part is on the belt."""
        answered = asyncio.shield(asyncio.wrap_future(self._facade.offer(frame)))
        return await asyncio.wait_for(answered, self._facade.served().deadline_ms / 1000 + _SPARE_S)

    def _unknown(self, request: web.Request) -> web.Response | None:
        served = self._facade.served()
        named, version = request.match_info["model"], request.match_info.get("version", served.version)
        if (named, version) == (served.name, served.version):
            return None
        problem = (
            f"wanted the model {served.name!r} in version {served.version!r}, got {named[:80]!r} in {version[:80]!r}"
        )
        return _json({"error": problem}, status=404)


def _decoded(body: bytes, pixels: PixelRule, most_bytes: int) -> Pixels:
    from ...inspection.data.images import frame_of_content

    return frame_of_content(
        Path("the frame"),
        body,
        channels=pixels.channels,
        bit_depth=pixels.bit_depth,
        window=pixels.window,
        most_bytes=most_bytes,
        mosaic=pixels.bayer is not None,
    )


def _json_bytes(request: web.Request) -> int | None:
    header_text = request.headers.get(_JSON_HEADER)
    if header_text is None:
        return None
    if not (header_text.isascii() and header_text.isdecimal() and len(header_text) < 12):
        msg = f"{_JSON_HEADER}: wanted a number of bytes, got {header_text[:80]!r}"
        raise DataError(msg)
    return int(header_text)


def _json(value: dict[str, Any], *, status: int = 200) -> web.Response:
    from aiohttp import web

    return web.json_response(value, status=status)
