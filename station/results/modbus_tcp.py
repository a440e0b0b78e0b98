"""Outcomes into a PLC's coils and registers over Modbus TCP: the station is the client, the PLC the server.

Source: MODBUS Application Protocol V1.1b3: function codes 1, 3, 5 and 16; addresses count from 0.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from typing_extensions import Self

from ...inspection.base.packages import missing_package
from ..outcomes import Outcome, Sink, Standing
from ..partners.modbus_device import ModbusDevice
from ..publishing.delivery import Delivery, Link
from ..publishing.handshake import Progress, hand_over

KINDS: Mapping[Standing, int] = {"answered": 0, "late": 1, "refused": 2, "faulty": 3}
REGISTERS = 10
_NO_SCORE = -1.0

Address = Annotated[int, Field(ge=0, le=65_535)]


class ModbusTcpSettings(BaseModel):
    """The PLC and where it wants an outcome.

    Attributes:
        host: Of the PLC or its gateway.
        port: Usually 502.
        device_id: Unit identifier; 1 where the PLC has no others behind it.
        reject: Coil that is on for a part to eject, until the next outcome.
        registers: First of ten holding registers: score (2, IEEE 754, -1: the model did not decide), kind (1: 0
            answered, 1 late, 2 refused, 3 faulty), source (1, see `sources`), the camera's own number (2, unsigned),
            latency in microseconds (2, unsigned), number (2, unsigned), written in one request.
        valid: Coil that the station raises when an outcome is there to be read; with `acknowledge`.
        acknowledge: Coil that the PLC raises when it has read it; None: the PLC waits for the number to change.
        acknowledge_s: So long the PLC may take for each step of the handshake.
        sources: Number of each source for the register, by name, such as `{aravis: 1, aravis-2: 2}`; others are 0.
        word_order: Which half of a value of two registers comes first.
        keep_s: A PLC has no use for an answer older than this: it is counted as dropped.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    host: str
    port: Annotated[int, Field(ge=1, le=65_535)] = 502
    device_id: Annotated[int, Field(ge=0, le=255)] = 1
    reject: Address = 0
    registers: Annotated[int, Field(ge=0, le=65_536 - REGISTERS)] = 0
    valid: Address | None = None
    acknowledge: Address | None = None
    acknowledge_s: Annotated[float, Field(gt=0, le=60)] = 1.0
    sources: dict[str, Address] = {}
    word_order: Literal["high_first", "low_first"] = "high_first"
    keep_s: Annotated[float, Field(gt=0, le=3600)] = 2.0

    @model_validator(mode="after")
    def _belong_together(self) -> Self:
        if (self.valid is None) != (self.acknowledge is None):
            msg = "valid and acknowledge belong together; name both coils, or neither"
            raise ValueError(msg)
        coils = [coil for coil in (self.reject, self.valid, self.acknowledge) if coil is not None]
        if len(set(coils)) < len(coils):
            msg = f"reject, valid and acknowledge must be different coils, got {coils}"
            raise ValueError(msg)
        return self


class _Plc:
    """An open connection: a link of `delivery`, a port of `handshake`."""

    def __init__(self, settings: ModbusTcpSettings, progress: Progress) -> None:
        self._settings, self._progress = settings, progress
        self._device = ModbusDevice(settings.host, settings.port, settings.device_id)

    def deliver(self, outcome: Outcome) -> None:
        if self._settings.acknowledge is None:
            self.show(outcome)
        else:
            hand_over(self, outcome, self._progress, within_s=self._settings.acknowledge_s)

    def close(self) -> None:
        self._device.close()

    def show(self, outcome: Outcome) -> None:
        self._device.set_coil(self._settings.reject, on=outcome.answer == "reject")
        self._device.set_registers(self._settings.registers, registers_of(outcome, self._settings))

    def shows(self, outcome: Outcome) -> bool:
        settings = self._settings
        return self._device.registers(settings.registers + REGISTERS - 2, 2) == registers_of(outcome, settings)[-2:]

    def valid(self) -> bool:
        return self._device.coil(self._settings.valid or 0)

    def set_valid(self, *, valid: bool) -> None:
        self._device.set_coil(self._settings.valid or 0, on=valid)

    def acknowledged(self) -> bool:
        return self._device.coil(self._settings.acknowledge or 0)


class ModbusTcp:
    """The kind `modbus_tcp`."""

    name = "modbus_tcp"
    settings_type = ModbusTcpSettings

    def missing(self) -> str | None:
        """Say whether pymodbus is there."""
        return missing_package("pymodbus", "station")

    def open(self, settings: ModbusTcpSettings) -> Sink:
        """Connect with the first outcome."""
        progress = Progress()

        def connect() -> Link:
            return _Plc(settings, progress)

        return Delivery(f"Modbus server {settings.host}:{settings.port}", connect, keep_s=settings.keep_s)


def registers_of(outcome: Outcome, settings: ModbusTcpSettings) -> list[int]:
    """Give the ten registers of an outcome, each in [0, 65535].

    Numbers and latencies too large for two registers start again from 0 (2^32), as the number does that a PLC sees.
    """
    latency_us = min(max(0, round(outcome.latency_ms * 1e3)), (1 << 32) - 1)
    score = _NO_SCORE if outcome.score is None else outcome.score

    def registers(raw: bytes) -> list[int]:
        high, low = struct.unpack(">HH", raw)
        return [high, low] if settings.word_order == "high_first" else [low, high]

    def unsigned(value: int) -> list[int]:
        return registers(struct.pack(">I", value % (1 << 32)))

    return [
        *registers(struct.pack(">f", score)),
        KINDS[outcome.standing],
        settings.sources.get(outcome.source, 0),
        *unsigned(outcome.frame_number),
        *unsigned(latency_us),
        *unsigned(outcome.number),
    ]


RESULT = ModbusTcp()
