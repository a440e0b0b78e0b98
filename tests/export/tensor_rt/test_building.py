"""Building engines: what is asked of TensorRT, what is kept, what is said when it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx
import pytest
from beltline.export.artifacts import backends
from beltline.export.contracts import Artifact, Graph
from beltline.export.tensor_rt import presence
from beltline.export.tensor_rt.engine_store import remove_engines
from beltline.export.tensor_rt.freezing import RecipeOptions, freeze
from beltline.export.tensor_rt.recipe import BuildRecipe, FrameRange, frames_of_spec, read_recipe, trtexec_command
from beltline.inspection.base.errors import GraphError
from beltline.targets.target import Target
from onnx import numpy_helper
from tensor_rt_machine import ORIN, Machine

TARGET = Target(name="jetson-orin-nano", threads=1, cpus=(0,))
ONE_SIZE = FrameRange(least=(80, 100), usual=(80, 100), most=(80, 100), channels=1)


def prepared(artifact: Artifact) -> list[str]:
    notified: list[str] = []
    backends()["tensor_rt"].prepare(artifact, notify=notified.append)  # type: ignore[attr-defined]
    return notified


def frozen(graph: Graph, folder: Path, **options: Any) -> Artifact:
    folder.mkdir()
    return freeze(graph, TARGET, folder, options=RecipeOptions(**options))


@pytest.fixture
def artifact(tiny_graph: Graph, tmp_path: Path) -> Artifact:
    return frozen(tiny_graph, tmp_path / "frozen", frames=ONE_SIZE)


def test_a_network_is_strongly_typed_and_a_recipe_is_followed(machine: Machine, artifact: Artifact) -> None:
    notified = prepared(artifact)
    (config,) = machine.scene.configs
    assert config._limits == {"WORKSPACE": 1024 << 20}
    assert config._flags == set(), "TF32 is off, nothing else is on"
    assert config._builder_optimization_level == 3
    assert config._profiles[0]._shapes == {"frame": ((80, 100, 1),) * 3}
    assert "Builder.create_network" in machine.scene.calls
    assert notified[0].startswith(f"building the engine of model.onnx for TensorRT {machine.trt.__version__} on Orin")
    assert notified[-1].startswith("engine built in ")


def test_an_engine_is_built_once_and_its_timings_are_kept(machine: Machine, artifact: Artifact, tmp_path: Path) -> None:
    prepared(artifact)
    assert prepared(artifact) == []
    assert machine.scene.builds == 1
    kept = sorted(path.name for path in (tmp_path / "cache/beltline/engines").iterdir())
    assert [name.rpartition(".")[2] for name in kept] == ["engine", "cache"]
    assert kept[0].startswith(artifact.digest.removeprefix("sha256:")[:12])
    assert (tmp_path / "cache/beltline/engines" / kept[1]).read_bytes() == b"timings of the double"


@pytest.mark.parametrize("change", [{"multiprocessors": 4}, {"name": "Thor"}, {"compute": "11.0"}])
def test_another_gpu_wants_another_engine(
    machine: Machine, artifact: Artifact, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(artifact)
    monkeypatch.setattr(presence, "_answer", lambda: {**ORIN, **change})
    assert prepared(artifact)
    assert machine.scene.builds == 2


def test_another_tensorrt_or_jetpack_wants_another_engine(
    machine: Machine, artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared(artifact)
    machine.trt.__version__ = "12.0.0"
    assert "TensorRT 12.0.0" in prepared(artifact)[0]
    monkeypatch.setattr("beltline.export.tensor_rt.engine_store.l4t_release", lambda: "36.4.3")
    assert "Jetson Linux 36.4.3" in prepared(artifact)[0]
    assert machine.scene.builds == 3
    assert len(list((tmp_path / "cache/beltline/engines").glob("*.engine"))) == 1, "stale ones are removed"


@pytest.mark.parametrize("place", [0, 40, 300, -1])
def test_a_damaged_engine_is_built_again(machine: Machine, artifact: Artifact, tmp_path: Path, place: int) -> None:
    prepared(artifact)
    (path,) = (tmp_path / "cache/beltline/engines").glob("*.engine")
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)
    prepared(artifact)
    assert machine.scene.builds == 2


def test_an_engine_that_others_could_have_written_is_not_opened(
    machine: Machine, artifact: Artifact, tmp_path: Path
) -> None:
    prepared(artifact)
    (path,) = (tmp_path / "cache/beltline/engines").glob("*.engine")
    path.chmod(0o666)
    prepared(artifact)
    assert machine.scene.builds == 2
    path.parent.chmod(0o777)
    prepared(artifact)
    assert machine.scene.builds == 3


def test_without_a_place_to_keep_it_the_engine_is_built_for_this_time(
    machine: Machine, artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert "not kept, since neither of" in prepared(artifact)[-1]
    assert machine.scene.builds == 1


def test_engines_of_models_that_are_gone_are_removed(machine: Machine, artifact: Artifact, tmp_path: Path) -> None:
    prepared(artifact)
    store = tmp_path / "cache/beltline/engines"
    remove_engines(store, keep=[artifact.digest])
    assert list(store.glob("*.engine"))
    remove_engines(store, keep=["sha256:" + "0" * 64])
    assert not list(store.glob("*.engine"))
    assert machine.scene.builds == 1


def test_every_error_of_the_parser_is_told(machine: Machine, artifact: Artifact) -> None:
    machine.scene.parser_errors = ["no importer for FakeQuantize", "scale must be positive"]
    with pytest.raises(GraphError) as caught:
        prepared(artifact)
    message = str(caught.value)
    assert f"TensorRT {machine.trt.__version__} does not take it" in message
    assert "node 0 (layer0, Conv): no importer for FakeQuantize" in message
    assert "node 1 (layer1, Conv): scale must be positive" in message


def test_what_the_builder_says_is_told(machine: Machine, artifact: Artifact) -> None:
    machine.scene.refuses_build = "Could not find any implementation for node conv1"
    with pytest.raises(GraphError, match="cannot build it: Could not find any implementation for node conv1"):
        prepared(artifact)


def test_timings_of_another_tensorrt_are_left_aside(machine: Machine, artifact: Artifact, tmp_path: Path) -> None:
    prepared(artifact)
    assert machine.scene.builds == 1
    store = tmp_path / "cache/beltline/engines"
    (timings,) = store.glob("timing-*.cache")
    timings.write_bytes(b"of another one")
    remove_engines(store, keep=[])
    assert any("starting anew" in message for message in prepared(artifact))
    assert timings.read_bytes() == b"timings of the double"


def test_sparse_weights_are_seen_and_asked_for(machine: Machine, tiny_graph: Graph, tmp_path: Path) -> None:
    model = onnx.load(tiny_graph.path)
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        if values.ndim == 4 and values.shape[1] % 4 == 0:
            thin = values.copy()
            thin[:, ::4] = thin[:, 1::4] = 0
            tensor.CopyFrom(numpy_helper.from_array(thin, tensor.name))
    path = tmp_path / "thin.onnx"
    onnx.save(model, path)
    artifact = frozen(
        Graph(path=path, digest="", frame=tiny_graph.frame, precision="fp32"), tmp_path / "frozen", frames=ONE_SIZE
    )
    assert read_recipe(artifact.path.with_suffix(".json")).sparse_weights
    prepared(artifact)
    assert machine.scene.configs[0]._flags == {"SPARSE_WEIGHTS"}


def test_a_dla_is_used_where_there_is_one(machine: Machine, tiny_graph: Graph, tmp_path: Path) -> None:
    half = Graph(path=tiny_graph.path, digest="", frame=tiny_graph.frame, precision="fp16")
    artifact = frozen(half, tmp_path / "frozen", frames=ONE_SIZE, dla_core=0)
    with pytest.raises(GraphError, match=r"wants DLA core 0, TensorRT .* finds 0 here; bundle without --dla-core"):
        prepared(artifact)
    machine.scene.dla_cores = 2
    prepared(artifact)
    config = machine.scene.configs[-1]
    assert (config._DLA_core, config._default_device_type.name, config._flags) == (0, "DLA", {"GPU_FALLBACK"})


def test_a_dla_takes_neither_float32_nor_varying_frames(tiny_graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(GraphError, match="one size in fp16 or int8"):
        frozen(tiny_graph, tmp_path / "frozen", frames=ONE_SIZE, dla_core=0)


def test_freezing_needs_no_tensorrt_and_gives_the_same_bytes(tiny_graph: Graph, tmp_path: Path) -> None:
    one, other = frozen(tiny_graph, tmp_path / "one"), frozen(tiny_graph, tmp_path / "other")
    assert one.digest == other.digest
    recipe = read_recipe(one.path.with_suffix(".json"))
    assert recipe.frames == frames_of_spec(tiny_graph.frame)
    assert (recipe.size_left_open, recipe.sparse_weights, recipe.format) == (True, False, 1)


def test_a_graph_that_no_tensorrt_takes_is_not_frozen(tiny_graph: Graph, tmp_path: Path) -> None:
    model = onnx.load(tiny_graph.path)
    model.opset_import[0].version = 8
    path = tmp_path / "old.onnx"
    onnx.save(model, path)
    old = Graph(path=path, digest="", frame=tiny_graph.frame, precision="fp32")
    with pytest.raises(GraphError, match=r"no TensorRT takes it: opset: .*opset 8.* \[opset\]"):
        frozen(old, tmp_path / "frozen")
    assert not (tmp_path / "frozen" / "model.json").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, "format"),
        ({"workspace_mib": 0}, "workspace_mib"),
        ({"optimization_level": 9}, "optimization_level"),
        ({"command": "rm -rf /"}, "command"),
        ({"frames": {"least": [9, 9], "usual": [8, 8], "most": [9, 9], "channels": 1}}, "must ascend"),
    ],
)
def test_a_recipe_of_another_form_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    plain = json.loads(BuildRecipe(precision="fp32", frames=ONE_SIZE, size_left_open=True).model_dump_json())
    path = tmp_path / "model.json"
    path.write_text(json.dumps({**plain, **change}))
    with pytest.raises(GraphError, match=rf"model\.json.*{message}.*build the artifact again"):
        read_recipe(path)
    path.unlink()
    with pytest.raises(GraphError, match="wanted the model's build recipe, got nothing"):
        read_recipe(path)


def test_the_recipe_as_a_command_line() -> None:
    sizes = FrameRange(least=(400, 600), usual=(480, 640), most=(500, 700), channels=3)
    recipe = BuildRecipe(precision="int8", frames=sizes, size_left_open=True, sparse_weights=True, workspace_mib=512)
    assert trtexec_command(recipe, onnx="m.onnx", engine="m.engine", timing="t") == (
        "trtexec", "--onnx=m.onnx", "--saveEngine=m.engine", "--stronglyTyped", "--noTF32",
        "--memPoolSize=workspace:512M", "--timingCacheFile=t", "--builderOptimizationLevel=3", "--sparsity=enable",
        "--minShapes=frame:400x600x3", "--optShapes=frame:480x640x3", "--maxShapes=frame:500x700x3",
    )  # fmt: skip
    fixed = BuildRecipe(precision="fp16", frames=ONE_SIZE, size_left_open=False, dla_core=1)
    assert trtexec_command(fixed)[-3:] == ("--useDLACore=1", "--allowGPUFallback", "--useCudaGraph")


def test_nothing_is_written_beside_the_artifact(machine: Machine, artifact: Artifact) -> None:
    before = sorted(path.name for path in artifact.path.parent.iterdir())
    prepared(artifact)
    assert sorted(path.name for path in artifact.path.parent.iterdir()) == before == ["model.json", "model.onnx"]
    assert machine.scene.builds == 1
