from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.report.schema_times import Speedup
from beltline.benchmarks.timing.interleaved import InterleavedRounds
from beltline.benchmarks.timing.measurement import Measurement, write_trace
from beltline.inspection.base.errors import LineFileError, MeasurementError
from beltline.inspection.synthetic.dataset import write_synthetic_line
from beltline.pipeline.cli.app import app
from beltline.pipeline.comparing import are_traces, compare_rows, compare_traces, unlike
from beltline.pipeline.console import Console
from beltline.pipeline.line.line_file import load_line_file
from beltline.pipeline.stages.interleaved import compared
from beltline.pipeline.stages.stages import journal
from typer.testing import CliRunner

LINE = """
name: pair
line: {belt_speed_mm_s: 1500, part_pitch_mm: 60, camera_to_ejector_mm: 205}
data: {root: data}
teacher: {weights: tiny.safetensors}
threads: 1
"""
PAIR = ("teacher-onnx_runtime", "teacher-open_vino")


@pytest.fixture(scope="module")
def home(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_synthetic_line(folder / "data", seed=4, parts=24, exposures=1)
    (folder / "tiny.safetensors").write_bytes(tiny_checkpoint.read_bytes())
    (folder / "line.yaml").write_text(LINE)
    return folder


def back_to_back(times_ms: np.ndarray[Any, Any], *, cpu: str = "abacus") -> Measurement:
    decided = 1_000_000 + np.cumsum((times_ms * 1e6).astype(np.int64))
    started = np.concatenate([[1_000_000], decided[:-1]])
    return Measurement(
        mode="back_to_back", arrivals=None, warmup=0, scheduled_ns=started, started_ns=started,
        engine_start_ns=started, engine_end_ns=decided, decided_ns=decided,
        fingerprint={"cpu": cpu, "run": {"threads": 1}}, artifact_digest="sha256:0",
    )  # fmt: skip


def bench(*expected: str) -> tuple[int, Mapping[str, Any], str]:
    answer = CliRunner().invoke(app, ["bench", "--json", *expected])
    return answer.exit_code, json.loads(answer.stdout), answer.stderr


def test_two_rows_are_made_and_take_turns_once(home: Path) -> None:
    line_file = load_line_file(home / "line.yaml")
    outcome = compare_rows(line_file, PAIR, runs=home / "runs", rounds=2, console=Console())
    assert outcome.exit_code == 0
    assert outcome.summary["compared"] == list(PAIR)
    assert outcome.summary["interleaved"]
    assert len(outcome.summary["ratio"]["p50"]["by_round"]) == 2
    assert "measured interleaved, 2 rounds" in outcome.message
    traces = sorted(each.name for each in (home / "runs" / "pair" / "stages").glob("*/round_001/*.npz"))
    assert traces == [f"{name}.npz" for name in sorted(PAIR)]
    before = journal(home / "runs" / "pair")
    again = compare_rows(line_file, PAIR, runs=home / "runs", rounds=2, console=Console())
    assert journal(home / "runs" / "pair") == before
    assert again.summary == outcome.summary


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("teacher", "giant"), "wanted two of teacher, teacher-torch_compiled, .*got 'giant'"),
        (("teacher", "teacher"), "wanted two different rows, got teacher twice"),
    ],
)
def test_rows_that_cannot_be_compared_are_refused(home: Path, names: tuple[str, str], expected: str) -> None:
    with pytest.raises(LineFileError, match=expected):
        compare_rows(load_line_file(home / "line.yaml"), names, runs=home / "other", console=Console())
    assert not (home / "other").exists()


def test_a_row_is_not_compared_with_a_trace() -> None:
    assert not are_traces("a", "b")
    assert are_traces("a.npz", "runs/b.npz")
    with pytest.raises(MeasurementError, match="two rows or two traces"):
        are_traces("a", "b.npz")


def test_two_traces_are_compared_and_said_not_to_be_interleaved(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    one, other = str(tmp_path / "one.npz"), str(tmp_path / "other.npz")
    write_trace(Path(one), back_to_back(random.gamma(90, 0.04, 400)))
    write_trace(Path(other), back_to_back(random.gamma(90, 0.02, 400)))
    code, found, _ = bench("--compare", one, other)
    assert code == 0
    assert not found["interleaved"]
    assert "the two did not run interleaved" in found["message"]
    assert found["ratio"]["p50"]["lower"] < 2 < found["ratio"]["p50"]["upper"]


def test_traces_of_two_machines_are_refused_with_what_differs(tmp_path: Path) -> None:
    one, other = str(tmp_path / "one.npz"), str(tmp_path / "other.npz")
    write_trace(Path(one), back_to_back(np.full(60, 1.0)))
    write_trace(Path(other), back_to_back(np.full(60, 1.0), cpu="slide rule"))
    code, found, errors = bench("--compare", one, other)
    assert code == found["exit_code"] == 2
    assert "cpu: 'abacus' against 'slide rule'" in errors


def test_a_row_twice_as_fast_as_the_teacher_says_so_in_the_report() -> None:
    slow = InterleavedRounds(
        name="teacher", times_ms=MappingProxyType({"p50": (2.0, 2.2), "p99": (4.0, 5.0)}), frames=400
    )
    fast = replace(slow, name="small", times_ms=MappingProxyType({"p50": (1.0, 1.1), "p99": (2.0, 2.5)}))
    found = compared({"teacher": slow, "small": fast})
    assert found["teacher"].to_json()["speedup"] is None
    row = json.loads(json.dumps(found["small"].to_json()))
    assert row["interleaved_ms"]["rounds"] == 2
    assert Speedup.model_validate(row["speedup"]).p50.ratio == pytest.approx(2.0)
    assert row["speedup"]["against"] == "teacher"
    assert compared({"small": fast})["small"].to_json()["speedup"] is None


Belt = Callable[..., Measurement]


def work_ms(mean_ms: float, frames: int = 300, seed: int = 0) -> list[float]:
    times: list[float] = np.random.default_rng(seed).gamma(50, mean_ms / 50, frames).tolist()
    return times


def notified(measurement: Measurement, **run: Any) -> Measurement:
    return replace(measurement, fingerprint={**measurement.fingerprint, "run": {"threads": 1, **run}})


def test_traces_of_one_machine_and_pace_give_a_ratio(belt: Belt, tmp_path: Path) -> None:
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    write_trace(one, notified(belt(work_ms(4.0))))
    write_trace(other, notified(belt(work_ms(2.0, frames=500, seed=1), cold_ms=[30.0])))
    found = compare_traces(one, other)
    assert set(found) == {"p50", "p99"}
    assert found["p50"].lower < 2.0 < found["p50"].upper
    assert found["p50"].differs
    assert found["p50"].by_round == ()


@pytest.mark.parametrize(
    ("changes", "run", "expected"),
    [
        ({"fingerprint": {"cpu": "slide rule"}}, {"threads": 1}, ["cpu: 'abacus' against 'slide rule'"]),
        ({}, {"threads": 2}, ["threads: 1 against 2"]),
        ({}, {"threads": 1, "pinned_cpus": [3]}, ["pinned_cpus: None against [3]"]),
        ({"mode": "back_to_back", "arrivals": None}, {"threads": 1}, ["mode: 'belt' against 'back_to_back'"]),
    ],
)
def test_what_differs_is_named(belt: Belt, changes: dict[str, Any], run: dict[str, Any], expected: list[str]) -> None:
    one = notified(belt(work_ms(1.0)))
    other = notified(replace(belt(work_ms(1.0)), **changes), **run)
    found = unlike(one, other)
    assert [word for word in expected if word not in found] == []


def test_another_period_is_refused_and_named(belt: Belt, tmp_path: Path) -> None:
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    write_trace(one, notified(belt(work_ms(1.0), period_ms=10.0)))
    write_trace(other, notified(belt(work_ms(1.0), period_ms=20.0)))
    with pytest.raises(MeasurementError, match=r"arrivals.period_ns: 10000000 against 20000000; measure both again"):
        compare_traces(one, other)


def test_a_file_that_is_no_trace_is_refused(belt: Belt, tmp_path: Path) -> None:
    one, other = tmp_path / "one.npz", tmp_path / "other.npz"
    write_trace(one, notified(belt(work_ms(1.0))))
    other.write_bytes(one.read_bytes()[:-40])
    with pytest.raises(MeasurementError, match=r"other.npz: not a readable trace"):
        compare_traces(one, other)
