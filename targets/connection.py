"""One ssh connection to one device: the system's `ssh` with the user's own keys and config; it asks for nothing.

The first call sends the agent (see `agent`) and finds a Python; every later one is a verb of it. A connection that was
made once and is lost is made again, with patience; what can only be wrong, such as a host key, is an error at once.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from ..inspection.base.errors import HostError
from .address import Address
from .agent import MARK
from .agent.store import BEGIN
from .own_wheel import agent_file
from .untrusted import (
    MOST_ANSWER_BYTES,
    Answer,
    answer_of,
    bounded,
    errors_limited,
    lines_of,
    tail_of,
    text_of,
)

_T = TypeVar("_T")
_OPTIONS = {
    "BatchMode": "yes",
    "ConnectTimeout": "15",
    "ServerAliveInterval": "15",
    "ServerAliveCountMax": "4",
    "ControlMaster": "auto",
    "ControlPersist": "60",
}
_PYTHONS = ("python3", "python3.14", "python3.13", "python3.12", "python3.11", "python3.10")
_AGAIN_AFTER_S = 0.5

# Runs in any login shell: a single-quoted argument of sh, on one line.
_HELLO = (
    'umask 077; d="${XDG_CACHE_HOME:-$HOME/.cache}/beltline"; mkdir -p "$d/agents" || exit 71; '
    'cat >"$d/agents/.$$" && mv "$d/agents/.$$" "$d/agents/AGENT" || { rm -f "$d/agents/.$$"; exit 72; }; '
    "for p in PYTHONS; do "
    'if "$p" -c "import sys; sys.exit(sys.version_info < (3, 10))" 2>/dev/null; '
    'then command -v "$p"; echo "$d"; exit 0; fi; "$p" --version 2>/dev/null; done; exit 73'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach a device.

    Attributes:
        address: Where it is.
        config: An ssh config of its own instead of the user's.
        python: Its interpreter, by path or name; None: the first `python3` there that is new enough.
        patience_s: How long a lost connection is tried again.
    """

    address: Address
    config: Path | None = None
    python: str | None = None
    patience_s: float = 300.0


class Connection:
    """A device that was met: a context manager that ends the connection."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._folder = Path(tempfile.mkdtemp(prefix="beltline-ssh-"))
        self._met = False
        self._where = str(access.address)
        try:
            self.python, self._home = self._hello()
        except BaseException:
            self.close()
            raise
        self._met = True

    def close(self) -> None:
        """End the connection that later calls would have shared."""
        with suppress(OSError, subprocess.SubprocessError):
            argv = ["ssh", *self._options(), "-O", "exit", *self._access.address.arguments]
            subprocess.run(argv, capture_output=True, check=False, timeout=10)
        shutil.rmtree(self._folder, ignore_errors=True)

    def ask(self, verb: str, *arguments: str, facts: Any = None) -> Answer:
        """Let the agent do a verb; one that is done twice does no harm, so that it is repeated when the line breaks.

        Raises:
            HostError: The agent's own message, or the device is gone.
        """
        return self.patiently(lambda: self.once(verb, *arguments, facts=facts))

    def once(self, verb: str, *arguments: str, facts: Any = None) -> Answer:
        """Do as `ask`, without repeating it."""
        with tempfile.TemporaryFile() as source:
            source.write(json.dumps(facts).encode())
            source.seek(0)
            return self.push(verb, *arguments, source=source)

    def push(self, verb: str, *arguments: str, source: IO[bytes]) -> Answer:
        """Let the agent do a verb once with a file on its stdin, read from where the file stands."""
        done = self._ssh(self._call(verb, arguments), source=source)
        return self._answer(done)

    def pull(self, verb: str, *arguments: str, target: IO[bytes], most_bytes: int) -> None:
        """Let the agent do a verb once and write the bytes that it sends to a file.

        Raises:
            HostError: More than `most_bytes` come.
        """
        with self._opened(verb, arguments) as stream:
            for line in lines_of(stream, where=self._where):
                if line == BEGIN:
                    break
            target.writelines(bounded(stream, most_bytes, where=self._where))

    def follow(self, verb: str, *arguments: str) -> Generator[Answer, None, None]:
        """Give the lines of a verb's answer as they come; ends with the verb, or with a lost connection."""
        with self._opened(verb, arguments) as stream:
            for line in lines_of(stream, where=self._where):
                if line.startswith(MARK.encode()) and line.endswith(b"\n"):
                    yield self._answer(line)

    def patiently(self, attempt: Callable[[], _T]) -> _T:
        """Repeat what a lost connection broke, until the patience is over."""
        begin_s = time.monotonic()
        while True:
            try:
                return attempt()
            except LostConnectionError:  # noqa: PERF203
                if time.monotonic() - begin_s > self._access.patience_s:
                    raise
                time.sleep(_AGAIN_AFTER_S)

    @contextmanager
    def _opened(self, verb: str, arguments: Sequence[str]) -> Iterator[IO[bytes]]:
        """Give what the agent writes as it comes."""
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                self._argv(self._call(verb, arguments)),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=_environment(),
                start_new_session=True,
            )
            with errors_limited(process, errors, where=self._where), process:
                try:
                    yield cast("IO[bytes]", process.stdout)
                except BaseException:
                    process.kill()
                    raise
            if process.returncode:
                raise failure_of(self._where, process.returncode, tail_of(errors), met=self._met)

    def _hello(self) -> tuple[str, str]:
        name, content = agent_file()
        pythons = [self._access.python] if self._access.python else _PYTHONS
        quoted = " ".join(f'"{_plain(python)}"' for python in pythons)
        script = _HELLO.replace("AGENT", name).replace("PYTHONS", quoted)
        with tempfile.TemporaryFile() as source:
            source.write(content)
            source.seek(0)
            done = self._ssh(f"exec sh -c '{script}'", source=source)
        lines = done.decode(errors="replace").splitlines()
        if len(lines) < 2 or not all(line.isprintable() and len(line) <= _LONGEST_PATH for line in lines[-2:]):
            lines = [line[:200] for line in lines[-2:]]
            msg = f"{self._where}: wanted a shell there, got {lines!r}; does its login run a program of its own?"
            raise HostError(msg)
        return lines[-2], lines[-1]

    def _call(self, verb: str, arguments: Sequence[str]) -> str:
        agent = f"{self._home}/agents/{agent_file()[0]}"
        return "exec " + shlex.join([self.python, "-I", "-B", agent, self._home, verb, *arguments])

    def _ssh(self, command: str, *, source: IO[bytes]) -> bytes:
        """Run one command to its end and give its stdout."""
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                self._argv(command),
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=_environment(),
                start_new_session=True,
            )
            with errors_limited(process, errors, where=self._where), process:
                try:
                    stdout = cast("IO[bytes]", process.stdout)
                    output = b"".join(bounded(stdout, MOST_ANSWER_BYTES, where=self._where))
                except BaseException:
                    process.kill()
                    raise
            if process.returncode and not _refused(output):
                output_text = "\n".join(filter(None, [text_of(output), tail_of(errors)]))
                raise failure_of(self._where, process.returncode, output_text, met=self._met)
        return output

    def _argv(self, command: str) -> list[str]:
        return ["ssh", *self._options(), "-T", *self._access.address.arguments, command]

    def _options(self) -> list[str]:
        config = ["-F", str(self._access.config)] if self._access.config else []
        options = {**_OPTIONS, "ControlPath": str(self._folder / "%C")}
        return [*config, *(part for key, value in options.items() for part in ("-o", f"{key}={value}"))]

    def _answer(self, output: bytes) -> Answer:
        marked = [line for line in output.splitlines() if line.startswith(MARK.encode())]
        return answer_of(marked[-1][len(MARK) :] if marked else output[:200], where=self._where)


def _plain(python: str) -> str:
    if not python or set(python) & set("'\"\\$`!\n"):
        msg = f"python: wanted a path or a name without quotes, $ and the like, got {python!r}"
        raise HostError(msg)
    return python


def _refused(stdout: bytes) -> bool:
    """Whether the agent itself answered: its message says more than the exit code."""
    return f'{MARK}{{"error"'.encode() in stdout


def _environment() -> dict[str, str]:
    """Take ssh's messages in English, since they are recognised by their text."""
    return {**os.environ, "LC_ALL": "C"}


_LONGEST_PATH = 4_096
_LOST = 255
_NO_PYTHON = 73

_FINAL = (
    ("Host key verification failed", "compare the key with the device's own and add it to known_hosts"),
    ("Permission denied", "try `ssh` yourself; put your key there with ssh-copy-id (no password is ever asked for)"),
    ("Could not resolve hostname", "check the name, or give it a number in your ssh config"),
    ("Bad configuration option", "correct the ssh config"),
    ("Can't open user config file", "check `config:` under target"),
)
_PASSING = (
    ("Connection refused", "is sshd running there, on that port?"),
    ("timed out", "is it switched on, and is this its network?"),
    ("No route to host", "is it switched on, and is this its network?"),
    ("Network is unreachable", "is this machine on the device's network?"),
)


class LostConnectionError(HostError):
    """The connection broke, or could not be made for a reason that may pass."""


def failure_of(where: str, code: int, output_text: str, *, met: bool) -> HostError:
    """Describe a failed call of ssh.

    Args:
        where: The device's address.
        code: How ssh ended; 255 is its own failure, all else that of the command there.
        output_text: What it wrote.
        met: Whether this device was reached before, so that the same failure may pass now.
    """
    if code == _NO_PYTHON and not met:
        return _no_python(where, output_text)
    last = output_text.strip().splitlines()[-1] if output_text.strip() else "no message"
    if code != _LOST:
        return HostError(f"{where}: {last} (code {code})")
    for text, way_out in (*_FINAL, *_PASSING):
        if text in output_text:
            line = next(line for line in reversed(output_text.splitlines()) if text in line)
            kind = LostConnectionError if met and (text, way_out) in _PASSING else HostError
            return kind(f"{where}: {line.strip()}; {way_out}")
    return LostConnectionError(f"{where}: the connection was lost: {last}")


def _no_python(where: str, output_text: str) -> HostError:
    found = ", ".join(output_text.split("\n")) or "none"
    return HostError(
        f"{where}: wanted Python 3.10 or newer, found {found}; install python3 there, or name it: "
        "target: {ssh: ..., python: /path/to/python3}"
    )
