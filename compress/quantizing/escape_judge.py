"""How a step on the graph may ask what it costs: escapes on val, paired with the teacher's."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...inspection.statistics.quality import Paired


class EscapeJudge(Protocol):
    """Runs ONNX files on real frames of val as the recipe's backend runs them; test is never read."""

    @property
    def allowed(self) -> float:
        """Largest upper bound of the rise in escape rate against the teacher, in (0, 1): the gate of line.yaml."""
        ...

    def scores(self, graph: Path, *, at_most: int | None = None) -> NDArray[np.float64]:
        """Score frames of val, `[frames]`, each in [0, 1].

        Args:
            graph: An ONNX file that holds the inspector contract.
            at_most: Take only so many, evenly spread over good and over defective ones; None: all of val.
        """
        ...

    def escapes(self, scores: NDArray[np.float64]) -> Paired:
        """Fit a threshold to scores of all of val and compare what escapes there with the teacher's escapes."""
        ...


def escape_limit(judge: EscapeJudge, given: Paired) -> float:
    """Give the upper bound of the rise that a step may end with.

    Args:
        judge: Knows the gate.
        given: What the graph that came in lets escape: where that misses the gate already, no step can be asked to
            hold it, but each can be asked to lose nothing more.
    """
    return max(judge.allowed, given.increase_upper)
