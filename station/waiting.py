"""Frames that wait for the engine: bounded, oldest or newest first, none beyond its deadline."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass

from .frames import OfferedFrame
from .outcomes import Outcome
from .settings import QueueSettings


@dataclass(slots=True, eq=False, kw_only=True)
class Item:
    """A frame between its offer and its answer.

    Attributes:
        frame: The frame.
        slot: Where it lies in the shared memory.
        due_ns: Its deadline.
        future: Takes the outcome; None: nobody waits for it.
        token: Names it to the engine; 0: it was not asked yet.
        sent_ns: When the engine was asked.
        answered: Whether its answer stands, as it does when the deadline comes while the engine works on it.
    """

    frame: OfferedFrame
    slot: int
    due_ns: int
    future: Future[Outcome] | None
    token: int = 0
    sent_ns: int = 0
    answered: bool = False


class Waiting:
    """The queue; whoever owns it locks it."""

    def __init__(self, settings: QueueSettings) -> None:
        self._most = settings.frames
        self._newest_first = settings.order == "newest"
        self._items: deque[Item] = deque()

    def __len__(self) -> int:
        """Count the frames that wait."""
        return len(self._items)

    @property
    def admits(self) -> bool:
        """Whether a newcomer would be taken in: newest first, another one gives way to it."""
        return self._newest_first or len(self._items) < self._most

    def push(self, item: Item) -> Item | None:
        """Take a newcomer in; give the frame that is refused for it, if any: the one that waited longest, or itself."""
        given_way = None
        if len(self._items) >= self._most:
            if not self._newest_first:
                return item
            given_way = self._items.popleft()
        self._items.append(item)
        return given_way

    def put_back(self, item: Item) -> None:
        """Take a frame in again that was taken out as the next one."""
        if self._newest_first:
            self._items.append(item)
        else:
            self._items.appendleft(item)

    def next(self) -> Item | None:
        """Take out the frame that the engine is to have."""
        if not self._items:
            return None
        return self._items.pop() if self._newest_first else self._items.popleft()

    def expired(self, now_ns: int) -> list[Item]:
        """Take out the frames whose deadline has come."""
        late = [item for item in self._items if item.due_ns <= now_ns]
        if late:
            self._items = deque(item for item in self._items if item.due_ns > now_ns)
        return late

    def first_due_ns(self) -> int | None:
        """Say when the next deadline of a waiting frame comes."""
        return min((item.due_ns for item in self._items), default=None)
