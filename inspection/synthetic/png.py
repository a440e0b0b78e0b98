"""Drawn frames and masks as PNG files."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ..base.errors import DataError, StorageError


def write_png(path: Path, image: NDArray[np.uint8], *, compression: int | None = None) -> None:
    """Write an image, and the folders above it.

    Args:
        path: File to write.
        image: uint8 `[height, width]`, or `[height, width, 3]` in RGB order.
        compression: 0 (none) to 9; None: OpenCV's own.

    Raises:
        DataError: OpenCV cannot write PNG.
        StorageError: The disk is full or the folder cannot be written.
    """
    drawn = cv2.cvtColor(image, cv2.COLOR_RGB2BGR) if image.ndim == 3 and image.shape[2] == 3 else image
    encoded, content = cv2.imencode(
        ".png", drawn, [] if compression is None else [cv2.IMWRITE_PNG_COMPRESSION, compression]
    )
    if not encoded:
        msg = f"cannot encode {path.name} as PNG; is OpenCV built with PNG support?"
        raise DataError(msg)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.tobytes())
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}; free some space or choose another folder"
        raise StorageError(msg) from error
