"""A PLC's Modbus server that notes when its coil and registers are written: `... coil_server PORT FILE`.

A process of its own, so that it takes no time from the station. Notes are int64 triples: number, and when its coil and
its registers were written, in ns of the kernel's monotonic clock.
"""

from __future__ import annotations

import asyncio
import struct
import sys
import time
from pathlib import Path
from typing import Any

from ...station.results.modbus_tcp import REGISTERS

_WRITE_COIL, _WRITE_REGISTERS = 5, 16
NOTE = struct.Struct("=qqq")


async def main(port: int, notes: Path) -> None:
    """Serve until the program is ended."""
    from pymodbus.server import ModbusTcpServer
    from pymodbus.simulator import DataType, SimData, SimDevice

    with notes.open("ab", buffering=0) as stream:
        coil_ns = 0

        def note(sending: bool, pdu: Any) -> Any:
            nonlocal coil_ns
            now_ns = time.monotonic_ns()
            if not sending and pdu.function_code == _WRITE_COIL:
                coil_ns = now_ns
            elif not sending and pdu.function_code == _WRITE_REGISTERS:
                (number,) = struct.unpack(">I", struct.pack(">HH", *pdu.registers[-2:]))
                stream.write(NOTE.pack(number, coil_ns, now_ns))
            return pdu

        bits = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
        registers = [SimData(0, values=[0] * REGISTERS, datatype=DataType.REGISTERS)]
        device = SimDevice(id=1, simdata=(bits, bits, registers, registers))
        server = ModbusTcpServer(device, address=("127.0.0.1", port), trace_pdu=note)
        await server.listen()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
