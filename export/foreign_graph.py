"""A network that somebody else exported: pre- and post-processing are put around it, so that nobody edits graphs.

The graph itself is not changed: its names get a prefix, its input is fed with normalised frames, and one of its outputs
becomes score and heatmap, as `compress.networks.base.inspector.Inspector` does it for torch networks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..compress.graph_bytes import graph_bytes, properties_of, with_lineage
from ..compress.networks.base.output_settings import OutputSettings, shape_misfit, value_misfit
from ..compress.teacher.frames import frame_size, frame_spec, shrinks, with_camera
from ..compress.teacher.settings import TeacherSettings
from ..inspection.base.errors import GraphError, MissingPartError
from ..inspection.base.packages import missing_package
from ..inspection.base.storage import digest_of_file, write_bytes
from ..inspection.data.bayer import in_colour
from ..inspection.data.dataset import Dataset, Sample, evenly
from ..inspection.data.frame import is_input_size
from ..inspection.data.preparation import resized
from ..inspection.data.streaming import frames_of
from .graph_file import FRAME_KEY, frame_text, open_graph
from .graph_reading import parse_model, read_model, require_valid

if TYPE_CHECKING:
    from onnx import ModelProto

_PREFIX = "network/"
_OLDEST_OPSET = 13
_EACH = 8
_CALIBRATED_ON = 256
_EPSILON = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
    """How frames go into a graph and what comes out of it.

    Attributes:
        input: Its name in the graph.
        output: Likewise.
        element: ONNX's number of the input's type.
        channels_last: The graph takes `[N, h, w, channels]`.
        size: Height and width that it takes.
        frame: Height and width of the frames that it is given, None where they differ.
        shrinks: Frames are averaged over areas to `size` before the graph.
        mean: Per channel, RGB order.
        std: Likewise.
        reading: How the output is read.
        gain: Scale of an anomaly map.
        offset: Anomaly that is called neither good nor defective.
        classes: Channels of the output, as seen.
    """

    input: str
    output: str
    element: int
    channels_last: bool
    size: tuple[int, int]
    frame: tuple[int | None, int | None]
    shrinks: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    reading: OutputSettings
    gain: float = 1.0
    offset: float = 0.0
    classes: int = 1


def wrap_graph(source: Path, settings: TeacherSettings, dataset: Dataset, target_file: Path) -> None:
    """Make an inspector of a finished network and write it as ONNX.

    Args:
        source: The user's file; weights beside it are taken in.
        settings: With `kind`.
        dataset: Frames of its train split are run through the graph.
        target_file: To write.

    Raises:
        GraphError: The file cannot be used so; the message holds the line to write.
        LineFileError: The normalisation is for other frames.
        MissingPartError: onnx or onnxruntime is not installed.
    """
    if (missing := missing_package("onnxruntime", "onnxruntime")) is not None:
        raise MissingPartError(missing)
    model = _prepared(parse_model(source), source)
    plan = _planned(model, settings, dataset, source)
    plan = _tried(model, plan, dataset, source)
    reading, how = plan.reading, settings.normalisation or "its own mean and std"
    line = (
        f"teacher brought along: {source.name} ({digest_of_file(source)[:19]}), {reading.output} at "
        f"{plan.output.removeprefix(_PREFIX)}, normalisation {how}, {reading.channels.upper()}"
    )
    wrapped = _wrapped(model, plan)
    write_bytes(target_file, graph_bytes(wrapped, properties=with_lineage({}, (line,))))
    keep_frame(target_file, dataset, averaged=plan.shrinks)


def keep_frame(file: Path, dataset: Dataset, *, averaged: bool = False) -> None:
    """Write into a finished graph how the line's frames become what it is given, where it cannot show that itself.

    Args:
        file: An ONNX file that keeps the inspector contract; changed in place.
        dataset: The line's frames.
        averaged: Frames are averaged over areas to the size that the graph takes.

    Raises:
        GraphError: Another contract.
    """
    alone = frame = open_graph(file).frame
    if averaged:
        height, width = frame_size(dataset)
        rows, columns = alone.frame_height or alone.height, alone.frame_width or alone.width
        frame = replace(frame, height=rows, width=columns, frame_height=height, frame_width=width, resize="area")
    frame = with_camera(frame, dataset)
    if frame != alone:
        model = read_model(file)
        write_bytes(file, graph_bytes(model, properties={**properties_of(model), FRAME_KEY: frame_text(frame)}))
        open_graph(file)


def _prepared(model: ModelProto, source: Path) -> ModelProto:
    """Bring a graph to where nodes can be put around it."""
    import onnx
    from onnx import inliner, version_converter

    if model.functions:
        model = inliner.inline_local_functions(model)
    require_valid(model, source)
    opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 0)
    if opset < _OLDEST_OPSET:
        try:
            model = version_converter.convert_version(model, _OLDEST_OPSET)
        except (RuntimeError, ValueError) as error:
            msg = f"{source}: opset {opset} cannot be brought to {_OLDEST_OPSET}: {error}; export it with opset 17"
            raise GraphError(msg) from error
    del model.graph.value_info[:]
    return onnx.compose.add_prefix(model, _PREFIX)


def _planned(model: ModelProto, settings: TeacherSettings, dataset: Dataset, source: Path) -> _Plan:
    from onnx import TensorProto

    weights = {each.name for each in model.graph.initializer}
    inputs = {each.name.removeprefix(_PREFIX): each for each in model.graph.input if each.name not in weights}
    outputs = {each.name.removeprefix(_PREFIX): each for each in model.graph.output}
    given = _named("input", settings.input, inputs, source)
    output = _named("output", settings.output, outputs, source)
    kind, dims = given.type.tensor_type.elem_type, _dims(given)
    if kind not in (TensorProto.FLOAT, TensorProto.FLOAT16) or len(dims) != 4:
        got = f"{TensorProto.DataType.Name(kind)} {dims}"
        msg = f"{source}: wanted a float image [N, channels, h, w] or [N, h, w, channels] as input, got {got}"
        raise GraphError(msg)
    if dims[0] not in (None, 1):
        msg = f"{source}: it takes {dims[0]} frames at once; export it with a batch of 1 or of any size"
        raise GraphError(msg)
    last = dims[3] in (1, 3) and dims[1] not in (1, 3)
    count, height, width = (dims[3], dims[1], dims[2]) if last else dims[1:]
    if count not in (None, dataset.channels):
        msg = f"{source}: it takes {count} channels, the frames have {dataset.channels}; write data.channels: {count}"
        raise GraphError(msg)
    measured = frame_spec(dataset, settings.input_size)
    mean, std = settings.moments((measured.mean, measured.std))
    size = (height or measured.height, width or measured.width)
    if settings.input_size is not None and size != settings.input_size:
        msg = f"{source}: it takes {list(size)} only, got input_size: {list(settings.input_size)}; drop it"
        raise GraphError(msg)
    before = shrinks(dataset, *size) and is_input_size(*size)
    return _Plan(
        input=given.name,
        output=output.name,
        element=kind,
        channels_last=last,
        size=size,
        frame=size if before else (measured.frame_height, measured.frame_width),
        shrinks=before,
        mean=mean,
        std=std,
        reading=settings.reading,
    )


def _named(key: str, name: str | None, found: dict[str, Any], source: Path) -> Any:
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name not in found:
        listed = ", ".join(f"{each} {_dims(value)}" for each, value in found.items())
        got = "" if name is None else f", got {name!r}"
        msg = f"{source}: write {key}: one of {listed}{got}"
        raise GraphError(msg)
    return found[name]


def _dims(value: Any) -> list[int | None]:
    dims = value.type.tensor_type.shape.dim
    return [each.dim_value if each.HasField("dim_value") and each.dim_value > 0 else None for each in dims]


def _tried(model: ModelProto, plan: _Plan, dataset: Dataset, source: Path) -> _Plan:
    """Run real frames through the graph, see that the output is what its kind says, and calibrate an anomaly map."""
    train = dataset.of("train")
    bad, good = ([sample for sample in train if sample.defective is kind] for kind in (True, False))
    values = list(_raw(model, plan, dataset, [*evenly(good, _EACH), *evenly(bad, _EACH)], source))
    misfit = shape_misfit(values[0].shape, plan.reading, frames=1, key="kind")
    misfit = misfit or value_misfit(np.concatenate(values), plan.reading, key="kind")
    if misfit is not None:
        msg = f"{source}: {plan.output.removeprefix(_PREFIX)} {misfit}"
        raise GraphError(msg)
    if plan.reading.output != "anomaly_map":
        return replace(plan, classes=values[0].shape[1] if values[0].ndim in (2, 4) else 1)
    scores = [_largest_mean(each) for each in _raw(model, plan, dataset, good[:_CALIBRATED_ON], source)]
    spread = max(float(np.std(scores)), 1e-6)
    return replace(plan, gain=1.0 / spread, offset=float(np.mean(scores)) + 4.0 * spread)


def _raw(
    model: ModelProto, plan: _Plan, dataset: Dataset, samples: Sequence[Sample], source: Path
) -> Iterator[NDArray[np.float32]]:
    """Give what the graph itself says of frames, `[1, ...]` each."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(
            _wrapped(model, plan, raw=True).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        for raw in frames_of(dataset, samples):
            frame = in_colour(raw, dataset.camera.bayer)
            given = resized(frame, *plan.size) if plan.shrinks else frame
            yield np.asarray(session.run(None, {"frame": given})[0], np.float32)
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime"):
            raise
        msg = (
            f"{source}: it fails on a frame of {plan.size[0]} x {plan.size[1]}: {str(error).strip().splitlines()[0]}; "
            "write the input_size that it was exported for"
        )
        raise GraphError(msg) from error


def _largest_mean(values: NDArray[np.float32]) -> float:
    windows = np.lib.stride_tricks.sliding_window_view(values.reshape(values.shape[-2:]), (3, 3))
    return float(windows.mean(axis=(2, 3)).max())


class _Nodes:
    """Nodes and constants under names of their own."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, values: Any, kind: Any = np.float32) -> str:
        """Add numbers."""
        from onnx import numpy_helper

        name = f"inspector/constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, kind), name))
        return name

    def add(self, kind: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node and give the name of its output."""
        from onnx import helper

        name = output or f"inspector/{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name


def _wrapped(model: ModelProto, plan: _Plan, *, raw: bool = False) -> ModelProto:
    """Put nodes around a graph; with `raw` its own output, as float32, is all that comes out."""
    from onnx import ModelProto, TensorProto, helper

    before, after = _Nodes(), _Nodes()
    after.constants = before.constants
    _frame_in(before, plan)
    values = after.add("Cast", plan.output, output="values", to=TensorProto.FLOAT)
    outputs = [helper.make_tensor_value_info("values", TensorProto.FLOAT, None)]
    if not raw:
        opset = next(each.version for each in model.opset_import if each.domain in ("", "ai.onnx"))
        _decision_out(after, values, plan, opset)
        outputs = [
            helper.make_tensor_value_info("score", TensorProto.FLOAT, []),
            helper.make_tensor_value_info("heatmap", TensorProto.UINT8, ["rows", "columns"]),
        ]
    shape = [plan.frame[0] or "height", plan.frame[1] or "width", len(plan.mean)]
    made = ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    weights = {each.name for each in graph.initializer}
    kept = [each for each in graph.input if each.name in weights]
    nodes = [*before.nodes, *graph.node, *after.nodes]
    for field in ("node", "input", "output"):
        graph.ClearField(field)
    graph.node.extend(nodes)
    graph.input.extend([helper.make_tensor_value_info("frame", TensorProto.UINT8, shape), *kept])
    graph.output.extend(outputs)
    graph.initializer.extend(before.constants)
    return made


def _frame_in(nodes: _Nodes, plan: _Plan) -> None:
    """From the camera's frame to the graph's input, as `Inspector.prepare` does it."""
    from onnx import TensorProto

    channels = len(plan.mean)
    pixels = nodes.add("Transpose", nodes.add("Cast", "frame", to=TensorProto.FLOAT), perm=[2, 0, 1])
    pixels = nodes.add("Unsqueeze", pixels, nodes.constant([0], np.int64))
    if plan.frame != plan.size:
        sizes = nodes.constant([1, channels, *plan.size], np.int64)
        how = {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}
        pixels = nodes.add("Resize", pixels, "", "", sizes, **how)
    mean, std = (np.reshape(each, (1, -1, 1, 1)).astype(np.float32) for each in (plan.mean, plan.std))
    pixels = nodes.add("Mul", pixels, nodes.constant(1 / (255 * std)))
    pixels = nodes.add("Add", pixels, nodes.constant(-mean / std))
    if plan.reading.channels == "bgr" and channels == 3:
        pixels = nodes.add("Gather", pixels, nodes.constant([2, 1, 0], np.int64), axis=1)
    if plan.channels_last:
        pixels = nodes.add("Transpose", pixels, perm=[0, 2, 3, 1])
    nodes.add("Cast", pixels, output=plan.input, to=plan.element)


def _decision_out(nodes: _Nodes, values: str, plan: _Plan, opset: int) -> None:
    """From the graph's output to score and heatmap, as `AdaptedNetwork` and `Inspector` do it."""
    from onnx import TensorProto

    logits = _logit_map(nodes, values, plan, opset)
    means = nodes.add("AveragePool", logits, kernel_shape=[3, 3])
    nodes.add("Sigmoid", nodes.add("ReduceMax", means, keepdims=0), output="score")
    heat = nodes.add("Mul", nodes.add("Sigmoid", logits), nodes.constant(255.0))
    heat = nodes.add("Cast", nodes.add("Round", heat), to=TensorProto.UINT8)
    nodes.add("Squeeze", heat, nodes.constant([0, 1], np.int64), output="heatmap")


def _logit_map(nodes: _Nodes, values: str, plan: _Plan, opset: int) -> str:
    """Give the defect's logits `[1, 1, rows, columns]`."""
    reading = plan.reading
    if reading.output.startswith("class"):
        flat = nodes.add("Reshape", values, nodes.constant([1, -1], np.int64))
        logit = nodes.add("Reshape", _logit(nodes, flat, plan, opset), nodes.constant([1, 1, 1, 1], np.int64))
        return nodes.add("Expand", logit, nodes.constant([1, 1, 3, 3], np.int64))
    shape = nodes.add("Shape", values)
    grid = nodes.add("Slice", shape, *(nodes.constant([each], np.int64) for each in (-2, np.iinfo(np.int64).max)))
    whole = nodes.add("Concat", nodes.constant([1, -1], np.int64), grid, axis=0)
    maps = nodes.add("Reshape", values, whole)
    if reading.output != "anomaly_map":
        return _logit(nodes, maps, plan, opset)
    return nodes.add("Mul", nodes.add("Sub", maps, nodes.constant(plan.offset)), nodes.constant(plan.gain))


def _logit(nodes: _Nodes, values: str, plan: _Plan, opset: int) -> str:
    """Give the defect's logit of logits or probabilities `[1, classes, ...]`."""
    reading, classes = plan.reading, plan.classes
    probable, good = "probabilit" in reading.output, reading.good_class
    if classes == 1:
        logit = _logit_of(nodes, values) if probable else values
        return nodes.add("Neg", logit) if good == 1 else logit
    of_good = nodes.add("Gather", values, nodes.constant([good], np.int64), axis=1)
    if probable:
        return _logit_of(nodes, nodes.add("Sub", nodes.constant(1.0), of_good))
    others = [each for each in range(classes) if each != good]
    rest = nodes.add("Gather", values, nodes.constant(others, np.int64), axis=1)
    if len(others) > 1 and opset >= 18:
        rest = nodes.add("ReduceLogSumExp", rest, nodes.constant([1], np.int64), keepdims=1)
    elif len(others) > 1:
        rest = nodes.add("ReduceLogSumExp", rest, axes=[1], keepdims=1)
    return nodes.add("Sub", rest, of_good)


def _logit_of(nodes: _Nodes, probability: str) -> str:
    kept = nodes.add("Clip", probability, nodes.constant(_EPSILON), nodes.constant(1 - _EPSILON))
    return nodes.add("Log", nodes.add("Div", kept, nodes.add("Sub", nodes.constant(1.0), kept)))
