"""What is left of a training that broke down: the best weights before it, as a checkpoint that can be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ..checkpoint import Checkpoint, save_checkpoint

LAST_GOOD = "last_good.safetensors"


def keep_last_good(checkpoint: Checkpoint, partial: Path, line: str) -> Path:
    """Write a checkpoint into the folder that outlives the run.

    Args:
        checkpoint: Its inspector holds the weights.
        partial: The folder; a finished stage removes it, a broken one leaves it.
        line: What happened; ends the lineage.

    Returns:
        The file.

    Raises:
        StorageError: It cannot be written.
    """
    path = partial / LAST_GOOD
    save_checkpoint(path, replace(checkpoint, lineage=(*checkpoint.lineage, line)))
    return path
