"""A graph cut to other widths against the one that is exported after the network itself was made narrow."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from beltline.compress.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from beltline.compress.methods.prune.width_groups import narrow, network_shape
from beltline.compress.methods.quantize import METHOD as QUANTIZE
from beltline.compress.networks.base.families import build_network, normal_network
from beltline.compress.networks.base.inspector import Inspector
from beltline.compress.networks.base.shape import NetworkShape
from beltline.compress.recipe import GraphContext
from beltline.export.narrowing import layer_nodes, narrowed
from beltline.export.to_onnx import export_graph
from beltline.inspection.base.errors import GraphError
from beltline.inspection.data.frame import FrameSpec

FRAME = FrameSpec(height=64, width=64, channels=1, mean=(0.5,), std=(0.25,), frame_height=64, frame_width=64)
PLAIN = {"family": "plain", "width": 16, "depth": 1}
WEIGHTED = ("Conv", "Gemm", "MatMul")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Nets this small wait longer for a second thread than it saves."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Exported:
    """A network with random weights as a checkpoint, its graph, and what its widths may be."""

    def __init__(self, network: dict[str, Any], folder: Path) -> None:
        torch.manual_seed(0)
        full = normal_network(network)
        inspector = Inspector(build_network(full, 1), FRAME).eval()
        self.folder, self.checkpoint = folder, folder / "model.safetensors"
        save_checkpoint(
            self.checkpoint, Checkpoint(network=full, frame=FRAME, lineage=("made for a test",), inspector=inspector)
        )
        self.shape: NetworkShape = network_shape(inspector, round_to=8)
        self.path = export_graph(self.checkpoint, folder).path
        self.model = onnx.load(self.path)

    def narrow_ones(self) -> dict[str, int]:
        return {group.name: group.choices()[(len(group.choices()) - 1) // 2] for group in self.shape.groups}

    @cached_property
    def truly_narrow(self) -> onnx.ModelProto:
        checkpoint = load_checkpoint(self.checkpoint)
        narrow(checkpoint.inspector, self.narrow_ones())
        save_checkpoint(self.folder / "narrow.safetensors", checkpoint)
        (self.folder / "narrow").mkdir()
        return onnx.load(export_graph(self.folder / "narrow.safetensors", self.folder / "narrow").path)


def weights(model: onnx.ModelProto) -> list[tuple[int, ...]]:
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}

    def shape_of(name: str) -> tuple[int, ...]:
        return shapes[name] if name in shapes else shape_of(makers[name].input[0])

    return [shape_of(node.input[1]) for node in model.graph.node if node.op_type in WEIGHTED]


def scores(model: onnx.ModelProto) -> np.ndarray[Any, np.dtype[np.float32]]:
    from onnxruntime import InferenceSession

    session = InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found: np.ndarray[Any, np.dtype[np.float32]] = session.run(None, {"frame": np.full((64, 64, 1), 90, np.uint8)})[0]
    return found


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return Exported(PLAIN, tmp_path_factory.mktemp("plain"))


def require_cut_as_narrow(made: Exported, *, same_channels: bool = True) -> None:
    cut = narrowed(made.model, layer_nodes(made.model), made.shape.counts(made.narrow_ones()))
    exact = made.truly_narrow
    assert weights(cut) == weights(exact) != weights(made.model)
    onnx.checker.check_model(cut, full_check=True)
    if same_channels:
        assert scores(cut) == pytest.approx(scores(exact), abs=1e-4), "both keep the first channels"
    else:
        assert 0 < float(scores(cut)) < 1


def test_a_cut_graph_has_the_shapes_of_the_narrow_network_and_gives_what_it_gives(plain: Exported) -> None:
    require_cut_as_narrow(plain)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "same_channels"),
    [
        ({"family": "timm", "backbone": "mobilenetv3_small_050", "width": 16}, True),
        # Of a norm's 32 groups of two channels the narrow network keeps the first of each, the cut graph the first 32:
        # as long to compute, which is what the cut is for, but other weights.
        ({"family": "smp", "decoder_width": 128}, False),
    ],
    ids=["depthwise and squeeze", "residual sums and group norms"],
)
def test_so_has_one_of_any_family(network: dict[str, Any], same_channels: bool, tmp_path: Path) -> None:
    require_cut_as_narrow(Exported(network, tmp_path), same_channels=same_channels)


@pytest.mark.parametrize("scheme", ["open_vino", "onnx_runtime", "tensor_rt"])
def test_a_quantized_graph_is_cut_as_well(scheme: str, plain: Exported, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    frames = [random.integers(0, 256, (64, 64, 1), dtype=np.uint8) for _ in range(4)]
    context = GraphContext(
        target_file=tmp_path / "int8.onnx",
        calibration=lambda: iter(frames),
        calibration_count=len(frames),
        backend=scheme,
        progress=lambda _what, _done, _of: None,
    )
    QUANTIZE.apply(plain.path, QUANTIZE.step_type(scheme=scheme), context)
    quantized = onnx.load(tmp_path / "int8.onnx")
    cut = narrowed(quantized, layer_nodes(plain.model), plain.shape.counts(plain.narrow_ones()))
    exact = plain.truly_narrow
    assert sorted(weights(cut)) == sorted(weights(exact)), "the quantizer orders nodes anew"
    assert 0 <= float(scores(cut)) <= 1
    assert len(cut.SerializeToString()) < len(quantized.SerializeToString())


def test_a_layer_without_a_name_of_the_networks_stops_it(plain: Exported) -> None:
    layers = layer_nodes(plain.model)
    forgotten = next(node for node, layer in layers.items() if layer == "stages.1.0.0")
    known = {node: layer for node, layer in layers.items() if node != forgotten}
    with pytest.raises(GraphError, match=f"layer {forgotten} .* its width cannot be changed"):
        narrowed(plain.model, known, plain.shape.counts(plain.narrow_ones()))
