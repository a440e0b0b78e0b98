"""INT8 that is not faster says so, and the float row is chosen in its place."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.proof.verdict import Verdict
from beltline.benchmarks.timing.measurement import Measurement
from beltline.compress.recipe import Step
from beltline.export.contracts import Artifact, Precision
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.statistics.quality import Quality, Rate
from beltline.inspection.statistics.threshold import OperatingPoint
from beltline.pipeline.stages.judge import (
    Judged,
    RowResult,
    chosen_row,
    int8_loses,
    with_int8_weighed,
    without_idle_int8,
)
from beltline.pipeline.stages.measure import Device
from beltline.pipeline.stages.rows import RowPlan
from beltline.pipeline.stages.score import Scores, Timed
from beltline.targets.settings import TargetSettings
from beltline.targets.target import Target

NONE = np.empty(0)
RATE = Rate(count=0, of=10, upper=0.3)
DISTILL = {"distill": {"network": {"family": "plain", "width": 8}}}


def back_to_back(middle_ms: float, *, spread: float = 0.02) -> Measurement:
    chance = np.random.default_rng(1)
    decided = np.cumsum((middle_ms * (1 + spread * chance.standard_normal(300)) * 1e6).astype(np.int64))
    started = np.concatenate([[0], decided[:-1]])
    return Measurement(
        mode="back_to_back", arrivals=None, warmup=0, scheduled_ns=started, started_ns=started,
        engine_start_ns=started, engine_end_ns=decided, decided_ns=decided, fingerprint={}, artifact_digest="sha256:0",
    )  # fmt: skip


def judged(
    name: str,
    precision: Precision,
    middle_ms: float,
    *steps: Any,
    verdict: Any = "fits",
    device: str = "local",
    **plan: Any,
) -> Judged:
    frame = FrameSpec(height=32, width=32, channels=1, mean=(0.5,), std=(0.25,))
    timed = back_to_back(middle_ms)
    at = "" if device == "local" else f"@{device}"
    result = RowResult(
        name=f"{name}{at}",
        plan=RowPlan(**{"name": name, "role": "candidate", "backend": "open_vino", **plan},
                     steps=tuple(Step.model_validate(step) for step in steps)),
        artifact=Artifact(path=Path("m"), digest="d", backend="open_vino", precision=precision, size_bytes=1,
                          frame=frame, built_for="local"),
        counts={},
        scored=Scores(val=NONE, test=NONE),
        timed=Timed(belt=timed, back_to_back=timed),
        parity=None,
        device=Device(settings=TargetSettings(), target=Target(name=device, threads=1, cpus=(0,)), facts={}, missing={},
                      stopped=threading.Event()),
    )  # fmt: skip
    return Judged(
        result=result,
        quality=Quality(auroc=1, auroc_interval=(1, 1), threshold=0.5, escape=RATE, overkill=RATE),
        verdict=Verdict(verdict=verdict, findings={}, remarks=("Good.",)),
        latency={},
        point=OperatingPoint(threshold=0.5, overkill=RATE, escapes=0, proven=True),
    )


def test_a_faster_int8_says_nothing_and_is_chosen() -> None:
    rows = [judged("a", "fp32", 2.0, DISTILL), judged("a8", "int8", 1.0, DISTILL, "quantize")]
    assert with_int8_weighed(rows) == rows
    assert chosen_row(rows) == "a8"


@pytest.mark.parametrize("middle_ms", [1.001, 0.999, 2.0])
def test_int8_that_is_not_surely_faster_names_its_sibling_which_is_chosen(middle_ms: float) -> None:
    rows = [judged("a", "fp32", 1.0, DISTILL), judged("a8", "int8", middle_ms, DISTILL, "quantize")]
    weighed = with_int8_weighed(rows)
    assert weighed[0] is rows[0]
    assert weighed[1].rather == "a"
    assert weighed[1].verdict.verdict == "fits"
    first, notified = weighed[1].verdict.reasons
    assert first == "Good."
    assert notified.startswith("INT8 is no gain on this device: back to back a frame takes ")
    assert notified.endswith("keep a.")
    assert chosen_row(weighed) == "a"


def test_int8_stays_where_the_float_row_does_not_fit() -> None:
    rows = [judged("a", "fp32", 1.0, DISTILL, verdict="misses"), judged("a8", "int8", 2.0, DISTILL, "quantize")]
    weighed = with_int8_weighed(rows)
    assert weighed[1].rather == "a"
    assert chosen_row(weighed) == "a8"


@pytest.mark.parametrize(
    "other",
    [
        judged("b", "fp32", 0.5, {"distill": {"network": {"family": "plain", "width": 16}}}),
        judged("b", "fp32", 0.5, DISTILL, backend="onnx_runtime"),
        judged("b", "fp32", 0.5, DISTILL, device="elsewhere"),
        judged("b", "int8", 0.5, DISTILL, {"quantize": {"frames": 7}}),
    ],
    ids=["other student", "other runtime", "other device", "int8 itself"],
)
def test_only_the_same_network_in_float_there_is_a_sibling(other: Judged) -> None:
    mine = judged("a8", "int8", 1.0, DISTILL, "quantize")
    assert with_int8_weighed([other, mine])[1] is mine


def test_a_baseline_is_weighed_against_the_teacher_on_its_runtime() -> None:
    rows = [
        judged("teacher-onnx_runtime", "fp32", 1.0, role="baseline"),
        judged("teacher-onnx_runtime-int8", "int8", 3.0, "quantize", role="baseline"),
    ]
    assert with_int8_weighed(rows)[1].rather == "teacher-onnx_runtime"


def test_a_model_that_gains_on_one_of_its_devices_stays() -> None:
    rows = [
        judged("a", "fp32", 1.0, DISTILL, device="one"),
        judged("a", "fp32", 1.0, DISTILL, device="two"),
        judged("a8", "int8", 2.0, DISTILL, "quantize", device="one"),
        judged("a8", "int8", 0.4, DISTILL, "quantize", device="two"),
    ]
    weighed = with_int8_weighed(rows)
    assert [each.rather for each in weighed] == [None, None, "a@one", None]
    assert without_idle_int8(weighed) == weighed
    slower = [
        replace(each, rather=f"a@{each.result.device.name}") if "a8" in each.result.name else each for each in rows
    ]
    assert {each.result.plan.name for each in without_idle_int8(slower)} == {"a"}


def test_too_few_frames_are_no_proof_of_speed() -> None:
    three = back_to_back(0.9, spread=0.5)
    short = replace(three, **{name: getattr(three, name)[:3] for name in (
        "scheduled_ns", "started_ns", "engine_start_ns", "engine_end_ns", "decided_ns")})  # fmt: skip
    assert int8_loses(short, back_to_back(1.0), sibling="a") is not None
