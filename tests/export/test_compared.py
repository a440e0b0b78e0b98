"""Models that compare: two inputs in the graph, the same decision everywhere, the safe side where nothing aligns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from beltline.compress.methods.quantize import METHOD
from beltline.compress.methods.quantize.settings import QuantizeStep
from beltline.compress.recipe import GraphContext
from beltline.export.artifacts import backends
from beltline.export.bundles.golden import frame_bytes, frame_of
from beltline.export.contracts import Decision, Frame, Graph
from beltline.export.graph_file import open_graph
from beltline.export.to_onnx import export_graph
from beltline.inspection.base.errors import DataError, GraphError
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.references.moving import moved
from beltline.inspection.references.pairs import pair_of
from beltline.targets.target import Target
from drawn_boards import board, movement
from tiny_inspector import write_tiny_checkpoint

_SIZE = (96, 128)
_TARGET = Target(name="local", threads=1, cpus=(0,))


def spec_of(*, channels: int, fixed: bool) -> FrameSpec:
    size = {"frame_height": _SIZE[0], "frame_width": _SIZE[1]} if fixed else {}
    return FrameSpec(
        height=64, width=96, channels=channels, mean=(0.5,) * channels, std=(0.25,) * channels, reference=True, **size
    )


def pairs(channels: int) -> list[Frame]:
    made = []
    for seed in range(6):
        golden = board(seed, *_SIZE, channels=channels)
        frame = moved(golden, movement((2 * seed - 5, 3), 0.4, 1, _SIZE), _SIZE)
        frame[40:48, 50 : 54 + seed] = 250
        made.append(pair_of(frame, golden))
    return made


@pytest.fixture(scope="module", params=[(1, True), (3, False)], ids=["grey, one size", "colour, any size"])
def graph(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Graph:
    channels, fixed = request.param
    folder = tmp_path_factory.mktemp("compared")
    path = write_tiny_checkpoint(folder / "tiny.safetensors", spec_of(channels=channels, fixed=fixed), gain=3.0)
    return export_graph(path, folder)


def decisions(graph: Graph, backend: str, frames: Sequence[Frame], folder: Path) -> list[Decision]:
    place = folder / f"{backend}-{graph.precision}"
    place.mkdir()
    artifact = backends()[backend].build(graph, _TARGET, place)
    with backends()[backend].load(artifact, threads=1) as session:
        return [session.infer(frame) for frame in frames]


def test_the_graph_has_two_inputs_and_says_so(graph: Graph) -> None:
    inputs = {each.name: each.type.tensor_type.shape.dim[2].dim_value for each in onnx.load(graph.path).graph.input}
    assert inputs == {"frame": graph.frame.channels, "reference": graph.frame.channels + 1}
    assert graph.frame.reference
    assert FrameSpec.from_json(graph.frame.to_json()) == graph.frame


def test_torch_and_both_runtimes_decide_alike(graph: Graph, tmp_path: Path) -> None:
    frames = pairs(graph.frame.channels)
    found = {name: decisions(graph, name, frames, tmp_path) for name in ("torch_eager", "onnx_runtime", "open_vino")}
    wanted = [each.score for each in found["torch_eager"]]
    assert max(wanted) - min(wanted) > 1e-3
    for each in found.values():
        np.testing.assert_allclose([one.score for one in each], wanted, atol=2e-4)
        assert all(one.aligned and one.alignment is not None and one.alignment > 0.5 for one in each)
        assert all(one.engine_start_ns < one.engine_end_ns for one in each)


@pytest.mark.parametrize("backend", ["torch_eager", "onnx_runtime", "open_vino"])
def test_a_part_whose_reference_does_not_fit_goes_to_the_safe_side(graph: Graph, backend: str, tmp_path: Path) -> None:
    golden, other = (board(seed, *_SIZE, channels=graph.frame.channels) for seed in (1, 2))
    (decided,) = decisions(graph, backend, [pair_of(golden, other)], tmp_path)
    assert (decided.score, decided.aligned) == (1.0, False)


def test_another_reference_gives_another_score(graph: Graph, tmp_path: Path) -> None:
    frame = pairs(graph.frame.channels)[3][: _SIZE[0]]
    clean, marked = (board(3, *_SIZE, channels=graph.frame.channels) for _ in range(2))
    marked[40:48, 50:57] = 250
    one, other = decisions(graph, "onnx_runtime", [pair_of(frame, each) for each in (clean, marked)], tmp_path)
    assert one.score != other.score


def test_int8_is_calibrated_with_references(graph: Graph, tmp_path: Path) -> None:
    frames = pairs(graph.frame.channels)
    for scheme, backend in (("open_vino", "open_vino"), ("onnx_runtime", "onnx_runtime")):
        path = tmp_path / f"{scheme}.onnx"
        context = GraphContext(
            target_file=path,
            calibration=lambda: iter(frames),
            calibration_count=len(frames),
            backend=backend,
            progress=lambda *_: None,
            reference=True,
        )
        METHOD.apply(graph.path, QuantizeStep.model_validate({"scheme": scheme}), context)
        quantized = open_graph(path)
        assert (quantized.precision, quantized.frame) == ("int8", graph.frame)
        scores = [each.score for each in decisions(quantized, backend, frames, tmp_path)]
        exact = [each.score for each in decisions(graph, backend, frames, tmp_path)]
        assert np.abs(np.array(scores) - exact).max() < 0.25


def test_a_golden_pair_is_stored_as_one_picture() -> None:
    for pair in (pairs(1)[0], pairs(3)[0]):
        assert np.array_equal(frame_of(frame_bytes(pair), name="pair"), pair)


def test_a_frame_without_its_reference_is_refused(tmp_path: Path, graph: Graph) -> None:
    lone = np.zeros((95, _SIZE[1], graph.frame.channels), np.uint8)
    with pytest.raises(DataError, match="frame above its reference: wanted C-contiguous"):
        decisions(graph, "onnx_runtime", [lone], tmp_path)


def test_an_input_of_another_depth_is_refused(graph: Graph, tmp_path: Path) -> None:
    model = onnx.load(graph.path)
    next(each for each in model.graph.input if each.name == "reference").type.tensor_type.shape.dim[2].dim_value = 7
    onnx.save(model, tmp_path / "wrong.onnx")
    with pytest.raises(GraphError, match=r"`reference` as|existing shape differ in dimension"):
        open_graph(tmp_path / "wrong.onnx")


def test_planes_are_joined_whole_since_engines_join_pixel_by_pixel_at_a_third_of_the_models_time(
    tmp_path: Path,
) -> None:
    spec = spec_of(channels=1, fixed=True)
    graph = export_graph(write_tiny_checkpoint(tmp_path / "compared.safetensors", spec, gain=3.0), tmp_path)
    nodes = onnx.load(graph.path).graph.node
    first = next(each for each in nodes if each.op_type == "Concat")
    assert [each.i for each in first.attribute if each.name == "axis"] == [1]
