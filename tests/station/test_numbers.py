"""Numbers of outcomes: ascending, remembered, and never given twice, whatever happens to the disk or the power."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from beltline.inspection.base.errors import StorageError
from beltline.station import numbers
from beltline.station.numbers import BLOCK, FILE, OutcomeNumbers, default_state_folder
from stationing import eventually

SOURCE = Path(__file__).parents[2]


def given(folder: Path | None, count: int) -> list[int]:
    made = OutcomeNumbers(folder)
    found = [made.next() for _ in range(count)]
    made.close()
    return found


def test_a_stop_in_good_order_leaves_none_out(tmp_path: Path) -> None:
    assert [*given(tmp_path, 3), *given(tmp_path, 2), *given(tmp_path, 1)] == [1, 2, 3, 4, 5, 6]
    assert given(None, 2) == given(None, 2) == [1, 2]


def test_a_power_cut_leaves_out_at_most_a_block(tmp_path: Path) -> None:
    program = """
import os, signal, sys
from pathlib import Path
from beltline.station.numbers import OutcomeNumbers
made = OutcomeNumbers(Path(sys.argv[1]))
for _ in range(37):
    last = made.next()
print(last, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
    last = 0
    for _ in range(3):
        ran = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=False, env=environment
        )
        now = int(ran.stdout)
        assert last + 37 <= now <= last + 37 + BLOCK
        last = now
    assert given(tmp_path, 1)[0] > last


def test_the_next_block_is_on_the_disk_before_the_last_one_ends(tmp_path: Path) -> None:
    made = OutcomeNumbers(tmp_path)
    for number in range(1, 3 * BLOCK):
        assert made.next() == number
        if number % (BLOCK // 4) == 0:
            eventually(lambda: int((tmp_path / FILE).read_text()) > number + BLOCK // 4)  # noqa: B023 - called at once
    made.close()
    assert (tmp_path / FILE).read_text() == str(3 * BLOCK - 1)


def test_a_full_disk_is_said_once_and_the_line_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    problems: list[str] = []
    made = OutcomeNumbers(tmp_path, note_problem=problems.append)
    monkeypatch.setattr(numbers, "_RETRY_S", 0.01)
    write = numbers.write_bytes

    def full(path: Path, _: bytes) -> None:
        msg = f"cannot write {path}: no space"
        raise StorageError(msg)

    monkeypatch.setattr(numbers, "write_bytes", full)
    for _ in range(BLOCK // 2 + 1):
        made.next()
    eventually(lambda: bool(problems))
    assert [made.next() for _ in range(2)] == [BLOCK // 2 + 2, BLOCK // 2 + 3]
    monkeypatch.setattr(numbers, "write_bytes", write)
    eventually(lambda: int((tmp_path / FILE).read_text()) >= BLOCK + BLOCK // 2)
    assert len(problems) == 1
    assert "a power cut would repeat numbers" in problems[0]
    made.close()


@pytest.mark.parametrize("damaged", [b"", b"abc", b"-5", b"9" * 30, b"\xff\xfe"])
def test_a_damaged_file_is_said(tmp_path: Path, damaged: bytes) -> None:
    (tmp_path / FILE).write_bytes(damaged)
    problems: list[str] = []
    made = OutcomeNumbers(tmp_path, note_problem=problems.append)
    assert made.next() == 1
    made.close()
    assert "is damaged: outcomes are numbered from 1 again" in problems[0]


def test_another_station_with_the_same_folder_is_refused(tmp_path: Path) -> None:
    program = f"""
import sys, time
from pathlib import Path
from beltline.station.numbers import OutcomeNumbers
OutcomeNumbers(Path({str(tmp_path)!r}))
print("there", flush=True)
time.sleep(60)
"""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, env=environment) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"there\n"
        with pytest.raises(StorageError, match="give each station a folder of its own with `state:`"):
            OutcomeNumbers(tmp_path)
        other.kill()
    assert given(tmp_path, 1) == [BLOCK + 1]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="another folder with `state:`"):
        OutcomeNumbers(tmp_path / "file" / "state")


def test_the_folder_is_systemds_or_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/home/a/.state")
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    assert default_state_folder() == Path("/home/a/.state/beltline")
    monkeypatch.setenv("STATE_DIRECTORY", "/var/lib/beltline:/var/lib/other")
    assert default_state_folder() == Path("/var/lib/beltline")
