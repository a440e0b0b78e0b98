"""Several models measured interleaved, A B C, C B A, ...: what the machine does meanwhile befalls all of them alike.

Each turn has a fresh process, pinned and alone, and its warm-up apart: memory layout and start-up differ from process
to process and belong into the interval. That costs about a second per turn for OpenVINO and ONNX Runtime, and some four
for torch. Every other round runs backwards, so that a steady drift favours nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from ...export.contracts import Artifact, Frame
from ...inspection.base.errors import MeasurementError
from ...inspection.statistics.quantile import quantile
from ...targets.fingerprint import differences
from ...targets.host import Host
from ...targets.target import Target
from ..proof.ratio import Ratio, ratio_of_rounds
from .measurement import Measurement
from .measuring import MeasureLimits, measure_back_to_back

SHARES: Mapping[str, float] = MappingProxyType({"p50": 0.5, "p99": 0.99})
"""The times that are compared, by name."""

TURN = MeasureLimits(frames=200, seconds=3)
"""How long one turn lasts: 200 frames, or 3 seconds of a slow model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One turn of every model, close together in time.

    Attributes:
        number: 0, 1, ...; odd ones ran backwards.
        measurements: Name of the model to its back-to-back measurement, in the order they ran.
    """

    number: int
    measurements: Mapping[str, Measurement]


@dataclass(frozen=True, slots=True, kw_only=True)
class InterleavedRounds:
    """All turns of one model.

    Attributes:
        name: Of the model.
        times_ms: `p50` and `p99` of each round's frames, from frame to decision.
        frames: Judged frames of all rounds together.
    """

    name: str
    times_ms: Mapping[str, tuple[float, ...]]
    frames: int

    def typical_ms(self, statistic: str) -> float:
        """Give the median over the rounds."""
        return quantile(self.times_ms[statistic], 0.5)

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form: `rounds`, `frames`, typical `p50` and `p99` in ms, and those of each round."""
        typical = {statistic: self.typical_ms(statistic) for statistic in self.times_ms}
        by_round = {statistic: list(times) for statistic, times in self.times_ms.items()}
        return {"rounds": len(self.times_ms["p50"]), "frames": self.frames, **typical, "by_round": by_round}


def measured_rounds(
    models: Mapping[str, tuple[Artifact, Target]],
    frames: Sequence[Frame],
    *,
    numbers: Sequence[int],
    limits: MeasureLimits = TURN,
    progress: Callable[[int, str], None] = lambda _number, _name: None,
    host: Host | None = None,
) -> Iterator[Round]:
    """Measure the models interleaved, back to back.

    Args:
        models: Name to model and the threads and CPUs it gets, at least two; the order is that of the even rounds.
        frames: Real camera frames; see `measuring.measure_at_line_rate`.
        numbers: Which rounds to run; those that are there already are left out.
        limits: Of one turn.
        progress: Called with the round and the model before each turn.
        host: Where to measure; None: here.

    Yields:
        Each round when it is whole.

    Raises:
        MeasurementError: Fewer than two models, or one cannot be measured.
    """
    if len(models) < 2:
        msg = f"interleaved: wanted at least 2 models to compare, got {len(models)}"
        raise MeasurementError(msg)
    for number in numbers:
        measurements = {}
        for name in list(models)[:: -1 if number % 2 else 1]:
            progress(number, name)
            artifact, target = models[name]
            measurements[name] = measure_back_to_back(artifact, frames, target=target, limits=limits, host=host)
        yield Round(number=number, measurements=MappingProxyType(measurements))


def rounds_of(rounds: Sequence[Round]) -> Mapping[str, InterleavedRounds]:
    """Sort rounds by model: name to turns, in the order of the first round.

    Raises:
        MeasurementError: No rounds, a model is missing in one, or the machine changed between two.
    """
    _require_alike(rounds)
    return {
        name: InterleavedRounds(
            name=name,
            times_ms=MappingProxyType(
                {
                    key: tuple(quantile(each.measurements[name].response_ns, share) / 1e6 for each in rounds)
                    for key, share in SHARES.items()
                }
            ),
            frames=sum(int(each.measurements[name].response_ns.size) for each in rounds),
        )
        for name in rounds[0].measurements
    }


def interleaved_ratio(rounds: InterleavedRounds, against: InterleavedRounds) -> Mapping[str, Ratio]:
    """Compare two models of the same rounds; `p50` and `p99` to the ratio of the first over the second."""
    return {key: ratio_of_rounds(key, rounds.times_ms[key], against.times_ms[key]) for key in SHARES}


def _require_alike(rounds: Sequence[Round]) -> None:
    if not rounds:
        msg = "interleaved: wanted at least one round, got none"
        raise MeasurementError(msg)
    first = rounds[0].measurements
    reference = next(iter(first.values())).fingerprint
    for each in rounds:
        if each.measurements.keys() != first.keys():
            msg = f"interleaved: round {each.number} has {', '.join(each.measurements)}, the first {', '.join(first)}"
            raise MeasurementError(msg)
        for name, measurement in each.measurements.items():
            if changed := differences(reference, measurement.fingerprint):
                msg = f"interleaved: the machine changed before {name} in round {each.number}: {'; '.join(changed)}"
                raise MeasurementError(msg + "; measure again")
