"""How a measuring process tells its progress: one JSON object a line on stdout, and it never waits for the reader."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

BAD_INPUT = 2
"""Exit code after an error that a user can mend."""

_LONGEST_MESSAGE = 3_000

Tell = Callable[[dict[str, Any]], None]


def channel() -> Tell:
    """Take stdout for progress lines and send whatever else writes there (native libraries) to stderr.

    Returns:
        Writes facts; a reader that is slow loses lines.
    """
    handle = os.dup(1)
    os.dup2(2, 1)
    os.set_blocking(handle, False)

    def notify(facts: dict[str, Any]) -> None:
        with suppress(BlockingIOError, BrokenPipeError):
            os.write(handle, (json.dumps(facts) + "\n").encode())

    return notify


def error_facts(error: Exception) -> dict[str, str]:
    """Say what went wrong, short enough for one write to a pipe (PIPE_BUF)."""
    return {"error": str(error)[:_LONGEST_MESSAGE], "kind": type(error).__name__}
