from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest
from beltline.benchmarks.timing.engine_timing import random_widths, sampled_widths
from beltline.compress.latency_table import LatencyTable, TimedWidths, fit_table
from beltline.compress.networks.base.shape import LayerShape, NetworkShape, WidthGroup
from beltline.inspection.base.errors import MeasurementError

Law = Callable[[Mapping[str, int]], float]


def chain(*channels: int) -> NetworkShape:
    """Layers one after another; the first takes a frame's channel, the last gives the logits."""
    names = [f"layer{index}" for index in range(len(channels))]
    groups = [
        WidthGroup(name=name, channels=width, unit=8, fewest=8) for name, width in zip(names, channels, strict=True)
    ]
    layers = [
        LayerShape(
            name=name,
            inputs=channels[index - 1] if index else 1,
            outputs=channels[index],
            macs=(channels[index - 1] if index else 1) * channels[index] * 1000,
            depthwise=False,
            input_groups=((names[index - 1], 1),) if index else (),
            output_groups=((name, 1),),
        )
        for index, name in enumerate(names)
    ]
    last = LayerShape(
        name="logits", inputs=channels[-1], outputs=1, macs=1000, depthwise=False, input_groups=((names[-1], 1),)
    )
    return NetworkShape(groups=tuple(groups), layers=(*layers, last))


def stairs_of_16(shape: NetworkShape, *, noise: float = 0.0) -> Law:
    """Engine time with blocks of 16 outputs, some of it for each call."""
    random = np.random.default_rng(5)

    def law(widths: Mapping[str, int]) -> float:
        taken = 0.05
        for inputs, outputs in shape.counts(widths).values():
            taken += 0.01 + 2e-5 * (-(-outputs // 16) * 16) * inputs
        return taken * float(np.exp(noise * random.standard_normal()))

    return law


def measured(shape: NetworkShape, law: Law) -> LatencyTable:
    return fit_table(shape, [TimedWidths(widths=each, engine_ms=law(each)) for each in sampled_widths(shape)])


def errors(shape: NetworkShape, table: LatencyTable, law: Law) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    random = np.random.default_rng(9)
    drawn = [random_widths(shape, random) for _ in range(30)]
    return np.array([abs(table.predicted_ms(each) / law(each) - 1) for each in drawn])


SHAPE = chain(32, 64, 96, 64)


def test_a_law_of_stairs_is_found_again_from_whole_networks() -> None:
    table = measured(SHAPE, stairs_of_16(SHAPE))
    found = errors(SHAPE, table, stairs_of_16(SHAPE))
    assert table.blocks[0] == 16
    assert found.max() < 0.05
    assert table.error < 0.02
    assert sum(table.layers_ms(SHAPE.full).values()) < table.predicted_ms(SHAPE.full)


def test_noise_of_measuring_does_not_spoil_it() -> None:
    table = measured(SHAPE, stairs_of_16(SHAPE, noise=0.05))
    assert errors(SHAPE, table, stairs_of_16(SHAPE)).mean() < 0.05
    assert 0.01 < table.error < 0.1


def test_wider_never_takes_less() -> None:
    table = measured(SHAPE, stairs_of_16(SHAPE, noise=0.2))
    for group in SHAPE.groups:
        times = [table.predicted_ms({**SHAPE.least, group.name: width}) for width in group.choices()]
        assert times == sorted(times)


def test_the_edges_of_stairs_are_where_one_more_channel_costs_a_block() -> None:
    table = measured(SHAPE, stairs_of_16(SHAPE))
    assert table.edges("layer1") == (8, 16, 32, 48, 64)  # 8 is the least that it may have
    assert table.predicted_ms({**SHAPE.full, "layer1": 40}) == pytest.approx(
        table.predicted_ms({**SHAPE.full, "layer1": 48}), rel=0.05
    )


def test_a_depthwise_layer_costs_by_its_channels_alone() -> None:
    pairs = (("wide", 1),)
    layers = (
        LayerShape(name="in", inputs=1, outputs=64, macs=64, depthwise=False, output_groups=pairs),
        LayerShape(name="dw", inputs=64, outputs=64, macs=576, depthwise=True, output_groups=pairs, input_groups=pairs),
        LayerShape(name="out", inputs=64, outputs=1, macs=64, depthwise=False, input_groups=pairs),
    )
    shape = NetworkShape(groups=(WidthGroup(name="wide", channels=64, unit=8, fewest=8),), layers=layers)
    assert shape.counts({"wide": 24})["dw"] == (24, 24)
    law = {width: 0.1 + width / 100 for width in range(8, 65, 8)}
    table = fit_table(shape, [TimedWidths(widths={"wide": width}, engine_ms=law[width]) for width in law] * 2)
    assert [table.predicted_ms({"wide": width}) for width in law] == pytest.approx(list(law.values()), rel=0.03)


@pytest.mark.parametrize("times", [[1.0] * 5, [1.0] * 11 + [0.0]])
def test_too_few_networks_or_no_time_are_refused(times: list[float]) -> None:
    with pytest.raises(MeasurementError, match="wanted 10 or more networks with times above 0"):
        fit_table(SHAPE, [TimedWidths(widths=SHAPE.full, engine_ms=each) for each in times])


def test_sampled_networks_hold_the_extremes_and_keep_to_the_choices() -> None:
    sampled = sampled_widths(SHAPE)
    assert sampled[:2] == (SHAPE.full, SHAPE.least)
    assert len(sampled) == 2 + 5 * len(SHAPE.groups)
    assert sampled == sampled_widths(SHAPE)
    choices = {group.name: group.choices() for group in SHAPE.groups}
    assert all(width in choices[name] for each in sampled for name, width in each.items())
