"""Artifacts: which files belong to one, and what a backend says that cannot build."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from beltline.export.artifacts import backends, digest_of_artifact, files_of, require_installed
from beltline.export.contracts import Graph
from beltline.inspection.base.errors import GraphError, MissingPartError
from beltline.targets.target import Target
from onnx import helper, numpy_helper

TARGET = Target(name="local", threads=1, cpus=(0,))


def test_the_shipped_backends_are_listed_by_name() -> None:
    assert {"onnx_runtime", "open_vino", "torch_eager"} <= set(backends())


def test_files_of_one_stem_belong_together(tmp_path: Path) -> None:
    for name in ("model.xml", "model.bin", "other.json"):
        (tmp_path / name).write_text(name)
    assert [path.name for path in files_of(tmp_path / "model.xml")] == ["model.bin", "model.xml"]


def test_the_digest_covers_every_file_and_its_name(tmp_path: Path) -> None:
    (tmp_path / "model.xml").write_text("graph")
    alone = digest_of_artifact(tmp_path / "model.xml")
    (tmp_path / "model.bin").write_text("weights")
    whole = digest_of_artifact(tmp_path / "model.xml")
    (tmp_path / "model.bin").rename(tmp_path / "model.dat")
    assert len({alone, whole, digest_of_artifact(tmp_path / "model.xml")}) == 3


def test_an_artifact_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="build it again"):
        files_of(tmp_path / "model.xml")


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = backends()["open_vino"]
    monkeypatch.setattr(type(backend), "missing", lambda _: "openvino is not installed; run: pip install 'x'")
    with pytest.raises(MissingPartError, match="backend open_vino: openvino is not installed; run: pip install"):
        require_installed(backend)


def test_torch_eager_needs_a_checkpoint(tiny_graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="use onnx_runtime or open_vino"):
        backends()["torch_eager"].build(replace(tiny_graph, checkpoint=None), TARGET, tmp_path)


@pytest.mark.parametrize("name", ["onnx_runtime", "open_vino"])
def test_a_graph_that_the_runtime_does_not_take_is_answered_in_its_words(
    name: str, tiny_graph: Graph, tmp_path: Path
) -> None:
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(tiny_graph.path.read_bytes()[:5000])
    with pytest.raises(GraphError, match=r"does not take it: .+"):
        backends()[name].build(replace(tiny_graph, path=damaged), TARGET, tmp_path)


@pytest.mark.parametrize("name", ["onnx_runtime", "open_vino"])
def test_a_model_whose_score_is_none_is_not_built(name: str, tiny_graph: Graph, tmp_path: Path) -> None:
    model = onnx.load(tiny_graph.path)
    made = {output: node for node in model.graph.node for output in node.output}
    score = made["score"]
    score.output[0] = "in_range"
    model.graph.initializer.append(numpy_helper.from_array(np.array(-7.0, np.float32), "shift_out"))
    model.graph.node.append(helper.make_node("Add", ["in_range", "shift_out"], ["score"]))
    onnx.save(model, tmp_path / "shifted.onnx")
    (tmp_path / "built").mkdir()
    with pytest.raises(GraphError, match=r"wanted a score in \[0, 1\] .* got score -"):
        backends()[name].build(replace(tiny_graph, path=tmp_path / "shifted.onnx"), TARGET, tmp_path / "built")
