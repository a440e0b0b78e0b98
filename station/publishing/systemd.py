"""Notifying systemd how the station does: ready, alive, what it is doing (sd_notify(3), over its datagram socket)."""

from __future__ import annotations

import os
import socket


def notify(*facts: str) -> bool:
    """Notify systemd of facts such as `READY=1`; whether it listens.

    A message that cannot be delivered is dropped: systemd then acts as if the station were silent, as it should.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        channel.setblocking(False)
        try:
            channel.sendto("\n".join(facts).encode(), address.replace("@", "\0", 1))
        except OSError:
            return False
    return True
