from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from beltline.inspection.base.errors import StorageError
from beltline.inspection.base.storage import write_bytes
from beltline.pipeline.stages.run_folder import open_run
from beltline.pipeline.stages.stages import Stage, finished_stage, journal, run_resumable_stage, run_stage


def write_seven(folder: Path) -> None:
    (folder / "deep").mkdir()
    (folder / "deep" / "seven.txt").write_text("7")


def never(_folder: Path) -> None:
    pytest.fail("a finished stage was done again")


def test_a_stage_is_done_once(tmp_path: Path) -> None:
    stage = Stage(name="seven", inputs={"value": 7})
    lines: list[str] = []
    folder = run_stage(tmp_path, stage, write_seven, notify=lines.append)
    assert folder == tmp_path / "stages" / stage.key
    assert run_stage(tmp_path, Stage(name="seven", inputs={"value": 7}), never, notify=lines.append) == folder
    assert (folder / "deep" / "seven.txt").read_text() == "7"
    assert [entry["event"] for entry in journal(tmp_path)] == ["started", "finished"]
    assert "already done" in lines[-1]


def test_other_inputs_are_another_stage() -> None:
    stage = Stage(name="a", inputs={"x": 1, "y": 2})
    assert stage.key == Stage(name="a", inputs={"y": 2, "x": 1}).key
    assert len({stage.key, Stage(name="b", inputs=stage.inputs).key, Stage(name="a", inputs={"x": 1}).key}) == 3


def test_work_that_fails_leaves_nothing_and_may_be_tried_again(tmp_path: Path) -> None:
    stage = Stage(name="seven", inputs={})

    def fail(folder: Path) -> None:
        write_seven(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_stage(tmp_path, stage, fail)
    assert list((tmp_path / "stages").iterdir()) == []
    assert finished_stage(tmp_path, stage) is None
    assert finished_stage(tmp_path, stage) != run_stage(tmp_path, stage, write_seven)


@pytest.mark.parametrize("damage", ["changed", "removed", "added", "manifest"])
def test_a_damaged_stage_is_done_again(tmp_path: Path, damage: str) -> None:
    stage = Stage(name="seven", inputs={})
    folder = run_stage(tmp_path, stage, write_seven)
    file = folder / "deep" / "seven.txt"
    if damage == "changed":
        file.write_text("8")
    elif damage == "removed":
        file.unlink()
    elif damage == "added":
        (folder / "more.txt").write_text("")
    else:
        (folder / "stage.json").write_text("[")
    assert finished_stage(tmp_path, stage) is None
    assert (run_stage(tmp_path, stage, write_seven) / "deep" / "seven.txt").read_text() == "7"
    assert finished_stage(tmp_path, stage) == folder


def test_partial_work_outlives_a_failure_and_goes_with_success(tmp_path: Path) -> None:
    stage = Stage(name="train", inputs={})

    def train(folder: Path, partial: Path) -> None:
        state = partial / "epoch"
        done = int(state.read_text()) if state.exists() else 0
        write_bytes(state, str(done + 1).encode())
        if done < 2:
            raise KeyboardInterrupt
        (folder / "epochs").write_text(str(done + 1))

    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run_resumable_stage(tmp_path, stage, train)
    assert (run_resumable_stage(tmp_path, stage, train) / "epochs").read_text() == "3"
    assert list((tmp_path / "partial").iterdir()) == []


@pytest.mark.parametrize("broken", ["fsync", "write"])
def test_a_full_disk_is_one_message_and_nothing_half_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    def no_space(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def work(folder: Path) -> None:
        if broken == "write":
            no_space()
        write_seven(folder)

    if broken == "fsync":
        monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(StorageError, match="No space left on device; free some space"):
        run_stage(tmp_path, Stage(name="seven", inputs={}), work)
    assert list((tmp_path / "stages").iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_really_full(tmp_path: Path) -> None:
    def work(_folder: Path) -> None:
        with Path("/dev/full").open("wb") as stream:
            stream.write(b"x" * 100_000)

    with pytest.raises(StorageError, match="No space left"):
        run_stage(tmp_path, Stage(name="full", inputs={}), work)


def test_a_torn_last_line_of_the_journal_is_passed_over(tmp_path: Path) -> None:
    run_stage(tmp_path, Stage(name="seven", inputs={}), write_seven)
    with (tmp_path / "journal.jsonl").open("a") as stream:
        stream.write('{"event": "star')
    run_stage(tmp_path, Stage(name="eight", inputs={}), write_seven)
    assert [entry["stage"] for entry in journal(tmp_path)] == ["seven", "seven", "eight", "eight"]


CHILD = """
import sys, time
from pathlib import Path
from beltline.inspection.base.storage import write_bytes
from beltline.pipeline.stages.run_folder import open_run
from beltline.pipeline.stages.stages import Stage, run_resumable_stage, run_stage

runs, log = Path(sys.argv[1]), Path(sys.argv[2])

def note(text):
    with log.open("a") as stream:
        stream.write(text + "\\n")

def piece(number):
    def work(folder):
        note(f"{number}")
        for part in range(3):
            (folder / f"{part}.bin").write_bytes(bytes([number]) * 20_000)
            time.sleep(0.01)
    return work

def train(folder, partial):
    note("train")
    state = partial / "epoch"
    for epoch in range(int(state.read_text()) if state.exists() else 0, 20):
        time.sleep(0.02)
        note(f"epoch {epoch}")  # first: a kill between the two may repeat an epoch, never hide one
        write_bytes(state, str(epoch + 1).encode())
    (folder / "weights").write_text("trained")

with open_run(runs, "line") as run:
    print("ready", flush=True)
    for number in range(20):
        run_stage(run, Stage(name="piece", inputs={"number": number}), piece(number))
        if number == 9:
            run_resumable_stage(run, Stage(name="train", inputs={}), train)
"""


def start_child(runs: Path, log: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / ".dev")}
    argv = [sys.executable, "-c", CHILD, str(runs), str(log)]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def test_killed_at_random_moments_no_finished_stage_runs_twice(tmp_path: Path) -> None:
    runs, log = tmp_path / "runs", tmp_path / "log.txt"
    run, moments = runs / "line", random.Random(7)
    stages = {str(number): Stage(name="piece", inputs={"number": number}) for number in range(20)}
    stages["train"] = Stage(name="train", inputs={})
    kills = 0
    for _ in range(60):
        finished = {name for name, stage in stages.items() if finished_stage(run, stage)}
        before = len(log.read_text().splitlines()) if log.exists() else 0
        with start_child(runs, log) as child:
            if kills < 12:
                time.sleep(moments.uniform(0, 0.25))
                child.send_signal(signal.SIGKILL)
            kills += child.wait() == -signal.SIGKILL
        assert not finished & set(log.read_text().splitlines()[before:] if log.exists() else ())
        if child.returncode == 0:
            break
    assert child.returncode == 0
    assert kills >= 10
    assert all(finished_stage(run, stage) for stage in stages.values())
    with open_run(runs, "line"):
        assert sorted(each.name for each in (run / "stages").iterdir()) == sorted(s.key for s in stages.values())
    epochs = [line for line in log.read_text().splitlines() if line.startswith("epoch")]
    assert {f"epoch {epoch}" for epoch in range(20)} == set(epochs)
    ended: set[str] = set()
    for entry in journal(run):
        assert entry["digest"] not in ended
        if entry["event"] == "finished":
            ended.add(entry["digest"])
