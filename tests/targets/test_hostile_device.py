"""A device that is somebody else's by now, behind a real sshd: output without end, control characters, lies."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from beltline.inspection.base.errors import HostError, StorageError, plain_text
from beltline.pipeline.deploy.rollout import RolloutOptions, roll_out, rollout_text
from beltline.targets.ssh import SshHost
from beltline.targets.untrusted import answer_of
from loopback import LoopbackDevice

HONEST = f'exec {sys.executable} "$@"'


@pytest.fixture(autouse=True)
def _memory_stays_small() -> Iterator[None]:
    before = psutil.Process().memory_info().rss
    yield
    assert psutil.Process().memory_info().rss - before < 300 << 20


def python_that(device: LoopbackDevice, behaves: str) -> Path:
    """Write an interpreter that is new enough and then does as it likes."""
    path = device.home / "python-of-its-own"
    path.write_text(f'#!/bin/sh\ncase "$*" in *version_info*) exit 0;; esac\n{behaves}\n')
    path.chmod(0o755)
    return path


def met(device: LoopbackDevice, behaves: str) -> SshHost:
    access = replace(device.access(patience_s=1.0), python=str(python_that(device, behaves)))
    return SshHost(access, wheelhouse=None)


@pytest.mark.parametrize(
    ("behaves", "message"),
    [
        ("yes no", "the device writes more than Beltline ever asks for"),
        ("yes no >&2", "the device writes more than Beltline ever asks for"),
        ("tr '\\0' x </dev/zero", "the device writes more than Beltline ever asks for"),
        ("echo 'beltline-agent {'", "wanted the agent's answer, got '{'"),
        (f"echo 'beltline-agent {'[' * 100_000}'", r"wanted the agent's answer, got '\[\["),
        ("echo 'beltline-agent [1]'", "wanted the agent's answer"),
        ("echo 'beltline-agent {}'", "wanted an answer of the agent with"),
        ("echo nothing", "wanted the agent's answer, got 'nothing"),
        (
            """echo 'beltline-agent {"error": "\\u001b]0;owned\\u0007\\u202e"}'; exit 3""",
            r"\\x1b\]0;owned\\x07\\u202e$",
        ),
        ("printf 'bad\\033[2J\\n' >&2; exit 9", r"bad\\x1b\[2J \(code 9\)"),
    ],
)
def test_whatever_it_answers_is_one_plain_message(device: LoopbackDevice, behaves: str, message: str) -> None:
    begin_s = time.monotonic()
    with pytest.raises(HostError, match=message) as raised:
        met(device, behaves)
    assert all(line.isprintable() for line in str(raised.value).splitlines())
    assert len(str(raised.value)) < 3_000
    assert time.monotonic() - begin_s < 60


@pytest.mark.parametrize(
    "facts",
    [
        {"python": "3.11"},
        {"python": [3, "11"]},
        {"free_bytes": -1},
        {"free_bytes": True},
        {"libc": ["glibc"]},
        {"missing": {"a": -1}},
        {"missing": []},
        {"folder": 7},
        {"next": 1.5},
        {"ended": "0"},
        {"damaged": 1},
        {"path": False},
    ],
)
def test_a_fact_of_another_kind_is_refused(facts: dict[str, object]) -> None:
    import json

    with pytest.raises(HostError, match="there: wanted the agent's answer"):
        answer_of(json.dumps(facts).encode(), where="there")


def test_output_without_end_ends_a_command_and_a_file(
    device: LoopbackDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("beltline.targets.untrusted.MOST_LINES", 20_000)  # a million takes half a minute
    flood = f'case "$*" in *" follow "*) yes "beltline-agent {{}}"; esac\n{HONEST}'
    with met(device, flood) as host, pytest.raises(HostError, match="writes more than"):
        host.run([host.python, "-c", "print(1)"], environment={}, on_line=lambda _: None)
    line = f'case "$*" in *" follow "*) tr "\\0" x </dev/zero; esac\n{HONEST}'
    with met(device, line) as host, pytest.raises(HostError, match="writes more than"):
        host.run([host.python, "-c", "print(1)"], environment={}, on_line=lambda _: None)
    longer = f'case "$*" in *" send "*) echo "beltline: the file\'s bytes follow"; cat /dev/zero; esac\n{HONEST}'
    (tmp_path / "small").write_bytes(b"small")
    with met(device, longer) as host:
        there = host.put(tmp_path / "small")
        with pytest.raises(HostError, match="writes more than"):
            host.get(there, tmp_path / "back")
    huge = f"""case "$*" in *" describe "*) echo 'beltline-agent {{"size": 9000000000000, "digest": ""}}'; exit;; esac
{HONEST}"""
    with met(device, huge) as host:
        there = host.put(tmp_path / "small")
        with pytest.raises(HostError, match="more than is wanted or free here"):
            host.get(there, tmp_path / "back")
    assert [each.name for each in tmp_path.iterdir()] == ["small"]


def test_a_device_that_never_takes_a_file_is_given_up(device: LoopbackDevice, tmp_path: Path) -> None:
    never = f"""case "$*" in *" take "*) echo 'beltline-agent {{"have": 0, "damaged": false}}'; exit;; esac
{HONEST}"""
    (tmp_path / "file").write_bytes(b"never taken")
    with pytest.raises(HostError, match="arrived damaged 3 times"), met(device, never) as host:
        host.put(tmp_path / "file")


def test_what_a_roll_out_shows_is_plain(device: LoopbackDevice, tmp_path: Path) -> None:
    """The install there answers with texts of its own, and one host with no JSON at all."""
    bundle = tmp_path / "a.beltline"
    bundle.write_bytes(b"bundle")
    messages: list[str] = []
    for answer, message in (
        ('{"installed": "v\\\\u001b[2J", "version": "\\\\u202ev1"}', r"installed v\x1b[2J, had \u202ev1"),
        ('{"error": "\\\\u0007bell", "exit_code": 3}', r"\x07bell"),
        ('{"error": "x", "exit_code": "3"}', "beltline status did not answer there"),
        ("[]", "beltline status did not answer there"),
    ):
        pipeline = f"""case "$*" in *pipeline*) echo '{answer}'; exit;; esac\n{HONEST}"""
        options = RolloutOptions(config=device.config, python=str(python_that(device, pipeline)))
        outcomes = roll_out(bundle, [str(device.access().address)], options, notify=messages.append)
        assert message in rollout_text(outcomes)
        assert all(line.isprintable() for line in rollout_text(outcomes).splitlines())
    assert all(line.isprintable() for line in messages)


def test_no_message_of_ours_acts_on_a_terminal() -> None:
    assert str(StorageError("cannot write a\x1b[2J\x9b1m\u2066b\rc\n\td")) == (
        "cannot write a\\x1b[2J\\x9b1m\\u2066b\\rc\n\td"
    )
    assert plain_text("größe 5 µm, 日本") == "größe 5 µm, 日本"
