from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import onnxruntime
import pytest
from beltline.export.contracts import Graph
from beltline.inspection.data.dataset import Dataset
from beltline.inspection.data.loading import load_dataset
from beltline.inspection.data.settings import DataSettings
from beltline.inspection.synthetic.dataset import write_synthetic_line
from beltline.studies.compression.emulated_float16 import with_float16_rounding
from beltline.studies.compression.precisions import main, study
from onnx import ModelProto, TensorProto, helper, numpy_helper


def run(model: ModelProto, x: float) -> float:
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return float(session.run(["y"], {"x": np.full((1, 1, 1, 1), x, np.float32)})[0].item())


def float16_network(*weights: float) -> ModelProto:
    names = [f"t{at}" for at in range(len(weights) + 1)]
    nodes = [helper.make_node("Cast", ["x"], [names[0]], to=TensorProto.FLOAT16)]
    nodes += [
        helper.make_node("Conv", [before, f"w{at}"], [after]) for at, (before, after) in enumerate(pairwise(names))
    ]
    nodes.append(helper.make_node("Cast", [names[-1]], ["y"], to=TensorProto.FLOAT))
    graph = helper.make_graph(
        nodes,
        "float16",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 1, 1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1, 1, 1])],
        [
            numpy_helper.from_array(np.full((1, 1, 1, 1), weight, np.float16), f"w{at}")
            for at, weight in enumerate(weights)
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


@pytest.mark.parametrize(
    ("x", "weights", "expected"),
    [
        (0.1, (1.0,), float(np.float16(0.1))),  # what comes in is rounded
        (255.0, (9.0,), 2296.0),  # 2295 lies between two neighbours, 2294 and 2296
        (255.0, (9.0, 0.5), 1148.0),  # and what follows starts from there
        (300.0, (300.0, 0.001), float("inf")),  # 90000 is beyond float16, whatever it is scaled by later
    ],
)
def test_every_result_is_rounded_as_float16_would_be(x: float, weights: tuple[float, ...], expected: float) -> None:
    assert run(with_float16_rounding(float16_network(*weights)), x) == expected


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("line")
    write_synthetic_line(root, seed=3, parts=60, exposures=1)
    return load_dataset(DataSettings(root=root, reader="labels_csv"))


def test_every_precision_is_scored_against_float32(data: Dataset, tiny_graph: Graph) -> None:
    rows = {row.precision: row for row in study(data, {"tiny": tiny_graph.path}, frames=8, calibration=4)}
    assert next(iter(rows)) == "fp32"
    assert (rows["fp32"].max_abs, rows["fp32"].flips, rows["fp32"].own_flips) == (0.0, 0, 0)
    assert 0 < rows["fp16"].max_abs < 0.02
    assert 0 < rows["fp16, rounded as tensor cores do"].max_abs < 0.02
    assert rows["int8"].max_abs > rows["fp16"].max_abs
    assert all(rows[name].taken for name in ("fp16", "int8", "int8 + fp16"))
    assert rows["fp16"].lineage.startswith("half: ")


def test_the_table_can_be_had_as_json(data: Dataset, tiny_graph: Graph, capsys: pytest.CaptureFixture[str]) -> None:
    argv = [str(data.root), f"tiny={tiny_graph.path}", "--frames", "4", "--calibration", "2", "--json"]
    assert main(argv) == 0
    notified = json.loads(capsys.readouterr().out)
    assert {row["model"] for row in notified} == {"tiny"}
    assert len(notified) == 6
