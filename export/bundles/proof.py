"""A bundle's models run on this machine: do they decide as when they were measured, and are those built here in time?

Times are taken only of models that are built where they run (TensorRT): no figure that was measured elsewhere is one
of theirs. It is a short look at the device as it is, frames back to back; what is signed for `beltline bench` measures.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from ...inspection.base.errors import BeltlineError, BundleError, MissingPartError, ParityError, TooSlowError
from ...inspection.statistics.quantile import quantile
from ...targets.fingerprint import fingerprint, weight_bits
from ..artifacts import backends, built_where_it_runs
from ..contracts import Frame, Session
from ..sessions import open_session
from .golden import frame_of
from .manifest import ModelFacts
from .reading import Unpacked


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """What came of a model's golden frames; no decision flipped.

    Attributes:
        row: The model's row.
        backend: The runtime.
        frames: How many there are.
        max_abs: Largest difference of a score from the one expected.
    """

    row: str
    backend: str
    frames: int
    max_abs: float


def prove_models(unpacked: Unpacked, *, threads: int) -> tuple[Proven, ...]:
    """Run the golden frames through every model whose runtime is here.

    Args:
        unpacked: A bundle whose signature and digests hold.
        threads: Of the runtime.

    Raises:
        BundleError: A runtime does not take its model, or gives no score.
        MissingPartError: Not one of the runtimes is here; the message says how to get the first.
        ParityError: A decision flipped.
    """
    here = [model for model in unpacked.manifest.models if runtime_missing(model) is None]
    if not here:
        first = unpacked.manifest.models[0]
        msg = f"model {first.row} runs on {first.backend}: {runtime_missing(first)}"
        raise MissingPartError(msg)
    return tuple(prove(unpacked, model, threads=threads) for model in here)


def prove(unpacked: Unpacked, model: ModelFacts, *, threads: int) -> Proven:
    """Load one model and run the golden frames through it; see `prove_models`."""
    backend = backends()[model.backend]
    with _notified(model), open_session(backend, unpacked.artifact(model), threads=threads) as session:
        return prove_open(session, unpacked, model)


def prove_open(session: Session, unpacked: Unpacked, model: ModelFacts) -> Proven:
    """Run the golden frames through a model that is loaded; see `prove_models`."""
    golden = unpacked.golden()
    if model.backend not in golden.scores:
        msg = f"model {model.row}: wanted golden scores of {model.backend}, got none; do not use this bundle"
        raise BundleError(msg)
    scores = _scores(session, unpacked, model, [frame.file for frame in golden.frames])
    rejects = [score >= model.threshold for score in scores]
    expected = golden.rejects[model.backend]
    flipped = [place for place, wanted in enumerate(expected) if rejects[place] != wanted]
    if flipped:
        first = flipped[0]
        wanted = golden.scores[model.backend][first]
        msg = (
            f"model {model.row} on {model.backend}: wanted the decisions it was measured with, got {len(flipped)} "
            f"flipped of {len(scores)} golden frames (first {golden.frames[first].file}: score {scores[first]:.4f} "
            f"instead of {wanted:.4f}, threshold {model.threshold:.4f}); "
            f"do not use it on this machine: {_reason(model)}"
        )
        raise ParityError(msg)
    largest = max(abs(score - wanted) for score, wanted in zip(scores, golden.scores[model.backend], strict=True))
    return Proven(row=model.row, backend=model.backend, frames=len(scores), max_abs=largest)


def _reason(model: ModelFacts) -> str:
    if model.precision == "int8" and weight_bits(fingerprint(())) < 8:
        return (
            "its processor has no VNNI, and sums of weights with 8 bits overflow there; measure on it, or write "
            "quantize: {reduce_range: true} and bundle again"
        )
    return "its runtime computes something else"


def runtime_missing(model: ModelFacts) -> str | None:
    """Say what a model's runtime lacks here, or None where it can run."""
    backend = backends().get(model.backend)
    if backend is None:
        return f"this Beltline has no backend {model.backend}; update it, or install the package that brings it"
    return backend.missing()


def _scores(session: Session, unpacked: Unpacked, model: ModelFacts, files: list[str]) -> list[float]:
    """Score the golden frames.

    Raises:
        BundleError: The runtime does not take a frame, or gave no score.
    """
    with _notified(model):
        frames = (frame_of((unpacked.folder / name).read_bytes(), name=name) for name in files)
        scores = [session.infer(frame).score for frame in frames]
    if not all(0.0 <= score <= 1.0 for score in scores):
        msg = f"model {model.row}: wanted scores in [0, 1], got others; do not use this bundle"
        raise BundleError(msg)
    return scores


@contextmanager
def _notified(model: ModelFacts) -> Iterator[None]:
    """Say of what a runtime raises which model it was; it says that the bundle is at fault."""
    try:
        yield
    except (BundleError, MissingPartError, ParityError):
        raise
    except (BeltlineError, RuntimeError, OSError) as error:
        msg = f"model {model.row}: {model.backend} does not run it on the golden frames: {error}"
        raise BundleError(msg) from error


_FRAMES = 200
_LONGEST_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Times from frame to decision, in milliseconds; JSON-able with `dataclasses.asdict`.

    Attributes:
        row: The model's row.
        backend: The runtime.
        frames: How many decisions were timed, back to back.
        p50_ms: Half of them took at most so long.
        p99_ms: 99 % of them took at most so long.
        worst_ms: The longest.
        deadline_ms: What the belt allows.
    """

    row: str
    backend: str
    frames: int
    p50_ms: float
    p99_ms: float
    worst_ms: float
    deadline_ms: float

    @property
    def text(self) -> str:
        """A sentence for people."""
        late = " (some decisions come too late)" if self.p99_ms > self.deadline_ms else ""
        return (
            f"{self.row} on {self.backend}: {self.p50_ms:.3g} ms (median), {self.p99_ms:.3g} ms (p99), "
            f"{self.worst_ms:.3g} ms (worst of {self.frames}) from frame to decision, {self.deadline_ms:g} ms "
            f"allowed{late}"
        )


def measure_models(unpacked: Unpacked, *, threads: int) -> tuple[Speed, ...]:
    """Time every model that is built where it runs, on the golden frames.

    Raises:
        TooSlowError: More than half of a model's decisions come after the belt's deadline.
    """
    models = [each for each in unpacked.manifest.models if built_where_it_runs(each.backend)]
    return tuple(_measured(unpacked, each, threads) for each in models if runtime_missing(each) is None)


def _measured(unpacked: Unpacked, model: ModelFacts, threads: int) -> Speed:
    names = [frame.file for frame in unpacked.golden().frames]
    frames = [frame_of((unpacked.folder / name).read_bytes(), name=name) for name in names]
    with open_session(backends()[model.backend], unpacked.artifact(model), threads=threads) as session:
        times_ms = timed(session, frames)
    speed = Speed(
        row=model.row,
        backend=model.backend,
        frames=len(times_ms),
        p50_ms=quantile(times_ms, 0.5),
        p99_ms=quantile(times_ms, 0.99),
        worst_ms=float(max(times_ms)),
        deadline_ms=unpacked.manifest.budget.deadline_ms,
    )
    if speed.p50_ms > speed.deadline_ms:
        got = f"{speed.p50_ms:.3g} ms for half of them on {model.backend}"
        msg = (
            f"model {model.row}: wanted decisions within {speed.deadline_ms:g} ms on this device, got {got}; choose "
            "its fastest power mode (nvpmodel, jetson_clocks), or bundle a smaller row"
        )
        raise TooSlowError(msg)
    return speed


def timed(session: Session, frames: Sequence[Frame]) -> list[float]:
    """Time decisions back to back, each frame in turn: 200, or as many as ten seconds hold.

    Every frame runs once before, untimed.

    Returns:
        Milliseconds of each.
    """
    for frame in frames:
        session.infer(frame)
    times_ms: list[float] = []
    end_ns = time.perf_counter_ns() + int(_LONGEST_S * 1e9)
    while len(times_ms) < _FRAMES and (not times_ms or time.perf_counter_ns() < end_ns):
        frame = frames[len(times_ms) % len(frames)]
        begin_ns = time.perf_counter_ns()
        session.infer(frame)
        times_ms.append((time.perf_counter_ns() - begin_ns) / 1e6)
    return times_ms
