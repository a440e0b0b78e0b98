"""The hot path: frames in, one at a time to the engine, each answered exactly once, at its deadline at the latest.

The thread that offers a frame copies it into shared memory and, where the engine is idle, asks at once. One further
thread takes the replies and keeps the deadlines. Whatever changes hands does so under one lock that is held for
microseconds; the listener is notified after it is released.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import Future
from threading import Lock
from typing import Protocol

from .engines.engine import Engine
from .engines.sharing import Turn
from .engines.slots import FrameSlots
from .frames import AnyFrame, NoticedFrame, OfferedFrame
from .in_flight import Finished, InFlight, Noticed
from .outcomes import Outcome, Standing
from .readable import readable
from .settings import StationSettings
from .versions.at_work import AtWork

_LONGEST_SLEEP_NS = 250_000_000
_SHORTEST_IDLE_NS = 5_000_000


class Listener(Protocol):
    """Is notified of what the dispatcher does; called by its threads, without its lock, so it must be quick."""

    def finished(self, ended: Finished) -> None:
        """Take a frame's end."""
        ...

    def engine_lost(self, engine: Engine, why: str) -> None:
        """Take an engine that died or was killed because it was stuck; nothing asks it any more."""
        ...

    def queued(self, frames: int) -> None:
        """Take how many frames wait now."""
        ...

    def looked(self, *, idle: bool) -> None:
        """Take a round of the thread; `idle`: no frame is under way, and a moment may be taken."""
        ...


class Dispatcher:
    """Lock, thread and shared memory around a `InFlight`.

    Attributes:
        beat_ns: When its thread last looked around.
    """

    def __init__(
        self, settings: StationSettings, slots: FrameSlots, engine: Engine, listener: Listener, turn: Turn
    ) -> None:
        self.beat_ns = time.monotonic_ns()
        self._slots = slots
        self._turn = turn
        self._in_flight = InFlight(settings, slots, engine, turn)
        self._listener = listener
        self._lock = Lock()
        self._wake_up = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        turn.wake = self._wake
        self._armed_ns = 0
        self._stopped = False

    @property
    def at_work(self) -> AtWork:
        """The bundle that decides now."""
        return self._in_flight.at_work

    @property
    def idle(self) -> bool:
        """Whether no frame is under way."""
        with self._lock:
            return self._in_flight.idle

    def offer(self, frame: OfferedFrame, future: Future[Outcome] | None) -> None:
        """Take a frame that the model can take; `future` gets its outcome, at its deadline at the latest."""
        sooner = False
        with self._lock:
            slot = self._in_flight.slot_for(frame, future)
            if slot is not None and self._in_flight.idle:
                sooner, slot = self._enter(frame, future, slot, copied=False), None
            ended = self._in_flight.ended()
        if slot is not None:  # copied beside the lock: the engine's reply must not wait for it
            self._copy(frame, slot)
            with self._lock:
                sooner = self._enter(frame, future, slot, copied=True)
                ended += self._in_flight.ended()
                waiting = self._in_flight.waiting
            self._listener.queued(waiting)
        if sooner:
            self._wake()
        self._notify(ended)

    def notice(self, frame: NoticedFrame, future: Future[Outcome] | None) -> Noticed | None:
        """Take a photograph that is not decoded yet: its deadline is kept from now on; None: it is refused."""
        with self._lock:
            noticed = self._in_flight.notice(frame, future)
            sooner = noticed is not None and noticed.due_ns < self._armed_ns
            ended = self._in_flight.ended()
        if sooner:
            self._wake()
        self._notify(ended)
        return noticed

    def claim(self, noticed: Noticed) -> bool:
        """Take back a photograph that was decoded, to offer or refuse it; whether it still wants an answer."""
        with self._lock:
            return self._in_flight.claim(noticed)

    def refuse(self, frame: AnyFrame, future: Future[Outcome] | None, standing: Standing, why: str) -> None:
        """Answer a frame that the model cannot take, at once."""
        with self._lock:
            self._in_flight.end(frame, future, standing, why)
            ended = self._in_flight.ended()
        self._notify(ended)

    def take_over(self, engine: Engine) -> None:
        """Let another engine work from the next frame on."""
        with self._lock:
            self._in_flight.take_over(engine)
            self._in_flight.feed()
        self._wake()

    def replace_at_once(self, engine: Engine) -> Engine | None:
        """Kill the engine at work and let another one take over, also the frame under way; gives the killed one."""
        with self._lock:
            killed = self._in_flight.drop_engine()
            self._in_flight.take_over(engine)
            self._in_flight.feed()
        self._wake()
        return killed

    def run(self) -> None:
        """Take replies and keep deadlines, until `stop`."""
        while not self._stopped:
            self._sleep()
            self.beat_ns = time.monotonic_ns()
            with self._lock:
                lost = self._in_flight.take_reply()
                self._in_flight.expire(time.monotonic_ns())
                lost = lost or self._in_flight.stuck(self.beat_ns)
                self._in_flight.feed()
                ended, waiting, idle = self._in_flight.ended(), self._in_flight.waiting, self._in_flight.idle
            self._notify(ended)
            if lost is not None:
                self._listener.engine_lost(*lost)
            self._listener.queued(waiting)
            self._listener.looked(idle=idle)

    def stop(self) -> None:
        """End `run`; frames under way stay unanswered, so wait for them before."""
        self._stopped = True
        self._wake()

    def close(self) -> None:
        """Free what it holds, once `run` has ended and nobody offers frames any more."""
        self._turn.give_back()  # nobody wakes it any more
        os.close(self._wake_up)

    def _enter(self, frame: OfferedFrame, future: Future[Outcome] | None, slot: int, *, copied: bool) -> bool:
        """Let a frame wait or begin; whether its deadline comes before the thread looks around again."""
        if not copied:
            self._copy(frame, slot)
        due_ns = self._in_flight.enter(frame, future, slot)
        self._in_flight.feed()
        return due_ns < self._armed_ns

    def _copy(self, frame: OfferedFrame, slot: int) -> None:
        """Copy what is inspected of a frame, once, with its reference and nothing else, to where the engine sees it."""
        frame.copy_to(self._slots.image(slot, frame.shape))

    def _wake(self) -> None:
        os.eventfd_write(self._wake_up, 1)

    def _sleep(self) -> None:
        """Wait for a reply, the next deadline or a nudge."""
        with self._lock:
            engine = self._in_flight.engine
            now_ns = time.monotonic_ns()
            self._armed_ns = self._next_check_ns(now_ns)
        watched = [self._wake_up] if engine is None else [self._wake_up, engine.fileno()]
        if watched[-1] < 0:  # it was closed just now
            return
        if self._wake_up in readable(watched, max(0.0, (self._armed_ns - now_ns) / 1e9)):
            os.eventfd_read(self._wake_up)

    def _next_check_ns(self, now_ns: int) -> int:
        """Idle, look so often that a new frame's deadline lies beyond the next look: an offer then need not wake."""
        idle_ns = min(_LONGEST_SLEEP_NS, max(_SHORTEST_IDLE_NS, self._in_flight.at_work.deadline_ns // 2))
        due_ns = self._in_flight.next_check_ns()
        return now_ns + idle_ns if due_ns is None else min(due_ns, now_ns + idle_ns)

    def _notify(self, ended: list[Finished]) -> None:
        for each in ended:
            self._listener.finished(each)
