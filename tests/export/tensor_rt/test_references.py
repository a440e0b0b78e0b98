"""Models that compare, as engines: frame and reference are two inputs of one launch, and decide as in ONNX Runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from beltline.compress.methods.quantize import METHOD
from beltline.compress.methods.quantize.settings import QuantizeStep
from beltline.compress.recipe import GraphContext
from beltline.export.artifacts import backends
from beltline.export.contracts import Decision, Frame, Graph
from beltline.export.graph_file import open_graph
from beltline.export.tensor_rt.freezing import RecipeOptions, freeze
from beltline.export.tensor_rt.recipe import FrameRange, read_recipe, trtexec_command
from beltline.export.tensor_rt.session import TensorRtSession
from beltline.export.to_onnx import export_graph
from beltline.inspection.base.errors import DataError
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.references.moving import moved
from beltline.inspection.references.pairs import pair_of
from beltline.targets.target import Target
from drawn_boards import board, movement
from tensor_rt_machine import Machine
from tiny_inspector import write_tiny_checkpoint

_SIZE = (96, 128)
_TARGET = Target(name="jetson-orin-nano", threads=1, cpus=(0,))
_SIZES = FrameRange(least=_SIZE, usual=_SIZE, most=_SIZE, channels=1)


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    spec = FrameSpec(height=64, width=96, channels=1, mean=(0.5,), std=(0.25,), reference=True)
    folder = tmp_path_factory.mktemp("compared")
    return export_graph(write_tiny_checkpoint(folder / "tiny.safetensors", spec, gain=3.0), folder)


def pairs(*, count: int = 4) -> list[Frame]:
    made = []
    for seed in range(count):
        golden = board(seed, *_SIZE, channels=1)
        frame = moved(golden, movement((2 * seed - 5, 3), 0.4, 1, _SIZE), _SIZE)
        frame[40:48, 50 : 54 + seed] = 250
        made.append(pair_of(frame, golden))
    return made


def decided(graph: Graph, backend: str, frames: list[Frame], folder: Path, sizes: FrameRange | None) -> list[Decision]:
    place = folder / backend
    place.mkdir(parents=True)
    built = (
        freeze(graph, _TARGET, place, options=RecipeOptions(frames=sizes))
        if backend == "tensor_rt"
        else backends()[backend].build(graph, _TARGET, place)
    )
    with backends()[backend].load(built, threads=1) as session:
        if isinstance(session, TensorRtSession):
            assert session.captured == (sizes is not None)
        return [session.infer(frame) for frame in frames]


@pytest.mark.parametrize("sizes", [None, _SIZES], ids=["any size", "one size"])
def test_an_engine_decides_as_onnx_runtime_does(
    machine: Machine, graph: Graph, tmp_path: Path, sizes: FrameRange | None
) -> None:
    frames = [*pairs(), pair_of(board(1, *_SIZE, channels=1), board(2, *_SIZE, channels=1))]
    wanted = decided(graph, "onnx_runtime", frames, tmp_path, sizes)
    found = decided(graph, "tensor_rt", frames, tmp_path, sizes)
    assert [each.score for each in found] == [each.score for each in wanted]
    assert [(each.aligned, each.alignment) for each in found] == [(each.aligned, each.alignment) for each in wanted]
    assert (found[-1].score, found[-1].aligned) == (1.0, False), "what cannot be aligned goes to the safe side"
    assert len({each.score for each in found}) > 2
    assert machine.cuda.left == 0


def test_int8_as_tensor_rt_takes_it_is_calibrated_with_references(
    machine: Machine, graph: Graph, tmp_path: Path
) -> None:
    frames = pairs()
    path = tmp_path / "int8.onnx"
    context = GraphContext(
        target_file=path,
        calibration=lambda: iter(frames),
        calibration_count=len(frames),
        backend="onnx_runtime",
        progress=lambda *_: None,
        reference=True,
    )
    METHOD.apply(graph.path, QuantizeStep.model_validate({"scheme": "tensor_rt"}), context)
    found = decided(open_graph(path), "tensor_rt", frames, tmp_path, None)
    exact = decided(graph, "onnx_runtime", frames, tmp_path / "exact", None)
    assert np.abs(np.array([a.score - b.score for a, b in zip(found, exact, strict=True)])).max() < 0.25
    assert machine.cuda.left == 0


def test_the_recipe_asks_for_both_inputs(graph: Graph, tiny_graph: Graph, tmp_path: Path) -> None:
    for name, each in (("both", graph), ("alone", tiny_graph)):
        (tmp_path / name).mkdir()
        freeze(each, _TARGET, tmp_path / name)
    both = read_recipe(tmp_path / "both" / "model.json")
    assert both.inputs()["reference"] == tuple((height, width, 2) for height, width, _ in both.inputs()["frame"])
    assert "--minShapes=frame:32x32x1,reference:32x32x2" in trtexec_command(both)
    assert "compares" not in (tmp_path / "alone" / "model.json").read_text(), "an older Beltline still reads it"


def test_a_pair_of_another_size_is_refused(machine: Machine, graph: Graph, tmp_path: Path) -> None:
    artifact = freeze(graph, _TARGET, tmp_path, options=RecipeOptions(frames=_SIZES))
    with backends()["tensor_rt"].load(artifact, threads=1) as session:
        with pytest.raises(DataError, match=r"frame: the engine was built for \(96, 128, 1\) to \(96, 128, 1\)"):
            session.infer(np.zeros((2 * 97, 128, 1), np.uint8))
        assert session.infer(pairs(count=1)[0]).aligned
    assert machine.cuda.left == 0
