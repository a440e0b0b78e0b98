"""An open connection to a Modbus TCP server (MODBUS Application Protocol V1.1b3); addresses count from 0."""

from __future__ import annotations

import logging
from typing import Any, cast

from ...inspection.base.errors import DeliveryError

_ANSWER_S = 1.0
_UNHEARD = logging.NullHandler()


class ModbusDevice:
    """One device; each call raises where it does not answer."""

    def __init__(self, host: str, port: int, device_id: int) -> None:
        """Connect.

        Raises:
            DeliveryError: Nobody is there.
        """
        from pymodbus.client import ModbusTcpClient

        logging.getLogger("pymodbus").addHandler(_UNHEARD)  # whoever uses the connection reports failures, once
        client = ModbusTcpClient(host, port=port, timeout=_ANSWER_S, retries=0, name="beltline")
        self._client = cast("Any", client)  # its methods have no types
        self._device_id = device_id
        if not self._client.connect():
            self._client.close()
            msg = f"nobody answers at {host}:{port}"
            raise DeliveryError(msg)

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def coil(self, address: int) -> bool:
        """Read a coil."""
        answer = self._client.read_coils(address, count=1, device_id=self._device_id)
        return bool(self._checked(answer).bits[0])

    def set_coil(self, address: int, *, on: bool) -> None:
        """Write a coil."""
        self._checked(self._client.write_coil(address, on, device_id=self._device_id))

    def registers(self, address: int, count: int) -> list[int]:
        """Read holding registers."""
        answer = self._client.read_holding_registers(address, count=count, device_id=self._device_id)
        return list(self._checked(answer).registers)

    def set_registers(self, address: int, values: list[int]) -> None:
        """Write holding registers in one request."""
        self._checked(self._client.write_registers(address, values, device_id=self._device_id))

    def _checked(self, answer: Any) -> Any:
        if answer.isError():
            msg = f"the PLC refused a request ({answer}); are coils and registers of device {self._device_id} there?"
            raise DeliveryError(msg)
        return answer
