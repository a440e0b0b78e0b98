"""What stands around a station: a network camera, a broker, two PLCs; real programs that can be frozen and killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ...inspection.base.errors import StationError
from ...inspection.base.packages import missing_package
from ...targets.host import LocalHost

CAMERA_PROGRAM = "arv-fake-gv-camera-0.8"
BROKER_PROGRAM = "mosquitto"
LOOPBACK = "127.0.0.1"
_START_S, _POLL_S = 60.0, 0.1


class Partner:
    """One program, started and stopped as often as one likes.

    Attributes:
        name: For people.
    """

    def __init__(self, name: str, argv: Sequence[str], *, port: int | None = None) -> None:
        """Name a program; `port`: of TCP, on which it listens on the loopback interface."""
        self.name = name
        self._argv = list(argv)
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run the program."""
        quiet: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.DEVNULL)
        self._process = subprocess.Popen(self._argv, env=self.environment(), **quiet)

    @staticmethod
    def environment() -> dict[str, str]:
        """Give what a process needs to find this package."""
        return {**os.environ, "PYTHONPATH": LocalHost().import_path}

    def await_listening(self) -> None:
        """Wait until a program with a port accepts connections there.

        Raises:
            StationError: It does not in time.
        """
        until_s = time.monotonic() + _START_S
        while self._port is not None:
            with suppress(OSError), socket.create_connection((LOOPBACK, self._port), timeout=_START_S):
                return
            if time.monotonic() > until_s:
                msg = f"{self.name}: wanted it to listen on port {self._port} within {_START_S:g} s; it does not start"
                raise StationError(msg)
            time.sleep(_POLL_S)

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
    """Give an MQTT broker; None: mosquitto, or what speaks to it, is not installed."""
    known = missing_package("paho", "station") is None
    return _program("broker", BROKER_PROGRAM, "-p", str(port), port=port) if known else None


def plc(port: int) -> Partner | None:
    """Give an OPC UA server with the variables that a PLC has for a station; None: asyncua is not installed."""
    argv = [sys.executable, "-m", "beltline.studies.endurance.plc", str(port)]
    return Partner("plc", argv, port=port) if missing_package("asyncua", "station") is None else None


def modbus(port: int, notes: Path) -> Partner | None:
    """Give a PLC's Modbus server that notes each outcome in a file; None: pymodbus is not installed."""
    argv = [sys.executable, "-m", "beltline.studies.station.coil_server", str(port), str(notes)]
    return Partner("modbus", argv, port=port) if missing_package("pymodbus", "station") is None else None


def free_port() -> int:
    """Find a TCP port that is free now."""
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        return int(found.getsockname()[1])


def _program(name: str, program: str, *arguments: str, port: int | None = None) -> Partner | None:
    path = shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    return None if path is None else Partner(name, [path, *arguments], port=port)
