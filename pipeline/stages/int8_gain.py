"""INT8 has to earn its place: where it is not faster on this device, the row says so and the float row is preferred.

Users of ONNX Runtime and of small devices often get slower models from quantizing, and lose escapes for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...benchmarks.timing.measurement import Measurement
from ...inspection.statistics.quantile import quantile, quantile_interval
from .results import Judged
from .rows import RowPlan


def with_int8_weighed(judged: Sequence[Judged]) -> list[Judged]:
    """Say of each int8 row that is not faster than its float sibling, measured back to back, that it is no gain.

    The sibling is the row with the same steps but for those to int8, on the same runtime, threads and device; where
    there is none, nothing can be said. INT8 is faster where the 95 % interval of its median time lies below the
    sibling's.
    """
    return [_weighed(each, judged) if each.result.artifact.precision == "int8" else each for each in judged]


def without_idle_int8(judged: Sequence[Judged]) -> list[Judged]:
    """Leave out the int8 models that are no gain on any device, where their float siblings fit on all."""
    fitting = {each.result.name for each in judged if each.verdict.verdict == "fits"}
    kept = {each.result.plan.name for each in judged if each.rather not in fitting}
    return [each for each in judged if each.result.plan.name in kept]


def int8_loses(int8: Measurement, in_float: Measurement, *, sibling: str) -> str | None:
    """Compare two back-to-back measurements; a sentence where int8 is not surely faster, None where it is."""
    ours, theirs = _median_ms(int8), _median_ms(in_float)
    if ours[2] < theirs[1]:
        return None
    return (
        f"INT8 is no gain on this device: back to back a frame takes {_words(ours)}, in {sibling} {_words(theirs)}; "
        f"keep {sibling}."
    )


def _weighed(judged: Judged, others: Sequence[Judged]) -> Judged:
    result = judged.result
    wanted = _in_float(result.plan)
    for other in others:
        each = other.result
        in_float = each.artifact.precision != "int8" and each.device.name == result.device.name
        if in_float and _in_float(each.plan) == wanted:
            loses = int8_loses(result.timed.back_to_back, each.timed.back_to_back, sibling=each.name)
            if loses is None:
                return judged
            verdict = replace(judged.verdict, remarks=(*judged.verdict.remarks, loses))
            return replace(judged, verdict=verdict, rather=each.name)
    return judged


def _in_float(plan: RowPlan) -> RowPlan:
    """Give what a row shares with its float sibling: all but its name, its role and the steps to int8."""
    steps = tuple(step for step in plan.steps if not step.settings.to_int8)
    return replace(plan, name="", role="candidate", steps=steps)


def _median_ms(measurement: Measurement) -> tuple[float, float, float]:
    """Give the median and the ends of its interval; the extremes where there are too few frames for one."""
    ordered = np.sort(measurement.response_ns / 1e6)
    low, high = quantile_interval(ordered, 0.5)
    middle = quantile(ordered, 0.5)
    return middle, float(ordered[0]) if low is None else low, float(ordered[-1]) if high is None else high


def _words(median: tuple[float, float, float]) -> str:
    return f"{median[0]:.3g} ms ({median[1]:.3g} to {median[2]:.3g})"
