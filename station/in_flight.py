"""Who has which frame: the queue, the engine and the one frame it works on; each frame ends exactly once.

Nothing here waits or locks: `dispatch` calls it under its lock, and notifies its listener afterwards.
"""

from __future__ import annotations

import json
import time
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .engines.engine import Engine
from .engines.sharing import Turn
from .engines.slots import FrameSlots
from .engines.wire import Question, Reply
from .frames import AnyFrame, FaultyFrame, NoticedFrame, OfferedFrame
from .outcomes import Answer, Outcome, Standing
from .settings import StationSettings
from .versions.at_work import AtWork
from .waiting import Item, Waiting


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How a frame ended.

    Attributes:
        frame: The frame.
        future: Takes the outcome; None: nobody waits for it.
        standing: How its answer came about.
        decided_ns: When it stood.
        at_work: The bundle that worked then.
        score: The model's; None where it did not say in time.
        heatmap: The model's, a copy.
        engine_ns: The engine's own time on it; None where there is no reply.
        detail: Why, where the answer is not the model's.
        ruling: What becomes of the part and its findings, see `wire.ruling_bytes`; empty: the score alone decides.
    """

    frame: AnyFrame
    future: Future[Outcome] | None
    standing: Standing
    decided_ns: int
    at_work: AtWork
    score: float | None = None
    heatmap: NDArray[np.uint8] | None = None
    engine_ns: int | None = None
    detail: str = ""
    ruling: bytes = b""


def outcome_of(ended: Finished, *, number: int, safe: Answer) -> Outcome:
    """Turn a frame's end into its answer; all that the model did not decide in time goes to the safe side."""
    model = ended.at_work.model
    answer: Answer = safe
    ruled: dict[str, Any] = json.loads(ended.ruling) if ended.ruling else {}
    if ended.score is not None:
        ejects = ended.score >= model.threshold and ruled.get("action") != "accept"
        answer = "reject" if ejects else "pass"
    return Outcome(
        number=number,
        frame_number=ended.frame.number,
        source=ended.frame.source,
        name=ended.frame.name,
        answer=answer,
        standing=ended.standing,
        score=ended.score,
        threshold=model.threshold,
        captured_ns=ended.frame.captured_ns,
        decided_ns=ended.decided_ns,
        unix_ns=time.time_ns(),
        bundle=ended.at_work.version,
        detail=ended.detail,
        product="" if isinstance(ended.frame, FaultyFrame) else ended.frame.product,
        reference=ended.frame.reference_digest if isinstance(ended.frame, OfferedFrame) else "",
        engine_ms=None if ended.engine_ns is None else ended.engine_ns / 1e6,
        review=ruled.get("action") == "review",
        because=ruled.get("because", ""),
        findings=_in_camera(ruled.get("findings", []), ended),
    )


def origin_of(ended: Finished) -> tuple[int, int]:
    """Say where what the model was shown lies in the camera's frame: columns left of it, rows above it."""
    own = ended.frame.region if isinstance(ended.frame, OfferedFrame) else None
    region = own or ended.at_work.model.frame.region
    return (0, 0) if region is None else (region.left, region.top)


def _in_camera(findings: list[dict[str, Any]], ended: Finished) -> tuple[dict[str, Any], ...]:
    """Move findings where a source has a region of its own: the engine takes the model's for granted."""
    model, (left, top) = ended.at_work.model.frame.region, origin_of(ended)
    right, down = left - (0 if model is None else model.left), top - (0 if model is None else model.top)
    for each in findings if right or down else ():
        each["box"] = [each["box"][0] + right, each["box"][1] + down, *each["box"][2:]]
        each["contour"] = [[x + right, y + down] for x, y in each["contour"]]
    return tuple(findings)


@dataclass(slots=True, eq=False, kw_only=True)
class Noticed:
    """A photograph between being noticed and being decoded.

    Attributes:
        frame: The photograph.
        due_ns: Its deadline.
        future: Takes the outcome; None: nobody waits for it.
        answered: Whether its answer stands: its deadline came, or it is decoded and goes on as another frame.
    """

    frame: NoticedFrame
    due_ns: int
    future: Future[Outcome] | None
    answered: bool = False


Loss = tuple[Engine, str]
"""An engine that works no more, and why."""


class InFlight:
    """Frames, slots and the engine of one station.

    Attributes:
        engine: The one that works; None: there is none.
        at_work: The bundle that it decides with, or the last one did.
    """

    def __init__(self, settings: StationSettings, slots: FrameSlots, engine: Engine, turn: Turn) -> None:
        self.engine: Engine | None = engine
        self._turn = turn
        self.at_work = engine.at_work
        self._slots = slots
        self._stuck_ns = int(settings.watchdog.engine_s * 1e9)
        self._free = list(range(slots.layout.count))
        self._waiting = Waiting(settings.queue)
        self._noticed: dict[Noticed, None] = {}
        self._most_noticed = settings.decode.frames
        self._asked: Item | None = None
        self._next: Engine | None = None
        self._tokens = 0
        self._ended: list[Finished] = []

    @property
    def waiting(self) -> int:
        """Frames in the queue."""
        return len(self._waiting)

    @property
    def idle(self) -> bool:
        """Whether no frame waits, none is being decoded, and the engine has none."""
        return self._asked is None and not self._waiting and not self._noticed

    def ended(self) -> list[Finished]:
        """Take out the frames that ended since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def notice(self, frame: NoticedFrame, future: Future[Outcome] | None) -> Noticed | None:
        """Keep the deadline of a photograph that is not decoded yet; None: too many are, and it is refused."""
        if len(self._noticed) >= self._most_noticed:
            self.end(frame, future, "refused", f"{self._most_noticed} photographs wait to be decoded already")
            return None
        noticed = Noticed(frame=frame, due_ns=frame.captured_ns + self.at_work.deadline_ns, future=future)
        self._noticed[noticed] = None
        return noticed

    def claim(self, noticed: Noticed) -> bool:
        """Take a photograph that was decoded; whether it still wants an answer."""
        if noticed.answered:
            return False
        noticed.answered = True
        del self._noticed[noticed]
        return True

    def slot_for(self, frame: OfferedFrame, future: Future[Outcome] | None) -> int | None:
        """Give a newcomer a place to be copied to; None: it is refused."""
        if not self._waiting.admits:
            self.end(frame, future, "refused", "the queue is full")
            return None
        if not self._free:
            self.end(frame, future, "refused", "too many frames come at the same moment")
            return None
        return self._free.pop()

    def enter(self, frame: OfferedFrame, future: Future[Outcome] | None, slot: int) -> int:
        """Let a copied frame wait; gives its deadline."""
        due_ns = frame.captured_ns + self.at_work.deadline_ns
        refused = self._waiting.push(Item(frame=frame, slot=slot, due_ns=due_ns, future=future))
        if refused is not None:
            self._finish(refused, "refused", "the queue is full")
        return due_ns

    def take_over(self, engine: Engine) -> None:
        """Let another engine work from the next frame on."""
        self._next = engine

    def feed(self) -> None:
        """Ask the engine for the next frame, where it is idle and has the turn; first comes one that takes over."""
        if self._asked is not None:
            return
        if self._next is not None:
            self.engine, self._next = self._next, None
            self.at_work = self.engine.at_work
        if self.engine is None or not self._waiting:
            self._turn.give_back()
            return
        if not self._turn.take() or (item := self._waiting.next()) is None:
            return
        self._tokens += 1
        item.token, item.sent_ns = self._tokens, time.monotonic_ns()
        self._asked = item
        self.engine.ask(Question(item.token, item.slot, *item.frame.shape))

    def take_reply(self) -> Loss | None:
        """Take what the engine has to say, if anything; gives it where it is gone."""
        if self.engine is None:
            return None
        try:
            reply = self.engine.reply()
        except ConnectionError:
            return self._lose("its process died")
        item = self._asked
        if reply is None or item is None or item.token != reply.token:
            return None
        self._asked = None
        self._turn.give_back()
        if item.answered:
            self._free.append(item.slot)
        else:
            self._decide(item, reply)
        return None

    def expire(self, now_ns: int) -> None:
        """Answer every frame whose deadline has come."""
        for noticed in [each for each in self._noticed if each.due_ns <= now_ns]:
            self.claim(noticed)
            self.end(noticed.frame, noticed.future, "late", "it was not decoded at its deadline")
        for item in self._waiting.expired(now_ns):
            why = "no engine was there" if self.engine is None else "it waited until its deadline"
            self._finish(item, "late", why)
        asked = self._asked
        if asked is not None and not asked.answered and asked.due_ns <= now_ns:
            asked.answered = True  # its slot stays the engine's; the others wait no longer for it
            self._turn.give_back()
            self.end(asked.frame, asked.future, "late", "the engine had not decided at its deadline")

    def stuck(self, now_ns: int) -> Loss | None:
        """Kill an engine that has been working on one frame for too long."""
        if self._asked is None or self.engine is None or now_ns < self._asked.sent_ns + self._stuck_ns:
            return None
        self.engine.kill()
        return self._lose(f"it worked on one frame for {self._stuck_ns / 1e9:g} s")

    def drop_engine(self) -> Engine | None:
        """Kill the engine because it is too slow; the frame it works on is the next one for another engine."""
        engine, self.engine = self.engine, None
        item, self._asked = self._asked, None
        self._turn.give_back()
        if engine is not None:
            engine.kill()
        if item is not None and item.answered:
            self._free.append(item.slot)
        elif item is not None:
            self._waiting.put_back(item)
        return engine

    def next_check_ns(self) -> int | None:
        """Say when a deadline comes or the engine counts as stuck."""
        moments = [self._waiting.first_due_ns(), min((each.due_ns for each in self._noticed), default=None)]
        if self._asked is not None:
            moments.append(self._asked.sent_ns + self._stuck_ns)
            moments.append(None if self._asked.answered else self._asked.due_ns)
        return min((moment for moment in moments if moment is not None), default=None)

    def end(self, frame: AnyFrame, future: Future[Outcome] | None, standing: Standing, detail: str) -> None:
        """Note that a frame ended without the model's answer."""
        self._ended.append(
            Finished(
                frame=frame,
                future=future,
                standing=standing,
                decided_ns=time.monotonic_ns(),
                at_work=self.at_work,
                detail=detail,
            )
        )

    def _decide(self, item: Item, reply: Reply) -> None:
        now_ns = time.monotonic_ns()
        if reply.problem:
            self._finish(item, "refused", f"the model did not take it: {reply.problem}")
            return
        if now_ns > item.due_ns:
            self._finish(item, "late", "the engine had not decided at its deadline")
            return
        self._ended.append(
            Finished(
                frame=item.frame,
                future=item.future,
                standing="answered",
                decided_ns=now_ns,
                at_work=self.at_work,
                score=reply.score,
                heatmap=self._heatmap(item, reply),
                engine_ns=reply.ended_ns - reply.started_ns,
                ruling=reply.ruling,
            )
        )
        self._free.append(item.slot)

    def _heatmap(self, item: Item, reply: Reply) -> NDArray[np.uint8] | None:
        """Copy it: the slot is used again at once."""
        return self._slots.heatmap(item.slot, (reply.rows, reply.columns)).copy() if reply.rows else None

    def _lose(self, why: str) -> Loss | None:
        """Go on without the engine; the frame it had is not given to another one: it may be what killed it."""
        engine, self.engine = self.engine, None
        item, self._asked = self._asked, None
        self._turn.give_back()
        if item is not None and item.answered:
            self._free.append(item.slot)
        elif item is not None:
            self._finish(item, "refused", f"the engine was lost on it: {why}")
        return None if engine is None else (engine, why)

    def _finish(self, item: Item, standing: Standing, detail: str) -> None:
        self._free.append(item.slot)
        self.end(item.frame, item.future, standing, detail)
