"""What goes wrong between here and a device, against a real sshd: each ends in one message, or goes on."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import pytest
from beltline.inspection.base.errors import HostError
from beltline.targets.address import Address
from beltline.targets.connection import Access
from beltline.targets.own_wheel import own_wheel
from beltline.targets.ssh import SshHost
from loopback import LoopbackDevice, MakeDevice
from relay import Relay

SOURCE = Path(__file__).parents[2]
COUNT = "import time\nfor i in range(12):\n    print(i, flush=True)\n    time.sleep(0.1)"


def wait_until(true: Callable[[], bool], *, within_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_what_runs_there_outlives_the_connection_and_no_line_is_lost(device: LoopbackDevice) -> None:
    lines: list[str] = []
    killed: list[int] = []

    def on_line(line: str) -> None:
        lines.append(line)
        if line in ("2", "7"):
            killed.append(device.cut())

    with SshHost(device.access(), wheelhouse=None) as host:
        ended = host.run([host.python, "-c", COUNT], environment={}, on_line=on_line)
    assert min(killed) >= 1
    assert (ended.code, lines) == (0, [str(number) for number in range(12)])
    assert device.jobs == []


def test_a_connection_that_does_not_come_back_is_told_and_the_device_cleans_up(make_device: MakeDevice) -> None:
    device = make_device()
    host = SshHost(device.access(patience_s=1.0), wheelhouse=None, lease_s=2.0)
    with pytest.raises(HostError, match="Connection refused; is sshd running there"):
        host.run(
            [host.python, "-c", COUNT], environment={}, on_line=lambda line: device.stop() if line == "1" else None
        )
    host.close()
    wait_until(lambda: device.jobs == [])


def test_another_host_key_is_refused_and_nothing_is_sent(make_device: MakeDevice) -> None:
    device = make_device()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(device.folder / "other")], check=True)
    device.trust("other.pub")
    with pytest.raises(HostError, match=r"Host key verification failed\.; compare the key"):
        SshHost(device.access(), wheelhouse=None)
    (device.folder / "known_hosts").unlink()
    with pytest.raises(HostError, match="Host key verification failed"):
        SshHost(device.access(), wheelhouse=None)
    assert not (device.home / ".cache").exists()


def test_a_key_that_is_not_taken_is_told_at_once(make_device: MakeDevice) -> None:
    device = make_device()
    (device.folder / "authorized_keys").write_text("")
    with pytest.raises(HostError, match=r"Permission denied .*ssh-copy-id"):
        SshHost(device.access(), wheelhouse=None)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (Address(host="127.0.0.1", port=1), "Connection refused; is sshd running there, on that port"),
        (Address(host="nowhere.invalid"), "Could not resolve hostname"),
    ],
)
def test_a_host_that_is_not_there_is_told_at_once(address: Address, message: str) -> None:
    begin_s = time.monotonic()
    with pytest.raises(HostError, match=message):
        SshHost(Access(address=address), wheelhouse=None)
    assert time.monotonic() - begin_s < Access(address=address).patience_s / 2


def test_a_device_without_python_or_with_an_old_one_is_told(make_device: MakeDevice, tmp_path: Path) -> None:
    for name in ("sh", "bash", "mkdir", "cat", "mv", "rm"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    device = make_device(path=str(tmp_path))
    with pytest.raises(HostError, match=r"wanted Python 3\.10 or newer, found none; install python3 there"):
        SshHost(device.access(python=None), wheelhouse=None)
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.8.10" && exit 0\nexit 1\n')
    old.chmod(0o755)
    with pytest.raises(HostError, match=r"found Python 3\.8\.10"):
        SshHost(device.access(python=None), wheelhouse=None)


def test_a_login_script_that_talks_does_no_harm(make_device: MakeDevice, tmp_path: Path) -> None:
    device = make_device()
    for name in (".bashrc", ".profile", ".zshenv"):
        (device.home / name).write_text("echo welcome to line 3\necho '{}'\n")
    (tmp_path / "x").write_bytes(b"\x00\x01" * 5000)
    lines: list[str] = []
    with SshHost(device.access(), wheelhouse=None) as host:
        there = host.put(tmp_path / "x")
        assert host.run([host.python, "-c", "print('hi')"], environment={}, on_line=lines.append).code == 0
        host.get(there, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == (tmp_path / "x").read_bytes()
    assert lines == ["hi"]


def test_a_slow_link_that_breaks_again_and_again_goes_on_where_it_stopped(
    device: LoopbackDevice, tmp_path: Path
) -> None:
    size = 300_000
    (tmp_path / "weights.bin").write_bytes(np.random.default_rng(1).bytes(size))
    relay = Relay(device.port, bytes_per_s=2e6, cut_after=80_000)
    with SshHost(device.access(), wheelhouse=None):
        pass  # Beltline itself is there already
    device.trust("host_key.pub", port=relay.port)
    try:
        with SshHost(device.access(port=relay.port), wheelhouse=None) as host:
            there = host.put(tmp_path / "weights.bin")
            assert there.read_bytes() == (tmp_path / "weights.bin").read_bytes()
    finally:
        relay.close()
        device.trust("host_key.pub")
    assert relay.cuts >= 3
    assert relay.passed_bytes < 2.5 * size  # each connection begins with a few kB of its own; no byte goes over twice


def test_no_space_left_is_told_and_nothing_half_is_left(make_device: MakeDevice, tmp_path: Path) -> None:
    """A limit on the size of files stands for a disk that fills up: it strikes in the middle of a write, too."""
    limit = 2 * len(own_wheel()[1])  # Beltline itself finds its place
    device = make_device(limits=(resource.RLIMIT_FSIZE, limit))
    (tmp_path / "big.bin").write_bytes(np.random.default_rng(2).bytes(2 * limit))
    (tmp_path / "small.bin").write_bytes(b"small")
    with SshHost(device.access(), wheelhouse=None) as host:
        with pytest.raises(HostError, match="File too large"):
            host.put(tmp_path / "big.bin")
        assert not list(device.home.rglob("*.part"))
        assert host.put(tmp_path / "small.bin").read_bytes() == b"small"
    assert device.jobs == []


def test_a_full_disk_is_told_before_anything_is_sent(make_device: MakeDevice, tmp_path: Path) -> None:
    device = make_device()
    cache = device.home / ".cache"
    cache.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", str(cache)], check=False).returncode:
        pytest.skip("a small file system cannot be mounted here (needs root)")
    try:
        (tmp_path / "big.bin").write_bytes(np.random.default_rng(2).bytes(6_000_000))
        with SshHost(device.access(), wheelhouse=None) as host, pytest.raises(HostError, match="no space left on the"):
            host.put(tmp_path / "big.bin")
        assert not list(device.home.rglob("*.part"))
        with (cache / "filler").open("wb") as filler, pytest.raises(OSError, match="No space"):
            filler.write(bytes(40_000_000))
        with pytest.raises(HostError, match=r"[Nn]o space left on"):
            SshHost(device.access(), wheelhouse=None)
    finally:
        subprocess.run(["umount", str(cache)], check=True)


def client(device: LoopbackDevice, folder: Path, *, lease_s: float) -> subprocess.Popen[bytes]:
    """Run a session in a process of its own that can be killed; it writes the far process's number to a file."""
    access = device.access()
    code = f"""
from pathlib import Path
from beltline.targets.address import parse_address
from beltline.targets.connection import Access
from beltline.targets.own_wheel import own_wheel
from beltline.targets.ssh import SshHost
access = Access(address=parse_address({str(access.address)!r}), config=Path({str(access.config)!r}),
                python={access.python!r})
with SshHost(access, wheelhouse=None, lease_s={lease_s}) as host:
    host.run([host.python, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(100)"], environment={{}},
             on_line=lambda line: Path({str(folder)!r}, "pid").write_text(line))
"""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
    return subprocess.Popen([sys.executable, "-c", code], env=environment, stderr=subprocess.DEVNULL)


def test_ctrl_c_ends_what_runs_there(device: LoopbackDevice, tmp_path: Path) -> None:
    with client(device, tmp_path, lease_s=600) as process:
        wait_until((tmp_path / "pid").exists)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) != 0
    assert gone(int((tmp_path / "pid").read_text()))
    assert device.jobs == []


def test_a_client_that_dies_leaves_the_device_clean_when_its_lease_is_over(
    device: LoopbackDevice, tmp_path: Path
) -> None:
    with client(device, tmp_path, lease_s=2) as process:
        wait_until((tmp_path / "pid").exists)
        process.kill()
    device.cut()
    wait_until(lambda: device.jobs == [])
    assert gone(int((tmp_path / "pid").read_text()))


def test_a_job_whose_supervisor_died_is_told_and_cleared_away_by_the_next_session(device: LoopbackDevice) -> None:
    def kill_supervisor(_: str) -> None:
        (job,) = device.jobs
        holders = [process.pid for process in psutil.process_iter() if str(job / "lock") in opened(process)]
        for pid in holders:
            os.kill(pid, signal.SIGKILL)

    host = SshHost(device.access(), wheelhouse=None)
    with pytest.raises(HostError, match="the process that keeps the job on the device is gone"):
        host.run([host.python, "-c", COUNT], environment={}, on_line=kill_supervisor)
    SshHost(device.access(), wheelhouse=None).close()
    host.close()
    assert device.jobs == []


def opened(process: psutil.Process) -> list[str]:
    try:
        return [each.path for each in process.open_files()]
    except psutil.Error:
        return []
