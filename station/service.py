"""The station at work: sources, queue, engine and outlets of one line; each frame is counted in and out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from threading import Event, Thread

import numpy as np
from numpy.typing import NDArray

from ..inspection.base.errors import DataError, StorageError
from ..targets.kernel_files import cpus_by_core
from .changeover import ChangeoverListener
from .collecting import Collector
from .counters import Counters
from .dispatch import Dispatcher
from .engines.engine import Engine
from .engines.pinning import make_thread_realtime
from .engines.sharing import Share
from .engines.slots import new_slots
from .engines.supervisor import EngineSupervisor
from .frames import AnyFrame, FaultyFrame, NoticedFrame, OfferedFrame
from .in_flight import Finished, Noticed
from .intake.decoding import Decoding
from .intake.preparation import Preparation
from .intake.source_supervisor import SourceSupervisor
from .numbers import OutcomeNumbers
from .outcomes import Outcome, Pixels, Seen
from .products import Products
from .publishing.publisher import Publisher
from .settings import SourceChoice, StationSettings, named_choices
from .versions.at_work import AtWork, BundleStore, pixels_of
from .versions.commit_mark import CommitMark

_POLL_S = 0.5
_JOIN_S = 5.0
_FROZEN_S = 5.0
_UNANSWERED, _UNANSWERED_S = 8, 10.0
_ENGINELESS_STARTS = 2
_DRAIN_STEP_S = 0.002
_SWITCH_S = 0.0002


def give_way_sooner() -> float:
    """Let a busy outlet give way to the thread that takes a decision: Python's own 5 ms are a whole deadline.

    Returns:
        The interval of before, for `sys.setswitchinterval`.
    """
    before_s = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_S)
    return before_s


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
        name: Of one inspector among several; empty: it is the only one.
    """

    def __init__(
        self,
        settings: StationSettings,
        numbers: OutcomeNumbers | None = None,
        *,
        embedded: bool = False,
        name: str = "",
        share: Share | None = None,
        state: Path | None = None,
    ) -> None:
        """Load the bundle and start its engine; nothing is taken in before `start`.

        Args:
            settings: What it takes in, and how it answers.
            numbers: Number the outcomes; None: from 1 on.
            embedded: The process is not its own: its threads and its garbage collector are left as they are.
            name: As of the attribute; goes before the names of its sources.
            share: Its part of the machine; None: all of it.
            state: Folder, of its own, that remembers which version is on trial; None: nothing does.

        Raises:
            BeltlineError: No bundle works here.
        """
        self.settings = settings
        self.name = name
        self.share = share or Share(usable=tuple(cpu for _, cpu in cpus_by_core()))
        self._prefix = f"{name}." if name else ""
        self._embedded = embedded
        self.counters = Counters()
        self._publisher = Publisher(numbers or OutcomeNumbers(), self.counters, safe=settings.late)
        self._store = BundleStore(settings)
        self._products = None if settings.references is None else Products(settings.references, state=state)
        self._preparation = Preparation(settings, self._products, prefix=self._prefix)
        largest_bytes = self._preparation.largest_bytes
        self._slots = new_slots(settings.queue.frames, largest_bytes=2 * largest_bytes)  # room for a reference
        self._supervisor = EngineSupervisor(
            settings,
            self._store,
            self._slots,
            self.counters,
            share=self.share,
            mark=CommitMark(state, root=self._store.places.root),
        )
        try:
            engine = self._supervisor.first_engine()
        except BaseException:
            self._store.close()
            raise
        self._pinning = self._supervisor.pinning
        self._dispatcher = Dispatcher(settings, self._slots, engine, self, self.share.turn)
        self._decoding = Decoding(
            settings.decode.threads,
            most_bytes=largest_bytes,
            stuck_s=settings.watchdog.source_stuck_s,
            counters=self.counters,
            decoded=self._decoded,
            undecodable=self._undecodable,
        )
        self._sources: tuple[SourceSupervisor, ...] = ()
        self._changeovers = self._listeners()
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
    def idle(self) -> bool:
        """Whether no frame is under way."""
        return self._dispatcher.idle

    @property
    def ended(self) -> bool:
        """Whether every source has ended and every frame is answered; never where there is no source."""
        return bool(self._sources) and all(source.ended for source in self._sources) and self._dispatcher.idle

    @property
    def products(self) -> Products | None:
        """The references of the products; None: there are none."""
        return self._products

    def change_product(self, product: str, *, by: str) -> None:
        """Let frames that come from now on show another product; those under way keep theirs.

        Args:
            product: Its name; one without a reference is answered on the safe side until it has one.
            by: Who says so, for people.
        """
        if self._products is None:
            return
        try:
            changed = self._products.change_to(product)
        except StorageError as error:
            changed = True
            self.counters.note_incident("product", f"{error}; a restart would not remember {product}")
        if changed:
            lacking = "" if self._products.knows(product) else "; it has no reference, its parts go to the safe side"
            self.counters.note_incident("product", f"{product[:80] or 'none'} from now on, says {by}{lacking}")

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
        self._publisher.subscribe(name, take, frames=frames, with_pixels=with_pixels)

    def share_process(self, collector: Collector, admit: Callable[[AtWork], None]) -> None:
        """Let it work beside other inspectors; before `start`.

        Args:
            collector: Of the process.
            admit: Raises StationError where a new bundle of this inspector does not fit beside the others.
        """
        self._collector, self._supervisor.admit = collector, admit

    def start(self) -> None:
        """Take frames in, from every source and from `offer`."""
        if not self._embedded:
            self._switch_s = give_way_sooner()
            self._collector = Collector()
        self._supervisor.attend(self._dispatcher)
        for thread in self._threads:
            thread.start()
        self._decoding.start()
        for listener in self._changeovers:
            listener.start()
        named = named_choices(self.settings.sources)
        self._sources = tuple(self._source(f"{self._prefix}{kind}", choice) for kind, choice in named)
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
        """Stop the sources, let every frame under way be answered and published, end; a second time: nothing."""
        if self._stopping.is_set():
            return
        for source in self._sources:
            source.stop()
        self._stopping.set()
        for listener in self._changeovers:
            listener.stop()
        self._drain()
        self._decoding.stop()
        self._dispatcher.stop()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_JOIN_S)
        self._supervisor.stop()
        self._publisher.end()
        if self._collector is not None and not self._embedded:
            sys.setswitchinterval(self._switch_s)
            self._collector.close()
        self._dispatcher.close()
        self._slots.close()
        self._store.close()

    def finished(self, ended: Finished) -> None:
        """Take a frame's end from the dispatcher and publish its outcome."""
        outcome = self._publisher.publish(ended)
        if ended.future is not None:
            if isinstance(ended.future, OutcomeFuture):
                ended.future.heatmap = ended.heatmap
            ended.future.set_result(outcome)
        if outcome.standing == "answered":
            self._unanswered = 0
        else:
            self._unanswered, self._unanswered_s = self._unanswered + 1, time.monotonic()
        shape = None
        if isinstance(ended.frame, OfferedFrame) and ended.standing != "faulty":
            shape = ended.frame.image.shape
        self._supervisor.note(outcome, None if shape is None else (shape[0], shape[1], shape[2]))

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
            return
        frame = self._preparation.named(frame)
        if self._stopping.is_set():
            self._dispatcher.refuse(frame, future, "refused", "the station stops")
            if isinstance(frame, NoticedFrame):
                frame.dismiss()
        elif isinstance(frame, NoticedFrame):
            if (noticed := self._dispatcher.notice(frame, future)) is None:
                frame.dismiss()
            else:
                self._decoding.submit(noticed)
        else:
            self._offer(frame, future)

    def _decoded(self, noticed: Noticed, image: Pixels) -> None:
        if not self._dispatcher.claim(noticed):
            return
        frame = noticed.frame
        whole = OfferedFrame(
            number=frame.number,
            source=frame.source,
            name=frame.name,
            image=image,
            captured_ns=frame.captured_ns,
            product=frame.product,
        )
        self._offer(whole, noticed.future)

    def _undecodable(self, noticed: Noticed, why: str) -> None:
        if self._dispatcher.claim(noticed):
            self._dispatcher.refuse(noticed.frame, noticed.future, "faulty", why)

    def _offer(self, frame: OfferedFrame, future: Future[Outcome] | None) -> None:
        spec = self._dispatcher.at_work.model.frame
        try:
            taken = self._preparation.with_region(frame, spec.alone)
        except DataError as error:
            self._dispatcher.refuse(frame, future, "faulty", str(error))
            return
        try:
            beside = self._preparation.beside_reference(taken) if spec.reference else taken
        except DataError as error:
            self.counters.note_without_reference(frame.product, str(error))
            self._dispatcher.refuse(frame, future, "refused", str(error))
        else:
            self._dispatcher.offer(beside, future)

    def _listeners(self) -> tuple[ChangeoverListener, ...]:
        references = self.settings.references
        chosen = named_choices(() if references is None else references.changeover)
        note = self.counters.note_incident
        return tuple(
            ChangeoverListener(choice, partial(self.change_product, by=name), partial(note, f"changeover {name}"))
            for name, choice in chosen
        )

    def _source(self, name: str, choice: SourceChoice) -> SourceSupervisor:
        return SourceSupervisor(
            name,
            choice,
            pixels=pixels_of(self.at_work),
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
            self._supervisor.look()
            if self._products is not None:
                problem = self._products.look(channels=self._dispatcher.at_work.model.frame.frame_channels)
                if problem:
                    self.counters.note_incident("reference", problem)

    def _drain(self) -> None:
        """Wait until every frame is answered; deadlines see to it that this ends."""
        if self._threads[0].ident is None:
            return
        until_ns = time.monotonic_ns() + self.at_work.deadline_ns + int(self.settings.watchdog.engine_s * 1e9)
        while self.counters.snapshot().under_way and time.monotonic_ns() < until_ns:
            time.sleep(_DRAIN_STEP_S)
