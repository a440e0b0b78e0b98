"""Everything that publishes what a station does, wired to it: results, the ring of rejects, drift, the web."""

from __future__ import annotations

from functools import partial

from ..outcomes import Seen, Sink, result_kinds
from ..reference_changes import ReferenceChanges
from ..service import Service
from ..settings import ResultChoice, named_choices, require_installed
from ..versions.at_work import pixels_of
from ..watching.drift import DriftWatch, Samples
from ..watching.reject_ring import RejectRing
from ..watching.work_budget import DRIFT_MS_PER_S
from ..web.facade import LastFrames, Served, StationFacade
from ..web.server import WebServer

_RESULTS_WAIT = 1000
_PIXELS_WAIT = 8


class Wiring:
    """The outlets of one service: made before it starts, stopped after it.

    Attributes:
        drift: None: nobody looks.
        ring: None: none are kept.
        web: None: there is no server.
    """

    def __init__(self, service: Service) -> None:
        """Subscribe everything that the settings name.

        Raises:
            MissingPartError: A package is not installed; the message says how to get it.
            LineFileError: Token, certificate or key cannot be used.
            StorageError: Rejected frames cannot be kept where they should be.
        """
        settings = service.settings
        require_installed("result", settings.results, result_kinds())
        self._service = service
        self._sinks = {name: SinkSupervisor(choice) for name, choice in named_choices(settings.results)}
        self.ring = None if settings.ring is None else RejectRing(settings.ring)
        self.drift = self._watch()
        self._last = LastFrames()
        self.web = None if settings.http is None else WebServer(settings.http, self._facade())
        self._subscribe()

    def start(self) -> None:
        """Answer requests.

        Raises:
            StationError: The address is taken.
        """
        if self.web is not None:
            self.web.start()

    def stop(self) -> None:
        """Let go of every partner, after the service has stopped."""
        for sink in self._sinks.values():
            sink.close()
        if self.web is not None:
            self.web.stop()

    def _subscribe(self) -> None:
        for name, sink in self._sinks.items():
            self._service.subscribe(name, sink.take, frames=_RESULTS_WAIT, with_pixels=False)
        pictured = {"ring": self.ring, "drift": self.drift, "page": self._last if self.web is not None else None}
        for name, outlet in pictured.items():
            if outlet is not None:
                self._service.subscribe(name, outlet.take, frames=_PIXELS_WAIT)

    def _watch(self) -> DriftWatch | None:
        settings, counters = self._service.settings.drift, self._service.counters
        if settings is None:
            return None
        return DriftWatch(
            settings,
            reference_of=self._reference_of,
            period_ms=self._service.at_work.unpacked.manifest.budget.period_ms,
            alarm=lambda sentence: counters.note_incident("drift", sentence),
            work_ms_per_s=DRIFT_MS_PER_S,
        )

    def _reference_of(self, version: str) -> Samples | None:
        work = self._service.at_work
        if work.version != version:
            return None
        reference = work.unpacked.reference()
        return {} if reference is None else reference.samples(work.model.backend)

    def _facade(self) -> StationFacade:
        service = self._service
        return StationFacade(
            offer=service.offer,
            snapshot=service.counters.snapshot,
            note_refused=service.counters.note_refused_request,
            note_incident=partial(service.counters.note_incident, "http"),
            served=self._served,
            ready=lambda: service.ready,
            last=self._last,
            drift=self.drift,
            ring=self.ring,
            largest_frame_bytes=int(service.settings.largest_frame_mb * 1_000_000),
            products=service.products,
            change_product=partial(service.change_product, by="HTTP"),
            references=None
            if service.products is None
            else ReferenceChanges(
                service.settings, note_incident=partial(service.counters.note_incident, "references")
            ),
        )

    def _served(self) -> Served:
        work = self._service.at_work
        return Served(
            name=work.unpacked.manifest.name,
            version=work.version,
            backend=work.model.backend,
            frame=work.model.frame,
            pixels=pixels_of(work),
            threshold=work.model.threshold,
            deadline_ms=work.deadline_ns / 1e6,
            period_ms=work.unpacked.manifest.budget.period_ms,
            cautions=work.unpacked.manifest.cautions,
        )


class SinkSupervisor:
    """A place for results: opened with the first outcome, opened anew after each failure.

    Used by the thread of its outlet, closed by any.
    """

    def __init__(self, choice: ResultChoice) -> None:
        self._choice = choice
        self._sink: Sink | None = None

    def take(self, seen: Seen) -> None:
        """Hand an outcome over.

        Raises:
            Exception: Whatever the sink raised; it is closed, and the next outcome opens another one.
        """
        sink = self._sink
        if sink is None:
            self._sink = sink = result_kinds()[self._choice.kind].open(self._choice.settings)
        try:
            sink.send(seen.outcome)
        except Exception:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the sink."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()
