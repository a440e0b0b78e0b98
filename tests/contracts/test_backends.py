"""What every backend has to keep; a new file in `export/backends/` is tested here with no edit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from beltline.compress.checkpoint import load_checkpoint
from beltline.export.artifacts import backends, digest_of_artifact, files_of, runs_checkpoint
from beltline.export.contracts import Artifact, Backend, Decision, Frame, Graph, Session
from beltline.inspection.base.errors import DataError, GraphError
from beltline.targets.target import Target

TARGET = Target(name="local", threads=1, cpus=(0,))
HEATMAP_ROUNDING = 1  # a grey value: sums in another order can fall on the other side of a half


NEEDS = {"tensor_rt": [pytest.mark.tensorrt]}


@pytest.fixture(params=[pytest.param(name, marks=NEEDS.get(name, [])) for name in sorted(backends())], scope="module")
def backend(request: pytest.FixtureRequest) -> Backend:
    found = backends()[request.param]
    if (missing := found.missing()) is not None:
        pytest.skip(missing)
    return found


@pytest.fixture(scope="module")
def artifact(backend: Backend, tiny_graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return backend.build(tiny_graph, TARGET, tmp_path_factory.mktemp(backend.name))


@pytest.fixture
def session(backend: Backend, artifact: Artifact) -> Iterator[Session]:
    with backend.load(artifact, threads=1) as entered:
        yield entered


@pytest.fixture(scope="module")
def expected(tiny_checkpoint: Path, frames: list[Frame]) -> list[Decision]:
    import torch

    inspector = load_checkpoint(tiny_checkpoint).inspector
    with torch.inference_mode():
        pairs = [inspector(torch.from_numpy(frame)) for frame in frames]
    return [
        Decision(score=score.item(), heatmap=heatmap.numpy(), engine_start_ns=0, engine_end_ns=0)
        for score, heatmap in pairs
    ]


def test_its_name_is_its_file(backend: Backend) -> None:
    assert sys.modules[type(backend).__module__].__name__.endswith(f".{backend.name}")


def test_it_supports_this_machine(backend: Backend) -> None:
    assert backend.supports(TARGET)


def test_the_artifact_states_what_lies_on_disk(backend: Backend, artifact: Artifact, tiny_graph: Graph) -> None:
    assert artifact.backend == backend.name
    assert (artifact.precision, artifact.frame, artifact.built_for) == ("fp32", tiny_graph.frame, "local")
    assert artifact.digest == digest_of_artifact(artifact.path)
    assert artifact.size_bytes == sum(path.stat().st_size for path in artifact.path.parent.iterdir())
    assert set(files_of(artifact.path)) == set(artifact.path.parent.iterdir())
    assert Artifact.from_json(artifact.to_json()) == artifact


def test_building_again_gives_the_same_bytes(
    backend: Backend, artifact: Artifact, tiny_graph: Graph, tmp_path: Path
) -> None:
    assert backend.build(tiny_graph, TARGET, tmp_path).digest == artifact.digest


def test_it_tells_nothing_of_the_machine_that_built_it(artifact: Artifact) -> None:
    for path in files_of(artifact.path):
        content = path.read_bytes()
        assert os.fsencode(Path.cwd()) not in content
        assert os.fsencode(artifact.path.parent) not in content


def test_it_decides_as_the_checkpoint_does(session: Session, frames: list[Frame], expected: list[Decision]) -> None:
    for frame, wanted in zip(frames, expected, strict=True):
        decision = session.infer(frame)
        assert isinstance(decision.score, float)
        assert decision.score == pytest.approx(wanted.score, abs=1e-5)
        assert decision.heatmap.dtype == np.uint8
        assert decision.heatmap.shape == wanted.heatmap.shape
        difference = np.abs(decision.heatmap.astype(int) - wanted.heatmap.astype(int))
        assert difference.max() <= HEATMAP_ROUNDING


def test_frames_of_another_size_are_taken_where_the_spec_leaves_it_open(
    session: Session, frames: list[Frame], expected: list[Decision]
) -> None:
    session.infer(np.zeros((33, 47, 1), np.uint8))
    session.infer(np.full((64, 96, 1), 90, np.uint8))
    assert session.infer(frames[0]).score == pytest.approx(expected[0].score, abs=1e-5)


def test_a_decision_does_not_change_when_the_next_frame_comes(session: Session, frames: list[Frame]) -> None:
    first = session.infer(frames[0])
    score, heatmap = first.score, first.heatmap.copy()
    session.infer(255 - frames[0])
    assert first.score == score
    np.testing.assert_array_equal(first.heatmap, heatmap)
    first.heatmap[:] = 0
    np.testing.assert_array_equal(session.infer(frames[0]).heatmap, heatmap)


def test_the_frame_is_left_as_it_was(session: Session, frames: list[Frame]) -> None:
    frame = frames[1].copy()
    frame.flags.writeable = False
    session.infer(frame)
    np.testing.assert_array_equal(frame, frames[1])


def test_the_same_frame_gives_the_same_decision(session: Session, frames: list[Frame]) -> None:
    first, again = session.infer(frames[2]), session.infer(frames[2])
    assert first.score == again.score
    np.testing.assert_array_equal(first.heatmap, again.heatmap)


def test_engine_times_lie_within_the_call(session: Session, frames: list[Frame]) -> None:
    before = time.perf_counter_ns()
    decision = session.infer(frames[0])
    after = time.perf_counter_ns()
    assert before <= decision.engine_start_ns < decision.engine_end_ns <= after


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((80, 100, 3), np.uint8),
        np.zeros((80, 100), np.uint8),
        np.zeros((80, 100, 1), np.float32),
        np.zeros((80, 200, 1), np.uint8)[:, ::2],
    ],
    ids=["channels", "dimensions", "type", "strides"],
)
def test_a_wrong_frame_is_refused_and_the_session_goes_on(
    session: Session, frame: Frame, frames: list[Frame], expected: list[Decision]
) -> None:
    with pytest.raises(DataError, match=r"frame: wanted C-contiguous uint8 \[height, width, 1\]"):
        session.infer(frame)
    assert session.infer(frames[0]).score == pytest.approx(expected[0].score, abs=1e-5)


def test_more_threads_decide_alike(
    backend: Backend, artifact: Artifact, frames: list[Frame], expected: list[Decision]
) -> None:
    with backend.load(artifact, threads=2) as session:
        assert session.infer(frames[3]).score == pytest.approx(expected[3].score, abs=1e-5)


def test_a_changed_file_is_refused(backend: Backend, tiny_graph: Graph, tmp_path: Path) -> None:
    artifact = backend.build(tiny_graph, TARGET, tmp_path)
    path = max(files_of(artifact.path), key=lambda each: each.stat().st_size)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(GraphError, match="build it again"):
        backend.load(artifact, threads=1)
    path.unlink()
    with pytest.raises(GraphError, match="build it again"):
        backend.load(artifact, threads=1)


@pytest.mark.parametrize("package", ["torch", "onnx"])
def test_a_station_needs_only_the_runtime(backend: Backend, artifact: Artifact, tmp_path: Path, package: str) -> None:
    if runs_checkpoint(backend.name):
        pytest.skip("torch is its runtime")
    frame_file = tmp_path / "frame.npy"
    np.save(frame_file, np.zeros((80, 100, 1), np.uint8))
    program = (
        "import sys, json, numpy\n"
        f"sys.modules[{package!r}] = None\n"
        "from beltline.export.artifacts import backends\n"
        "from beltline.export.contracts import Artifact\n"
        "artifact = Artifact.from_json(json.loads(sys.argv[1]))\n"
        "with backends()[artifact.backend].load(artifact, threads=1) as session:\n"
        "    session.infer(numpy.load(sys.argv[2]))\n"
    )
    subprocess.run(
        [sys.executable, "-c", program, json.dumps(artifact.to_json()), str(frame_file)],
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd() / ".dev")},
    )
