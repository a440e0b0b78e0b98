"""Files to and from a device: what is there is not sent again, what was cut goes on where it stopped."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from ..inspection.base.errors import HostError
from ..inspection.base.storage import digest_of_file
from .connection import Connection

_MOST_DAMAGED = 3
_SPARE_BYTES = 16 << 20

Tell = Callable[[str], None]


def send(connection: Connection, files: Sequence[Path], *, free_bytes: int, notify: Tell) -> dict[Path, str]:
    """Bring files into the device's store.

    Args:
        connection: To the device.
        files: Of this machine.
        free_bytes: What its disk had left when it was asked.
        notify: Told in words what is sent.

    Returns:
        Each file's digest, 64 hexadecimal digits, by which the device knows it.

    Raises:
        HostError: The disk there is too small or fills up, or the connection is gone for good.
    """
    digests = {path: digest_of_file(path).removeprefix("sha256:") for path in files}
    missing: dict[str, int] = connection.ask("missing", facts=sorted(set(digests.values())))["missing"]
    sources = {digest: path for path, digest in digests.items() if digest in missing}
    to_send = sum(path.stat().st_size - missing[digest] for digest, path in sources.items())
    if to_send + _SPARE_BYTES * bool(to_send) > free_bytes:
        msg = f"no space left on the device: {to_send} bytes are to be sent, {free_bytes} are free; make room there"
        raise HostError(msg)
    if sources:
        notify(f"sending {len(sources)} file{'s' if len(sources) > 1 else ''}, {to_send / 1e6:.1f} MB")
    for digest, path in sources.items():
        _send_one(connection, path, digest, here=missing[digest])
    return digests


def fetch(connection: Connection, job: str, path: str, here: Path) -> None:
    """Bring a file of a job to this machine, whole or not at all.

    Raises:
        HostError: It is not there, or does not arrive as it was sent.
    """
    facts = connection.ask("describe", job, path)
    part = here.with_name(f".{here.name}.{os.getpid()}.part")
    try:
        part.write_bytes(b"")

        def attempt() -> None:
            with part.open("ab") as target:
                connection.pull("send", job, path, str(target.tell()), target=target)

        connection.patiently(attempt)
        if digest_of_file(part) != f"sha256:{facts['digest']}":
            msg = f"{path}: arrived damaged ({part.stat().st_size} of {facts['size']} bytes); run again"
            raise HostError(msg)
        part.replace(here)
    finally:
        part.unlink(missing_ok=True)


def _send_one(connection: Connection, path: Path, digest: str, *, here: int) -> None:
    """Send a file; a cut connection goes on from what has arrived."""
    size, damaged = path.stat().st_size, 0
    known: list[int] = [here]

    def attempt() -> dict[str, int]:
        offset = known.pop() if known else connection.ask("missing", facts=[digest])["missing"].get(digest, size)
        with path.open("rb", buffering=0) as source:
            source.seek(offset)
            return connection.push("take", digest, str(size), str(offset), source=source)

    while True:
        answer = connection.patiently(attempt)
        damaged += answer["damaged"]
        if answer["have"] == size:
            return
        if damaged == _MOST_DAMAGED:
            msg = f"{path}: arrived damaged {damaged} times; does it change while it is sent, or is the link faulty?"
            raise HostError(msg)
