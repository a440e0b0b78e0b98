"""A bundle opened from a program of one's own: frames in, decisions out, by the station's engine and checks."""

from __future__ import annotations

import time
from concurrent.futures import TimeoutError as NoOutcomeError
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError
from typing_extensions import Self

from ..export.frame_check import require_frame
from ..inspection.base.errors import DataError, StationError
from ..inspection.base.validation import describe_validation
from ..inspection.decision.findings import Finding
from .frames import OfferedFrame
from .outcomes import Answer, Standing
from .service import Service
from .settings import EngineSettings, QueueSettings, StationSettings

if TYPE_CHECKING:
    from ..export.bundles.manifest import Manifest

_QUEUE = 32
_PATIENCE_S = 10.0
_SOURCE = "program"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What became of one frame.

    Attributes:
        answer: `pass` or `reject`: what the ejector is to do.
        standing: `answered`: by the model, in time. `late`: the deadline came first. `refused`: no room, or the engine
            failed on it. All but the first go to the safe side.
        score: How sure the model is that the part is defective, in [0, 1]; None where it did not say in time.
        threshold: `score >= threshold` rejects the part.
        heatmap: uint8 `[rows, columns]`, 255 = surely defective there; None where the model did not say in time.
        latency_ms: From the moment the frame was captured to the decision.
        engine_ms: The model's own share of it; None where it did not answer.
        bundle: Version of the bundle that decided.
        detail: Why, where the answer is not the model's; else empty.
        review: A person is to look at the part; it is ejected.
        because: The limit that decided, in words; `score` where there are none.
        findings: What was found on a part whose score reached the threshold, the largest first.
    """

    answer: Answer
    standing: Standing
    score: float | None
    threshold: float
    heatmap: NDArray[np.uint8] | None
    latency_ms: float
    engine_ms: float | None
    bundle: str
    detail: str
    review: bool = False
    because: str = ""
    findings: tuple[Finding, ...] = ()

    @property
    def rejected(self) -> bool:
        """Whether the part is to be ejected."""
        return self.answer == "reject"


class Inspector:
    """An open bundle: a context manager, safe to use from any number of threads.

    The model runs in a process of its own, as in a station: bound to its CPUs, proven on the bundle's golden frames
    before the first decision, watched, and started anew where it dies or hangs. The program around it is left alone:
    neither its threads nor its garbage collector are touched.
    """

    def __init__(self, settings: StationSettings) -> None:
        """Open a bundle; `open_inspector` says how, and what it raises."""
        self._service = Service(settings, embedded=True)
        self._numbers = count(1)
        self._closed = False
        self._service.start()

    def __enter__(self) -> Self:
        """Go on with it, open as it is."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    @property
    def manifest(self) -> Manifest:
        """What the bundle says of itself: models, belt, gates, and cautions that every reader must see."""
        return self._service.at_work.unpacked.manifest

    @property
    def _pixels_per_mm(self) -> float | None:
        judging = self.manifest.judging
        return None if judging is None else judging.pixels_per_mm

    @property
    def other_cpus(self) -> tuple[int, ...]:
        """CPUs that the engine leaves to the program, for `os.sched_setaffinity`; empty where it has none to itself."""
        return self._service.other_cpus

    def inspect(
        self,
        frame: NDArray[np.uint8],
        *,
        reference: NDArray[np.uint8] | None = None,
        name: str = "",
        captured_ns: int | None = None,
    ) -> Decision:
        """Decide on one frame; returns at its deadline at the latest.

        Args:
            frame: uint8 `[height, width, channels]`, C-contiguous, grey or RGB as the camera gives it.
            reference: Good photograph of the same product, of the frame's shape; where the model compares, and only
                there. It is moved onto the frame.
            name: What people call it, for messages.
            captured_ns: When it was captured, on the clock of `time.monotonic_ns`; None: now. The deadline counts from
                here.

        Raises:
            DataError: It is not what the model takes: type, shape, memory layout, or more than 64 MB.
            StationError: The inspector is closed, or its own threads stand still.
        """
        if self._closed:
            msg = "this inspector is closed; open the bundle again"
            raise StationError(msg)
        spec = self._service.at_work.model.frame
        require_frame(frame, spec.alone)
        if (reference is None) is spec.reference:
            how = "give that of the product, this model compares" if spec.reference else "this model compares nothing"
            msg = f"reference: {how}"
            raise DataError(msg)
        if reference is not None:
            require_frame(reference, spec.alone)
        moment_ns = time.monotonic_ns() if captured_ns is None else captured_ns
        future = self._service.offer(
            OfferedFrame(
                number=next(self._numbers),
                source=_SOURCE,
                name=name,
                image=frame,
                captured_ns=moment_ns,
                reference=reference,
            )
        )
        try:
            outcome = future.result(self._service.at_work.deadline_ns / 1e9 + _PATIENCE_S)
        except NoOutcomeError as error:
            why = self._service.healthy() or "is this machine overloaded?"
            msg = f"no decision came even after the deadline: {why}; close this inspector and open the bundle again"
            raise StationError(msg) from error
        if outcome.standing == "faulty":
            raise DataError(outcome.detail)
        return Decision(
            answer=outcome.answer,
            standing=outcome.standing,
            score=outcome.score,
            threshold=outcome.threshold,
            heatmap=future.heatmap,
            latency_ms=outcome.latency_ms,
            engine_ms=outcome.engine_ms,
            bundle=outcome.bundle,
            detail=outcome.detail,
            review=outcome.review,
            because=outcome.because,
            findings=tuple(Finding.from_json(each, pixels_per_mm=self._pixels_per_mm) for each in outcome.findings),
        )

    def close(self) -> None:
        """End the engine; frames under way are answered before. A second time: nothing."""
        if not self._closed:
            self._closed = True
            self._service.stop()


def open_inspector(
    bundle: Path | None,
    *,
    key: Path | None = None,
    allow_unsigned: bool = False,
    row: str | None = None,
    deadline_ms: float | None = None,
    late: Answer = "reject",
    cpus: tuple[int, ...] | None = None,
    threads: int | None = None,
    spare: bool = False,
) -> Inspector:
    """Open a bundle as `beltline serve` does; see `beltline.open`."""
    try:
        settings = StationSettings(
            bundle=bundle,
            key=key,
            allow_unsigned=allow_unsigned,
            deadline_ms=deadline_ms,
            late=late,
            queue=QueueSettings(frames=_QUEUE),
            engine=EngineSettings(row=row, cpus=cpus, threads=threads, spare=spare),
            http=None,
            drift=None,
        )
    except ValidationError as error:
        msg = f"beltline.open: {describe_validation(error)}"
        raise StationError(msg) from error
    return Inspector(settings)
