"""Memory that the station and its engine process share: a frame is copied once, into a slot, and inferred there.

The memory is a file without a name (memfd_create(2)); pages that no frame ever touched take no room.
"""

from __future__ import annotations

import mmap
import os
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_PAGE_BYTES = 4096
_LEAST_HEATMAP_BYTES = 4 << 20
_PIXELS_OF_A_CELL = 16
"""Of a heatmap, at least: the finest are a quarter of the frame each way."""

_SPARE_SLOTS = 8
"""Beside those that wait: one for the engine, the others for frames that are just being copied in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotLayout:
    """How the memory is divided.

    Attributes:
        count: Slots, each for one frame and its heatmap.
        image_bytes: Largest frame, a whole number of pages.
    """

    count: int
    image_bytes: int

    @property
    def slot_bytes(self) -> int:
        """From one slot to the next."""
        return self.image_bytes + self.heatmap_bytes

    @property
    def heatmap_bytes(self) -> int:
        """Largest heatmap: one of the largest frame, a whole number of pages."""
        cells = -(-self.image_bytes // _PIXELS_OF_A_CELL)
        return max(_LEAST_HEATMAP_BYTES, -(-cells // _PAGE_BYTES) * _PAGE_BYTES)


def layout_for(count: int, *, largest_bytes: int) -> SlotLayout:
    """Lay out slots for frames of at most so many bytes.

    >>> layout_for(3, largest_bytes=5000)
    SlotLayout(count=3, image_bytes=8192)
    """
    return SlotLayout(count=count, image_bytes=-(-largest_bytes // _PAGE_BYTES) * _PAGE_BYTES)


def new_slots(frames: int, *, largest_bytes: int) -> FrameSlots:
    """Make memory for so many frames that wait, and some more; its descriptor is handed to the engine process."""
    layout = layout_for(frames + _SPARE_SLOTS, largest_bytes=largest_bytes)
    descriptor = os.memfd_create("beltline-frames", os.MFD_CLOEXEC)
    os.ftruncate(descriptor, layout.count * layout.slot_bytes)
    return FrameSlots(layout, descriptor)


class FrameSlots:
    """The memory as this process sees it; whoever holds a slot's number may use it."""

    def __init__(self, layout: SlotLayout, descriptor: int) -> None:
        self.layout = layout
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, layout.count * layout.slot_bytes)

    def image(self, slot: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """View a slot's frame, uint8 of `shape`, C-contiguous; no copy."""
        return np.ndarray(shape, np.uint8, buffer=self._memory, offset=slot * self.layout.slot_bytes)

    def heatmap(self, slot: int, shape: tuple[int, int]) -> NDArray[np.uint8]:
        """View a slot's heatmap, uint8 `[rows, columns]`, at most `heatmap_bytes`; no copy."""
        offset = slot * self.layout.slot_bytes + self.layout.image_bytes
        return np.ndarray(shape, np.uint8, buffer=self._memory, offset=offset)

    def close(self) -> None:
        """Give the descriptor back; the memory goes when the last view of it does."""
        os.close(self.descriptor)
