"""What TensorRT says while it works: its log, kept for error messages, and how far a build is.

TensorRT calls objects of classes that derive from its own, so these are made when its module is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol

Notify = Callable[[str], None]
"""Takes a line for people."""

_EVERY_S = 10.0
_MOST_MESSAGES = 200
_SHOWN = 8


class Log(Protocol):
    """A logger of TensorRT's that keeps what matters."""

    errors: list[str]
    warnings: list[str]


def listen(trt: Any) -> Any:
    """Make a logger that keeps errors and warnings in `errors` and `warnings` (see `Log`) and drops the rest."""

    class Listener(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.errors: list[str] = []
            self.warnings: list[str] = []

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
                _keep(self.errors, msg)
            elif severity == trt.ILogger.Severity.WARNING:
                _keep(self.warnings, msg)

    return Listener()


def joined(messages: list[str]) -> str:
    """Join the messages of TensorRT, the first few of it.

    >>> joined(["no kernel", "no kernel", "out of memory"])
    'no kernel; out of memory'
    """
    different = list(dict.fromkeys(messages))
    more = f"; and {len(different) - _SHOWN} more" if len(different) > _SHOWN else ""
    return ("; ".join(different[:_SHOWN]) or "it does not say why") + more


def watch(trt: Any, notify: Notify) -> Any:
    """Make a progress monitor that reports which phase a build is in, every ten seconds at most."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}
            self._notified_s = time.monotonic()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:  # noqa: ARG002
            self._steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            if time.monotonic() - self._notified_s > _EVERY_S:
                self._notified_s = time.monotonic()
                notify(f"building the engine: {phase_name}, {step + 1} of {self._steps.get(phase_name, step + 1)}")
            return True

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

    return Monitor()


def _keep(messages: list[str], message: str) -> None:
    if len(messages) < _MOST_MESSAGES:
        messages.append(message.strip())
