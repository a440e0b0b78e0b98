from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.proof.interim_looks import end_look
from beltline.benchmarks.timing.measurement import Measurement, write_trace
from beltline.benchmarks.timing.measuring import prove_measurement
from beltline.inspection.line.arrivals import Arrivals
from beltline.inspection.line.gates import MissGate
from beltline.inspection.line.line import Line
from beltline.pipeline.cli.app import app
from beltline.pipeline.line.what_if import Question, what_if, what_if_text
from typer.testing import CliRunner

LINE = Line(belt_speed_mm_s=500, part_pitch_mm=50, camera_to_ejector_mm=60, fixed_ms={"plc": 14, "ejector": 20})
GATE = MissGate(max=0.001, confidence=0.99, stall_ms=0.0)


@pytest.fixture
def measured() -> Callable[..., Measurement]:
    """A run whose frames keep the device busy as told, 1 s apart."""

    def make(busy_ms: list[float]) -> Measurement:
        due = np.arange(len(busy_ms), dtype=np.int64) * 1_000_000_000
        decided = due + (np.array(busy_ms) * 1e6).astype(np.int64)
        return Measurement(
            mode="belt", arrivals=Arrivals(period_ns=1_000_000_000), warmup=0, scheduled_ns=due, started_ns=due,
            engine_start_ns=due, engine_end_ns=decided, decided_ns=decided, fingerprint={"cpu": "abacus"},
            artifact_digest="sha256:0",
        )  # fmt: skip

    return make


Measured = Callable[..., Measurement]


def test_the_answer_is_marked_as_predicted_and_says_what_it_assumes(measured: Measured) -> None:
    facts = what_if(measured([6.0] * 4700), LINE, GATE)
    assert facts["predicted"] is True
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    text = what_if_text(facts)
    for sentence in facts["assumed"]:
        assert sentence in text
    assert "Predicted from 4,700 frames measured at line rate on abacus" in text


def test_the_highest_speed_and_what_ends_it_are_said_in_words(measured: Measured) -> None:
    """60 mm in 34 ms of fixed times and 6 of work: 1,500 mm/s."""
    facts = what_if(measured([6.0] * 4700), LINE, GATE)
    first, second = facts["sentences"]
    assert first.startswith("The belt may run at up to 1,500 mm/s, 3.00 times today's 500 mm/s")
    assert "the deadline" in second
    assert "Shorten ejector (20 ms)" in second
    assert facts["proven"]["holds"]


def test_today_the_speed_asked_for_and_the_highest_stand_in_the_table(measured: Measured) -> None:
    facts = what_if(measured([6.0] * 4700), LINE, GATE, question=Question(speed_mm_s=600, cameras=2, buffer=3))
    speeds = [point["speed_mm_s"] for point in facts["points"]]
    assert speeds == sorted(speeds)
    assert speeds[0] <= 250
    assert {500.0, 600.0, facts["seen"]["speed_mm_s"]} <= set(speeds)
    assert not facts["points"][-1]["holds"]
    assert facts["cameras"] == 2
    table = what_if_text(facts).split("\n\n")[1].splitlines()[1:]
    for mark in ("today", "asked", "highest seen"):
        assert sum(mark in line for line in table) == 1
    assert "0 of them lost" in what_if_text(facts)


def test_what_was_measured_at_todays_speed_keeps_the_proof_that_the_verdict_rests_on(measured: Measured) -> None:
    """The run was planned for stalls that make two frames late; by its own times it would be one."""
    line = LINE.model_copy(update={"part_pitch_mm": 500.0})
    look = asdict(end_look(GATE, frames=9300, burst_frames=2)[0])
    own = {"deadline_ns": 86_000_000, "gate": GATE.model_dump(), "looks": [look]}
    run = replace(measured([6.0] * 9300), fingerprint={"run": own})
    facts = what_if(run, line, GATE)
    proof = prove_measurement(run, deadline_ms=86.0, gate=GATE)
    assert proof.burst_frames == 2
    assert (facts["today"]["miss_upper"], facts["today"]["holds"]) == (proof.upper, True)
    assert facts["proven"]["factor"] > 1
    elsewhere = what_if(run, line.model_copy(update={"part_pitch_mm": 499.0}), GATE)
    assert elsewhere["today"]["miss_upper"] < 0.6 * proof.upper


def test_a_speed_that_leaves_no_time_is_said_to_leave_none(measured: Measured) -> None:
    text = what_if_text(what_if(measured([6.0] * 4700), LINE, GATE, question=Question(speed_mm_s=2000)))
    assert "At 2,000 mm/s it does not hold: the fixed times leave no time for a decision." in text


def test_a_model_too_slow_for_today_gets_the_speed_it_would_hold(measured: Measured) -> None:
    facts = what_if(measured([120.0] * 4700), LINE, GATE, question=Question(speed_mm_s=500))
    assert facts["seen"]["speed_mm_s"] == pytest.approx(389, abs=1)
    assert "the backlog grows without end" in what_if_text(facts)


def test_a_short_trace_proves_nothing_and_says_how_long_a_run_would(measured: Measured) -> None:
    facts = what_if(measured([6.0] * 200), LINE, GATE, question=Question(speed_mm_s=550))
    text = what_if_text(facts)
    assert text.startswith("This run is too short to prove any speed. As far as it has seen, the belt may run at up to")
    assert "a run of 4,603 frames at that speed (2.56 min) would prove it." in text
    assert "At 550 mm/s it seems to hold" in text
    assert not any(point["holds"] for point in facts["points"])


def test_what_is_proven_and_what_was_seen_are_told_apart(measured: Measured) -> None:
    """From f times today's speed on a stall makes two frames late: 100 + 6 - (120 / f - 34) = 100 / f - 6."""
    stalls = MissGate(max=0.001, confidence=0.99, stall_ms=100.0)
    facts = what_if(measured([6.0] * 4700), LINE, stalls)
    proven, seen = facts["proven"]["speed_mm_s"], facts["seen"]["speed_mm_s"]
    assert proven == pytest.approx(500 * 220 / 146, abs=1)
    assert seen == pytest.approx(1500, abs=1)
    assert facts["sentences"][0].startswith(f"This run proves speeds up to {proven:.0f} mm/s. As far as it has seen")


def test_cameras_that_find_no_place_hold_at_no_speed(measured: Measured) -> None:
    facts = what_if(measured([6.0] * 4700), LINE, GATE, question=Question(cameras=2, buffer=0))
    assert facts["seen"] is None
    assert "No speed holds" in what_if_text(facts)


@pytest.mark.parametrize(
    ("busy_ms", "line", "message"),
    [
        ([20.0] * 4700, {"camera_to_ejector_mm": 6000.0}, "the throughput"),
        ([6.0] * 4700, {"cameras": 2}, "frames come unevenly"),
        ([2.0] * 3000 + [40.0] + [2.0] * 3700, {"part_pitch_mm": 20.0, "fixed_ms": {}}, "waiting behind slow frames"),
    ],
)
def test_each_limit_has_its_words(measured: Measured, busy_ms: list[float], line: dict[str, Any], message: str) -> None:
    changed = Line.model_validate({**LINE.model_dump(), **line})
    assert message in what_if(measured(busy_ms), changed, GATE)["sentences"][1]


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["plan", *arguments])


def test_plan_answers_from_a_trace(tmp_path: Path, measured: Measured) -> None:
    write_trace(tmp_path / "small.npz", measured([6.0] * 4700))
    (tmp_path / "line.yaml").write_text(
        "line: {belt_speed_mm_s: 500, part_pitch_mm: 50, camera_to_ejector_mm: 60, fixed_ms: {plc: 14, ejector: 20}}\n"
        "data: {root: frames}\n"
    )
    asked = [str(tmp_path / "line.yaml"), "--trace", str(tmp_path / "small.npz")]
    message, machine = run(*asked, "--faster", "20%"), run(*asked, "--speed", "700", "--json")
    assert (message.exit_code, machine.exit_code) == (0, 0)
    assert "At 600 mm/s it holds" in message.stdout
    assert json.loads(machine.stdout)["asked"]["speed_mm_s"] == 700


@pytest.mark.parametrize(
    "arguments",
    [
        ["--speed", "600"],
        ["--trace", "t", "--speed", "nan"],
        ["--trace", "t", "--speed", "-5"],
        ["--trace", "t", "--faster", "20"],
        ["--trace", "t", "--faster", "20%", "--speed", "600"],
        ["--trace", "t", "--cameras", "0"],
        ["--trace", "t"],
    ],
)
def test_what_cannot_be_meant_exits_with_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2
