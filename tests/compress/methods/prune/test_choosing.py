from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from beltline.compress.latency_table import LatencyTable, TimedWidths, fit_table
from beltline.compress.methods.prune.choosing import Importance, choose_widths, kept_importance
from beltline.compress.networks.base.shape import LayerShape, NetworkShape, WidthGroup


def network(*channels: int) -> LatencyTable:
    """A chain whose time is 0.1 ms and 1 us for each pair of channels that meet."""
    names = [f"g{index}" for index in range(len(channels))]
    layers = [
        LayerShape(
            name=f"conv{index}",
            inputs=channels[index - 1] if index else 3,
            outputs=width,
            macs=width * (channels[index - 1] if index else 3),
            depthwise=False,
            input_groups=((names[index - 1], 1),) if index else (),
            output_groups=((names[index], 1),),
        )
        for index, width in enumerate(channels)
    ]
    groups = tuple(
        WidthGroup(name=name, channels=width, unit=8, fewest=8) for name, width in zip(names, channels, strict=True)
    )
    shape = NetworkShape(groups=groups, layers=tuple(layers))
    every = [dict(zip(names, each, strict=True)) for each in product(*(group.choices() for group in groups))]
    pairs = [sum(a * b for a, b in shape.counts(each).values()) for each in every]
    samples = [TimedWidths(widths=each, engine_ms=0.1 + count / 1000) for each, count in zip(every, pairs, strict=True)]
    return fit_table(shape, samples)


TABLE = network(32, 48, 32)
FULL = TABLE.shape.full


def drawn(seed: int) -> Importance:
    random = np.random.default_rng(seed)
    return {name: random.gamma(1.0, random.uniform(0.2, 3.0), width) for name, width in FULL.items()}


def best_of_all(table: LatencyTable, importance: Importance, budget_ms: float) -> float:
    names = list(FULL)
    every = product(*(table.edges(name) for name in names))
    chosen = (dict(zip(names, each, strict=True)) for each in every)
    return max(kept_importance(importance, each, FULL) for each in chosen if table.predicted_ms(each) <= budget_ms)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("share", [0.75, 0.5, 0.3])
def test_a_time_is_kept_and_little_importance_is_lost_against_trying_everything(seed: int, share: float) -> None:
    importance = drawn(seed)
    budget_ms = share * TABLE.predicted_ms(FULL)
    widths = choose_widths(TABLE, importance, budget_ms=budget_ms)
    assert widths is not None
    assert TABLE.predicted_ms(widths) <= budget_ms
    assert all(width in TABLE.edges(name) for name, width in widths.items())
    assert kept_importance(importance, widths, FULL) >= 0.93 * best_of_all(TABLE, importance, budget_ms)


def test_a_group_that_matters_keeps_its_channels() -> None:
    importance = {name: np.full(width, 10.0 if name == "g1" else 0.1) for name, width in FULL.items()}
    widths = choose_widths(TABLE, importance, budget_ms=0.6 * TABLE.predicted_ms(FULL))
    assert widths is not None
    assert widths["g1"] == 48
    assert widths["g0"] + widths["g2"] < 64


def test_nothing_leaves_where_the_time_is_kept_already() -> None:
    assert choose_widths(TABLE, drawn(0), budget_ms=1.01 * TABLE.predicted_ms(FULL)) == FULL


def test_a_time_below_that_of_the_narrowest_network_has_no_widths() -> None:
    least_ms = TABLE.predicted_ms(TABLE.shape.least)
    assert choose_widths(TABLE, drawn(0), budget_ms=1.001 * least_ms) is not None
    assert choose_widths(TABLE, drawn(0), budget_ms=0.999 * least_ms) is None
