"""How fast a model is on the machine it was just built on: measured before it may work there.

Only for models that are built where they run (TensorRT): no figure that was measured elsewhere is one of theirs. It is
a short look at the device as it is, frames back to back; what is signed for is measured by `beltline bench`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from ...inspection.base.errors import TooSlowError
from ...inspection.statistics.quantile import quantile
from ..artifacts import backends, built_where_it_runs
from ..contracts import Frame, Session
from .golden import frame_of
from .manifest import ModelFacts
from .proof import runtime_missing
from .reading import Unpacked

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
    def words(self) -> str:
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
    with backends()[model.backend].load(unpacked.artifact(model), threads=threads) as session:
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
