"""What a user sees while work goes on: bars on a terminal, plain lines elsewhere, always on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console as Terminal
from rich.console import RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ..inspection.base.errors import plain_text

Advance = Callable[[str, int, int], None]
"""Called with what is being done, how many are done and how many there are; fits `compress.recipe.Progress`."""

_PLAIN_EVERY_S = 10.0


class Console:
    """Tells a user what is going on. stdout is left to results."""

    def __init__(self, *, verbose: bool = False, stream: TextIO | None = None, bars: bool = True) -> None:
        self._verbose = verbose
        self._stream = stream
        self._terminal = Terminal(file=stream or sys.stderr, highlight=False, soft_wrap=True)
        self._bars = bars and self._terminal.is_terminal

    @property
    def verbose(self) -> bool:
        """Whether the user asked for details."""
        return self._verbose

    def notify(self, text: str) -> None:
        """Write a line that everyone should see."""
        self._terminal.print(plain_text(text), markup=False)

    def detail(self, text: str) -> None:
        """Write a line for those who asked for details (`-v`)."""
        if self._verbose:
            self._terminal.print(plain_text(text), markup=False, style="dim")

    def in_lines_only(self) -> Console:
        """Give one without bars, for work that goes on in several threads at once."""
        return Console(verbose=self._verbose, stream=self._stream, bars=False)

    @contextmanager
    def progress(self, label: str) -> Iterator[Advance]:
        """Show how far a piece of work is.

        Yields:
            A function to call as often as one likes: `advance("epoch 3, loss 0.21", 3, 20)`.
        """
        if self._bars:
            with _bar(self._terminal) as bar:
                task = bar.add_task(label, total=None)
                yield _on_bar(bar, task, label)
        else:
            yield self._in_lines(label)

    @contextmanager
    def live(self) -> Iterator[Callable[[RenderableType], None] | None]:
        """Show something that changes in its place.

        Yields:
            A function that replaces what is shown; None where there is no terminal to show it on.
        """
        if not self._bars:
            yield None
            return
        with Live(console=self._terminal, transient=True, auto_refresh=False) as live:
            yield lambda shown: live.update(shown, refresh=True)

    def _in_lines(self, label: str) -> Advance:
        """Write a line for the last step, and for others when some seconds have passed since the last line."""
        last_s = time.monotonic()

        def advance(what: str, done: int, total: int) -> None:
            nonlocal last_s
            now_s = time.monotonic()
            if done >= total or now_s - last_s >= _PLAIN_EVERY_S:
                last_s = now_s
                self.notify(f"{label}: {what} {done}/{total}")

        return advance


def _bar(terminal: Terminal) -> Progress:
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=terminal, transient=True)


def _on_bar(bar: Progress, task: TaskID, label: str) -> Advance:
    def advance(what: str, done: int, total: int) -> None:
        bar.update(task, description=f"{label}: {what}", completed=done, total=total)

    return advance
