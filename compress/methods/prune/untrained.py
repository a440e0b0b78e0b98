"""Sketches: students as they leave the drawing board, untrained; how long one takes hangs on its shape alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ...checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from ...networks.base.families import build_network
from ...networks.base.inspector import Inspector
from .structured import prune_channels


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A student's shape.

    Attributes:
        network: Description for `families.build_network`.
        input_size: `[height, width]`; None: the teacher's.
        ratio: Share of channels that will leave, in [0, 1); which ones is a guess yet, how many is not.
        round_to: Channels left are a multiple of this.
    """

    network: dict[str, Any]
    input_size: tuple[int, int] | None = None
    ratio: float = 0.0
    round_to: int = 8


def draw_student(teacher: Path, sketch: Sketch, target_file: Path, *, seed: int) -> None:
    """Write the checkpoint of an untrained student.

    Args:
        teacher: Its checkpoint gives the frame.
        sketch: What to build.
        target_file: Checkpoint to write.
        seed: Of its weights.

    Raises:
        RecipeError: Pruning as asked removes nothing or cannot be done.
    """
    torch.manual_seed(seed)
    frame = load_checkpoint(teacher).frame
    if sketch.input_size is not None:
        frame = replace(frame, height=sketch.input_size[0], width=sketch.input_size[1])
    inspector = Inspector(build_network(sketch.network, frame.channels), frame).eval()
    if sketch.ratio:
        prune_channels(inspector, ratio=sketch.ratio, round_to=sketch.round_to)
    lineage = ("an untrained sketch, to be timed",)
    save_checkpoint(target_file, Checkpoint(network=sketch.network, frame=frame, lineage=lineage, inspector=inspector))
