"""What is never judged of a camera's frames: read from an image, kept as run lengths."""

from __future__ import annotations

from ..base.errors import DataError
from .camera import CameraSettings
from .images import read_frame
from .runs import Runs, runs_of

_WHITE = 127


def read_ignored(camera: CameraSettings, height: int, width: int) -> Runs | None:
    """Read what a camera's settings say is never judged; None: everything is judged.

    Args:
        camera: The settings.
        height: Of every whole frame.
        width: Likewise.

    Returns:
        Of the region, where there is one, else of the frame.

    Raises:
        DataError: The image cannot be read, is of another size, marks nothing, or leaves nothing to judge.
    """
    if camera.ignore is None:
        return None
    white = read_frame(camera.ignore, channels=1)[..., 0] > _WHITE
    if white.shape != (height, width):
        msg = (
            f"camera.ignore: {camera.ignore}: wanted the size of the camera's frames, {width} x {height}, got "
            f"{white.shape[1]} x {white.shape[0]}; draw it over a whole frame, also where there is a region"
        )
        raise DataError(msg)
    mask = white if camera.region is None else camera.region.cut(white)
    if mask.all() or not mask.any():
        what = "all of it is white: nothing is left to judge" if mask.all() else "nothing of it is white"
        msg = f"camera.ignore: {camera.ignore}: {what}; white is what is never judged, black is inspected"
        raise DataError(msg)
    return runs_of(mask)
