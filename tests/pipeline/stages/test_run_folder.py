from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from beltline.inspection.base.errors import StorageError
from beltline.pipeline.stages.run_folder import open_run

HOLDER = """
import sys, time
from pathlib import Path
from beltline.pipeline.stages.run_folder import open_run
with open_run(Path(sys.argv[1]), "line"):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(runs: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / ".dev")}
    argv = [sys.executable, "-c", HOLDER, str(runs)]
    holder = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_two_runs_do_not_share_a_folder_and_a_dead_owner_gives_way(tmp_path: Path) -> None:
    with hold(tmp_path) as holder:
        with (
            pytest.raises(StorageError, match=f"in use by process {holder.pid} since") as caught,
            open_run(tmp_path, "line"),
        ):
            pytest.fail("the folder was opened twice")
        assert caught.value.exit_code == 2
        with open_run(tmp_path, "another"):
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert json.loads((tmp_path / "line" / "lock").read_text())["pid"] == holder.pid
    with open_run(tmp_path, "line") as folder:
        assert json.loads((folder / "lock").read_text())["pid"] == os.getpid()


def test_a_folder_of_another_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    with open_run(tmp_path, "line") as folder:
        (folder / "run.json").write_text('{"format": 99}')
    with (
        pytest.raises(StorageError, match="wanted a run folder of format 1, got format 99"),
        open_run(tmp_path, "line"),
    ):
        pytest.fail("opened")
    assert (folder / "run.json").read_text() == '{"format": 99}'


@pytest.mark.parametrize("content", ["", "[]", "{}", "\x00"])
def test_a_damaged_run_json_is_named(tmp_path: Path, content: str) -> None:
    with open_run(tmp_path, "line") as folder:
        (folder / "run.json").write_text(content)
    with pytest.raises(StorageError, match=r"run\.json cannot be read"), open_run(tmp_path, "line"):
        pytest.fail("opened")


def test_a_folder_that_belongs_to_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "line").mkdir()
    (tmp_path / "line" / "thesis.tex").write_text("")
    with pytest.raises(StorageError, match=r"is no run folder \(it holds 'thesis.tex'\)"), open_run(tmp_path, "line"):
        pytest.fail("opened")
    assert not (tmp_path / "line" / "run.json").exists()


def test_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    with open_run(tmp_path, "line") as folder:
        half = folder / "stages" / ".0123.abc.tmp"
        half.mkdir(parents=True)
        (half / "model.bin").write_text("half")
        (folder / ".report.json.77.tmp").write_text("half")
        (folder / "stages" / "0123").mkdir()
    with open_run(tmp_path, "line"):
        assert [each.name for each in (folder / "stages").iterdir()] == ["0123"]
        assert sorted(each.name for each in folder.iterdir()) == ["lock", "run.json", "stages"]


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write the run folder"), open_run(tmp_path / "file", "line"):
        pytest.fail("opened")
