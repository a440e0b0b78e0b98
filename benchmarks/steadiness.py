"""Was the device in one state all the time, and do its frames hang together? The proof rests on both."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..inspection.gates import MissGate
from .measurement import Measurement
from .spells import Spells, spells_of

_BLOCKS = 200
_FEWEST_FRAMES = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Steadiness:
    """How the response times of a run's judged frames hang together.

    Attributes:
        autocorrelation: Of neighbouring response times (lag 1), in [-1, 1]; 0 where they do not vary. Far from the
            deadline it does no harm; near it, `spells` shows what it does.
        drift_p_value: Mann-Kendall trend test over 200 block medians, two-sided.
        drift_ms: Theil-Sen slope times the length of the run: how much slower its end is than its beginning.
        late_after_drift: Frames that would be late if all became slower by as much again.
        slowest_ms: Largest response time.
        cluster_frames: As in `spells`.
        spells: How long late and nearly late frames come in a row.
    """

    autocorrelation: float
    drift_p_value: float
    drift_ms: float
    late_after_drift: int
    slowest_ms: float
    cluster_frames: float
    spells: Spells


def steadiness(measurement: Measurement, *, deadline_ms: float, gate: MissGate | None = None) -> Steadiness:
    """Look for drift and for late frames that come in spells.

    Args:
        measurement: With any number of judged frames; fewer than 10 show no drift.
        deadline_ms: Where a frame is late.
        gate: What spells are held against; None: the gate that line.yaml has by default.
    """
    response_ms = measurement.response_ns / 1e6
    p_value, drift_ms = drift_of(response_ms)
    spells = spells_of(measurement, deadline_ms=deadline_ms, gate=gate or MissGate())
    return Steadiness(
        autocorrelation=_autocorrelation(response_ms),
        drift_p_value=p_value,
        drift_ms=drift_ms,
        late_after_drift=int(np.count_nonzero(response_ms + max(0.0, drift_ms) > deadline_ms)),
        slowest_ms=float(response_ms.max()) if response_ms.size else 0.0,
        cluster_frames=spells.cluster_frames,
        spells=spells,
    )


def _autocorrelation(values: NDArray[np.float64]) -> float:
    centred = values - values.mean() if values.size else values
    power = float(centred @ centred)
    return float(centred[1:] @ centred[:-1]) / power if power > 0 else 0.0


def drift_of(values: NDArray[np.float64]) -> tuple[float, float]:
    """Test a series for a trend; see `Steadiness`.

    Returns:
        The p-value, and how much larger the last value is than the first, by the slope.
    """
    from scipy.stats import kendalltau

    if values.size < _FEWEST_FRAMES:
        return 1.0, 0.0
    blocks = _block_medians(values, min(_BLOCKS, values.size))
    if np.ptp(blocks) == 0:
        return 1.0, 0.0
    early, late = np.triu_indices(blocks.size, 1)
    slope = float(np.median((blocks[late] - blocks[early]) / (late - early)))
    return float(kendalltau(np.arange(blocks.size), blocks).pvalue), slope * (blocks.size - 1)


def _block_medians(values: NDArray[np.float64], blocks: int) -> NDArray[np.float64]:
    """Give the median of each block; the first ones are longer by one where the values do not divide evenly."""
    short, longer = divmod(values.size, blocks)
    split = longer * (short + 1)
    parts = (values[:split].reshape(longer, short + 1), values[split:].reshape(blocks - longer, short))
    return np.concatenate([np.median(part, axis=1) for part in parts if part.size])
