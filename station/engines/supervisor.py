"""Keeps an engine at work: restarts it when it is lost, goes to a new bundle, and back by itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread

from ...inspection.base.errors import BeltlineError, StationError, StorageError
from ..counters import Counters
from ..dispatch import Dispatcher
from ..outcomes import Outcome
from ..settings import StationSettings
from ..versions.activation import Activation
from ..versions.at_work import AtWork, BundleStore, pixels_of
from ..versions.commit_mark import CommitMark
from ..versions.rollback import roll_back_on_disk
from .engine import Engine
from .pinning import Pinning
from .sharing import Share
from .slots import FrameSlots
from .starter import EngineStarter, Spare
from .trial import Recent, Shape, Trial

_JOIN_S = 10.0

Task = Callable[[], None]


class EngineSupervisor:
    """A thread that does all that takes long, so that it never holds up a frame.

    Attributes:
        admit: Asked before a new bundle is loaded; raises StationError where it does not fit beside other inspectors.
    """

    def __init__(
        self,
        settings: StationSettings,
        store: BundleStore,
        slots: FrameSlots,
        counters: Counters,
        *,
        share: Share,
        mark: CommitMark,
    ) -> None:
        self.admit: Callable[[AtWork], None] = lambda _: None
        self._mark = mark
        self._settings = settings
        self._store = store
        self._counters = counters
        self._starter = EngineStarter(settings, store, slots, counters, share)
        self._spare = Spare(self._starter)
        self._dispatcher: Dispatcher | None = None
        self._engine: Engine | None = None
        self._trial: Trial | None = None
        self._recent = Recent()
        self._noting = Lock()
        self._lost_s: float | None = None
        self._known: set[int] = set()
        self._tasks: SimpleQueue[Task] = SimpleQueue()
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="engine-supervisor", daemon=True)

    @property
    def engine_pid(self) -> int:
        """Process of the engine at work; 0: none is there just now."""
        engine = self._engine
        return 0 if engine is None else engine.pid

    @property
    def pinning(self) -> Pinning:
        """How the machine is divided.

        Raises:
            StationError: No engine is there to divide it for.
        """
        if self._engine is None:
            msg = "no engine is at work; start one first"
            raise StationError(msg)
        return self._starter.pinning(self._engine.at_work)

    @property
    def engineless_s(self) -> float:
        """So long there has been no engine; 0: one is at work."""
        return 0.0 if self._lost_s is None else time.monotonic() - self._lost_s

    def first_engine(self) -> Engine:
        """Start the engine to begin with: of the installed version, or of the latest before it that works.

        Raises:
            BeltlineError: None works here.
        """
        current, uncommitted = self._store.current(), self._mark.uncommitted()
        if current is not None and current.number == uncommitted and current.previous is not None:
            why = f"{current.version} had not passed its trial when the station ended; the version before it works"
            self._counters.note_incident("bundle", why)
        engine = self._engine = self._starter.first(uncommitted=uncommitted)
        self._counters.note_bundle(engine.at_work.version)
        for caution in engine.at_work.cautions:
            self._counters.note_incident("bundle", caution)
        if current is not None:
            self._known.add(current.number)
            if current.number != engine.at_work.generation:
                self._tasks.put(partial(self._follow_on_disk, current.number))
        return engine

    def attend(self, dispatcher: Dispatcher) -> None:
        """Look after a dispatcher's engine from now on."""
        self._dispatcher = dispatcher
        self._thread.start()

    def stop(self) -> None:
        """End the thread and every engine."""
        self._stopping.set()
        self._tasks.put(lambda: None)
        if self._dispatcher is not None:
            self._thread.join(_JOIN_S)
        trial = self._trial
        for engine in (self._engine, *((trial.old, trial.new) if trial is not None else ())):
            if engine is not None:
                engine.close()
        self._spare.drop()

    def look(self) -> None:
        """Kill an engine that takes more memory than it may; the dispatcher finds it gone."""
        engine, most = self._engine, self._starter.memory_bytes
        if engine is not None and engine.alive and (taken := engine.memory_bytes) > most:
            limit = f"more than the {most / 1e6:,.0f} MB of engine.memory_mb"
            self._counters.note_incident("engine", f"it took {taken / 1e6:,.0f} MB of memory, {limit}, and is killed")
            engine.kill()

    def lost(self, engine: Engine, why: str) -> None:
        """Take in that an engine works no more; called by the dispatcher's thread."""
        with self._noting:
            trial = self._trial
            if trial is not None and engine is trial.new:
                self._go_back(trial, f"its engine was lost: {why}")
                return
        if engine is self._engine and (spare := self._spare.take(engine.at_work)) is not None:
            self._put_to_work(spare)
            self._tasks.put(partial(self._clear_away, engine, why))
        else:
            self._tasks.put(partial(self._restart, engine, why))

    def note(self, outcome: Outcome, shape: Shape | None) -> None:
        """Take in how a frame ended; called by any thread.

        Args:
            outcome: Its answer.
            shape: Height, width and channels; None: nobody knows.
        """
        with self._noting:
            trial = self._trial
            if trial is None:
                self._recent.note(outcome, shape)
                return
            verdict = trial.note(outcome)
            if verdict == "failed":
                self._go_back(trial, trial.summary())
            elif verdict == "passed":
                self._trial = None
                self._recent.forget()
                self._tasks.put(partial(self._settle, trial))

    def _run(self) -> None:
        while not self._stopping.is_set():
            task: Task = self._check
            with suppress(Empty):
                task = self._tasks.get(timeout=self._settings.switch.look_every_s)
            try:
                task()
            except BeltlineError as error:
                self._counters.note_incident("bundle", str(error))

    def _check(self) -> None:
        """Go to another version where one was installed; one at a time, and each is tried once."""
        current = None if self._trial is not None else self._store.current()
        if current is None or current.number in self._known:
            self._keep_spare()
            return
        self._known.add(current.number)
        if self._engine is not None and current.version != self._engine.at_work.version:
            self._switch(current, self._engine)

    def _keep_spare(self) -> None:
        if self._settings.engine.spare and self._trial is None and self._engine is not None:
            self._spare.keep(self._engine.at_work)

    def _switch(self, activation: Activation, old: Engine) -> None:
        self._spare.drop()  # two bundles in memory are enough
        try:
            engine = self._beside(self._store.installed(activation), old.at_work)
        except BeltlineError as error:
            why = f"{activation.version} was not put to work: {error}; {old.at_work.version} goes on working"
            self._counters.note_incident("bundle", why)
            self._follow_on_disk(activation.number)
            return
        try:
            self._mark.begin(activation.number)
        except StorageError as error:
            self._counters.note_incident("bundle", f"{error}; a restart would not end the trial")
        with self._noting:
            self._trial = Trial(old, engine, self._settings.switch, self._recent.history())
        self._put_to_work(engine)
        trial = f"on trial for {self._settings.switch.trial_frames:,} frames"
        self._counters.note_switch(activation.version, f"{activation.version} works from now on, {trial}")

    def _beside(self, at_work: AtWork, old: AtWork) -> Engine:
        """Start a new bundle's engine while the old one works.

        Raises:
            BeltlineError: It cannot work here, or takes other frames than the sources give.
        """
        with self._noting:
            shapes = self._recent.history().shapes
        frame = old.model.frame
        if (wanted := pixels_of(at_work)) != (given := pixels_of(old)):
            msg = f"{at_work.version} takes pixels as {wanted}, the sources give {given}; restart the station for it"
            raise StationError(msg)
        require_taken(at_work, shapes or {(frame.frame_height, frame.frame_width, frame.frame_channels)})
        self.admit(at_work)
        return self._starter.started(at_work)

    def _put_to_work(self, engine: Engine) -> None:
        self._engine, self._lost_s = engine, None
        if self._dispatcher is not None:
            self._dispatcher.take_over(engine)

    def _settle(self, trial: Trial) -> None:
        trial.old.close()
        self._counters.note_incident("bundle", f"{trial.new.at_work.version} passed its trial: {trial.summary()}")
        self._mark.commit()

    def _go_back(self, trial: Trial, why: str) -> None:
        """Let the old engine work again at once; the rest has time."""
        self._trial = None
        self._engine = trial.old
        if self._dispatcher is not None:
            self._dispatcher.replace_at_once(trial.old)
        new, old = trial.new.at_work, trial.old.at_work
        self._counters.note_switch(old.version, f"went back from {new.version} to {old.version}: {why}", back=True)
        self._tasks.put(partial(self._after_going_back, trial.new))

    def _after_going_back(self, engine: Engine) -> None:
        engine.close()
        if engine.at_work.generation is not None:
            self._follow_on_disk(engine.at_work.generation)

    def _follow_on_disk(self, generation: int) -> None:
        """Roll back what is installed, unless someone else put another version to work meanwhile."""
        current = self._store.current()
        if current is None or current.number != generation:
            return
        self._counters.note_incident("bundle", roll_back_on_disk(self._store.places.root))
        if (after := self._store.current()) is not None:
            self._known.add(after.number)

    def _clear_away(self, engine: Engine, why: str) -> None:
        self._counters.note_restart("engine", f"the engine was lost: {why}; the spare one works on")
        engine.close()

    def _restart(self, engine: Engine, why: str) -> None:
        self._counters.note_restart("engine", f"the engine was lost: {why}; it is started again")
        engine.close()
        if engine is not self._engine:
            return
        self._engine, self._lost_s = None, time.monotonic()
        again = self._starter.again(engine.at_work, wait=self._stopping.wait)
        if again is None:
            return
        self._put_to_work(again)
        version = again.at_work.version
        self._counters.note_bundle(version)
        self._counters.note_incident("engine", f"{version} works again")


def require_taken(at_work: AtWork, shapes: Iterable[tuple[int | None, int | None, int]]) -> None:
    """Refuse a bundle that does not take the frames that come.

    Args:
        at_work: The bundle.
        shapes: Height, width and channels of these frames; None: any, or not known.

    Raises:
        StationError: It takes others.
    """
    frame = at_work.model.frame
    for height, width, channels in shapes:
        size = (height or frame.frame_height or 1, width or frame.frame_width or 1)
        if channels == frame.frame_channels and frame.takes(*size):
            continue
        wanted = f"{frame.frame_height or 'any'} x {frame.frame_width or 'any'} x {frame.frame_channels}"
        got = f"{height or 'any'} x {width or 'any'} x {channels}"
        msg = (
            f"{at_work.version} takes frames of {wanted} (height, width, channels), the sources give {got}; install "
            "this line's bundle, or restart the station once the sources give such frames"
        )
        raise StationError(msg)
