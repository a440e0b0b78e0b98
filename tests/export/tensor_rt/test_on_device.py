"""What only the real TensorRT can show. With a GPU and TensorRT: `pytest -m tensorrt` runs these and the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from beltline.compress.methods.quantize import METHOD, QuantizeStep
from beltline.compress.recipe import GraphContext
from beltline.export.artifacts import backends
from beltline.export.contracts import Artifact, Frame, Graph
from beltline.export.graph_file import open_graph
from beltline.export.tensor_rt.freezing import RecipeOptions, freeze
from beltline.export.tensor_rt.presence import gpu, import_tensorrt, missing_parts
from beltline.export.tensor_rt.recipe import FrameRange
from beltline.export.tensor_rt.session import TensorRtSession
from beltline.targets.target import Target

pytestmark = [
    pytest.mark.tensorrt,
    pytest.mark.skipif(missing_parts() is not None, reason=missing_parts() or "TensorRT is here"),
]
TARGET = Target(name="local", threads=1, cpus=(0,))
ONE_SIZE = FrameRange(least=(80, 100), usual=(80, 100), most=(80, 100), channels=1)


@pytest.fixture(autouse=True)
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def frozen(graph: Graph, folder: Path) -> Artifact:
    folder.mkdir()
    return freeze(graph, TARGET, folder, options=RecipeOptions(frames=ONE_SIZE))


def scores(backend: str, artifact: Artifact, frames: list[Frame]) -> list[float]:
    with backends()[backend].load(artifact, threads=1) as session:
        return [session.infer(frame).score for frame in frames]


def on_onnx_runtime(graph: Graph, frames: list[Frame], folder: Path) -> list[float]:
    folder.mkdir()
    return scores("onnx_runtime", backends()["onnx_runtime"].build(graph, TARGET, folder), frames)


@pytest.fixture
def int8_graph(tiny_graph: Graph, frames: list[Frame], tmp_path: Path) -> Graph:
    path = tmp_path / "int8.onnx"

    def calibration() -> Iterator[Frame]:
        return iter(frames)

    context = GraphContext(
        target_file=path,
        calibration=calibration,
        calibration_count=len(frames),
        backend="tensor_rt",
        progress=lambda *_: None,
    )
    METHOD.apply(tiny_graph.path, QuantizeStep(scheme="tensor_rt"), context)
    return open_graph(path)


def test_float_scores_are_those_of_onnx_runtime(tiny_graph: Graph, frames: list[Frame], tmp_path: Path) -> None:
    wanted = on_onnx_runtime(tiny_graph, frames, tmp_path / "reference")
    assert scores("tensor_rt", frozen(tiny_graph, tmp_path / "frozen"), frames) == pytest.approx(wanted, abs=1e-3)


def test_int8_scores_are_near_those_of_onnx_runtime(int8_graph: Graph, frames: list[Frame], tmp_path: Path) -> None:
    wanted = on_onnx_runtime(int8_graph, frames, tmp_path / "reference")
    assert scores("tensor_rt", frozen(int8_graph, tmp_path / "frozen"), frames) == pytest.approx(wanted, abs=2e-2)


def test_an_engine_for_one_size_is_captured_and_decides_alike(
    tiny_graph: Graph, frames: list[Frame], tmp_path: Path
) -> None:
    artifact = frozen(tiny_graph, tmp_path / "frozen")
    with backends()["tensor_rt"].load(artifact, threads=1) as session:
        assert isinstance(session, TensorRtSession)
        assert session.captured
        first = [session.infer(frame).score for frame in frames]
        assert [session.infer(frame).score for frame in frames] == first


def test_the_second_build_starts_from_the_first_one_s_timings(tiny_graph: Graph, tmp_path: Path) -> None:
    artifact = frozen(tiny_graph, tmp_path / "frozen")
    notified: list[str] = []
    backends()["tensor_rt"].prepare(artifact, notify=notified.append)  # type: ignore[attr-defined]
    store = tmp_path / "cache/beltline/engines"
    (timings,) = store.glob("timing-*.cache")
    assert timings.stat().st_size > 0
    for engine in store.glob("*.engine"):
        engine.unlink()
    backends()["tensor_rt"].prepare(artifact, notify=notified.append)  # type: ignore[attr-defined]
    assert not any("starting anew" in message for message in notified)


def test_the_device_describes_itself() -> None:
    assert gpu().name
    assert import_tensorrt().__version__.split(".")[0] in ("10", "11")
