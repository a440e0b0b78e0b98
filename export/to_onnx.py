"""From a checkpoint to ONNX: pre-processing, network and decision in one graph, the same bytes every time."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..compress.graph_bytes import graph_bytes, with_lineage
from ..inspection.base.errors import GraphError, MissingPartError
from ..inspection.base.packages import missing_package
from ..inspection.base.storage import write_bytes
from ..inspection.data.frame import FrameSpec
from .contracts import Graph
from .graph_file import FRAME_KEY, frame_text, open_graph

if TYPE_CHECKING:
    from onnx import ModelProto

_OPSET = 18  # the exporter's own; QuantizeLinear per channel (13) and Resize (18) are in it
_LARGEST_PIXELS = 16384


def export_graph(checkpoint_path: Path, folder: Path) -> Graph:
    """Export a checkpoint to `model.onnx` and check the result as if a stranger had sent it.

    Frame height and width stay open unless the checkpoint's `FrameSpec` fixes what the graph is given.

    Args:
        checkpoint_path: What `compress.checkpoint.save_checkpoint` wrote.
        folder: Existing folder to write into.

    Raises:
        GraphError: The network holds something that ONNX cannot say; the message holds the exporter's own words.
        MissingPartError: torch, onnx or onnxscript is not installed.
        WeightsError: The checkpoint cannot be read.
    """
    for package in ("torch", "onnx", "onnxscript"):
        if (missing := missing_package(package, "train")) is not None:
            raise MissingPartError(missing)
    from ..compress.checkpoint import load_checkpoint

    checkpoint = load_checkpoint(checkpoint_path)
    model = _exported(checkpoint.inspector.eval(), checkpoint.frame.in_graph, checkpoint_path)
    path = folder / "model.onnx"
    properties = {FRAME_KEY: frame_text(checkpoint.frame)}
    extended = with_lineage(properties, checkpoint.lineage)
    write_bytes(path, graph_bytes(model, properties=extended))
    return open_graph(path, checkpoint=checkpoint_path)


def _exported(inspector: Any, frame: FrameSpec, source: Path) -> ModelProto:
    import torch

    height = (
        frame.frame_height or frame.height + 1
    )  # no size of the network's own, lest the exporter takes it for fixed
    width = frame.frame_width or frame.width + 2
    names = ["frame", "reference"] if frame.reference else ["frame"]
    depths = [frame.channels, frame.channels + 1]
    examples = tuple(
        torch.zeros((height, width, depth), dtype=torch.uint8) for depth, _ in zip(depths, names, strict=False)
    )
    open_dimensions = _open_dimensions(frame)
    try:
        with warnings.catch_warnings():
            # frame and reference have one size, and so one name for each axis, as is meant
            warnings.filterwarnings("ignore", message="# The axis name: (height|width) will not be used")
            program = torch.onnx.export(
                inspector,
                examples,
                dynamo=True,
                input_names=names,
                output_names=["score", "heatmap", *(["kinds"] if frame.kinds else [])],
                dynamic_shapes=dict.fromkeys(names, open_dimensions),
                opset_version=_OPSET,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        cause = str(error.__cause__ or error).strip().splitlines()[0]
        msg = f"{source}: torch cannot say this network in ONNX: {cause}; choose another network or export it yourself"
        raise GraphError(msg) from error
    return cast("ModelProto", cast("torch.onnx.ONNXProgram", program).model_proto)


def _open_dimensions(frame: FrameSpec) -> dict[int, Any]:
    from torch.export import Dim

    dimensions: dict[int, Any] = {2: Dim.STATIC}
    for axis, (name, fixed) in enumerate((("height", frame.frame_height), ("width", frame.frame_width))):
        dimensions[axis] = Dim.STATIC if fixed is not None else Dim(name, min=2, max=_LARGEST_PIXELS)
    return dimensions
