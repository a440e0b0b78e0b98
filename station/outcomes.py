"""What the station answers: one outcome for each frame offered, and the sinks that receive it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from ..inspection.base.plugins import plugins
from ..inspection.data.bayer import Bayer

Pixels = NDArray[np.uint8]
Answer = Literal["pass", "reject"]
Standing = Literal["answered", "late", "refused", "faulty"]
"""`answered`: by the model, in time. `late`: the deadline came first. `refused`: no room, or the engine failed on it.
`faulty`: the photograph cannot be read or is not what the model takes. All but the first go to the safe side."""

NOT_ALIGNED = "alignment"
"""What decided on a part that its reference could not be moved onto: it is rejected, as it was in the measurement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The answer to one frame; every frame offered gets exactly one.

    Attributes:
        number: Of the outcome, ascending within the station, given when it is decided; never given twice.
        frame_number: Number of the frame within its source.
        source: As of the frame.
        name: As of the frame.
        answer: What the ejector is to do.
        standing: How the answer came about.
        score: How sure the model is that the part is defective, in [0, 1]; None where it did not say in time.
        threshold: `score >= threshold` rejects the part.
        captured_ns: As of the frame, on the clock of `time.monotonic_ns`.
        decided_ns: When the answer stood, on the same clock.
        unix_ns: The same moment by the calendar, since 1970, UTC.
        bundle: Version of the bundle that was at work.
        detail: Why, where the answer is not the model's; else empty.
        engine_ms: The model's own time on the frame, of what was answered; else None.
        review: A person is to look at the part: it is ejected, and not yet scrap.
        because: The limit that decided, in words; `score` where there are no limits; `alignment` where the reference
            could not be moved onto the part; empty where the score stayed below the threshold.
        findings: What was found on a part whose score reached it, as `Finding.to_json`, the largest first.
        product: What the frame shows, where frames are compared with references; else empty.
        reference: `sha256:<hex>` of the reference that it was compared with; empty: with none.
    """

    number: int
    frame_number: int
    source: str
    name: str
    answer: Answer
    standing: Standing
    score: float | None
    threshold: float
    captured_ns: int
    decided_ns: int
    unix_ns: int
    bundle: str
    detail: str = ""
    engine_ms: float | None = None
    review: bool = False
    because: str = ""
    findings: tuple[Mapping[str, Any], ...] = ()
    product: str = ""
    reference: str = ""

    @property
    def latency_ms(self) -> float:
        """From frame to decision, in ms."""
        return (self.decided_ns - self.captured_ns) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An outcome with what it was decided on; nobody may write to the arrays.

    Attributes:
        outcome: The answer.
        image: uint8 `[height, width, channels]`; None where there was none to read, or none that the model takes.
        origin: Camera pixels left of it and above it.
        heatmap: uint8 `[rows, columns]`, 255 = surely defective there; None where the model did not say in time.
        bayer: Pattern of the image where it is a raw mosaic; None: it is none.
    """

    outcome: Outcome
    image: NDArray[np.uint8] | None
    heatmap: NDArray[np.uint8] | None
    origin: tuple[int, int] = (0, 0)
    bayer: Bayer | None = None


class Sink(Protocol):
    """Somewhere open that outcomes go to; used by one thread, off the hot path."""

    def send(self, outcome: Outcome) -> None:
        """Hand one outcome over; may take long.

        Raises:
            Exception: Whatever happened. It is counted as dropped and becomes an incident; the sink stays open and gets
                the next one.
        """
        ...

    def close(self) -> None:
        """Free what it holds."""
        ...


class ResultKind(Protocol):
    """A kind of place for results. One file in `station/results/` each, with the constant `RESULT`."""

    @property
    def name(self) -> str:
        """As written in station.yaml."""
        ...

    @property
    def settings_type(self) -> type[BaseModel]:
        """What may be written below the kind's name."""
        ...

    def missing(self) -> str | None:
        """Say what is not installed and how to get it, or None."""
        ...

    def open(self, settings: Any) -> Sink:
        """Open a sink with settings of `settings_type`; a failure becomes an incident and is tried again later."""
        ...


def result_kinds() -> Mapping[str, ResultKind]:
    """Give all kinds of results by name: the files in `station/results` and those that other packages add."""
    return plugins("station.results")


def outcome_facts(outcome: Outcome) -> dict[str, Any]:
    """Give what leaves the station: no monotonic clock, which means nothing outside of this machine.

    Returns:
        JSON-able: `number`, `frame_number`, `source`, `name`, `answer`, `standing`, `score` (None: the model did not
        say in time), `threshold`, `latency_ms`, `engine_ms` (the model's own part), `decided` (ISO 8601, UTC),
        `bundle`, `detail`, `review`, `because`, `findings` (each with `kind`, `box`, sizes in px and mm); where
        products are told apart `product` and `reference`, the digest of what it was compared with.
    """
    return {
        "number": outcome.number,
        "frame_number": outcome.frame_number,
        "source": outcome.source,
        "name": outcome.name,
        "answer": outcome.answer,
        "standing": outcome.standing,
        "score": outcome.score,
        "threshold": outcome.threshold,
        "latency_ms": round(outcome.latency_ms, 3),
        "engine_ms": None if outcome.engine_ms is None else round(outcome.engine_ms, 3),
        "decided": moment_of(outcome.unix_ns),
        "bundle": outcome.bundle,
        "detail": outcome.detail,
        "review": outcome.review,
        "because": outcome.because,
        "findings": [dict(each) for each in outcome.findings],
        **({"product": outcome.product, "reference": outcome.reference or None} if outcome.product else {}),
    }


def outcome_line(outcome: Outcome) -> bytes:
    """Give those facts as one line of JSON, with the newline; whatever stands in a name, it stays one line."""
    return json.dumps(outcome_facts(outcome), separators=(",", ":"), allow_nan=False).encode() + b"\n"


def moment_of(unix_ns: int) -> str:
    """Give a moment of the calendar as text.

    >>> moment_of(1_790_000_000_123_456_789)
    '2026-09-21T14:13:20.123456+00:00'
    """
    seconds, nanoseconds = divmod(unix_ns, 1_000_000_000)
    whole = datetime.fromtimestamp(seconds, tz=timezone.utc)
    return whole.replace(microsecond=nanoseconds // 1000).isoformat(timespec="microseconds")
