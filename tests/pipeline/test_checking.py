"""The verb `check` and the command line for trtexec that it gives on request."""

from __future__ import annotations

import json
from pathlib import Path

import onnx
import pytest
from beltline.export.contracts import Graph
from beltline.pipeline.cli.app import app
from onnx import TensorProto, helper
from typer.testing import CliRunner

RUN = CliRunner()
COMMAND = (
    "trtexec --onnx={path} --saveEngine=model.engine --stronglyTyped --noTF32 --memPoolSize=workspace:1024M "
    "--timingCacheFile=timing.cache --builderOptimizationLevel=3 --minShapes=frame:32x32x1 --optShapes=frame:64x96x1 "
    "--maxShapes=frame:4096x4096x1"
)


def test_an_inspector_is_taken_once_repaired_and_trtexec_builds_it(tiny_graph: Graph, tmp_path: Path) -> None:
    assert RUN.invoke(app, ["check", str(tiny_graph.path)]).exit_code == 3
    repaired = tmp_path / "repaired.onnx"
    message = ["check", str(tiny_graph.path), "--repair", str(repaired), "--trtexec"]
    answer = RUN.invoke(app, message)
    assert answer.exit_code == 0
    assert COMMAND.format(path=repaired) in answer.stdout.splitlines()
    assert "pixels are cast first" in answer.stderr
    facts = json.loads(RUN.invoke(app, ["check", str(repaired), "--trtexec", "--json"]).stdout)
    assert facts["trtexec"] == COMMAND.format(path=repaired)
    assert "trtexec" not in json.loads(RUN.invoke(app, ["check", str(repaired), "--json"]).stdout)


@pytest.mark.parametrize("asked", [True, False])
def test_of_a_graph_with_other_inputs_no_command_is_made_up(tmp_path: Path, asked: bool) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "other",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )
    path = tmp_path / "other.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), path)
    answer = RUN.invoke(app, ["check", str(path), *(["--trtexec"] if asked else [])])
    assert answer.exit_code == (2 if asked else 0)
    assert ("wanted input `frame`" in answer.stderr) == asked
