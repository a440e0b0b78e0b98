from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from beltline.benchmarks.report.schema import Speedup
from beltline.benchmarks.timing.interleaved import InterleavedRounds
from beltline.benchmarks.timing.measurement import Measurement
from beltline.benchmarks.timing.trace import write_trace
from beltline.inspection.base.errors import LineFileError, MeasurementError
from beltline.inspection.synthetic.dataset import write_synthetic_line
from beltline.pipeline.cli.app import app
from beltline.pipeline.comparing import are_traces, compare_rows
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


def bench(*words: str) -> tuple[int, Mapping[str, Any], str]:
    answer = CliRunner().invoke(app, ["bench", "--json", *words])
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
    ("names", "words"),
    [
        (("teacher", "giant"), "wanted two of teacher, teacher-torch_compiled, .*got 'giant'"),
        (("teacher", "teacher"), "wanted two different rows, got teacher twice"),
    ],
)
def test_rows_that_cannot_be_compared_are_refused(home: Path, names: tuple[str, str], words: str) -> None:
    with pytest.raises(LineFileError, match=words):
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
