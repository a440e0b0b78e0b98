"""How to reach a device: run a command there, bring files there and back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

_ERRORS_TAIL_BYTES = 8_000
_ROOT = Path(__file__).absolute().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended.

    Attributes:
        code: Exit status; negative: the signal that ended it.
        errors: The end of what it wrote to stderr, at most 8 kB.
    """

    code: int
    errors: str


class Host(Protocol):
    """A machine that artifacts are measured on."""

    @property
    def python(self) -> str:
        """The interpreter there that Beltline is installed for."""
        ...

    @property
    def import_path(self) -> str:
        """Where that interpreter finds Beltline and what it needs, as `PYTHONPATH` says it."""
        ...

    def run(self, argv: Sequence[str], *, environment: Mapping[str, str], on_line: Callable[[str], None]) -> Ended:
        """Run a command to its end and hand over each line of its stdout as it comes.

        An exception in `on_line` and Ctrl-C end the command before they go on.
        """
        ...

    def put(self, path: Path) -> Path:
        """Make a local file or folder available on the host; gives its path there."""
        ...

    def get(self, path: Path, here: Path) -> None:
        """Fetch a file of the host."""
        ...


class LocalHost:
    """This machine."""

    @property
    def python(self) -> str:
        """The interpreter that runs this."""
        return sys.executable

    @property
    def import_path(self) -> str:
        """Where this process found Beltline, then its own import path."""
        return os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))

    def run(self, argv: Sequence[str], *, environment: Mapping[str, str], on_line: Callable[[str], None]) -> Ended:
        """See `Host.run`; `environment` adds to this process's own."""
        with tempfile.TemporaryFile() as errors:
            process = subprocess.Popen(
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, **environment},
                text=True,
                encoding="utf-8",
                errors="replace",
            )
            with process:
                try:
                    for line in process.stdout or ():
                        on_line(line.rstrip("\n"))
                except BaseException:
                    process.kill()
                    raise
            return Ended(code=process.returncode, errors=_tail(errors))

    def put(self, path: Path) -> Path:
        """Give the file's own path: it is already here."""
        return path.absolute()

    def get(self, path: Path, here: Path) -> None:
        """Copy the file unless it is in place."""
        if path.absolute() != here.absolute():
            shutil.copyfile(path, here)


def _tail(stream: IO[bytes]) -> str:
    size = stream.seek(0, os.SEEK_END)
    stream.seek(max(0, size - _ERRORS_TAIL_BYTES))
    return stream.read().decode(errors="replace").strip()
