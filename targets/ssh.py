"""A device that is reached over ssh, as a `Host`: nothing need be on it but Python 3.10 or newer.

What a measurement needs is sent once and kept there by digest; each session works in a folder of its own that is
removed at its end, also by the device itself when nobody has asked for it for the length of a lease. What runs there
goes on when the connection breaks and is followed from where it was left.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any

from typing_extensions import Self

from ..inspection.base.errors import HostError, plain_text
from ..inspection.base.storage import digest_of_file, digest_of_json
from .connection import Access, Connection, LostConnectionError
from .host import Ended
from .own_wheel import own_wheel
from .untrusted import MOST_FETCHED_BYTES, Answer
from .wheelhouse import Platform, chosen

Notify = Callable[[str], None]

_LEASE_S = 1_800.0
_OLDEST_GLIBC = 28


class SshHost:
    """A device, connected and prepared; a context manager that leaves it clean.

    Args:
        access: How to reach it.
        wheelhouse: Folder of wheels for it; None: its Python has the packages itself.
        notify: Called with what is done.
        lease_s: After so long without a word from here the device stops and removes the session's work.

    Raises:
        HostError: It cannot be reached, or cannot take what a measurement needs; the message says what to do.
    """

    def __init__(
        self, access: Access, *, wheelhouse: Path | None, notify: Notify = lambda _: None, lease_s: float = _LEASE_S
    ) -> None:
        self._notify, self._job = notify, secrets.token_hex(8)
        self._puts, self._runs = count(), count()
        self._connection = Connection(access)
        try:
            self._device_facts = self._connection.ask("look")
            self._paths = self._prepare(wheelhouse)
            self._folder = self._connection.ask("open", self._job, str(lease_s))["folder"]
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        """Give the host."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the device clean."""
        self.close()

    def close(self) -> None:
        """Remove the session's folder there, with whatever still runs for it, and hang up.

        A device that cannot be reached now cleans up by itself when the lease is over.
        """
        with suppress(HostError):
            self._connection.once("end", self._job)
        self._connection.close()

    @property
    def python(self) -> str:
        """The interpreter there."""
        return self._connection.python

    @property
    def import_path(self) -> str:
        """Where that interpreter finds Beltline and its packages."""
        return ":".join(self._paths)

    @property
    def platform(self) -> Platform:
        """What wheels it takes."""
        return _platform(self._device_facts)

    def run(self, argv: Sequence[str], *, environment: Mapping[str, str], on_line: Callable[[str], None]) -> Ended:
        """See `Host.run`: the command goes on when the connection breaks, and is followed again when it is back."""
        number = str(next(self._runs))
        facts = {"argv": list(argv), "environment": dict(environment)}
        self._connection.ask("order", self._job, number, facts=facts)
        offset = 0

        def attempt() -> Ended:
            nonlocal offset
            with closing(self._connection.follow("follow", self._job, number, str(offset))) as messages:
                for message in messages:
                    if "ended" in message:
                        return Ended(code=message["ended"], errors=plain_text(message["errors"]))
                    if "line" in message:
                        offset = message["next"]
                        on_line(message["line"])
            msg = "the device no longer says how the command goes"
            raise LostConnectionError(msg)

        try:
            return self._connection.patiently(attempt)
        except BaseException:
            with suppress(HostError):
                self._connection.once("stop", self._job, number)
            raise

    def put(self, path: Path) -> Path:
        """Send a file or a folder into the session's folder there; its bytes only if they are not there yet."""
        home = path if path.is_dir() else path.parent
        files = sorted(each for each in path.rglob("*") if each.is_file()) if path.is_dir() else [path]
        digests = self._sent(files)
        placed = {each.relative_to(home).as_posix(): digest for each, digest in digests.items()}
        facts = {"name": f"put-{next(self._puts)}", "files": placed}
        folder = Path(self._connection.ask("place", self._job, facts=facts)["placed"])
        return folder if path.is_dir() else folder / path.name

    def get(self, path: Path, here: Path) -> None:
        """Fetch a file of the session."""
        fetch(self._connection, self._job, str(path), here)

    def _prepare(self, wheelhouse: Path | None) -> list[str]:
        """Have Beltline, and the packages it needs, installed in the device's cache; both are done once."""
        name, content = own_wheel()
        with tempfile.TemporaryDirectory(prefix="beltline-wheel-") as folder:
            wheel = Path(folder) / name
            wheel.write_bytes(content)
            own = self._installed([wheel], prefix="own", verb="unpack")
        if wheelhouse is None:
            return [own]
        return [own, self._installed(chosen(wheelhouse, self.platform), prefix="packages", verb="install")]

    def _installed(self, wheels: Sequence[Path], *, prefix: str, verb: str) -> str:
        """Have a set of wheels installed, sending them only where that was not done before."""
        names = {path.name: digest_of_file(path).removeprefix("sha256:") for path in wheels}
        key = f"{prefix}-{digest_of_json([self._device_facts['python'], names]).removeprefix('sha256:')[:16]}"
        path = self._connection.ask("installed", key)["path"]
        if path is None:
            self._sent(wheels)
            path = self._connection.ask(verb, facts={"key": key, "wheels": names})["path"]
        return str(path)

    def _sent(self, files: Sequence[Path]) -> dict[Path, str]:
        return send(self._connection, files, free_bytes=self._device_facts["free_bytes"], notify=self._notify)


def _platform(look: dict[str, Any]) -> Platform:
    library, version = look["libc"]
    minor = version.partition(".")[2]
    known = library == "glibc" and minor.isdigit()
    major, of_major = look["python"]
    return Platform(
        architecture=look["architecture"], python=(major, of_major), glibc=int(minor) if known else _OLDEST_GLIBC
    )


_MOST_DAMAGED = 3
_SPARE_BYTES = 16 << 20


def send(connection: Connection, files: Sequence[Path], *, free_bytes: int, notify: Notify) -> dict[Path, str]:
    """Bring files into the device's store.

    Args:
        connection: To the device.
        files: Of this machine.
        free_bytes: What its disk had left when it was asked.
        notify: Called with what is sent.

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
    size: int = facts["size"]
    if size > min(MOST_FETCHED_BYTES, shutil.disk_usage(here.parent).free):
        msg = f"{path}: the device says that it holds {size} bytes, more than is wanted or free here; look at it there"
        raise HostError(msg)
    part = here.with_name(f".{here.name}.{os.getpid()}.part")
    try:
        part.write_bytes(b"")

        def attempt() -> None:
            with part.open("ab") as target:
                at = target.tell()
                connection.pull("send", job, path, str(at), target=target, most_bytes=max(0, size - at))

        connection.patiently(attempt)
        if digest_of_file(part) != f"sha256:{facts['digest']}":
            msg = f"{path}: arrived damaged ({part.stat().st_size} of {size} bytes); run again"
            raise HostError(msg)
        part.replace(here)
    finally:
        part.unlink(missing_ok=True)


def _send_one(connection: Connection, path: Path, digest: str, *, here: int) -> None:
    """Send a file; a cut connection goes on from what has arrived."""
    size, damaged, most = path.stat().st_size, 0, -1
    known: list[int] = [here]

    def attempt() -> Answer:
        offset = known.pop() if known else connection.ask("missing", facts=[digest])["missing"].get(digest, size)
        offset = min(offset, size)
        with path.open("rb", buffering=0) as source:
            source.seek(offset)
            return connection.push("take", digest, str(size), str(offset), source=source)

    while True:
        answer = connection.patiently(attempt)
        damaged += answer["damaged"] or answer["have"] <= most  # nothing came of it
        most = max(most, answer["have"])
        if answer["have"] == size:
            return
        if damaged == _MOST_DAMAGED:
            msg = f"{path}: arrived damaged {damaged} times; does it change while it is sent, or is the link faulty?"
            raise HostError(msg)
