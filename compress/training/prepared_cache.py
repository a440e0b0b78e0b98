"""Large frames as training takes them, decoded and shrunk once: views are then cut from a file that lies open."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...inspection.data.dataset import Sample

Pixels = NDArray[np.uint8]

_LEAST_PIXELS = 500_000  # smaller frames are decoded about as fast as a file is opened
_OF_FREE_DISK = 0.25


class PreparedCache:
    """Prepared frames and their masks in a folder of the run, each written when it is first shown.

    Takes at most a quarter of the disk that is free at first; what finds no place there is decoded each time.
    """

    def __init__(self, folder: Path, *, most_bytes: int | None = None) -> None:
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed: nobody knows which of its files are whole
        folder.mkdir(parents=True)
        self._folder = folder
        self._left_bytes = int(_OF_FREE_DISK * shutil.disk_usage(folder).free) if most_bytes is None else most_bytes
        self._files: dict[str, tuple[Path, Path]] = {}

    def of(self, sample: Sample, read: Callable[[Sample], tuple[Pixels, Pixels]]) -> tuple[Pixels, Pixels]:
        """Give what `read` gives for a sample: its prepared frame and its mask, which are not to be changed."""
        if (paths := self._files.get(sample.path)) is not None:
            pixels, mask = (np.load(path, mmap_mode="r") for path in paths)
            return pixels, mask
        pixels, mask = read(sample)
        marked = np.flatnonzero(mask.any(axis=1))
        size = pixels.nbytes + marked.size * mask.shape[1]
        if sample.height * sample.width >= _LEAST_PIXELS and size <= self._left_bytes:
            self._left_bytes -= size
            self._keep(sample.path, pixels, mask, marked)
        return pixels, mask

    def _keep(self, name: str, pixels: Pixels, mask: Pixels, marked: NDArray[np.intp]) -> None:
        number = len(self._files)
        frame, mask_file = self._folder / f"{number}.npy", self._folder / f"{number}.mask.npy"
        try:
            np.save(frame, pixels)
            _save_sparse(mask_file, mask, marked)
        except OSError:  # somebody else filled the disk: what is there stays of use, nothing more is kept
            self._left_bytes = 0
            return
        self._files[name] = frame, mask_file

    def remove(self) -> None:
        """Give the disk back."""
        shutil.rmtree(self._folder, ignore_errors=True)


def _save_sparse(path: Path, mask: Pixels, marked: NDArray[np.intp]) -> None:
    """Write an array as `np.save` does, but rows of zeros as holes of the file: they take no room on the disk."""
    mask = np.ascontiguousarray(mask)
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(mask))
        begin, row_bytes = file.tell(), mask.shape[1] * mask.itemsize
        for row in marked:
            file.seek(begin + int(row) * row_bytes)
            file.write(mask[row].data)
        file.truncate(begin + mask.nbytes)
