"""Product change-over: a PLC or a broker says which product comes next, for as long as the station runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from threading import Event, Thread
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, BeforeValidator

from ..inspection.base.errors import BeltlineError
from ..inspection.base.plugins import plugins
from .settings import ChangeoverChoice, ProductName

_WAIT_S = 0.25
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.25, 5.0
_JOIN_S = 3.0
_MOST_CHARACTERS = 64


def _each_code_once(products: object) -> object:
    """Refuse a code that stands twice, as a number and as text: one of the two would judge the other's parts."""
    codes = [str(each) for each in products] if isinstance(products, Mapping) else []
    if twice := next((each for each in codes if codes.count(each) > 1), None):
        msg = f"wanted each code once, got {twice} twice, as a number and as text; remove one"
        raise ValueError(msg)
    return products


ProductsByCode = Annotated[dict[Annotated[str, BeforeValidator(str)], ProductName], BeforeValidator(_each_code_once)]
"""Product by what a partner calls it, such as `{1: boardA}`; what is not listed is the product's own name."""


class ProductSignal(Protocol):
    """An open connection to who says which product comes; used by one thread."""

    def next_product(self, within_s: float) -> str | None:
        """Give the product that comes from now on, the current one first; None: nothing new within the time.

        Raises:
            Exception: The partner is gone; the signal is closed and another one opened.
        """
        ...

    def close(self) -> None:
        """Free what it holds, also after a failure."""
        ...


class ChangeoverKind(Protocol):
    """A way to be told. One file in `station/changeovers/` each, with the constant `CHANGEOVER`."""

    @property
    def name(self) -> str:
        """As written in station.yaml."""
        ...

    @property
    def settings_type(self) -> type[BaseModel]:
        """What may be written below the kind's name."""
        ...

    def missing(self) -> str | None:
        """Say what is not installed and how to get it, or None."""
        ...

    def open(self, settings: Any) -> ProductSignal:
        """Connect, with settings of `settings_type`; a failure is reported and tried again."""
        ...


def changeover_kinds() -> Mapping[str, ChangeoverKind]:
    """Give all kinds by name: the files in `station/changeovers` and those that other packages add."""
    return plugins("station.changeovers")


def named_product(said: object, products: Mapping[str, str]) -> str:
    """Give the product that a partner means.

    >>> named_product(2, {"2": "boardB"}), named_product(" boardC ", {"2": "boardB"}), named_product(7, {})
    ('boardB', 'boardC', '7')
    """
    text = str(said).strip("\x00 \t\r\n")[:_MOST_CHARACTERS]
    return products.get(text, text)


class PolledProduct:
    """A value that is read again and again: a variable, a register; see `ProductSignal`."""

    def __init__(self, read: Callable[[], str], close: Callable[[], None], *, poll_ms: float) -> None:
        self._read, self._close, self._poll_s = read, close, poll_ms / 1000
        self._last: str | None = None

    def next_product(self, within_s: float) -> str | None:
        """Read until it changes."""
        until_s = time.monotonic() + within_s
        while (now := self._read()) == self._last:
            if time.monotonic() >= until_s:
                return None
            time.sleep(self._poll_s)
        self._last = now
        return now

    def close(self) -> None:
        """Let go of the partner."""
        self._close()


class ChangeoverListener:
    """Keeps to one partner in a thread of its own; while it is away the last product stays."""

    def __init__(self, choice: ChangeoverChoice, change: Callable[[str], None], note: Callable[[str], None]) -> None:
        """Listen from `start` on.

        Args:
            choice: The partner.
            change: Takes each product.
            note: Takes a sentence for people, once for each way of failing.
        """
        self._choice, self._change, self._note = choice, change, note
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=f"changeover-{choice.kind}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; a partner that hangs is left behind."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_S)

    def _run(self) -> None:
        pause_s, reported = _FIRST_PAUSE_S, ""
        while not self._stopping.is_set():
            try:
                with closing(changeover_kinds()[self._choice.kind].open(self._choice.settings)) as signal:
                    if reported:
                        self._note("it answers again")
                    pause_s, reported = _FIRST_PAUSE_S, ""
                    self._listen(signal)
            except Exception as error:  # noqa: BLE001 - client libraries raise what they like, and the line goes on
                problem = str(error) if isinstance(error, BeltlineError) else f"{type(error).__name__}: {error}"
                if problem != reported:
                    self._note(f"{problem}; the last product stays, and it is asked again until it answers")
                reported = problem
            self._stopping.wait(pause_s)
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _listen(self, signal: ProductSignal) -> None:
        while not self._stopping.is_set():
            if (product := signal.next_product(_WAIT_S)) is not None:
                self._change(product)
