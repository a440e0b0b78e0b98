"""The product from a PLC's holding register over Modbus TCP: the station is the client and reads it again and again."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from ...inspection.base.packages import missing_package
from ..changeover import PolledProduct, ProductsByCode, ProductSignal, named_product
from ..partners.modbus_device import ModbusDevice


class ModbusProductSettings(BaseModel):
    """The PLC and its register.

    Attributes:
        host: Of the PLC or its gateway.
        port: Usually 502.
        device_id: Unit identifier; 1 where the PLC has no others behind it.
        address: Of the holding register with the number of the product; the first one is 0.
        products: Product by number, such as `{1: boardA, 2: boardB}`; one that is not listed is called by its number.
        poll_ms: It is read so often.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    host: str
    port: Annotated[int, Field(ge=1, le=65_535)] = 502
    device_id: Annotated[int, Field(ge=0, le=255)] = 1
    address: Annotated[int, Field(ge=0, le=65_535)]
    products: ProductsByCode
    poll_ms: Annotated[float, Field(ge=1, le=10_000)] = 50.0


class ModbusProduct:
    """The kind `modbus_tcp`."""

    name = "modbus_tcp"
    settings_type = ModbusProductSettings

    def missing(self) -> str | None:
        """Say whether pymodbus is there."""
        return missing_package("pymodbus", "station")

    def open(self, settings: ModbusProductSettings) -> ProductSignal:
        """Connect."""
        device = ModbusDevice(settings.host, settings.port, settings.device_id)

        def read() -> str:
            return named_product(device.registers(settings.address, 1)[0], settings.products)

        return PolledProduct(read, device.close, poll_ms=settings.poll_ms)


CHANGEOVER = ModbusProduct()
