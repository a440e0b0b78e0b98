"""A session that takes frames as the camera sends them, whatever of their preparation is not in the graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Self

from ..inspection.data.preparation import prepared, stitched, tiles_of
from ..inspection.data.runs import mask_of, resized_runs
from .contracts import Artifact, Backend, Decision, Frame, Session, executing_device
from .frame_check import require_frame


class PreparingSession:
    """Prepares each frame, cuts it into tiles where it is to be, and asks the session of the graph alone.

    A frame of several tiles scores as the worst of them; its engine works from the first to the last.

    Attributes:
        runs_on: What executes the graph; None where its runtime does not say.
    """

    def __init__(self, graph_session: Session, artifact: Artifact) -> None:
        self.runs_on = executing_device(graph_session)
        self._graph_session = graph_session
        self._spec = artifact.frame

    def __enter__(self) -> Self:
        """Take the engine."""
        self._graph_session.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the engine."""
        self._graph_session.__exit__(kind, error, trace)

    def infer(self, frame: Frame) -> Decision:
        """Decide on one frame.

        Raises:
            DataError: The frame is not what the model takes.
        """
        spec = self._spec
        require_frame(frame, spec)
        pixels = prepared(frame, spec)
        decisions = [self._graph_session.infer(tile) for tile in tiles_of(pixels, spec)]
        size = (len(pixels) // 2 if spec.reference else len(pixels), pixels.shape[1])
        kinds = [each.kinds for each in decisions if each.kinds is not None]
        return Decision(
            score=max(each.score for each in decisions),
            heatmap=self._whole([each.heatmap for each in decisions], size),
            engine_start_ns=decisions[0].engine_start_ns,
            engine_end_ns=decisions[-1].engine_end_ns,
            alignment=min((each.alignment for each in decisions if each.alignment is not None), default=None),
            aligned=all(each.aligned for each in decisions),
            kinds=np.stack([self._whole(maps, size) for maps in zip(*kinds, strict=True)]) if kinds else None,
        )

    def _whole(self, maps: Sequence[NDArray[np.uint8]], size: tuple[int, int]) -> NDArray[np.uint8]:
        """Give the map of a whole frame of a size from those of its tiles, dark where nothing is judged."""
        spec, whole = self._spec, maps[0]
        if spec.tiles is not None:
            whole = stitched(maps, spec.tiles, *size)
        if spec.ignore is not None:
            ignored = resized_runs(spec.ignore, size, (whole.shape[0], whole.shape[1]))
            whole = np.where(mask_of(ignored, *whole.shape), np.uint8(0), whole)
        return whole


def open_session(backend: Backend, artifact: Artifact, *, threads: int) -> Session:
    """Open an artifact with that many engine threads, for frames as the camera sends them.

    Raises:
        GraphError: The file was changed, or the runtime does not take it.
        MissingPartError: The runtime is not installed.
    """
    if artifact.frame == artifact.frame.in_graph:
        return backend.load(artifact, threads=threads)
    alone = backend.load(replace(artifact, frame=artifact.frame.in_graph), threads=threads)
    return PreparingSession(alone, artifact)
