"""The station at work: sources, queue, engine and outlets of one line; each frame is counted in and out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from threading import Event, Lock, Thread

import numpy as np
from numpy.typing import NDArray

from ..export.frame_check import require_frame
from ..inspection.base.errors import DataError
from .collecting import Collector
from .counters import Counters
from .dispatch import Dispatcher
from .engines.engine import Engine
from .engines.pinning import make_thread_realtime
from .engines.slots import new_slots
from .engines.supervisor import EngineSupervisor
from .frames import AnyFrame, FaultyFrame, NoticedFrame, OfferedFrame
from .in_flight import Finished, Noticed, outcome_of
from .intake.decoding import Decoding
from .intake.source_supervisor import SourceSupervisor
from .numbers import OutcomeNumbers
from .outcomes import Outcome, Pixels, Seen
from .publishing.outlets import Outlet
from .settings import SourceChoice, StationSettings, named_choices
from .versions.at_work import AtWork, BundleStore

_POLL_S = 0.5
_JOIN_S = 5.0
_FROZEN_S = 5.0
_UNANSWERED, _UNANSWERED_S = 8, 10.0
_ENGINELESS_STARTS = 2
_DRAIN_STEP_S = 0.002
_SWITCH_S = 0.0002
"""So soon a busy outlet gives way to the thread that takes a decision; Python's own 5 ms are a whole deadline."""


class OutcomeFuture(Future[Outcome]):
    """What will have become of a frame.

    Attributes:
        heatmap: uint8 `[rows, columns]`, there once the outcome is; None where the model did not say in time.
    """

    heatmap: NDArray[np.uint8] | None = None


class Service:
    """One running station.

    Attributes:
        settings: As the user wrote them.
        counters: What became of every frame.
    """

    def __init__(
        self, settings: StationSettings, numbers: OutcomeNumbers | None = None, *, embedded: bool = False
    ) -> None:
        """Load the bundle and start its engine; nothing is taken in before `start`.

        Args:
            settings: What it takes in, and how it answers.
            numbers: Number the outcomes; None: from 1 on.
            embedded: The process is another program's: its threads and its garbage collector are left as they are.

        Raises:
            BeltlineError: No bundle works here.
        """
        self.settings = settings
        self._embedded = embedded
        self.counters = Counters()
        self._numbers = numbers or OutcomeNumbers()
        self._publishing = Lock()
        self._store = BundleStore(settings)
        self._slots = new_slots(settings.queue.frames, largest_bytes=int(settings.largest_frame_mb * 1_000_000))
        self._supervisor = EngineSupervisor(settings, self._store, self._slots, self.counters)
        try:
            engine = self._supervisor.first_engine()
        except BaseException:
            self._store.close()
            raise
        self._pinning = self._supervisor.pinning
        self._dispatcher = Dispatcher(settings, self._slots, engine, self)
        self._decoding = Decoding(
            settings.decode.threads,
            most_bytes=int(settings.largest_frame_mb * 1_000_000),
            stuck_s=settings.watchdog.source_stuck_s,
            counters=self.counters,
            decoded=self._decoded,
            undecodable=self._undecodable,
        )
        self._outlets: tuple[Outlet, ...] = ()
        self._sources: tuple[SourceSupervisor, ...] = ()
        self._collector: Collector | None = None
        self._unanswered, self._unanswered_s = 0, 0.0
        self._stopping = Event()
        self._switch_s = sys.getswitchinterval()
        self._threads = [
            Thread(target=self._dispatch, name="dispatcher", daemon=True),
            Thread(target=self._watch, name="watchdog", daemon=True),
        ]

    @property
    def at_work(self) -> AtWork:
        """The bundle that decides now."""
        return self._dispatcher.at_work

    @property
    def engine_pid(self) -> int:
        """Process of the engine at work; 0: none is there just now."""
        return self._supervisor.engine_pid

    @property
    def other_cpus(self) -> tuple[int, ...]:
        """CPUs for everything but the engine; none: all. See `pinning.keeping_to`."""
        return self._pinning.other_cpus

    @property
    def ended(self) -> bool:
        """Whether every source has ended and every frame is answered; never where there is no source."""
        return bool(self._sources) and all(source.ended for source in self._sources) and self._dispatcher.idle

    def subscribe(
        self, name: str, take: Callable[[Seen], None], *, frames: int = 256, with_pixels: bool = True
    ) -> None:
        """Publish every outcome from now on to a receiver, in a thread of its own.

        Args:
            name: Of the outlet, in counts and messages; unique.
            take: Called with one outcome after the other; what it raises is counted and becomes an incident.
            frames: At most so many outcomes wait for it; what waited longest is then dropped and counted.
            with_pixels: Whether it is given image and heatmap, which are kept in memory so long.
        """
        outlet = Outlet(name, take, self.counters, frames=frames, with_pixels=with_pixels)
        outlet.start()
        self._outlets = (*self._outlets, outlet)

    def start(self) -> None:
        """Take frames in, from every source and from `offer`."""
        if not self._embedded:
            self._switch_s = sys.getswitchinterval()
            sys.setswitchinterval(_SWITCH_S)
            self._collector = Collector()
        self._supervisor.attend(self._dispatcher)
        for thread in self._threads:
            thread.start()
        self._decoding.start()
        self._sources = tuple(self._source(name, choice) for name, choice in named_choices(self.settings.sources))
        for source in self._sources:
            source.start()

    def offer(self, frame: AnyFrame) -> OutcomeFuture:
        """Take one frame; its outcome comes at its deadline at the latest. Safe to call from any thread.

        The future cannot be cancelled: the part is on the belt.
        """
        future = OutcomeFuture()
        future.set_running_or_notify_cancel()
        self._take(frame, future)
        return future

    def take(self, frame: AnyFrame) -> None:
        """Take one frame whose outcome only outlets receive; otherwise as `offer`, and sooner done."""
        self._take(frame, None)

    @property
    def ready(self) -> bool:
        """Whether answers come from the model: an engine is there, and it has answered one of the last frames.

        Where frames stopped coming ten seconds ago nobody knows, and it is asked again.
        """
        silent = self._unanswered >= _UNANSWERED and time.monotonic() - self._unanswered_s < _UNANSWERED_S
        return not silent and self.engine_pid > 0 and not self.healthy()

    def healthy(self) -> str:
        """Give the reason why the process should be restarted; empty where all is well."""
        if not all(thread.is_alive() for thread in self._threads):
            return "a thread of the station has ended"
        if (time.monotonic_ns() - self._dispatcher.beat_ns) / 1e9 > _FROZEN_S:
            return f"the station has not looked around for {_FROZEN_S:g} s"
        if self._supervisor.engineless_s > _ENGINELESS_STARTS * self.settings.watchdog.start_s:
            return f"no engine could be started for {self._supervisor.engineless_s:.0f} s"
        hopeless = [source.name for source in self._sources if source.hopeless]
        hopeless += ["decoding"] if self._decoding.hopeless else []
        return f"{hopeless[0]} hangs over and over" if hopeless else ""

    def stop(self) -> None:
        """Stop the sources, let every frame under way be answered and published, end."""
        for source in self._sources:
            source.stop()
        self._stopping.set()
        self._drain()
        self._decoding.stop()
        self._dispatcher.stop()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_JOIN_S)
        self._supervisor.stop()
        self._end_outlets()
        if self._collector is not None:
            sys.setswitchinterval(self._switch_s)
            self._collector.close()
        self._dispatcher.close()
        self._slots.close()
        self._store.close()

    def finished(self, ended: Finished) -> None:
        """Take a frame's end from the dispatcher and publish its outcome."""
        image = None  # of a faulty frame nobody knows what it is
        if isinstance(ended.frame, OfferedFrame) and ended.standing != "faulty":
            image = ended.frame.image
        with self._publishing:  # every outlet gets the numbers in ascending order
            outcome = outcome_of(ended, number=self._numbers.next(), safe=self.settings.late)
            self.counters.note_outcome(outcome)
            if self._outlets:
                seen = Seen(outcome=outcome, image=image, heatmap=ended.heatmap)
                for outlet in self._outlets:
                    outlet.push(seen)
        if ended.future is not None:
            if isinstance(ended.future, OutcomeFuture):
                ended.future.heatmap = ended.heatmap
            ended.future.set_result(outcome)
        if outcome.standing == "answered":
            self._unanswered = 0
        else:
            self._unanswered, self._unanswered_s = self._unanswered + 1, time.monotonic()
        self._supervisor.note(outcome, None if image is None else (image.shape[0], image.shape[1], image.shape[2]))

    def engine_lost(self, engine: Engine, why: str) -> None:
        """Take the loss of an engine from the dispatcher."""
        self._supervisor.lost(engine, why)

    def queued(self, frames: int) -> None:
        """Take the length of the queue from the dispatcher."""
        self.counters.note_waiting(frames)

    def looked(self, *, idle: bool) -> None:
        """Take a round of the dispatcher: the pauses between frames are for garbage."""
        if self._collector is not None:
            self._collector.look(idle=idle)

    def _take(self, frame: AnyFrame, future: Future[Outcome] | None) -> None:
        self.counters.note_offered(frame.source)
        if isinstance(frame, FaultyFrame):
            self._dispatcher.refuse(frame, future, "faulty", frame.why)
        elif self._stopping.is_set():
            self._dispatcher.refuse(frame, future, "refused", "the station stops")
            if isinstance(frame, NoticedFrame):
                frame.dismiss()
        elif isinstance(frame, NoticedFrame):
            if (noticed := self._dispatcher.notice(frame, future)) is None:
                frame.dismiss()
            else:
                self._decoding.submit(noticed)
        elif problem := self._misfit(frame):
            self._dispatcher.refuse(frame, future, "faulty", problem)
        else:
            self._dispatcher.offer(frame, future)

    def _decoded(self, noticed: Noticed, image: Pixels) -> None:
        if not self._dispatcher.claim(noticed):
            return
        frame = noticed.frame
        whole = OfferedFrame(
            number=frame.number, source=frame.source, name=frame.name, image=image, captured_ns=frame.captured_ns
        )
        if problem := self._misfit(whole):
            self._dispatcher.refuse(whole, noticed.future, "faulty", problem)
        else:
            self._dispatcher.offer(whole, noticed.future)

    def _undecodable(self, noticed: Noticed, why: str) -> None:
        if self._dispatcher.claim(noticed):
            self._dispatcher.refuse(noticed.frame, noticed.future, "faulty", why)

    def _misfit(self, frame: OfferedFrame) -> str:
        try:
            require_frame(frame.image, self._dispatcher.at_work.model.frame)
        except DataError as error:
            return str(error)
        if frame.image.nbytes > self._slots.layout.image_bytes:
            return f"frame: wanted at most {self.settings.largest_frame_mb:g} MB, got {frame.image.nbytes / 1e6:g}"
        return ""

    def _source(self, name: str, choice: SourceChoice) -> SourceSupervisor:
        return SourceSupervisor(
            name,
            choice,
            channels=self.at_work.model.frame.channels,
            take=self.take,
            counters=self.counters,
            watchdog=self.settings.watchdog,
            realtime=self._pinning.realtime,
        )

    def _dispatch(self) -> None:
        if self._pinning.realtime:
            make_thread_realtime()
        self._dispatcher.run()

    def _watch(self) -> None:
        while not self._stopping.wait(_POLL_S):
            for source in self._sources:
                source.look()
            self._decoding.look()

    def _end_outlets(self) -> None:
        for outlet in self._outlets:
            outlet.end()
        until_s = time.monotonic() + _JOIN_S
        for outlet in self._outlets:
            outlet.join(until_s - time.monotonic())

    def _drain(self) -> None:
        """Wait until every frame is answered; deadlines see to it that this ends."""
        if self._threads[0].ident is None:
            return
        until_ns = time.monotonic_ns() + self.at_work.deadline_ns + int(self.settings.watchdog.engine_s * 1e9)
        while self.counters.snapshot().under_way and time.monotonic_ns() < until_ns:
            time.sleep(_DRAIN_STEP_S)
