"""The latency table: what each layer costs at each width, fitted to whole networks that were measured.

A layer by itself cannot be timed truly: engines fuse it with its neighbours, and a call costs more than a thin layer.
So whole networks of other widths are measured, and the time is taken to be a constant and, for each layer, a sum of
non-negative terms in its outputs, its inputs and their product (what it computes, writes and reads). Engines work on
blocks of channels: widths count up to the next multiple of a block, which makes the stairs. The size of the blocks is
the one that predicts best what it was not fitted to (five-fold cross-validation).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import lcm

import numpy as np
from numpy.typing import NDArray

from ..inspection.base.errors import MeasurementError
from .networks.base.shape import LayerShape, NetworkShape, Widths

Row = NDArray[np.float64]

_BLOCKS = tuple((outputs, inputs) for outputs in (1, 8, 16, 32) for inputs in (1, 4, 16))
_FOLDS = 5
_NOISE = 0.03
_COMPUTING = 0.7
"""Share of a network's time that is multiplying, before anything is measured; the samples soon outweigh it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedWidths:
    """One network that was measured.

    Attributes:
        widths: Its channels by group.
        engine_ms: What the engine took for a frame, > 0.
    """

    widths: Widths
    engine_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyTable:
    """Milliseconds of a network at any widths.

    Attributes:
        shape: The network.
        blocks: Outputs and inputs that the engine takes at once.
        terms_ms: What the constant and each layer's terms cost at full width, in the order of `_terms`.
        samples: The networks that it was fitted to.
        error: Mean error relative to the measured time, of networks that it was not fitted to.
    """

    shape: NetworkShape
    blocks: tuple[int, int]
    terms_ms: tuple[float, ...]
    samples: tuple[TimedWidths, ...]
    error: float

    def predicted_ms(self, widths: Widths) -> float:
        """Predict the engine's time for a frame at these widths."""
        return float(_terms(self.shape, widths, self.blocks) @ np.asarray(self.terms_ms))

    def layers_ms(self, widths: Widths) -> Mapping[str, float]:
        """Give each layer's share of the predicted time."""
        shares = _terms(self.shape, widths, self.blocks) * np.asarray(self.terms_ms)
        ends = np.cumsum([1, *(_count(layer) for layer in self.shape.layers)])
        return {
            layer.name: float(shares[begin:end].sum())
            for layer, begin, end in zip(self.shape.layers, ends[:-1], ends[1:], strict=True)
        }

    def edges(self, group: str) -> tuple[int, ...]:
        """Give a group's widths on the edges of its stairs, narrowest first: one more channel would cost a block."""
        (found,) = (each for each in self.shape.groups if each.name == group)
        stair = lcm(found.unit, self.blocks[0])
        return tuple(
            width for width in found.choices() if width % stair == 0 or width in (found.fewest, found.channels)
        )


def fit_table(shape: NetworkShape, samples: Sequence[TimedWidths]) -> LatencyTable:
    """Fit a table to measured networks.

    Args:
        shape: The network.
        samples: Ten or more; among them the network at full width.

    Raises:
        MeasurementError: Too few, or a time that is none.
    """
    times = np.array([sample.engine_ms for sample in samples])
    if len(samples) < 10 or not np.all(times > 0):
        msg = f"latency table: wanted 10 or more networks with times above 0, got {len(samples)}; measure again"
        raise MeasurementError(msg)
    errors = {blocks: _validated(shape, samples, blocks) for blocks in _BLOCKS}
    best = min(errors, key=lambda blocks: errors[blocks])
    rows = np.array([_terms(shape, sample.widths, best) for sample in samples])
    return LatencyTable(
        shape=shape,
        blocks=best,
        terms_ms=tuple(float(each) for each in _fitted(shape, rows, times)),
        samples=tuple(samples),
        error=errors[best],
    )


def _validated(shape: NetworkShape, samples: Sequence[TimedWidths], blocks: tuple[int, int]) -> float:
    """Give the mean relative error over networks that were left out, a fifth at a time."""
    rows = np.array([_terms(shape, sample.widths, blocks) for sample in samples])
    times = np.array([sample.engine_ms for sample in samples])
    fold = np.random.default_rng(0).permutation(len(samples)) % _FOLDS
    errors = np.empty(len(samples))
    for number in range(_FOLDS):
        out = fold == number
        errors[out] = rows[out] @ _fitted(shape, rows[~out], times[~out]) / times[out] - 1
    return float(np.abs(errors).mean())


def _fitted(shape: NetworkShape, rows: Row, times: Row) -> Row:
    """Fit non-negative terms to relative errors, drawn towards what multiply-accumulates alone would say.

    With the noise of a measurement and the spread of what is expected taken as normal this is the most likely table.
    """
    from scipy.optimize import nnls

    expected = _expected(shape, float(times.max()))
    spread = np.full(expected.size, times.max() / max(1, len(shape.layers)))
    system = np.concatenate([rows / times[:, None] / _NOISE, np.diag(1 / spread)])
    wanted = np.concatenate([np.full(times.size, 1 / _NOISE), expected / spread])
    found: Row = nnls(system, wanted)[0]
    return found


def _expected(shape: NetworkShape, full_ms: float) -> Row:
    macs = max(1, sum(layer.macs for layer in shape.layers))
    rest = (1 - _COMPUTING) * full_ms / (1 + 2 * len(shape.layers))
    found = [rest]
    for layer in shape.layers:
        found += [_COMPUTING * full_ms * layer.macs / macs, *([rest] * (_count(layer) - 1))]
    return np.array(found)


def _count(layer: LayerShape) -> int:
    return 1 if layer.depthwise else 3


def _terms(shape: NetworkShape, widths: Widths, blocks: tuple[int, int]) -> Row:
    """Give 1, and for each layer its product, outputs and inputs as shares of the full ones; a depthwise one's outputs.

    Shape `[1 + terms]`.
    """
    counts = shape.counts(widths)
    found = [1.0]
    for layer in shape.layers:
        inputs, outputs = counts[layer.name]
        share_out = _stairs(outputs, blocks[0]) / _stairs(layer.outputs, blocks[0])
        if layer.depthwise:
            found.append(share_out)
            continue
        share_in = _stairs(inputs, blocks[1]) / _stairs(layer.inputs, blocks[1])
        found += [share_out * share_in, share_out, share_in]
    return np.array(found)


def _stairs(channels: int, block: int) -> int:
    return -(-channels // block) * block
