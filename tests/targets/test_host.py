from __future__ import annotations

import time
from pathlib import Path

import pytest
from beltline.targets.host import Host, LocalHost


def test_lines_come_as_they_are_written_and_stderr_is_kept() -> None:
    host: Host = LocalHost()
    lines: list[str] = []
    code = "import os, sys; print('one'); print(os.environ['COLOUR']); sys.stderr.write('oh'); sys.exit(5)"
    ended = host.run([host.python, "-c", code], environment={"COLOUR": "red"}, on_line=lines.append)
    assert (lines, ended.code, ended.errors) == (["one", "red"], 5, "oh")


def test_only_the_end_of_long_errors_is_kept() -> None:
    host = LocalHost()
    ended = host.run(
        [host.python, "-c", "import sys; sys.stderr.write('x' * 100_000 + 'end')"],
        environment={},
        on_line=lambda _: None,
    )
    assert len(ended.errors) == 8_000
    assert ended.errors.endswith("end")


def test_an_exception_ends_the_command(tmp_path: Path) -> None:
    host = LocalHost()
    code = f"import time; print('up', flush=True); time.sleep(20); open({str(tmp_path / 'late')!r}, 'w')"

    def stop(line: str) -> None:
        raise KeyboardInterrupt(line)

    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt, match="up"):
        host.run([host.python, "-c", code], environment={}, on_line=stop)
    assert time.monotonic() - begin < 15
    assert not (tmp_path / "late").exists()


def test_files_are_already_here(tmp_path: Path) -> None:
    host = LocalHost()
    (tmp_path / "a").write_text("x")
    assert host.put(tmp_path / "a") == tmp_path / "a"
    host.get(tmp_path / "a", tmp_path / "a")
    host.get(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "x"
