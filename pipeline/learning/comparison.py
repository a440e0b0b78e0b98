"""Two versions of an inspector on the same photographs: each decides as it would on the line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...inspection.base.errors import StationError
from ...inspection.data.dataset import Dataset, Sample
from ...inspection.data.streaming import frames_of
from ...inspection.line.gates import Gates
from ...inspection.statistics.bounds import clustered_lower
from ...inspection.statistics.paired import compare_escapes
from ...inspection.statistics.quality import Paired
from ...station.inspector import Decision, open_inspector

_PATIENT_MS = 60_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What a version decides on photographs.

    Attributes:
        rejected: bool `[photographs]`.
        scores: float64 `[photographs]`.
        threshold: Where it cuts.
        bundle: Its version.
    """

    rejected: NDArray[np.bool_]
    scores: NDArray[np.float64]
    threshold: float
    bundle: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A new version against the old one, on photographs that neither has learned from.

    Attributes:
        escapes: Defective ones; None: there is none.
        overkill: Good ones, in the same words: passed reads as rejected.
        overkill_rate: Share of the good ones that the new version rejects.
        overkill_lower: Its exact lower bound, over parts.
        reasons: Why the new version is worse; empty: it is not.
    """

    escapes: Paired | None
    overkill: Paired
    overkill_rate: float
    overkill_lower: float
    reasons: tuple[str, ...]


def decided(bundle: Path, dataset: Dataset, samples: Sequence[Sample]) -> Decided:
    """Let a bundle decide on photographs, by the station's engine, without a deadline that matters.

    Raises:
        BeltlineError: The bundle does not hold, does not take these frames, or its engine gives no answer.
    """
    with open_inspector(bundle, allow_unsigned=True, deadline_ms=_PATIENT_MS) as inspector:
        found = [
            _answered(inspector.inspect(np.ascontiguousarray(frame), name=sample.path), sample)
            for sample, frame in zip(samples, frames_of(dataset, samples), strict=True)
        ]
    return Decided(
        rejected=np.array([each.rejected for each in found], dtype=np.bool_),
        scores=np.array([each.score for each in found], dtype=np.float64),
        threshold=found[0].threshold,
        bundle=found[0].bundle,
    )


def _answered(decision: Decision, sample: Sample) -> Decision:
    if decision.standing != "answered":
        why = decision.detail or decision.standing
        msg = f"{sample.path}: the bundle gave no answer of its own: {why}; is this machine overloaded? learn again"
        raise StationError(msg)
    return decision


def compare(old: Decided, new: Decided, samples: Sequence[Sample], *, gates: Gates) -> Compared:
    """Judge whether the new version is worse.

    It is where it passes more of the defective parts than the old one, or where it rejects more of the good ones and
    that is more than the line's gate allows; the bounds say how much of a rise the parts seen leave possible.

    Args:
        old: Decisions of the version at work.
        new: Those of the next one.
        samples: What both decided on, with at least one good part.
        gates: Give the confidence of the bounds and the overkill that is allowed.
    """
    defective = np.array([sample.defective for sample in samples], dtype=np.bool_)
    escapes = _paired(~new.rejected, ~old.rejected, samples, defective, confidence=gates.escape.confidence)
    overkill = _paired(new.rejected, old.rejected, samples, ~defective, confidence=gates.overkill.confidence)
    if overkill is None:
        msg = "comparing two versions: wanted at least one good part in the test, got none"
        raise ValueError(msg)
    good = [sample.group for sample in samples if not sample.defective]
    rejected = new.rejected[~defective]
    rate = float(rejected.mean())
    return Compared(
        escapes=escapes,
        overkill=overkill,
        overkill_rate=rate,
        overkill_lower=clustered_lower(rejected, good, confidence=gates.overkill.confidence),
        reasons=tuple(_reasons(escapes, overkill, rate, allowed=gates.overkill.max)),
    )


def _paired(
    wrong: NDArray[np.bool_],
    old_wrong: NDArray[np.bool_],
    samples: Sequence[Sample],
    asked: NDArray[np.bool_],
    *,
    confidence: float,
) -> Paired | None:
    chosen = [sample for sample, own in zip(samples, asked, strict=True) if own]
    if not chosen:
        return None
    return compare_escapes(
        wrong[asked],
        old_wrong[asked],
        paths=[sample.path for sample in chosen],
        groups=[sample.group for sample in chosen],
        against="the version at work",
        confidence=confidence,
    )


def _reasons(escapes: Paired | None, overkill: Paired, rate: float, *, allowed: float) -> list[str]:
    reasons = []
    if escapes is not None and escapes.new_escapes > escapes.recovered:
        paths = ", ".join(escapes.new_escape_paths[:3])
        reasons.append(f"it passes {escapes.new_escapes} defective parts that the old one rejects ({paths})")
    if overkill.new_escapes > overkill.recovered and rate > allowed:
        reasons.append(
            f"it rejects {rate:.1%} of the good parts, {overkill.new_escapes} of them that the old one passes; "
            f"{allowed:.1%} are allowed"
        )
    return reasons
