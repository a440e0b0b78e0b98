"""Outcomes into a PLC's variables over OPC UA: the station is the client, the PLC (or its gateway) the server.

All variables of an outcome are written in one Write service call, `number` last: servers work such a list off in its
order, so a PLC that waits for `number` to change finds the rest in place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from ...inspection.base.errors import DeliveryError
from ...inspection.base.packages import missing_package
from ..outcomes import Outcome, Sink
from ..partners.opc_ua_session import OpcUaSession, ServerSettings
from ..publishing.delivery import Delivery, Link
from ..publishing.handshake import Progress, hand_over

Variable = Literal[
    "reject",
    "score",
    "latency_ms",
    "standing",
    "source",
    "frame_number",
    "name",
    "bundle",
    "review",
    "because",
    "kind",
    "findings",
    "product",
    "reference",
    "number",
    "valid",
    "acknowledge",
]
_HANDSHAKE = ("valid", "acknowledge")
_NO_SCORE = -1.0
_UNSIGNED_BITS = {"Byte": 8, "UInt16": 16, "UInt32": 32, "UInt64": 64}
_SIGNED_BITS = {"SByte": 7, "Int16": 15, "Int32": 31, "Int64": 63}


class OpcUaSettings(ServerSettings):
    """The server and its variables.

    Attributes:
        url: Such as `opc.tcp://192.168.0.10:4840`.
        variables: What is written where: `reject` (whether to eject), `number`, `score` (-1 where the model did not say
            in time), `latency_ms`, `standing`, `source`, `frame_number` (the camera's own), `name`, `bundle`,
            `product`, `reference` (its digest); each with a node such as `ns=3;s="Station"."Reject"`. For a handshake
            also `valid`, which the station raises when an outcome is there to be read, and `acknowledge`, which the PLC
            raises when it has read it. Each value takes the type of its variable; a number too large for it starts
            again from 0.
        user: To log in as; None: anonymous.
        password_file: Holds the password.
        certificate: Of this station, PEM or DER; with it everything is signed and encrypted (Basic256Sha256).
        private_key: That belongs to it.
        application_uri: Name of the station; stands in its certificate as a subject alternative name.
        server_certificate: The one that the server must show; None: the one that it shows is believed.
        acknowledge_s: So long the PLC may take for each step of the handshake.
        keep_s: A PLC has no use for an answer older than this: it is counted as dropped.
    """

    variables: Annotated[dict[Variable, str], Field(min_length=1)]
    acknowledge_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    keep_s: Annotated[float, Field(gt=0, le=3600)] = 2.0

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        shaking = [name for name in _HANDSHAKE if name in self.variables]
        if len(shaking) == 1 or (shaking and "number" not in self.variables):
            msg = "a handshake needs the variables valid, acknowledge and number; name all three"
            raise ValueError(msg)
        return self


class _Plc:
    """A session with the server: a link of `delivery`, a port of `handshake`."""

    def __init__(self, settings: OpcUaSettings, progress: Progress) -> None:
        self._settings, self._progress = settings, progress
        self._session = OpcUaSession(settings, {str(name): place for name, place in settings.variables.items()})

    def deliver(self, outcome: Outcome) -> None:
        if "acknowledge" in self._settings.variables:
            hand_over(self, outcome, self._progress, within_s=self._settings.acknowledge_s)
        else:
            self.show(outcome)

    def show(self, outcome: Outcome) -> None:
        values = values_of(outcome)
        self._write({name: value for name, value in values.items() if name in self._settings.variables})

    def shows(self, outcome: Outcome) -> bool:
        return bool(self._session.read("number") == fitting(outcome.number, self._session.kind("number")))

    def valid(self) -> bool:
        return bool(self._session.read("valid"))

    def set_valid(self, *, valid: bool) -> None:
        self._write({"valid": valid})

    def acknowledged(self) -> bool:
        return bool(self._session.read("acknowledge"))

    def close(self) -> None:
        self._session.close()

    def _write(self, values: Mapping[Variable, Any]) -> None:
        self._session.write({name: fitting(value, self._session.kind(name)) for name, value in values.items()})


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
        "review": outcome.review,
        "because": outcome.because,
        "kind": outcome.findings[0]["kind"] if outcome.findings else "",
        "findings": json.dumps([dict(each) for each in outcome.findings], separators=(",", ":"), allow_nan=False),
        "product": outcome.product,
        "reference": outcome.reference,
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
