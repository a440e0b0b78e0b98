from __future__ import annotations

import pytest
from beltline.export.contracts import Frame, Graph
from frames_judge import FramesJudge, scores_of


@pytest.fixture
def judge(tiny_graph: Graph, frames: list[Frame]) -> FramesJudge:
    """One that allows next to nothing: the float graph's own bound decides."""
    return FramesJudge(frames=frames, teacher=scores_of(tiny_graph.path, frames), allowed=0.01)
