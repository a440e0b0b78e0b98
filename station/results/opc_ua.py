"""Outcomes into a PLC's variables over OPC UA: the station is the client, the PLC (or its gateway) the server.

All variables of an outcome are written in one Write service call, `number` last: servers work such a list off in its
order, so a PLC that waits for `number` to change finds the rest in place.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from concurrent.futures import TimeoutError as NotInTime
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from ...inspection.base.errors import DeliveryError
from ...inspection.base.packages import missing_package
from ..outcomes import Outcome, Sink
from ..publishing.delivery import Delivery, Link
from ..publishing.handshake import Progress, hand_over
from ..secret_files import read_secret, require_private

if TYPE_CHECKING:
    from asyncua import ua
    from asyncua.client.client import Client
    from asyncua.common.node import Node

Variable = Literal[
    "reject",
    "score",
    "latency_ms",
    "standing",
    "source",
    "frame_number",
    "name",
    "bundle",
    "number",
    "valid",
    "acknowledge",
]
_HANDSHAKE = ("valid", "acknowledge")
_UNHEARD = logging.NullHandler()
_NO_SCORE = -1.0
_ANSWER_S, _CONNECT_S, _CLOSE_S = 2.0, 10.0, 3.0
_UNSIGNED_BITS = {"Byte": 8, "UInt16": 16, "UInt32": 32, "UInt64": 64}
_SIGNED_BITS = {"SByte": 7, "Int16": 15, "Int32": 31, "Int64": 63}

AnyResult = TypeVar("AnyResult")


class OpcUaSettings(BaseModel):
    """The server and its variables.

    Attributes:
        url: Such as `opc.tcp://192.168.0.10:4840`.
        variables: What is written where: `reject` (whether to eject), `number`, `score` (-1 where the model did not say
            in time), `latency_ms`, `standing`, `source`, `frame_number` (the camera's own), `name`, `bundle`; each with
            a node such as `ns=3;s="Station"."Reject"`. For a handshake also `valid`, which the station raises when an
            outcome is there to be read, and `acknowledge`, which the PLC raises when it has read it. Each value takes
            the type of its variable; a number too large for it starts again from 0.
        user: To log in as; None: anonymous.
        password_file: Holds the password.
        certificate: Of this station, PEM or DER; with it everything is signed and encrypted (Basic256Sha256).
        private_key: That belongs to it.
        application_uri: Name of the station; stands in its certificate as a subject alternative name.
        server_certificate: The one that the server must show; None: the one that it shows is believed.
        acknowledge_s: So long the PLC may take for each step of the handshake.
        keep_s: A PLC has no use for an answer older than this: it is counted as dropped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    url: Annotated[str, Field(pattern=r"^opc\.tcp://")]
    variables: Annotated[dict[Variable, str], Field(min_length=1)]
    user: str | None = None
    password_file: Path | None = None
    certificate: Path | None = None
    private_key: Path | None = None
    application_uri: str = "urn:beltline:station"
    server_certificate: Path | None = None
    acknowledge_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    keep_s: Annotated[float, Field(gt=0, le=3600)] = 2.0

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            msg = "certificate and private_key belong together; name both"
            raise ValueError(msg)
        shaking = [name for name in _HANDSHAKE if name in self.variables]
        if len(shaking) == 1 or (shaking and "number" not in self.variables):
            msg = "a handshake needs the variables valid, acknowledge and number; name all three"
            raise ValueError(msg)
        return self


class _Plc:
    """A session with the server: a link of `delivery`, a port of `handshake`. Its event loop has its own thread."""

    def __init__(self, settings: OpcUaSettings, progress: Progress) -> None:
        self._settings, self._progress = settings, progress
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="opc-ua", daemon=True)
        self._thread.start()
        self._client: Client | None = None
        try:
            self._variables = self._finished(self._open(), within_s=_CONNECT_S)
        except BaseException:
            self.close()
            raise

    def deliver(self, outcome: Outcome) -> None:
        if "acknowledge" in self._settings.variables:
            hand_over(self, outcome, self._progress, within_s=self._settings.acknowledge_s)
        else:
            self.show(outcome)

    def show(self, outcome: Outcome) -> None:
        values = values_of(outcome)
        self._write({name: value for name, value in values.items() if name in self._variables})

    def shows(self, outcome: Outcome) -> bool:
        _, kind = self._variables["number"]
        return bool(self._read("number") == fitting(outcome.number, kind.name))

    def valid(self) -> bool:
        return bool(self._read("valid"))

    def set_valid(self, *, valid: bool) -> None:
        self._write({"valid": valid})

    def acknowledged(self) -> bool:
        return bool(self._read("acknowledge"))

    def close(self) -> None:
        try:
            if self._client is not None:
                self._finished(self._client.disconnect(), within_s=_CLOSE_S)
        except Exception:  # noqa: BLE001 - the partner may be gone; there is nobody left to say goodbye to
            self._client = None
        finally:
            self._finished(self._cancelled(), within_s=_CLOSE_S)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    async def _open(self) -> dict[Variable, tuple[Node, ua.VariantType]]:
        from asyncua.client.client import Client

        settings = self._settings
        logging.getLogger("asyncua").addHandler(_UNHEARD)  # the delivery reports failures, once
        self._client = client = Client(settings.url, timeout=_ANSWER_S)
        client.name = client.description = "Beltline station"
        client.application_uri = settings.application_uri
        if settings.user is not None:
            client.set_user(settings.user)
        if settings.password_file is not None:
            client.set_password(read_secret(settings.password_file))
        if settings.certificate is not None and settings.private_key is not None:
            await self._encrypt(client, settings.certificate, settings.private_key)
        await client.connect()
        nodes = {name: client.get_node(place) for name, place in settings.variables.items()}
        return {name: (node, await node.read_data_type_as_variant_type()) for name, node in nodes.items()}

    async def _encrypt(self, client: Client, certificate: Path, private_key: Path) -> None:
        from asyncua.crypto.security_policies import SecurityPolicyBasic256Sha256

        require_private(private_key)
        shown = self._settings.server_certificate
        await client.set_security(
            SecurityPolicyBasic256Sha256,
            certificate=str(certificate),
            private_key=str(private_key),
            server_certificate=None if shown is None else str(shown),
        )

    def _write(self, values: Mapping[Variable, Any]) -> None:
        """Write variables in one call, in the order given."""
        from asyncua import ua

        assert self._client is not None  # noqa: S101 - only called on an open session
        nodes = [self._variables[name][0] for name in values]
        kinds = [self._variables[name][1] for name in values]
        typed = [
            ua.DataValue(ua.Variant(fitting(value, kind.name), kind))
            for value, kind in zip(values.values(), kinds, strict=True)
        ]
        self._finished(self._client.write_values(nodes, typed), within_s=_ANSWER_S)

    def _read(self, name: Variable) -> Any:
        return self._finished(self._variables[name][0].read_value(), within_s=_ANSWER_S)

    async def _cancelled(self) -> None:
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _finished(self, work: Coroutine[Any, Any, AnyResult], *, within_s: float) -> AnyResult:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(within_s)
        except NotInTime as error:
            future.cancel()
            msg = f"{self._settings.url} did not answer within {within_s:g} s"
            raise DeliveryError(msg) from error


class OpcUa:
    """The kind `opc_ua`."""

    name = "opc_ua"
    settings_type = OpcUaSettings

    def missing(self) -> str | None:
        """Say whether asyncua is there."""
        return missing_package("asyncua", "station")

    def open(self, settings: OpcUaSettings) -> Sink:
        """Connect with the first outcome."""
        progress = Progress()

        def connect() -> Link:
            return _Plc(settings, progress)

        return Delivery(f"OPC UA server {settings.url}", connect, keep_s=settings.keep_s)


def values_of(outcome: Outcome) -> Mapping[Variable, Any]:
    """Give what each variable of an outcome is set to, before its type is known; `number` last."""
    return {
        "reject": outcome.answer == "reject",
        "score": _NO_SCORE if outcome.score is None else outcome.score,
        "latency_ms": outcome.latency_ms,
        "standing": outcome.standing,
        "source": outcome.source,
        "frame_number": outcome.frame_number,
        "name": outcome.name,
        "bundle": outcome.bundle,
        "number": outcome.number,
    }


def fitting(value: Any, kind: str) -> Any:
    """Give a value as a variable of a built-in OPC UA type takes it (OPC 10000-6, table 1).

    Raises:
        DeliveryError: The type takes no such value.

    >>> [fitting(70_000, "UInt16"), fitting(70_000, "Int16"), fitting(True, "Int32"), fitting(0.5, "String")]
    [4464, 4464, 1, '0.5']
    """
    if kind == "Boolean":
        return bool(value)
    if kind == "String":
        return str(value)
    bits = _UNSIGNED_BITS.get(kind) or _SIGNED_BITS.get(kind)
    if isinstance(value, str) or (bits is None and kind not in ("Float", "Double")):
        msg = f"a variable of type {kind} cannot hold {value!r}; name another variable, or give it another type"
        raise DeliveryError(msg)
    return float(value) if bits is None else int(value) % (1 << bits)


RESULT = OpcUa()
