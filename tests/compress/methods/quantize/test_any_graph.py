"""What users bring to `quantize`: weights that are computed, graphs that a quantizer does not take."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from beltline.compress.graph_bytes import graph_bytes
from beltline.compress.methods.quantize import METHOD, QuantizeStep
from beltline.compress.methods.quantize.folding import fold_weights
from beltline.compress.methods.quantize.schemes import SCHEMES
from beltline.compress.methods.quantize.shifts import advice, logit_shift, scores_on
from beltline.compress.recipe import GraphContext
from beltline.export.contracts import Frame, Graph
from beltline.export.graph_file import FRAME_KEY, open_graph
from beltline.inspection.base.errors import RecipeError
from torch import Tensor, nn
from torch.nn.utils import parametrizations


class Standardised(nn.Conv2d):
    """Weight standardisation: filters have mean 0 and variance 1 at every forward."""

    def forward(self, x: Tensor) -> Tensor:
        mean, spread = self.weight.mean((1, 2, 3), keepdim=True), self.weight.std((1, 2, 3), keepdim=True)
        return self._conv_forward(x, (self.weight - mean) / (spread + 1e-5), self.bias)


COMPUTED: dict[str, Callable[[], nn.Module]] = {
    "weight_norm": lambda: parametrizations.weight_norm(nn.Conv2d(8, 8, 3, padding=1)),
    "spectral_norm": lambda: nn.utils.spectral_norm(nn.Conv2d(8, 8, 3, padding=1)),
    "weight standardisation": lambda: Standardised(8, 8, 3, padding=1),
}


class Decides(nn.Module):
    """A frame to a score, around a layer."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 8, 3, 4, 1), nn.ReLU(), layer, nn.ReLU(), nn.Conv2d(8, 1, 1))

    def forward(self, frame: Tensor) -> tuple[Tensor, Tensor]:
        logits = self.body(frame.permute(2, 0, 1).unsqueeze(0).float() / 64 - 1)
        return torch.sigmoid(logits.amax()), (torch.sigmoid(logits[0, 0]) * 255).round().to(torch.uint8)


def exported(layer: nn.Module, frames: list[Frame], like: Graph, path: Path) -> Path:
    """Export without any folding, as older exporters and other tools do."""
    torch.onnx.export(
        Decides(layer).eval(),
        (torch.from_numpy(frames[0]),),
        path,
        input_names=["frame"],
        output_names=["score", "heatmap"],
        opset_version=18,
        do_constant_folding=False,
        dynamo=False,
    )
    height, width, _ = frames[0].shape
    spec = replace(like.frame, frame_height=height, frame_width=width)
    properties = {FRAME_KEY: json.dumps(spec.to_json())}
    path.write_bytes(graph_bytes(onnx.load(path), properties=properties))
    return path


def context_of(frames: list[Frame], path: Path, **options: Any) -> GraphContext:
    wanted = {"backend": "open_vino", "calibration_count": len(frames), "progress": lambda *_: None}
    return GraphContext(target_file=path, calibration=lambda: iter(frames), **{**wanted, **options})


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:.*spectral_norm:FutureWarning")
@pytest.mark.parametrize("name", COMPUTED)
def test_computed_weights_are_folded_and_quantized(
    name: str, tiny_graph: Graph, frames: list[Frame], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    path = exported(COMPUTED[name](), frames, tiny_graph, tmp_path / "float.onnx")
    model = onnx.load(path)
    before = scores_on(model, [{"frame": each} for each in frames])
    assert fold_weights(model) >= 1
    assert fold_weights(model) == 0
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_allclose(scores_on(model, [{"frame": each} for each in frames]), before, atol=1e-6)
    constants = {tensor.name for tensor in model.graph.initializer}
    assert all(node.input[1] in constants for node in model.graph.node if node.op_type == "Conv")
    for scheme in SCHEMES:
        target = tmp_path / f"{scheme}.onnx"
        METHOD.apply(path, QuantizeStep(scheme=scheme), context_of(frames, target))
        assert open_graph(target).precision == "int8"
        assert logit_shift(scores_on(onnx.load(target), [{"frame": each} for each in frames]), before) < 0.5


def test_what_a_quantizer_raises_becomes_one_sentence(tiny_graph: Graph, frames: list[Frame], tmp_path: Path) -> None:
    path = tmp_path / "odd.onnx"
    model = onnx.load(tiny_graph.path)
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    conv.input[1] = "frame"  # no weight at all: every quantizer stumbles in its own way
    path.write_bytes(model.SerializeToString())
    target = tmp_path / "int8.onnx"
    with pytest.raises(RecipeError, match=r"quantize: open_vino does not take this graph \(.*\); write scheme: one of"):
        METHOD.apply(path, QuantizeStep(), context_of(frames, target))
    assert not target.exists()


def test_a_row_says_where_the_other_runtime_moves_logits_less(
    tiny_graph: Graph, frames: list[Frame], tmp_path: Path
) -> None:
    notified: list[str] = []
    target = tmp_path / "int8.onnx"
    clipped = QuantizeStep(calibrator="percentile", percentile=90)
    context = context_of(frames, target, notify=notified.append, weight_bits=8)  # scored in float: nothing overflows
    METHOD.apply(tiny_graph.path, clipped, context)
    reference = scores_on(onnx.load(tiny_graph.path), [{"frame": each} for each in frames])
    shift = logit_shift(scores_on(onnx.load(target), [{"frame": each} for each in frames]), reference)
    line = open_graph(target).lineage[-1]
    assert shift > 0.25, "a tenth of all values clipped is felt"
    assert "scheme: onnx_runtime with its backend fits this network better" in line
    assert len(notified) == 1
    METHOD.apply(tiny_graph.path, QuantizeStep(), context)
    assert "fits this network better" not in open_graph(target).lineage[-1]
    assert len(notified) == 1


def test_advice_needs_a_clear_difference() -> None:
    assert advice(0.9, 0.31) is None
    assert "by 0.9 on average, ONNX Runtime's int8 by 0.29" in str(advice(0.9, 0.29))
