"""A PLC's OPC UA server: `python -m beltline.studies.endurance.plc PORT`."""

from __future__ import annotations

import asyncio
import sys

NODES = {"reject": "ns=1;s=reject", "number": "ns=1;s=number"}


async def main(port: int) -> None:
    """Offer the variables until the program is ended."""
    from asyncua import ua
    from asyncua.server.server import Server

    server = Server()
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    for name, start in (("reject", ua.Variant(False, ua.VariantType.Boolean)), ("number", ua.Variant(0))):
        node = await server.nodes.objects.add_variable(NODES[name], name, start)
        await node.set_writable()
    async with server:
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
