"""Do two stages of one model still decide alike? Score differences, ranks, and decisions that flipped."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..inspection.base.errors import DataError, ParityError


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """One stage's scores against a reference's, on the same frames.

    Attributes:
        against: Name of the reference, such as `torch_eager`.
        max_abs: Largest absolute difference of two scores of one frame.
        rank_correlation: Spearman's rho of the scores, in [-1, 1]; 1 where both rank all frames alike.
        flips: Frames that one of the two rejects and the other passes.
        frames: How many frames were compared.
        flipped: Positions of the flipped frames, ascending.
    """

    against: str
    max_abs: float
    rank_correlation: float
    flips: int
    frames: int
    flipped: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Give the JSON form for report.json."""
        return {**asdict(self), "flipped": list(self.flipped)}


def compare_scores(
    reference: NDArray[np.float64], other: NDArray[np.float64], *, threshold: float, against: str
) -> Parity:
    """Compare two stages frame by frame.

    Args:
        reference: Scores `[frames]` of the stage that is right by definition.
        other: Scores `[frames]` of the same frames in the same order.
        threshold: Both reject where `score >= threshold`.
        against: Name of the reference.

    Raises:
        DataError: Nothing to compare, shapes differ, or a score is not finite.

    >>> import numpy as np
    >>> parity = compare_scores(np.array([0.1, 0.6]), np.array([0.1, 0.4]), threshold=0.5, against="torch_eager")
    >>> parity.flips, parity.flipped, round(parity.max_abs, 6)
    (1, (1,), 0.2)
    """
    if reference.ndim != 1 or reference.shape != other.shape or not reference.size:
        got = f"shapes {reference.shape} and {other.shape}"
        msg = f"parity against {against}: wanted two rows of scores of one length >= 1, got {got}"
        raise DataError(msg)
    if not (np.isfinite(reference).all() and np.isfinite(other).all()):
        msg = f"parity against {against}: wanted finite scores, got NaN or infinity; the model is damaged"
        raise DataError(msg)
    flipped = np.flatnonzero((reference >= threshold) != (other >= threshold))
    return Parity(
        against=against,
        max_abs=float(np.abs(reference - other).max()),
        rank_correlation=_rank_correlation(reference, other),
        flips=int(flipped.size),
        frames=int(reference.size),
        flipped=tuple(int(position) for position in flipped),
    )


def require_no_flips(parity: Parity, *, stage: str) -> None:
    """Stop at a stage that was not meant to change numbers but changed a decision.

    Raises:
        ParityError: A decision flipped; the message names the stage.
    """
    if parity.flips:
        msg = (
            f"{stage}: wanted the decisions of {parity.against}, got {parity.flips} flipped of {parity.frames} frames "
            f"(largest score difference {parity.max_abs:.3g}, first at frame {parity.flipped[0]}); "
            f"do not ship this artifact: its runtime computes something else"
        )
        raise ParityError(msg)


def _rank_correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Spearman's rho: Pearson's correlation of midranks; two constant rows agree, one constant row says nothing."""
    from scipy.stats import rankdata

    ranks = np.stack([rankdata(first), rankdata(second)])
    centred = ranks - ranks.mean(axis=1, keepdims=True)
    spread = float(np.sqrt((centred**2).sum(axis=1).prod()))
    if spread == 0.0:
        return float(np.array_equal(ranks[0], ranks[1]))
    return float(np.clip((centred[0] * centred[1]).sum() / spread, -1.0, 1.0))
