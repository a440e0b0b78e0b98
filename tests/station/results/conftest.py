"""A real broker and a real PLC's server on this machine, which a test may restart."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

_UP_WITHIN_S = 20


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Broker:
    """A mosquitto of its own."""

    def __init__(self, program: str, folder: Path) -> None:
        self._program, self._folder = program, folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *settings: str) -> None:
        config = self._folder / "mosquitto.conf"
        allowed = "" if settings else "allow_anonymous true"
        user = "user root" if os.geteuid() == 0 else ""
        config.write_text("\n".join([f"listener {self.port} 127.0.0.1", user, allowed, *settings, ""]))
        argv = [self._program, "-c", str(config)]
        self._process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until_s = time.monotonic() + _UP_WITHIN_S
        while time.monotonic() < until_s:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return
            time.sleep(0.02)
        pytest.fail("mosquitto did not come up")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/sbin")
    if program is None:
        pytest.skip("no mosquitto: apt-get install mosquitto")
    made = Broker(program, tmp_path)
    made.start()
    yield made
    made.stop()


class Plc:
    """An OPC UA server with the variables of a PLC; every value written is kept."""

    def __init__(self, kinds: dict[str, str]) -> None:
        self.port = free_port()
        self.kinds = kinds
        self.written: list[tuple[str, Any]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server: Any = None

    @property
    def url(self) -> str:
        return f"opc.tcp://127.0.0.1:{self.port}/plc"

    @property
    def variables(self) -> dict[str, str]:
        return {name: f"ns=2;s=Station.{name}" for name in self.kinds}

    def start(self) -> None:
        if self._server is None:
            self._do(self._set_up())
        self._do(self._server.start())

    def stop(self) -> None:
        self._do(self._server.stop())

    def close(self) -> None:
        self.stop()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def values(self, name: str) -> list[Any]:
        return [value for named, value in self.written if named == name]

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _set_up(self) -> None:
        from asyncua import Server, ua
        from asyncua.common.callback import CallbackType

        self._server = server = Server()
        await server.init()
        server.set_endpoint(self.url)
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
        await server.register_namespace("http://plc.test")
        for name, kind in self.kinds.items():
            first: Any = "" if kind == "String" else 0.0 if kind in ("Float", "Double") else kind == "Boolean"
            variant = ua.Variant(first, getattr(ua.VariantType, kind))
            node = await server.nodes.objects.add_variable(ua.NodeId(f"Station.{name}", 2), name, variant)
            await node.set_writable()
        server.subscribe_server_callback(CallbackType.PreWrite, self._note)

    async def _note(self, event: Any, _dispatcher: Any) -> None:
        for each in event.request_params.NodesToWrite:
            if str(each.NodeId.Identifier).startswith("Station."):
                name = str(each.NodeId.Identifier).removeprefix("Station.")
                self.written.append((name, each.Value.Value.Value))


@pytest.fixture(scope="module")
def started_plc() -> Iterator[Plc]:
    pytest.importorskip("asyncua")
    made = Plc({"reject": "Boolean", "number": "UInt16", "score": "Float", "name": "String"})
    made.start()
    yield made
    made.close()


@pytest.fixture
def plc(started_plc: Plc) -> Plc:
    started_plc.written.clear()
    return started_plc
