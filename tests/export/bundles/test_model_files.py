"""Models that would take something from outside are found without the packages that made them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from beltline.export.artifacts import backends
from beltline.export.bundles.model_files import require_self_contained
from beltline.export.contracts import Graph
from beltline.inspection.base.errors import BundleError
from beltline.targets.target import Target
from hypothesis import given
from hypothesis import strategies as some
from onnx import TensorProto, helper, numpy_helper


def external(name: str = "w") -> TensorProto:
    tensor = numpy_helper.from_array(np.zeros(3, np.float32), name)
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return tensor


def graph_with(*tensors: TensorProto, nodes: tuple[onnx.NodeProto, ...] = ()) -> onnx.GraphProto:
    return helper.make_graph(list(nodes), "g", [], [], initializer=list(tensors))


def in_a_branch() -> onnx.ModelProto:
    branch = graph_with(external())
    node = helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=graph_with())
    return helper.make_model(graph_with(nodes=(node,)))


def in_a_constant() -> onnx.ModelProto:
    return helper.make_model(graph_with(nodes=(helper.make_node("Constant", [], ["y"], value=external()),)))


def in_a_sparse_one() -> onnx.ModelProto:
    indices = numpy_helper.from_array(np.zeros(3, np.int64), "i")
    graph = graph_with()
    graph.sparse_initializer.append(onnx.SparseTensorProto(values=external(), indices=indices, dims=[9]))
    return helper.make_model(graph)


def in_a_function() -> onnx.ModelProto:
    node = helper.make_node("Constant", [], ["y"], value=external())
    function = helper.make_function("own", "f", [], ["y"], [node], [helper.make_opsetid("", 18)])
    return helper.make_model(graph_with(), functions=[function])


def in_training() -> onnx.ModelProto:
    model = helper.make_model(graph_with())
    model.training_info.append(onnx.TrainingInfoProto(algorithm=graph_with(external())))
    return model


def by_location_alone() -> onnx.ModelProto:
    tensor = external()
    del tensor.external_data[:]
    return helper.make_model(graph_with(tensor))


PLACES = [lambda: helper.make_model(graph_with(external())), in_a_branch, in_a_constant, in_a_sparse_one, in_a_function,
          in_training, by_location_alone]  # fmt: skip


@pytest.mark.parametrize("make", PLACES)
def test_weights_elsewhere_are_found_wherever_they_are_named(
    make: Callable[[], onnx.ModelProto], tmp_path: Path
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(make().SerializeToString())
    with pytest.raises(BundleError, match="got some in another file"):
        require_self_contained(path)


def test_what_the_backends_build_passes(tiny_graph: Graph, tmp_path: Path) -> None:
    for name in ("onnx_runtime", "open_vino"):
        (tmp_path / name).mkdir()
        artifact = backends()[name].build(tiny_graph, Target(name="local", threads=1, cpus=(0,)), tmp_path / name)
        require_self_contained(artifact.path)


@given(some.binary(max_size=200))
def test_damaged_files_are_refused_or_name_nothing(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = tmp_path_factory.mktemp("models") / "model.onnx"
    path.write_bytes(raw)
    try:
        require_self_contained(path)
    except BundleError:
        return
    assert b"/etc/passwd" not in raw


def nested(depth: int) -> bytes:
    graph = b""
    for _ in range(depth):
        attribute = b"\x32" + length(graph)
        node = b"\x2a" + length(attribute)
        graph = b"\x0a" + length(node)
    return b"\x3a" + length(graph)


def length(inner: bytes) -> bytes:
    size, encoded = len(inner), b""
    while size >= 0x80:
        encoded += bytes([size & 0x7F | 0x80])
        size >>= 7
    return encoded + bytes([size]) + inner


def test_a_graph_nested_too_deeply_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(nested(5))
    require_self_contained(path)
    path.write_bytes(nested(5000))
    with pytest.raises(BundleError, match="damaged"):
        require_self_contained(path)


IR = '<?xml version="1.0"?><net><layers><layer><data offset="0" size="8"/></layer></layers>{}</net>'
XML = {
    "a document type": '<!DOCTYPE net [<!ENTITY x SYSTEM "file:///etc/passwd">]><net>&x;</net>',
    "a bomb": '<!DOCTYPE n [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><n>&b;</n>',
    "other weights": IR.format('<rt_info><x __weights_path="/etc/passwd"/></rt_info>'),
    "other weights by value": IR.format('<rt_info><attribute name="weights_path" value="/etc/passwd"/></rt_info>'),
    "weights beyond the file": IR.format('<data offset="4" size="8"/>'),
    "weights before the file": IR.format('<data offset="-4" size="8"/>'),
    "weights that are no number": IR.format('<data offset="x" size="8"/>'),
    "no xml": "hello",
    "cut off": "<net><layers>",
}


@pytest.mark.parametrize("text", XML.values(), ids=XML)
def test_an_ir_that_points_elsewhere_is_refused(text: str, tmp_path: Path) -> None:
    path = tmp_path / "model.xml"
    (tmp_path / "model.bin").write_bytes(bytes(8))
    path.write_text(IR.format(""))
    require_self_contained(path)
    path.write_text(text)
    with pytest.raises(BundleError, match="do not use this bundle"):
        require_self_contained(path)
