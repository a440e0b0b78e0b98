"""Sessions: what is queued for a frame, when it is captured, what is given back, what is said when it fails."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from beltline.export.artifacts import backends
from beltline.export.contracts import Artifact, Frame, Graph
from beltline.export.tensor_rt.freezing import RecipeOptions, freeze
from beltline.export.tensor_rt.recipe import FrameRange
from beltline.export.tensor_rt.session import TensorRtSession
from beltline.inspection.base.errors import DataError, GpuError
from beltline.targets.target import Target
from tensor_rt_machine import Machine

TARGET = Target(name="jetson-orin-nano", threads=1, cpus=(0,))


def frozen(graph: Graph, folder: Path, frames: FrameRange | None = None) -> Artifact:
    folder.mkdir()
    return freeze(graph, TARGET, folder, options=RecipeOptions(frames=frames))


@pytest.fixture
def one_size(tiny_graph: Graph, tmp_path: Path) -> Artifact:
    sizes = FrameRange(least=(80, 100), usual=(80, 100), most=(80, 100), channels=1)
    return frozen(tiny_graph, tmp_path / "one", sizes)


@contextmanager
def opened(artifact: Artifact) -> Iterator[TensorRtSession]:
    with backends()["tensor_rt"].load(artifact, threads=1) as session:
        assert isinstance(session, TensorRtSession)
        yield session


def onnx_runtime_says(artifact: Artifact, frames: list[Frame], folder: Path) -> list[float]:
    graph = Graph(path=artifact.path, digest="", frame=artifact.frame, precision="fp32")
    with backends()["onnx_runtime"].load(
        backends()["onnx_runtime"].build(graph, TARGET, folder), threads=1
    ) as reference:
        return [reference.infer(frame).score for frame in frames]


def test_frames_of_one_size_are_one_launch_each(
    machine: Machine, one_size: Artifact, frames: list[Frame], tmp_path: Path
) -> None:
    wanted = onnx_runtime_says(one_size, frames, tmp_path)
    with opened(one_size) as session:
        assert session.captured
        assert machine.cuda.launches == 0
        decisions = [session.infer(frame) for frame in frames]
        assert machine.cuda.launches == len(frames)
    assert [decision.score for decision in decisions] == wanted
    assert machine.cuda.left == 0


def test_an_engine_that_cannot_be_captured_is_queued_step_by_step(
    machine: Machine, one_size: Artifact, frames: list[Frame], tmp_path: Path
) -> None:
    machine.scene.captures = False
    with opened(one_size) as session:
        assert not session.captured
        assert [session.infer(frame).score for frame in frames] == onnx_runtime_says(one_size, frames, tmp_path)
    assert machine.cuda.launches == 0
    assert machine.cuda.left == 0


def test_memory_grows_with_frames_and_is_not_taken_for_each(
    machine: Machine, tiny_graph: Graph, tmp_path: Path
) -> None:
    with opened(frozen(tiny_graph, tmp_path / "open")) as session:
        session.infer(np.zeros((40, 40, 1), np.uint8))
        blocks = set(machine.cuda.device)
        session.infer(np.zeros((35, 35, 1), np.uint8))
        assert set(machine.cuda.device) == blocks
        session.infer(np.zeros((200, 300, 1), np.uint8))
        assert len(machine.cuda.device) == 3
        assert not session.captured
    assert machine.cuda.left == 0


def test_a_frame_that_the_engine_was_not_built_for_is_refused_with_the_sizes(
    machine: Machine, one_size: Artifact, frames: list[Frame]
) -> None:
    with opened(one_size) as session:
        first = session.infer(frames[0]).score
        with pytest.raises(DataError, match=r"built for \(80, 100, 1\) to \(80, 100, 1\), got \(81, 100, 1\)"):
            session.infer(np.zeros((81, 100, 1), np.uint8))
        assert session.infer(frames[0]).score == first
    assert machine.cuda.left == 0


def test_a_gpu_without_room_says_so(machine: Machine, one_size: Artifact) -> None:
    machine.cuda.room_bytes = 100
    with pytest.raises(GpuError, match=r"cudaMalloc: .*error 2 \(out of memory\); end other programs"):  # noqa: SIM117
        with opened(one_size):
            pytest.fail("it was opened")


def test_an_engine_of_another_kind_is_refused(machine: Machine, one_size: Artifact) -> None:
    from beltline.export.tensor_rt.cuda import Cuda
    from beltline.inspection.base.errors import GraphError

    with pytest.raises(GraphError, match="does not open the engine it built: serialization: magic tag does not match"):
        TensorRtSession(machine.trt, b"something else", one_size.frame, Cuda(machine.cuda))
