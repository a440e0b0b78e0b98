"""A bundle on three hosts, each a real sshd with a home of its own; the second computes something else."""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from beltline.inspection.base.errors import LineFileError
from beltline.pipeline.deploy.rollout import HostOutcome, read_hosts, rollout_facts, rollout_text
from loopback import LoopbackDevice, MakeDevice

SOURCE = Path(__file__).parents[3]
SCORES_TURNED_ROUND = """
import sys

if any("self_test" in word for word in sys.orig_argv):
    import onnxruntime

    truly = onnxruntime.IOBinding.copy_outputs_to_cpu

    def turned_round(self):
        score, heatmap = truly(self)
        return [1 - score, heatmap]

    onnxruntime.IOBinding.copy_outputs_to_cpu = turned_round
"""


def python_that_computes_something_else(folder: Path) -> str:
    """Make a Python whose ONNX Runtime gives other scores, as a faulty processor or a wrong build would."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    (packages / "here.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (packages / "sitecustomize.py").write_text(SCORES_TURNED_ROUND)
    return str(folder / "bin")


@pytest.fixture(scope="module")
def three(make_device: MakeDevice, tmp_path_factory: pytest.TempPathFactory) -> list[LoopbackDevice]:
    good = str(Path(sys.executable).parent)
    faulty = python_that_computes_something_else(tmp_path_factory.mktemp("faulty") / "venv")
    return [make_device(path=f"{first}:/usr/bin:/bin") for first in (good, faulty, good)]


def shared_config(devices: list[LoopbackDevice], folder: Path) -> Path:
    """Write one ssh config for all of them, as a user has one."""
    blocks = [
        f"Host line-{number}\n  HostName 127.0.0.1\n  Port {device.port}\n  IdentityFile {device.folder}/key\n"
        f"  UserKnownHostsFile {device.folder}/known_hosts\n  IdentitiesOnly yes\n  StrictHostKeyChecking yes\n"
        for number, device in enumerate(devices, start=1)
    ]
    (folder / "ssh_config").write_text("".join(blocks))
    return folder / "ssh_config"


def test_a_roll_out_stops_at_the_first_host_that_does_not_take_it(
    three: list[LoopbackDevice], bundle: Any, tmp_path: Path
) -> None:
    config = shared_config(three, tmp_path)
    (tmp_path / "hosts.txt").write_text("# the hall\nssh://line-1\nssh://line-2  # by the door\n\nssh://line-3\n")
    argv = [sys.executable, "-m", "beltline.pipeline", "install", str(bundle.path), "--key", str(bundle.public)]
    more = ["--root", "~/versions", "--ssh-config", str(config), "--hosts", str(tmp_path / "hosts.txt"), "--json"]
    environment = {"PYTHONPATH": str(SOURCE / ".dev"), "PATH": "/usr/bin:/bin"}
    answer = subprocess.run([*argv, *more], capture_output=True, text=True, check=False, env=environment)
    assert answer.returncode == 3, answer.stderr
    first, second, third = json.loads(answer.stdout)["hosts"]
    assert (first["state"], first["before"], first["now"] is not None) == ("installed", None, True)
    assert (second["state"], second["now"], second["exit_code"]) == ("failed", None, 3)
    assert "golden" in second["error"]
    assert third["state"] == "untouched"
    assert "ssh://line-2  failed, still has nothing: " in answer.stderr
    assert [(device.home / "versions/current").exists() for device in three] == [True, False, False]
    assert (three[0].home / "versions").stat().st_mode & 0o777 == 0o755
    assert all(device.jobs == [] for device in three)


def test_the_end_says_which_hosts_have_the_new_version_and_which_the_old() -> None:
    outcomes = [
        HostOutcome(host="ssh://a", state="installed", before="v1", now="v2"),
        HostOutcome(
            host="ssh://b", state="failed", before="v1", now="v1", error="a golden decision flipped", exit_code=3
        ),
        HostOutcome(host="ssh://c", state="untouched"),
    ]
    assert rollout_text(outcomes).splitlines() == [
        "3 hosts: 1 installed, 1 failed, 1 untouched",
        "  ssh://a  installed v2, had v1",
        "  ssh://b  failed, still has v1: a golden decision flipped",
        "  ssh://c  not touched",
    ]
    assert rollout_facts(outcomes)["exit_code"] == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ssh://a\nhost b\n", r"hosts.txt:2: wanted ssh://user@host"),
        ("ssh://a\nssh://b\nssh://a\n", r"hosts.txt:3: ssh://a stands there twice"),
        ("# nobody\n", r"wanted 1 to 10000 hosts, got 0"),
        ("\xff", "hosts.txt"),
    ],
)
def test_a_bad_list_of_hosts_is_one_message(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "hosts.txt").write_bytes(text.encode("latin-1"))
    with pytest.raises(LineFileError, match=message):
        read_hosts(tmp_path / "hosts.txt")
    with pytest.raises(LineFileError, match="cannot read the list of hosts"):
        read_hosts(tmp_path / "nowhere.txt")
