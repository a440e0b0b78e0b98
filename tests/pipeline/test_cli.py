"""The command line as a user meets it: in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from beltline.inspection.base.errors import DataError, ParityError
from beltline.inspection.synthetic.dataset import write_synthetic_line
from beltline.pipeline.cli.options import answered
from typer import Exit

SOURCE = Path(__file__).parents[2]
GOOD = """\
line: {belt_speed_mm_s: 500, part_pitch_mm: 120, camera_to_ejector_mm: 60, fixed_ms: {plc: 5, ejector: 29}}
data: {root: frames}
"""
VERBS = ("run", "plan", "train", "compress", "export", "bench", "report", "doctor", "devices", "bundle", "verify",
         "install", "rollback", "status")  # fmt: skip


def beltline(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev"), "COLUMNS": "100"}
    argv = [sys.executable, "-m", "beltline.pipeline", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=folder, check=False, timeout=120)


def test_help_names_every_verb_and_the_exit_codes(tmp_path: Path) -> None:
    answer = beltline("--help", folder=tmp_path)
    assert answer.returncode == 0
    assert all(verb in answer.stdout for verb in VERBS)
    assert "Exit codes" in answer.stdout


def test_plan_answers_for_people_and_for_machines(tmp_path: Path) -> None:
    (tmp_path / "line.yaml").write_text(GOOD)
    write_synthetic_line(tmp_path / "frames", parts=30, exposures=2)
    message, machine = (
        beltline("plan", "line.yaml", folder=tmp_path),
        beltline("plan", "line.yaml", "--json", folder=tmp_path),
    )
    assert (message.returncode, machine.returncode) == (0, 0)
    assert "86 ms" in message.stdout
    assert json.loads(machine.stdout)["budget"]["deadline_ms"] == 86.0
    assert machine.stderr == ""
    assert "escape    12 images of 6 parts: if no defect escapes, at most 39.30% at 95% confidence" in message.stdout
    assert json.loads(machine.stdout)["data"]["gates"]["escape"]["needed"] == 59


def test_plan_looks_at_the_photographs_unless_they_are_yet_to_be_taken(tmp_path: Path) -> None:
    (tmp_path / "line.yaml").write_text(GOOD)
    answer = beltline("plan", "line.yaml", folder=tmp_path)
    assert answer.returncode == 2
    assert "frames, which is not there" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert beltline("plan", "line.yaml", "--belt-only", folder=tmp_path).returncode == 0


def test_plan_without_a_file_plans_the_built_in_line_and_writes_nothing(tmp_path: Path) -> None:
    assert "line synthetic" in beltline("plan", folder=tmp_path).stdout
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_is_one_message_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "line.yaml").write_text(GOOD.replace("500", "fast"))
    for verb in ("plan", "run"):
        answer = beltline(verb, "line.yaml", folder=tmp_path)
        assert answer.returncode == 2
        assert answer.stderr.startswith("beltline: line.yaml:1: line.belt_speed_mm_s: wanted a number")
        assert "Traceback" not in answer.stderr
    assert [each.name for each in tmp_path.iterdir()] == ["line.yaml"]


def test_a_mistake_is_a_json_object_where_one_was_asked_for(tmp_path: Path) -> None:
    answer = beltline("plan", "none.yaml", "--json", folder=tmp_path)
    assert json.loads(answer.stdout)["exit_code"] == answer.returncode == 2
    assert "no such file" in json.loads(answer.stdout)["error"]


def test_a_factory_that_ends_the_program_is_a_mistake_not_a_success() -> None:
    """`exit(0)` in a script that somebody named as a factory must not read as `fits` in a CI."""
    with pytest.raises(Exit) as stopped, answered(as_json=False):
        raise SystemExit(0)
    assert stopped.value.exit_code == 2


@pytest.mark.parametrize("arguments", [["pln"], ["plan", "--jsn"], ["run", "a", "b"]])
def test_wrong_usage_exits_with_2(tmp_path: Path, arguments: list[str]) -> None:
    answer = beltline(*arguments, folder=tmp_path)
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr


def test_doctor_and_devices_answer(tmp_path: Path) -> None:
    assert json.loads(beltline("doctor", "--json", folder=tmp_path).stdout)["machine"]["cpu"]
    assert "local" in beltline("devices", "-v", folder=tmp_path).stdout


def test_ctrl_c_stops_cleanly(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
    argv = [sys.executable, "-m", "beltline.pipeline", "run", "--quick"]
    with subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
    ) as run:
        waited_until = time.monotonic() + 60
        while not (tmp_path / "runs" / "synthetic" / "run.json").exists() and time.monotonic() < waited_until:
            time.sleep(0.05)
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=60)
    assert run.returncode == 130
    assert out == ""
    assert err.endswith("beltline: stopped; run again to go on from here\n")
    assert sorted(each.name for each in (tmp_path / "runs" / "synthetic").iterdir()) == ["lock", "run.json"]


@pytest.mark.parametrize(
    ("raised", "code"), [(DataError("no images"), 2), (ParityError("a flip"), 3), (KeyboardInterrupt(), 130)]
)
def test_what_a_user_can_mend_becomes_an_exit_code(
    raised: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    import typer

    with pytest.raises(typer.Exit) as caught, answered(as_json=False):
        raise raised
    assert caught.value.exit_code == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert ("run again to go on" if code == 130 else str(raised)) in shown.err


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), answered(as_json=True):
        raise ZeroDivisionError
