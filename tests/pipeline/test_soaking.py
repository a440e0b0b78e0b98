"""`beltline bench --soak` as a user meets it: a process of its own, a finished model, Ctrl-C, and going on."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from beltline.benchmarks.soak.schema import read_soak
from beltline.export.contracts import Graph
from beltline.inspection.synthetic.dataset import write_synthetic_line
from beltline.pipeline.console import Console
from beltline.pipeline.soaking import soak_view

SOURCE = Path(__file__).parents[2]
LINE = """
name: small
line: {belt_speed_mm_s: 150, part_pitch_mm: 15, camera_to_ejector_mm: 300, fixed_ms: {plc: 5}}
data: {root: data, channels: 1}
teacher: {onnx: model.onnx}
threads: 1
"""


@pytest.fixture(scope="module")
def home(tiny_graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("home")
    write_synthetic_line(folder / "data", seed=4, parts=40, exposures=1)
    shutil.copyfile(tiny_graph.path, folder / "model.onnx")
    (folder / "line.yaml").write_text(LINE)
    return folder


def started(home: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
    argv = [sys.executable, "-m", "beltline.pipeline", "bench", "line.yaml", *arguments]
    return subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=home,
        start_new_session=True,
    )


def wait_for(path: Path) -> None:
    until_s = time.monotonic() + 100
    while not path.exists() and time.monotonic() < until_s:
        time.sleep(0.05)
    time.sleep(1.0)


def test_ctrl_c_keeps_trace_and_summary_and_the_same_command_goes_on(home: Path) -> None:
    folder = home / "runs" / "small" / "traces" / "teacher-open_vino.soak"
    arguments = ("--row", "teacher-open_vino", "--json", "--soak")
    with started(home, *arguments, "60s") as run:
        wait_for(folder / "session-0000" / "session.json")
        os.killpg(run.pid, signal.SIGINT)
        out, err = run.communicate(timeout=100)
    assert run.returncode == 130, err
    answer = json.loads(out)
    assert (answer["verdict"], answer["stopped"], answer["row"]) == ("inconclusive", True, "teacher-open_vino")
    assert "the same command goes on from here" in answer["message"]
    summary = read_soak(folder / "soak.json")
    assert not summary.complete
    assert summary.whole.frames >= 5
    with started(home, *arguments, f"{summary.measured_s + 1:.1f}s") as run:
        out, err = run.communicate(timeout=100)
    assert run.returncode == 4, err
    assert "are soaked already; going on from there" in err
    again = read_soak(folder / "soak.json")
    assert again.complete
    first, second = again.sessions
    assert first.frames == summary.whole.frames
    assert second.frames >= 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--soak", "30"), "wanted a duration up to a year such as 90s, 30m, 1h30m or 7d, got '30'"),
        (("--soak", "5s", "--row", "fastest"), "--row: wanted one of teacher, "),
        (("--row", "teacher"), "--row says which row to soak; add --soak 30m"),
    ],
)
def test_what_cannot_be_soaked_is_one_message(home: Path, arguments: tuple[str, ...], message: str) -> None:
    with started(home, *arguments) as run:
        _, err = run.communicate(timeout=100)
    assert run.returncode == 2
    assert message in err
    assert "Traceback" not in err


def test_a_terminal_shows_a_table_that_changes_in_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    facts = {"frames": 900, "misses": 3, "p50_ms": 1.25, "p99_ms": 2.0, "temperature_c": 61.0, "clock_mhz": 2600.0}
    with soak_view(Console(stream=stream), "small", asked_s=60, already_s=0, frames_per_s=100) as progress:
        progress(facts)
    for part in ("small", "frames/s", "1.25 ms", "3 of 900", "61 °C", "2,600 MHz", "51 s"):
        assert part in stream.getvalue()


def test_elsewhere_lines_come_now_and_then_only() -> None:
    stream = io.StringIO()
    with soak_view(Console(stream=stream), "small", asked_s=60, already_s=0, frames_per_s=100) as progress:
        progress({"waiting": "another measurement runs on this machine"})
        for frames in range(100):
            progress({"frames": frames, "misses": 0})
    assert stream.getvalue() == "small: another measurement runs on this machine\n"
