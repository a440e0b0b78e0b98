"""The built-in synthetic line: a small data set with everything that makes real ones hard, drawn from a seed.

Several exposures show one part (so a split by image would measure memory), every part has harmless marks that look a
little like defects, and the light differs from frame to frame. Gradient statistics do not tell good from defective
here; a small convolutional net learns it from the masks in minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..base.errors import DataError
from ..base.storage import write_bytes
from ..data.dataset import Split
from .drawing import draw_part, expose
from .png import write_png

_KINDS = ("good", "scratch", "good", "pit", "good", "stain", "good", "missing_corner", "good")
_TRAIN_SHARE, _VAL_SHARE = 0.38, 0.14
_FEWEST_PARTS = 22


def write_synthetic_line(root: Path, *, seed: int = 0, parts: int = 1000, exposures: int = 3) -> None:
    """Write the data set in the layout `labels_csv`: grey PNG frames of 128 x 128 px, masks, `labels.csv` last.

    The defaults give 1,140 frames of 380 parts in train, 420 of 140 in val and 1,440 of 480 in test, 4 of 9 parts
    defective. Part k looks the same for every number of parts; all bytes are the same for one seed (and one version
    of numpy and OpenCV).

    Args:
        root: Folder to fill; made where it does not exist. A file of the same name in it is overwritten.
        seed: Any integer >= 0.
        parts: Physical parts, >= 22, so that every split has good and defective ones.
        exposures: Frames of each part, >= 1; together they are one group.

    Raises:
        DataError: A number is too small.
        StorageError: The disk is full or `root` cannot be written.
    """
    if parts < _FEWEST_PARTS or exposures < 1 or seed < 0:
        msg = (
            f"synthetic line: wanted parts >= {_FEWEST_PARTS}, exposures >= 1 and seed >= 0, "
            f"got {parts}, {exposures} and {seed}"
        )
        raise DataError(msg)
    rows = ["path,label,split,mask,group"]
    for index in range(parts):
        random = np.random.default_rng([seed, index])
        rows += _write_part(root, index, _split_of(index, parts), exposures, random)
    write_bytes(root / "labels.csv", "".join(f"{row}\n" for row in rows).encode())


def _split_of(index: int, parts: int) -> Split:
    train, val = round(_TRAIN_SHARE * parts), round(_VAL_SHARE * parts)
    return "train" if index < train else "val" if index < train + val else "test"


def _write_part(root: Path, index: int, split: Split, exposures: int, random: np.random.Generator) -> Iterator[str]:
    """Write all exposures of one part; yields their rows of `labels.csv`."""
    kind = _KINDS[index % len(_KINDS)]
    part = draw_part(kind, random)
    for exposure in range(exposures):
        frame, mask = expose(part, random)
        name = f"{kind}/part{index:05d}_exposure{exposure}.png"
        write_png(root / "frames" / name, frame)
        if kind != "good":
            write_png(root / "masks" / name, mask)
        yield f"frames/{name},{kind},{split},{'' if kind == 'good' else f'masks/{name}'},part{index:05d}"
