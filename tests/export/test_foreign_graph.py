"""Networks that others exported, with names and shapes as anomalib and ultralytics give them: wrapped, or refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from beltline.compress.networks.base.inspector import Inspector
from beltline.compress.networks.base.output_settings import OutputSettings
from beltline.compress.teacher.adapter import AdaptedNetwork
from beltline.compress.teacher.settings import TeacherSettings
from beltline.export.contracts import Frame
from beltline.export.foreign_graph import wrap_graph
from beltline.export.graph_file import open_graph
from beltline.inspection.base.errors import GraphError, LineFileError
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.frame import FrameSpec
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.preparation import prepared
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.data.streaming import frames_of
from beltline.inspection.synthetic.dataset import write_synthetic_line
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

SIZE = (96, 64)
MEAN, STD = (0.3, 0.5, 0.6), (0.2, 0.25, 0.3)


class Layers(nn.Module):
    """What the exported files below hold: one convolution, and perhaps an ending."""

    def __init__(self, outputs: int, ending: str, channels: int) -> None:
        super().__init__()
        torch.manual_seed(outputs)
        self.convolution = nn.Conv2d(channels, outputs, 5, 4, 2)
        self.convolution.weight.data *= 4
        self.ending = ending

    def forward(self, pixels: Tensor) -> Tensor:
        maps: Tensor = self.convolution(pixels)
        if "pool" in self.ending:
            maps = maps.mean(dim=(2, 3))
        if "softmax" in self.ending:
            return maps.softmax(dim=1)
        return maps.sigmoid() if "sigmoid" in self.ending else maps


def exported(
    layers: Layers,
    path: Path,
    *,
    last: bool = False,
    half: bool = False,
    shape: list[Any] | None = None,
    opset: int = 17,
    names: tuple[str, str] = ("images", "output0"),
) -> Path:
    """Write such layers as another tool would; with further outputs beside the one in question."""
    kind, numbers = (TensorProto.FLOAT16, np.float16) if half else (TensorProto.FLOAT, np.float32)
    weight, bias = (each.detach().numpy().astype(numbers) for each in layers.convolution.parameters())
    channels = weight.shape[1]
    nodes = [helper.make_node("Transpose", [names[0]], ["first"], perm=[0, 3, 1, 2])] if last else []
    source = "first" if last else names[0]
    nodes.append(
        helper.make_node("Conv", [source, "w", "b"], ["maps"], kernel_shape=[5, 5], strides=[4, 4], pads=[2] * 4)
    )
    value = "maps"
    if "pool" in layers.ending:
        nodes.append(helper.make_node("GlobalAveragePool", [value], ["pooled"]))
        nodes.append(helper.make_node("Flatten", ["pooled"], ["flat"], axis=1))
        value = "flat"
    if "softmax" in layers.ending:
        nodes.append(helper.make_node("Softmax", [value], ["ended"], axis=1))
    else:
        nodes.append(helper.make_node("Sigmoid" if "sigmoid" in layers.ending else "Identity", [value], ["ended"]))
    nodes.append(helper.make_node("Identity", ["ended"], [names[1]]))
    nodes.append(helper.make_node("ReduceMax", ["ended"], ["pred_score"], keepdims=0))
    nodes.append(helper.make_node("Greater", ["ended", "half"], ["pred_mask"]))
    dims = shape or (["batch", "height", "width", channels] if last else ["batch", channels, "height", "width"])
    rank = 2 if "pool" in layers.ending else 4
    graph = helper.make_graph(
        nodes,
        "theirs",
        [helper.make_tensor_value_info(names[0], kind, dims)],
        [
            helper.make_tensor_value_info(names[1], kind, [f"o{at}" for at in range(rank)]),
            helper.make_tensor_value_info("pred_score", kind, []),
            helper.make_tensor_value_info("pred_mask", TensorProto.BOOL, [f"o{at}" for at in range(rank)]),
        ],
        [
            numpy_helper.from_array(weight, "w"),
            numpy_helper.from_array(bias, "b"),
            numpy_helper.from_array(np.array(0.5, numbers), "half"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, path)
    return path


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("line")
    write_synthetic_line(root, seed=3, parts=60, exposures=1)
    return load_dataset(DataSettings(root=root, reader="labels_csv", channels=3))


def wrapped(path: Path, data: Dataset, **keys: Any) -> Path:
    keys = {"mean": MEAN, "std": STD, "input_size": SIZE, "output": "output0", **keys}
    keys = {key: value for key, value in keys.items() if value is not None}
    target = path.with_name("wrapped.onnx")
    wrap_graph(path, TeacherSettings.model_validate({"onnx": path, **keys}), data, target)
    return target


def decisions(path: Path, frames: list[Frame]) -> list[tuple[float, np.ndarray[Any, Any]]]:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    spec = open_graph(path).frame
    made = [session.run(["score", "heatmap"], {"frame": prepared(frame, spec)}) for frame in frames]
    return [(float(score), heatmap) for score, heatmap in made]


def frames(data: Dataset) -> list[Frame]:
    return list(frames_of(data, data.of("test")[:6]))


@pytest.mark.parametrize(
    ("outputs", "ending", "kind", "more"),
    [
        (1, "", "mask_logit", {}),
        (1, "sigmoid", "mask_probability", {}),
        (1, "sigmoid", "mask_probability", {"channels": "bgr"}),
        (1, "", "mask_logit", {"good_class": 1}),
        (2, "", "mask_class_logits", {}),
        (3, "softmax", "mask_class_probabilities", {"good_class": 2}),
        (1, "pool", "class_logits", {}),
        (4, "pool", "class_logits", {"good_class": 1}),
        (4, "pool softmax", "class_probabilities", {}),
    ],
)
@pytest.mark.parametrize("form", ["plain", "channels last", "fixed size", "opset 18", "opset 11"])
def test_a_wrapped_file_decides_as_the_same_network_in_torch(
    line: Dataset, tmp_path: Path, outputs: int, ending: str, kind: str, more: dict[str, Any], form: str
) -> None:
    if form == "opset 11" and "softmax" in ending:
        pytest.skip("softmax of opset 11 is over all axes from `axis` on: another network")
    layers = Layers(outputs, ending, 3)
    how: dict[str, Any] = {
        "channels last": {"last": True},
        "fixed size": {"shape": [1, 3, *SIZE]},
        "opset 18": {"opset": 18},
        "opset 11": {"opset": 11},
    }.get(form, {})
    made = wrapped(exported(layers, tmp_path / "m.onnx", **how), line, kind=kind, **more)
    graph = open_graph(made)
    assert graph.frame.channels == 3
    assert graph.lineage[0].startswith("teacher brought along: m.onnx (sha256:")
    settings = OutputSettings.model_validate({"output": kind, **more})
    step = -1 if more.get("channels") == "bgr" else 1
    frame = FrameSpec(height=96, width=64, channels=3, mean=MEAN[::step], std=STD[::step], resize="area")
    inspector = Inspector(AdaptedNetwork(layers, settings), frame).eval()
    for (score, heatmap), pixels in zip(decisions(made, frames(line)), frames(line), strict=True):
        with torch.inference_mode():
            theirs, map_ = inspector(torch.from_numpy(prepared(pixels, frame)))
        assert score == pytest.approx(float(theirs), abs=1e-4)
        assert heatmap.shape == tuple(map_.shape)
        assert int(np.abs(heatmap.astype(int) - map_.numpy().astype(int)).max()) <= 1


def test_half_precision_inside_stays_close(line: Dataset, tmp_path: Path) -> None:
    layers = Layers(1, "", 3)
    one = wrapped(exported(layers, tmp_path / "m.onnx"), line, kind="mask_logit")
    kept = decisions(one, frames(line))
    other = wrapped(exported(layers, tmp_path / "m.onnx", half=True), line, kind="mask_logit")
    for (score, _), (half, _) in zip(kept, decisions(other, frames(line)), strict=True):
        assert half == pytest.approx(score, abs=0.02)
    assert open_graph(other).precision == "fp16"


def test_an_anomaly_map_is_calibrated_on_good_frames(line: Dataset, tmp_path: Path) -> None:
    """As anomalib exports it: four outputs of which one is named, any batch and size."""
    layers = Layers(1, "", 3)
    path = exported(layers, tmp_path / "m.onnx", names=("input", "anomaly_map"))
    made = wrapped(path, line, kind="anomaly_map", input="input", output="anomaly_map")
    good = [sample for sample in line.of("train") if not sample.defective]
    scores = np.array([score for score, _ in decisions(made, list(frames_of(line, good)))])
    logits = np.log(scores / (1 - scores))
    assert float(logits.mean()) == pytest.approx(-4, abs=0.05)
    assert float(logits.std()) == pytest.approx(1, abs=0.05)


def test_weights_beside_the_file_are_taken_in(line: Dataset, tmp_path: Path) -> None:
    layers = Layers(1, "", 3)
    whole = decisions(wrapped(exported(layers, tmp_path / "m.onnx"), line, kind="mask_logit"), frames(line))
    model = onnx.load(tmp_path / "m.onnx")
    onnx.save_model(model, tmp_path / "m.onnx", save_as_external_data=True, location="m.data", size_threshold=0)
    made = wrapped(tmp_path / "m.onnx", line, kind="mask_logit")
    (tmp_path / "m.data").unlink()
    assert [score for score, _ in decisions(made, frames(line))] == [score for score, _ in whole]


@pytest.mark.parametrize(
    ("outputs", "ending", "how", "keys", "message"),
    [
        (1, "", {}, {"output": None}, r"write output: one of output0 .*, pred_score \[\], pred_mask"),
        (1, "", {}, {"output": "out"}, "write output: one of output0 .*got 'out'"),
        (1, "", {}, {"input": "image"}, "write input: one of images .*got 'image'"),
        (1, "sigmoid", {}, {}, "output0 gives values .*write kind: mask_probability"),
        (1, "", {}, {"kind": "mask_probability"}, "write kind: mask_logit"),
        (2, "", {}, {}, "is no mask_logit; write kind: mask_class_logits"),
        (3, "pool", {}, {}, "write kind: class_logits"),
        (1, "", {"shape": [8, 3, 96, 64]}, {}, "takes 8 frames at once; export it with a batch of 1"),
        (1, "", {"shape": [1, 3, 64, 64]}, {}, r"takes \[64, 64\] only, got input_size: \[96, 64\]; drop it"),
        (
            1,
            "",
            {},
            {"input_size": (32, 32), "kind": "mask_logit", "output": "pred_score"},
            r"pred_score gives \[\] for 1",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_line_to_write(
    line: Dataset, tmp_path: Path, outputs: int, ending: str, how: dict[str, Any], keys: dict[str, Any], message: str
) -> None:
    path = exported(Layers(outputs, ending, 3), tmp_path / "m.onnx", **how)
    with pytest.raises(GraphError, match=message):
        wrapped(path, line, **{"kind": "mask_logit", **keys})
    assert not (tmp_path / "wrapped.onnx").exists()


def test_another_number_of_channels_names_the_key(line: Dataset, tmp_path: Path) -> None:
    path = exported(Layers(1, "", 1), tmp_path / "m.onnx")
    with pytest.raises(GraphError, match=r"it takes 1 channels, the frames have 3; write data\.channels: 1"):
        wrapped(path, line, kind="mask_logit")
    path = exported(Layers(1, "", 3), tmp_path / "m.onnx")
    with pytest.raises(LineFileError, match=r"mean has 1 values"):
        wrapped(path, line, kind="mask_logit", mean=(0.5,), std=(0.2,))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"kind": "mask_logit"}, "write normalisation: imagenet"),
        ({"output": "x"}, "output with onnx need kind"),
        ({"kind": "mask_logit", "normalisation": "unit", "output_at": "x"}, "output_at only go with factory"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TeacherSettings.model_validate({"onnx": "m.onnx", **keys})
