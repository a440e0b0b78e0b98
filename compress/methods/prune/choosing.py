"""Which widths to choose for a time: the importance kept is to be the greatest that the time can buy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...latency_table import LatencyTable
from ...networks.base.shape import Widths

Importance = Mapping[str, NDArray[np.float64]]
"""Name of a group to the importance of its channels, >= 0. Where channels leave in bundles, one figure a bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Move:
    """Another width for one group.

    Attributes:
        group: Which.
        width: The new one.
        time_ms: Of the network after it.
        price: Importance for each millisecond that it frees or takes.
    """

    group: str
    width: int
    time_ms: float
    price: float


def choose_widths(table: LatencyTable, importance: Importance, *, budget_ms: float) -> dict[str, int] | None:
    """Choose widths, all on edges of stairs, that the table predicts to keep a time.

    The knapsack of HALP (Shen et al. 2021, arXiv 2110.10811): keep the most importance for a time. Several widths
    exclude each other in a group, and what a channel costs depends on the layers beside it; so widths are given up one
    by one, each time the one that costs the least importance for a millisecond freed (the greedy of the
    multiple-choice knapsack: P. Sinha and A. Zoltners, Operations Research 27, 1979), all prices being worked out anew.
    What the last one freed too much is bought back where it brings the most.

    Args:
        table: Of the network.
        importance: Of every group in the table.
        budget_ms: Engine time for a frame.

    Returns:
        The widths of all groups; None where even the narrowest take longer.
    """
    widths = table.shape.full
    time_ms = table.predicted_ms(widths)
    while time_ms > budget_ms:
        narrower = list(_moves(table, importance, widths, time_ms, wider=False))
        if not narrower:
            return None
        chosen = min(narrower, key=lambda move: (move.price, move.time_ms))
        widths[chosen.group], time_ms = chosen.width, chosen.time_ms
    while wider := [
        move for move in _moves(table, importance, widths, time_ms, wider=True) if move.time_ms <= budget_ms
    ]:
        chosen = max(wider, key=lambda move: (move.price, -move.time_ms))
        widths[chosen.group], time_ms = chosen.width, chosen.time_ms
    return widths


def kept_importance(importance: Importance, widths: Widths, full: Widths) -> float:
    """Sum the importance of the channels that stay, the most important of each group."""
    return sum(_kept(importance[name], widths[name], full[name]) for name in full)


def _moves(
    table: LatencyTable, importance: Importance, widths: Widths, time_ms: float, *, wider: bool
) -> Iterator[_Move]:
    """Give every change of one group that frees time (or, `wider`, takes it)."""
    for group in table.shape.groups:
        now = widths[group.name]
        for width in table.edges(group.name):
            if width == now or (width > now) != wider:
                continue
            after_ms = table.predicted_ms({**widths, group.name: width})
            costs = importance[group.name]
            worth = abs(_kept(costs, width, group.channels) - _kept(costs, now, group.channels))
            if (took_ms := abs(after_ms - time_ms)) > 0:
                yield _Move(group=group.name, width=width, time_ms=after_ms, price=worth / took_ms)
            elif wider:
                yield _Move(group=group.name, width=width, time_ms=after_ms, price=np.inf)


def _kept(importance: NDArray[np.float64], width: int, channels: int) -> float:
    bundles = width * importance.size // channels
    return float(np.sort(importance)[::-1][:bundles].sum())
