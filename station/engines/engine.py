"""An engine process as the station holds it: started, asked, killed."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from typing import Any

from ...inspection.base.errors import BundleError, ParityError, StationError
from ...targets.host import LocalHost
from ..readable import readable
from ..versions.at_work import AtWork
from .memory import own_memory_bytes
from .pinning import Pinning
from .process import Orders
from .slots import FrameSlots
from .wire import MOST_BYTES, MOST_HELLO_BYTES, Question, Reply, question_bytes, reply_of

_EXIT_S = 5.0
_LOOK_S = 0.25


class Engine:
    """A running engine process; asked by one frame at a time."""

    def __init__(
        self, at_work: AtWork, process: subprocess.Popen[bytes], *, channel: socket.socket, lifeline: int
    ) -> None:
        self.at_work = at_work
        self._process = process
        self._channel = channel
        self._lifeline = lifeline

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.poll() is None

    def fileno(self) -> int:
        """Give the descriptor that becomes readable with a reply, or when the process is gone."""
        return self._channel.fileno()

    def ask(self, question: Question) -> None:
        """Ask for a decision; that the process is gone shows when its reply is taken."""
        try:
            self._channel.send(question_bytes(question))
        except OSError:
            return

    def reply(self) -> Reply | None:
        """Take a reply; None: none is there yet.

        Raises:
            ConnectionError: The process is gone.
        """
        try:
            raw = self._channel.recv(MOST_BYTES)
        except BlockingIOError:
            return None
        if not raw:
            msg = f"engine process {self.pid} is gone"
            raise ConnectionError(msg)
        return reply_of(raw)

    @property
    def memory_bytes(self) -> int:
        """Memory that is its own, without the frames that it shares with the station; 0: it is gone."""
        return own_memory_bytes(self.pid)

    def kill(self) -> None:
        """End the process at once, whatever it is doing; does not wait."""
        self._process.kill()

    def close(self) -> None:
        """End the process and free what it held; a second time: nothing."""
        if self._channel.fileno() < 0:
            return
        self._process.kill()
        self._process.wait(_EXIT_S)
        self._channel.close()
        os.close(self._lifeline)

    def await_ready(self, timeout_s: float, *, memory_bytes: int) -> None:
        """Wait until the model is loaded and its golden frames have passed.

        Args:
            timeout_s: At most so long.
            memory_bytes: It may take so much memory of its own meanwhile.

        Raises:
            BundleError: The runtime does not take the model, or takes more memory for it.
            ParityError: A golden decision flipped.
            StationError: The process ended without an answer, or took too long.
        """
        version = self.at_work.version
        raw = self._hello(timeout_s, memory_bytes)
        if not raw:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_EXIT_S)
            msg = f"{version}: the engine process ended while starting (code {self._process.poll()}); was memory short?"
            raise StationError(msg)
        hello: dict[str, Any] = json.loads(raw)
        if "failed" in hello:
            msg = f"{version}: {hello['failed']}"
            raise ParityError(msg) if hello["flipped"] else BundleError(msg)
        self._channel.setblocking(False)

    def _hello(self, timeout_s: float, memory_bytes: int) -> bytes:
        """Give the first message; empty: the process is gone."""
        until_s = time.monotonic() + timeout_s
        while not readable([self._channel.fileno()], _LOOK_S):
            if (taken := self.memory_bytes) > memory_bytes:
                msg = (
                    f"{self.at_work.version}: wanted an engine of at most {memory_bytes / 1e6:,.0f} MB of memory,"
                    f" got {taken / 1e6:,.0f} while it was loaded; raise engine.memory_mb, or take a smaller model"
                )
                raise BundleError(msg)
            if time.monotonic() >= until_s:
                way_out = "raise watchdog.start_s, or look for load"
                msg = f"{self.at_work.version}: the engine was not ready after {timeout_s:g} s; {way_out}"
                raise StationError(msg)
        try:
            return self._channel.recv(MOST_HELLO_BYTES)
        except OSError:
            return b""


def start_engine(
    at_work: AtWork, slots: FrameSlots, pinning: Pinning, *, timeout_s: float, memory_bytes: int
) -> Engine:
    """Start a process for a bundle and wait until it is ready; raises as `Engine.await_ready`."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    lifeline, held = os.pipe()
    orders = Orders(
        folder=str(at_work.unpacked.folder),
        backend=at_work.model.backend,
        threads=pinning.threads,
        cpus=pinning.engine_cpus,
        loading_cpus=pinning.loading_cpus,
        realtime=pinning.realtime,
        ready_ns=pinning.ready_ns,
        memory_bytes=memory_bytes,
        channel=theirs.fileno(),
        lifeline=lifeline,
        memory=slots.descriptor,
        slots=(slots.layout.count, slots.layout.image_bytes),
    )
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", "beltline.station.engines.process", orders.to_json()],
            stdin=subprocess.DEVNULL,
            stdout=2,  # a runtime's chatter must not get into --json's stdout
            pass_fds=(orders.channel, orders.lifeline, orders.memory),
            env=_environment(pinning.threads),
        )
    finally:
        theirs.close()
        os.close(lifeline)
    engine = Engine(at_work, process, channel=ours, lifeline=held)
    try:
        engine.await_ready(timeout_s, memory_bytes=memory_bytes)
    except BaseException:
        engine.close()
        raise
    return engine


def _environment(threads: int) -> dict[str, str]:
    counts = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
    return {**os.environ, "PYTHONPATH": LocalHost().import_path, **counts}
