"""A device over a real ssh connection: what is sent, what runs there, what is left behind."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from beltline.inspection.base.errors import HostError
from beltline.targets.host import Host
from beltline.targets.ssh import SshHost
from loopback import LoopbackDevice


def run_code(host: Host, code: str, lines: list[str] | None = None, **environment: str) -> tuple[int, str]:
    into = [] if lines is None else lines
    argv = [host.python, "-c", code]
    ended = host.run(argv, environment={"PYTHONPATH": host.import_path, **environment}, on_line=into.append)
    return ended.code, ended.errors


def test_a_command_tells_its_lines_its_errors_and_its_code(device: LoopbackDevice) -> None:
    lines: list[str] = []
    code = "import os, sys; print('one'); print(os.environ['COLOUR']); sys.stderr.write('oh'); sys.exit(5)"
    with SshHost(device.access(), wheelhouse=None) as host:
        assert run_code(host, code, lines, COLOUR="dark red") == (5, "oh")
        assert run_code(host, "print(2)", lines) == (0, "")
    assert lines == ["one", "dark red", "2"]


def test_beltline_there_is_the_one_that_was_sent(device: LoopbackDevice) -> None:
    lines: list[str] = []
    imported = "beltline.inspection.base.errors as e, beltline.benchmarks.timing.worker, os"
    code = f"import {imported}; print(e.__file__); print(os.getcwd())"
    with SshHost(device.access(), wheelhouse=None) as host:
        assert run_code(host, code, lines) == (0, "")
    assert lines[0].startswith(str(device.home / ".cache/beltline/runtimes/own-"))
    assert lines[1].startswith(str(device.home / ".cache/beltline/jobs/"))


def test_files_and_folders_go_there_and_back(device: LoopbackDevice, tmp_path: Path) -> None:
    (tmp_path / "model" / "deep").mkdir(parents=True)
    (tmp_path / "model" / "a b.bin").write_bytes(bytes(range(256)) * 1000)
    (tmp_path / "model" / "deep" / "empty").touch()
    with SshHost(device.access(), wheelhouse=None) as host:
        folder = host.put(tmp_path / "model")
        one = host.put(tmp_path / "model" / "a b.bin")
        host.get(folder / "a b.bin", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == (tmp_path / "model" / "a b.bin").read_bytes()
        assert (folder / "deep" / "empty").read_bytes() == b""
        assert (one.name, one.parent != folder) == ("a b.bin", True)
        with pytest.raises(HostError, match="not a file of this job"):
            host.get(device.folder / "key", tmp_path / "stolen")
    assert not (tmp_path / "stolen").exists()


def test_a_second_session_sends_nothing_again(device: LoopbackDevice, tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights" * 1000)
    notified: list[list[str]] = [[], []]
    for message in notified:
        with SshHost(device.access(), wheelhouse=None, notify=message.append) as host:
            host.put(tmp_path / "model.bin")
    assert notified[0][-1] == "sending 1 file, 0.0 MB"
    assert notified[1] == []


def test_the_device_is_left_clean(device: LoopbackDevice, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    with SshHost(device.access(), wheelhouse=None) as host:
        host.put(tmp_path / "x")
        assert len(device.jobs) == 1
    assert device.jobs == []
    with pytest.raises(FileNotFoundError), SshHost(device.access(), wheelhouse=None) as host:
        host.put(tmp_path / "nothing there")
    assert device.jobs == []
    assert device.leftovers == []


def test_an_exception_in_the_progress_ends_the_command_there(device: LoopbackDevice, tmp_path: Path) -> None:
    """Ctrl-C comes as such an exception."""
    code = f"import os, time; print(os.getpid(), flush=True); time.sleep(60); open({str(tmp_path / 'late')!r}, 'w')"
    pids: list[int] = []

    def stop(line: str) -> None:
        pids.append(int(line))
        raise KeyboardInterrupt

    with SshHost(device.access(), wheelhouse=None) as host:
        with pytest.raises(KeyboardInterrupt):
            host.run([host.python, "-c", code], environment={}, on_line=stop)
        assert not Path(f"/proc/{pids[0]}").exists()
        assert run_code(host, "print('still usable')") == (0, "")
    assert device.jobs == []


def test_the_platform_is_the_devices(device: LoopbackDevice) -> None:
    with SshHost(device.access(), wheelhouse=None) as host:
        assert host.platform.python == sys.version_info[:2]
        assert json.dumps(host.platform.architecture) in {'"x86_64"', '"aarch64"'}
