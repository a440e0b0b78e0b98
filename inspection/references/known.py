"""What was computed of the last references is kept, so that a part of a known product costs its own share alone.

Whoever asks gives the reference's pixels, and all of them are compared: the same pixels always give the same. A process
that may take little memory says so by `keep_at_most`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

import cv2
import numpy as np
from numpy.typing import NDArray

from .alignment import Searchable, searchable
from .moving import Movable, movable

MOST_BYTES = 256 << 20
"""So much is kept where nobody says how much may be."""

_SPOTS = 16  # a side, whose values are looked up first

_Key = tuple[tuple[int, ...], bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A reference and what is the same for every frame.

    Attributes:
        movable: Its pixels.
        searchable: How it is found; None: it shows nothing.
    """

    movable: Movable
    searchable: Searchable | None

    @property
    def size_bytes(self) -> int:
        """What its arrays take in memory."""
        movable, found = self.movable, self.searchable
        size = movable.image.nbytes + (0 if movable.four is None else movable.four.nbytes)
        if found is not None:
            size += found.coarse.nbytes + found.alike.nbytes
            size += sum(level.calm.nbytes + level.slopes.nbytes for level in (found.first, found.last))
        return size


class _Keeping:
    """The last references as far as they fit into a number of bytes; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: OrderedDict[_Key, Known] = OrderedDict()
        self._bytes, self._most_bytes = 0, MOST_BYTES

    def found(self, key: _Key) -> Known | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def keep(self, key: _Key, made: Known) -> None:
        with self._lock:
            self._leave_out(key)
            if made.size_bytes <= self._most_bytes:
                self._kept[key] = made
                self._bytes += made.size_bytes
            self._make_room()

    def keep_at_most(self, size_bytes: int) -> None:
        with self._lock:
            self._most_bytes = size_bytes
            self._make_room()

    def kept_bytes(self) -> int:
        with self._lock:
            return self._bytes

    def forget(self) -> None:
        with self._lock:
            self._kept.clear()
            self._bytes = 0

    def _make_room(self) -> None:
        while self._bytes > self._most_bytes:
            self._leave_out(next(iter(self._kept)))

    def _leave_out(self, key: _Key) -> None:
        if (left := self._kept.pop(key, None)) is not None:
            self._bytes -= left.size_bytes


def known(reference: NDArray[np.uint8]) -> Known:
    """Give what there is of a reference, computed now or kept from before.

    Args:
        reference: uint8 `[height, width, channels]`; a copy is kept.
    """
    down, across = (max(1, side // _SPOTS) for side in reference.shape[:2])
    key = (reference.shape, reference[::down, ::across].tobytes())
    found = _KEEPING.found(key)
    if found is not None and cv2.norm(found.movable.image, reference, cv2.NORM_INF) == 0:
        return found
    made = Known(movable(reference.copy()), searchable(reference))
    _KEEPING.keep(key, made)
    return made


def keep_at_most(size_bytes: int) -> None:
    """Keep no more than so many bytes from now on; what takes more by itself is computed anew each time.

    Args:
        size_bytes: 0: nothing is kept.
    """
    _KEEPING.keep_at_most(size_bytes)


def kept_bytes() -> int:
    """Give what all that is kept takes in memory."""
    return _KEEPING.kept_bytes()


def forget() -> None:
    """Keep nothing of any reference that came so far."""
    _KEEPING.forget()


_KEEPING = _Keeping()
