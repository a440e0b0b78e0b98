"""Heatmaps of many frames in one file: written while frames are scored, read one at a time where findings are wanted.

Most of a heatmap is empty, so each is packed by itself (zlib): a thousand frames take a few megabytes, and one of them
is unpacked in well under a millisecond.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..inspection.base.errors import StorageError
from .contracts import Decision

_EFFORT = 1


class MapWriter:
    """Collects what a session says of frames, in their order."""

    def __init__(self) -> None:
        self._packed: list[bytes] = []
        self._shapes: list[tuple[int, int, int]] = []

    def take(self, position: int, decision: Decision) -> None:
        """Keep heatmap and kinds of the next frame."""
        if position != len(self._packed):
            msg = f"maps are kept in order: wanted frame {len(self._packed)}, got {position}"
            raise ValueError(msg)
        maps = decision.heatmap[None]
        if decision.kinds is not None:
            maps = np.concatenate((maps, decision.kinds))
        self._shapes.append((maps.shape[0], maps.shape[1], maps.shape[2]))
        self._packed.append(zlib.compress(maps.tobytes(), _EFFORT))

    def write(self, path: Path) -> None:
        """Write them to an `.npz` file."""
        sizes = np.array([len(each) for each in self._packed], np.int64)
        packed = np.frombuffer(b"".join(self._packed), np.uint8)
        shapes = np.array(self._shapes, np.int32).reshape(-1, 3)
        np.savez(path, allow_pickle=False, ends=np.cumsum(sizes), shapes=shapes, packed=packed)


class KeptMaps(Sequence[NDArray[np.uint8]]):
    """What `MapWriter` wrote: for each frame uint8 `[1 + kinds, rows, columns]`, the heatmap first."""

    def __init__(self, path: Path) -> None:
        """Read the file.

        Raises:
            StorageError: It is not there or damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as found:
                self._ends, self._shapes, self._packed = found["ends"], found["shapes"], found["packed"]
        except (OSError, ValueError, KeyError) as error:
            msg = f"{path}: the heatmaps of an earlier run cannot be read ({error}); delete their folder and run again"
            raise StorageError(msg) from error

    def __len__(self) -> int:
        """Say how many frames there are."""
        return len(self._ends)

    def __getitem__(self, position: int) -> NDArray[np.uint8]:  # type: ignore[override]  # one at a time
        """Unpack one frame's maps."""
        start = int(self._ends[position - 1]) if position else 0
        raw = zlib.decompress(self._packed[start : int(self._ends[position])].tobytes())
        return np.frombuffer(raw, np.uint8).reshape(self._shapes[position])
