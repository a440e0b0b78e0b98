"""What was computed of the last references is kept, so that a part of a known product costs its own share alone.

Whoever asks gives the reference's pixels, and all of them are compared: the same pixels always give the same.
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

_MOST_BYTES = 256 << 20
_SPOTS = 16  # a side, whose values are looked up first


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
        """What it takes in memory, roughly: what is searched is small."""
        four = self.movable.four
        return self.movable.image.nbytes + (0 if four is None else four.nbytes) + (1 << 20)


_Key = tuple[tuple[int, ...], bytes]
_KEPT: OrderedDict[_Key, Known] = OrderedDict()
_LOCK = Lock()


def known(reference: NDArray[np.uint8]) -> Known:
    """Give what there is of a reference, computed now or kept from before.

    Args:
        reference: uint8 `[height, width, channels]`; a copy is kept.
    """
    down, across = (max(1, side // _SPOTS) for side in reference.shape[:2])
    key = (reference.shape, reference[::down, ::across].tobytes())
    with _LOCK:
        found = _KEPT.get(key)
        if found is not None:
            _KEPT.move_to_end(key)
    if found is not None and cv2.norm(found.movable.image, reference, cv2.NORM_INF) == 0:
        return found
    made = Known(movable(reference.copy()), searchable(reference))
    with _LOCK:
        _KEPT[key] = made
        while sum(each.size_bytes for each in _KEPT.values()) > _MOST_BYTES and len(_KEPT) > 1:
            _KEPT.popitem(last=False)
    return made


def forget() -> None:
    """Keep nothing of any reference."""
    with _LOCK:
        _KEPT.clear()
