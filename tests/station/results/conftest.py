"""A real broker and a real PLC's server on this machine, which a test may restart."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

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


class Users:
    """One user with a password."""

    def get_user(self, _server: Any, username: str | None = None, password: Any = None, **_others: Any) -> Any:
        from asyncua.crypto.permission_rules import User, UserRole

        given = password.decode() if isinstance(password, bytes) else password
        return User(role=UserRole.Admin) if (username, given) == ("station", "open sesame") else None


class Plc:
    """An OPC UA server with the variables of a PLC; every value written is kept."""

    def __init__(self, kinds: dict[str, str], *, identity: tuple[Path, Path] | None = None) -> None:
        self._identity = identity
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

        self._server = server = Server(user_manager=Users() if self._identity else None)
        await server.init()
        server.set_endpoint(self.url)
        policy = ua.SecurityPolicyType.NoSecurity
        if self._identity is not None:
            policy = ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt
            await server.load_certificate(str(self._identity[0]))
            await server.load_private_key(str(self._identity[1]))
        server.set_security_policy([policy])
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


class ShakingPlc(Plc):
    """One with a program behind it that reads an outcome when it is valid, and acknowledges it."""

    def __init__(self) -> None:
        super().__init__({"reject": "Boolean", "number": "UInt32", "valid": "Boolean", "acknowledge": "Boolean"})
        self.read: list[tuple[int, bool]] = []

    async def _set_up(self) -> None:
        await super()._set_up()
        self._program = asyncio.ensure_future(self._scan())

    async def _scan(self) -> None:
        nodes = {name: self._server.get_node(place) for name, place in self.variables.items()}
        while True:
            await asyncio.sleep(0.001)
            valid, acknowledged = [await nodes[name].read_value() for name in ("valid", "acknowledge")]
            if valid and not acknowledged:
                number = await nodes["number"].read_value()
                if number not in [seen for seen, _ in self.read]:
                    self.read.append((number, await nodes["reject"].read_value()))
            if valid != acknowledged:
                await nodes["acknowledge"].write_value(bool(valid))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._program.cancel)
        super().close()


@pytest.fixture
def handshaking_plc() -> Iterator[ShakingPlc]:
    pytest.importorskip("asyncua")
    made = ShakingPlc()
    made.start()
    yield made
    made.close()


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


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """Make a certificate with an application's name in it, and its key."""

    def make(uri: str) -> tuple[Path, Path]:
        folder = tmp_path_factory.mktemp("identity")
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a test")])
        names = [x509.UniformResourceIdentifier(uri), x509.DNSName(socket.gethostname())]
        now = datetime.now(tz=timezone.utc)
        certificate = (
            x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
            .serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(key, hashes.SHA256())
        )  # fmt: skip
        (folder / "cert.der").write_bytes(certificate.public_bytes(serialization.Encoding.DER))
        encoding, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        (folder / "key.pem").write_bytes(key.private_bytes(encoding, form, serialization.NoEncryption()))
        (folder / "key.pem").chmod(0o600)
        return folder / "cert.der", folder / "key.pem"

    return make


@pytest.fixture(scope="module")
def secure_plc(identity: Callable[[str], tuple[Path, Path]]) -> Iterator[Plc]:
    """A server that only talks encrypted, to one user."""
    pytest.importorskip("asyncua")
    made = Plc({"reject": "Boolean", "number": "UInt32"}, identity=identity("urn:freeopcua:python:server"))
    made.start()
    yield made
    made.close()
