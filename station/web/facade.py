"""What the web needs of a station, and nothing else of it; the last frames as small pictures for its page."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Lock

from ...inspection.data.bayer import in_colour
from ...inspection.data.frame import FrameSpec
from ..counters import Tally
from ..frames import AnyFrame, PixelRule
from ..outcomes import Answer, Outcome, Pixels, Seen
from ..products import Products
from ..reference_changes import ReferenceChanges
from ..watching.drift import DriftWatch
from ..watching.pictures import screen_picture
from ..watching.reject_ring import RejectRing
from ..watching.work_budget import PAGE_MS_PER_S, WorkBudget

_KEPT = 12
_SIDE_PX = 640
_LOOKING_NS = 10_000_000_000
"""So long after the page was asked for somebody still looks at it."""

_PAUSE_NS = 250_000_000
"""Between two pictures of passed parts, and between two of rejected ones, which thus never wait for passed ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A frame on the page.

    Attributes:
        key: Names its picture; ascending.
        outcome: The answer to it.
        picture: JPEG with the model's heat.
    """

    key: int
    outcome: Outcome
    picture: bytes


class LastFrames:
    """A few pictures a second however fast the belt runs, and none while nobody looks; shown by any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._shown: OrderedDict[int, Shown] = OrderedDict()
        self._drawn_ns: dict[Answer, int] = {}
        self._last: dict[Answer, Outcome] = {}
        self._undrawn: dict[Answer, Seen] = {}
        self._looked_ns = -_LOOKING_NS
        self._key = 0
        self._budget = WorkBudget(PAGE_MS_PER_S)

    def take(self, seen: Seen) -> None:
        """Note a frame's answer, and draw it if it is time for a picture again."""
        outcome, now_ns = seen.outcome, time.monotonic_ns()
        with self._lock:
            self._last[outcome.answer] = outcome
        if (
            seen.image is None
            or self._budget.spent
            or now_ns - self._drawn_ns.get(outcome.answer, -_PAUSE_NS) < _PAUSE_NS
        ):
            return
        self._drawn_ns[outcome.answer] = now_ns
        if now_ns - self._looked_ns > _LOOKING_NS:
            with self._lock:
                self._undrawn[outcome.answer] = seen
            return
        self._draw(seen, seen.image)

    def _draw(self, seen: Seen, image: Pixels) -> None:
        with self._budget.work():
            picture = screen_picture(
                in_colour(image, seen.bayer),
                seen.heatmap,
                side_px=_SIDE_PX,
                findings=seen.outcome.findings,
                origin=seen.origin,
            )
        with self._lock:
            self._key += 1
            self._shown[self._key] = Shown(key=self._key, outcome=seen.outcome, picture=picture)
            while len(self._shown) > _KEPT:
                self._shown.popitem(last=False)

    def shown(self) -> list[Shown]:
        """Give the frames on the page, the latest first; somebody looks now, so they are drawn as they come."""
        self._looked_ns = time.monotonic_ns()
        with self._lock:
            waiting, self._undrawn = list(self._undrawn.values()), {}
        for seen in waiting:
            if seen.image is not None:
                self._draw(seen, seen.image)
        with self._lock:
            return list(reversed(self._shown.values()))

    def picture(self, key: int) -> bytes | None:
        """Give a frame's picture; None: it is gone."""
        with self._lock:
            found = self._shown.get(key)
        return None if found is None else found.picture

    def last(self, answer: Answer) -> Outcome | None:
        """Give the latest outcome with this answer; None: there was none."""
        with self._lock:
            return self._last.get(answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The model at work.

    Attributes:
        name: Of the bundle: how clients of the inference protocol call the model.
        version: Of the bundle.
        backend: The runtime behind it.
        frame: What it takes.
        pixels: How values of 16 bits become 8 in posted photographs.
        threshold: `score >= threshold` rejects the part.
        deadline_ms: From frame to decision.
        period_ms: Of the belt that it was measured for.
        cautions: What whoever relies on it must bear in mind, as its bundle says.
    """

    name: str
    version: str
    backend: str
    frame: FrameSpec
    pixels: PixelRule
    threshold: float
    deadline_ms: float
    period_ms: float
    cautions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StationFacade:
    """A station as its web server sees it; everything here may be called from any thread.

    Attributes:
        offer: Hands a frame to the line; the future always gets its outcome.
        snapshot: All counts of this moment.
        note_refused: Takes why a request was refused, and the address of who asked.
        note_incident: Takes a sentence for people.
        served: The model at work.
        ready: Whether frames are answered by a model now.
        last: Frames for the live page.
        drift: None: nobody looks.
        ring: None: none are kept.
        largest_frame_bytes: Larger ones are refused.
        products: With their references; None: none are told apart.
        change_product: Takes the product that frames show from now on.
        references: Changes them; None: none are told apart.
    """

    offer: Callable[[AnyFrame], Future[Outcome]]
    snapshot: Callable[[], Tally]
    note_refused: Callable[[str, str], None]
    note_incident: Callable[[str], None]
    served: Callable[[], Served]
    ready: Callable[[], bool]
    last: LastFrames
    drift: DriftWatch | None
    ring: RejectRing | None
    largest_frame_bytes: int
    products: Products | None
    change_product: Callable[[str], None]
    references: ReferenceChanges | None
