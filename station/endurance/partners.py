"""What stands around a station: a network camera, a broker, a PLC; real programs that can be frozen and killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...targets.host import LocalHost

CAMERA_PROGRAM = "arv-fake-gv-camera-0.8"
BROKER_PROGRAM = "mosquitto"
LOOPBACK = "127.0.0.1"


class Partner:
    """One program, started and stopped as often as one likes.

    Attributes:
        name: For people.
    """

    def __init__(self, name: str, argv: Sequence[str]) -> None:
        self.name = name
        self._argv = list(argv)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run the program."""
        quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        environment = {**os.environ, "PYTHONPATH": LocalHost().import_path}
        self._process = subprocess.Popen(self._argv, env=environment, **quiet)

    def kill(self) -> None:
        """End the program at once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Keep the program from running meanwhile, as a cable does that is pulled out and put in again."""
        if self._process is None:
            yield
            return
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


def camera() -> Partner | None:
    """Give a simulated GigE Vision camera on the loopback interface; None: Aravis' tools are not installed."""
    return _program("camera", CAMERA_PROGRAM, "-i", LOOPBACK, "-r", "1")


def broker(port: int) -> Partner | None:
    """Give an MQTT broker; None: mosquitto is not installed."""
    return _program("broker", BROKER_PROGRAM, "-p", str(port))


def plc(port: int) -> Partner:
    """Give an OPC UA server with the variables that a PLC has for a station."""
    return Partner("plc", [sys.executable, "-m", "beltline.station.endurance.plc", str(port)])


def free_port() -> int:
    """Find a TCP port that is free now."""
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        return int(found.getsockname()[1])


def _program(name: str, program: str, *arguments: str) -> Partner | None:
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    return None if path is None else Partner(name, [path, *arguments])
