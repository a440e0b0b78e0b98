"""What a device says, taken in within limits: it may be broken, or somebody else's by now."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Event, Thread
from types import MappingProxyType
from typing import IO, Any

from ..inspection.base.errors import HostError, plain_text

MOST_ANSWER_BYTES = 16 << 20
"""Of one answer, and of one line of a command's output."""

MOST_OUTPUT_BYTES, MOST_LINES = 64 << 20, 1_000_000
"""Of all that a command writes to its stdout while it is followed once."""

MOST_FETCHED_BYTES = 4 << 30
_MOST_ERROR_BYTES = 16 << 20
_TAIL_BYTES = 8_000
_POLL_S = 0.1
_MOST_TEXT = 2_000

_COUNT = (int,)
_KINDS: Mapping[str, tuple[type, ...]] = MappingProxyType(
    {
        **dict.fromkeys(("folder", "placed", "digest", "errors", "line", "architecture", "error"), (str,)),
        **dict.fromkeys(("have", "size", "next", "free_bytes", "ended"), _COUNT),
        "path": (str, type(None)),
        "damaged": (bool,),
        "missing": (dict,),
        "python": (list,),
        "libc": (list,),
    }
)
"""What the agent's facts are; see `agent.main`."""


class Answer(dict[str, Any]):
    """The agent's answer; asking for what is not in it is the device's fault."""

    def __missing__(self, name: str) -> Any:
        """Refuse an answer without something that was asked for."""
        msg = f"wanted an answer of the agent with {name!r}, got one without; is the device in order? run again"
        raise HostError(msg)


def answer_of(line: bytes, *, where: str) -> Answer:
    """Read one answer of the agent, without its mark.

    Raises:
        HostError: It is none, or one of its facts is not of its kind; or the agent's own words.
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        msg = f"{where}: wanted the agent's answer, got {_shown(line)}"
        raise HostError(msg) from error
    if not isinstance(value, dict) or any(not _sound(name, fact) for name, fact in value.items()):
        msg = f"{where}: wanted the agent's answer, got {_shown(line)}"
        raise HostError(msg)
    if "error" in value:
        msg = f"{where}: {plain_text(value['error'])[:_MOST_TEXT]}"
        raise HostError(msg)
    return Answer(value)


def lines_of(stream: IO[bytes], *, where: str) -> Iterator[bytes]:
    """Give a command's lines as they come.

    Raises:
        HostError: One line, or all together, are longer than anything that Beltline writes.
    """
    taken = count = 0
    while line := stream.readline(MOST_ANSWER_BYTES + 1):
        taken, count = taken + len(line), count + 1
        if len(line) > MOST_ANSWER_BYTES or taken > MOST_OUTPUT_BYTES or count > MOST_LINES:
            raise flooded(where)
        yield line


def bounded(stream: IO[bytes], most_bytes: int, *, where: str) -> Iterator[bytes]:
    """Give bytes as they come.

    Raises:
        HostError: More come than there may be.
    """
    left = most_bytes
    while piece := stream.read(min(1 << 16, left + 1)):
        left -= len(piece)
        if left < 0:
            raise flooded(where)
        yield piece


@contextmanager
def errors_limited(process: subprocess.Popen[bytes], errors: IO[bytes], *, where: str) -> Iterator[None]:
    """Kill a process whose stderr, a file, grows beyond 16 MiB while the block runs.

    The file's size is looked at: where connections are shared, it is another ssh that writes to it.

    Raises:
        HostError: It grew beyond that.
    """
    ended, beyond = Event(), Event()

    def watch() -> None:
        while not ended.wait(_POLL_S):
            if os.fstat(errors.fileno()).st_size > _MOST_ERROR_BYTES:
                beyond.set()
                process.kill()
                return

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
        if beyond.is_set():
            raise flooded(where)


def flooded(where: str) -> HostError:
    """Say that a device writes without end."""
    return HostError(f"{where}: the device writes more than Beltline ever asks for; look at what runs there")


def tail_of(stream: IO[bytes]) -> str:
    """Give the end of a file, at most 8 kB, without control characters."""
    stream.seek(max(0, stream.seek(0, 2) - _TAIL_BYTES))
    return text_of(stream.read())


def text_of(raw: bytes) -> str:
    """Give what a device or ssh wrote, whose lines end with carriage returns, without control characters."""
    return plain_text(raw.decode(errors="replace").replace("\r\n", "\n").strip())


def plain_facts(value: Any) -> Any:
    """Give JSON facts whose texts hold no control characters and are no longer than a message may be."""
    if isinstance(value, str):
        return plain_text(value)[:_MOST_TEXT]
    if isinstance(value, dict):
        return {plain_text(str(name))[:_MOST_TEXT]: plain_facts(each) for name, each in value.items()}
    return [plain_facts(each) for each in value] if isinstance(value, list) else value


def _sound(name: str, fact: Any) -> bool:
    kinds = _KINDS.get(name)
    if kinds is None:
        return True
    if type(fact) not in kinds:
        return False
    if name == "missing":
        return all(type(each) is int and each >= 0 for each in fact.values())
    if name in ("python", "libc"):
        wanted = int if name == "python" else str
        return len(fact) == 2 and all(type(each) is wanted for each in fact)
    return name not in ("have", "size", "next", "free_bytes") or fact >= 0


def _shown(line: bytes) -> str:
    return repr(line[:200].decode(errors="replace"))
