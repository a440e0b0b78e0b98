"""HTTP clients that misbehave, and a good one among them: `python -m beltline.studies.endurance.clients PORT FILE`.

FILE is an image that the good client posts. What they did is written to stdout as one line of JSON when stdin ends.
"""

from __future__ import annotations

import http.client
import json
import random
import select
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

_PAUSE_S = 0.1
_GOOD_EVERY = 10
_HELD = 24
_TIMEOUT_S = 15.0


class Clients:
    """Everything that one process does to one server; sockets that are held open are let go in turn."""

    def __init__(self, port: int, picture: bytes) -> None:
        self.counts: Counter[str] = Counter()
        self._address = ("127.0.0.1", port)
        self._picture = picture
        self._random = random.Random(7)  # noqa: S311 - nothing is secret here
        self._held: list[socket.socket] = []
        self._bad: tuple[Callable[[], None], ...] = (
            self._garbage,
            self._half_a_head,
            self._half_a_body,
            self._huge_body,
            self._nonsense,
            self._torn_picture,
            self._idle,
        )

    def one(self, number: int) -> None:
        """Do the next thing, good or bad."""
        what = self._good if number % _GOOD_EVERY == 0 else self._random.choice(self._bad)
        with suppress(OSError, http.client.HTTPException):
            what()
        self.counts[what.__name__.strip("_")] += 1
        while len(self._held) > _HELD:
            self._held.pop(0).close()

    def _good(self) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=_TIMEOUT_S)
        connection.request("POST", "/frames?name=good", body=self._picture)
        status = connection.getresponse().status
        connection.close()
        self.counts[f"good {status}"] += 1

    def _garbage(self) -> None:
        self._say(self._random.randbytes(2000), keep=False)

    def _half_a_head(self) -> None:
        self._say(b"POST /frames HTTP/1.1\r\nHost: localhost\r\nX-A: ")

    def _half_a_body(self) -> None:
        self._say(b"POST /frames HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n" + bytes(1000))

    def _huge_body(self) -> None:
        self._say(b"POST /frames HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", keep=False)

    def _nonsense(self) -> None:
        body = b'{"inputs": [{"name": "frame", "shape": [1e99], "datatype": "UINT8", "data": ["a"]}]}'
        head = b"POST /v2/models/none/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._say(head + body, keep=False)

    def _torn_picture(self) -> None:
        body = self._picture[: len(self._picture) // 2]
        head = b"POST /frames?name=torn HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(body)
        self._say(head + body)

    def _idle(self) -> None:
        self._say(b"GET /live.json HTTP/1.1\r\nHost: localhost\r\n\r\n")

    def _say(self, content: bytes, *, keep: bool = True) -> None:
        """Send what may be cut off, and keep the connection open for a while, or close it at once."""
        connection = socket.create_connection(self._address, timeout=_TIMEOUT_S)
        with suppress(OSError):
            connection.sendall(content)
        if keep:
            self._held.append(connection)
        else:
            connection.close()


def main() -> None:
    """Misbehave until stdin ends."""
    clients, number = Clients(int(sys.argv[1]), Path(sys.argv[2]).read_bytes()), 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        clients.one(number)
        number += 1
        time.sleep(_PAUSE_S)
    sys.stdout.write(f"{json.dumps(clients.counts)}\n")


if __name__ == "__main__":
    main()
