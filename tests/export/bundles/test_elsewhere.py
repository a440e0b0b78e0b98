"""A bundle opened by other programs: OpenVINO, ONNX, model servers, a C++ program with the same decisions."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from beltline.export.artifacts import backends
from beltline.export.bundles.elsewhere import unpack_elsewhere
from beltline.export.bundles.golden import frame_of, golden_of
from beltline.export.bundles.signing import make_key
from beltline.export.bundles.writing import BundleModel, write_bundle
from beltline.inspection.base.errors import BundleError
from beltline.targets.target import Target

CPP = Path(__file__).parents[3] / "examples" / "embed" / "cpp"


@pytest.fixture(scope="module")
def both_runtimes(bundle: Any, tiny_graph: Any, frames: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed bundle with the tiny inspector for OpenVINO and for ONNX Runtime, each with a threshold of its own."""
    folder = tmp_path_factory.mktemp("both")
    backend = backends()["open_vino"]
    artifact = backend.build(tiny_graph, Target(name="local", threads=1, cpus=(0,)), folder)
    with backend.load(artifact, threads=1) as session:
        scores = [session.infer(frame).score for frame in frames]
    known = bundle.parts.models[0]
    threshold = sum(sorted(scores)[5:7]) / 2
    model = BundleModel(row="tiny", artifact=artifact, threshold=threshold, verdict="fits", relies_on=(), runtime={})
    golden = bundle.parts.golden
    rows = {"open_vino": scores, "onnx_runtime": golden.scores["onnx_runtime"]}
    cuts = {"open_vino": threshold, "onnx_runtime": known.threshold}
    parts = replace(bundle.parts, models=(model, known), golden=golden_of(golden.frames, rows, cuts), number=7)
    write_bundle(folder / "both.beltline", parts, key=bundle.key)
    return folder / "both.beltline"


@pytest.fixture(scope="module")
def unpacked(both_runtimes: Path, bundle: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("elsewhere") / "line"
    facts = unpack_elsewhere(both_runtimes, folder, key=bundle.public)
    assert json.loads((folder / "inspector.json").read_text()) == {k: v for k, v in facts.items() if k != "signer"}
    assert "the one given" in facts["signer"]
    return folder


def test_a_folder_holds_plain_models_a_repository_and_the_facts(unpacked: Path) -> None:
    names = {str(each.relative_to(unpacked)) for each in unpacked.rglob("*") if each.is_file()}
    assert names - {each for each in names if each.startswith("golden/")} == {
        *("inspector.json", "golden.json", "report.json", "LICENSE", "sbom.cdx.json"),
        *("open_vino/model.xml", "open_vino/model.bin", "onnx_runtime/model.onnx"),
        "repository/config.json",
        *(f"repository/tiny-open_vino/{each}" for each in ("config.pbtxt", "7/model.xml", "7/model.bin")),
        *(f"repository/tiny-onnx_runtime/{each}" for each in ("config.pbtxt", "7/model.onnx")),
    }
    facts = json.loads((unpacked / "inspector.json").read_text())
    assert (facts["line"], facts["product"], facts["number"], facts["deadline_ms"]) == ("tiny", "tiny", 7, 40)
    first = facts["models"][0]
    assert (first["path"], first["served_as"], first["served_version"]) == ("open_vino/model.xml", "tiny-open_vino", 7)
    assert first["input"] == {"name": "frame", "type": "uint8", "layout": "HWC", "shape": [-1, -1, 1]}
    served = json.loads((unpacked / "repository" / "config.json").read_text())["model_config_list"]
    assert [each["config"]["base_path"] for each in served] == ["/models/tiny-open_vino", "/models/tiny-onnx_runtime"]


def test_openvino_reads_the_facts_and_decides_as_the_session_does(unpacked: Path) -> None:
    import openvino

    model = openvino.Core().read_model(unpacked / "open_vino" / "model.xml")
    info = {name: model.get_rt_info(["model_info", name]).astype(str) for name in ("model_type", "task", "labels")}
    assert info == {"model_type": "AnomalyDetection", "task": "classification", "labels": "Good Defective"}
    cut = model.get_rt_info(["model_info", "image_threshold"]).astype(float)
    facts = json.loads((unpacked / "inspector.json").read_text())["models"][0]
    assert cut == facts["threshold"]
    assert model.get_rt_info(["framework", "beltline.frame"]).astype(str) == json.dumps(facts["frame"], sort_keys=True)
    request = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
    golden = json.loads((unpacked / "golden.json").read_text())
    for frame, score in zip(golden["frames"], golden["scores"]["open_vino"], strict=True):
        request.infer({"frame": frame_of((unpacked / frame["file"]).read_bytes(), name=frame["file"])})
        assert float(request.get_tensor("score").data) == pytest.approx(score, abs=1e-6)


def test_onnx_keeps_its_graph_and_carries_the_same_facts(unpacked: Path, tiny_graph: Any) -> None:
    import onnxruntime

    model = onnx.load(str(unpacked / "onnx_runtime" / "model.onnx"))
    onnx.checker.check_model(model)
    found = {each.key: each.value for each in model.metadata_props}
    facts = json.loads((unpacked / "inspector.json").read_text())["models"][1]
    assert float(found["model_info image_threshold"]) == facts["threshold"]
    assert found["model_info model_type"] == "AnomalyDetection"
    assert model.graph == onnx.load(str(tiny_graph.path)).graph
    session = onnxruntime.InferenceSession(str(unpacked / "onnx_runtime" / "model.onnx"))
    golden = json.loads((unpacked / "golden.json").read_text())
    name = golden["frames"][0]["file"]
    score, _ = session.run(["score", "heatmap"], {"frame": frame_of((unpacked / name).read_bytes(), name=name)})
    assert float(np.asarray(score)) == pytest.approx(golden["scores"]["onnx_runtime"][0], abs=1e-6)


def triton_schema() -> Any:
    """Load the schema that tritonclient ships, without its gRPC client around it."""
    package = find_spec("tritonclient")
    places = [] if package is None else list(package.submodule_search_locations or [])
    path = next((each for place in places if (each := Path(place, "grpc", "model_config_pb2.py")).is_file()), None)
    if path is None:
        pytest.skip("tritonclient is not installed")
    spec = spec_from_file_location("triton_model_config", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_triton_s_configuration_is_one_that_its_own_schema_takes(unpacked: Path) -> None:
    from google.protobuf import text_format

    schema = triton_schema()
    for name, backend in (("tiny-open_vino", "openvino"), ("tiny-onnx_runtime", "")):
        text = (unpacked / "repository" / name / "config.pbtxt").read_text()
        config = text_format.Parse(text, schema.ModelConfig())
        assert (config.name, config.backend, config.max_batch_size) == (name, backend, 0)
        assert list(config.input[0].dims) == [-1, -1, 1]
        assert [each.name for each in config.output] == ["score", "heatmap"]


def test_what_cannot_be_unpacked_is_one_message(both_runtimes: Path, unpacked: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="wanted a folder that is not there yet"):
        unpack_elsewhere(both_runtimes, unpacked)
    with pytest.raises(BundleError, match="got that of sha256"):
        unpack_elsewhere(both_runtimes, tmp_path / "new", key=make_key(tmp_path / "other.pem"))
    (tmp_path / "cut.beltline").write_bytes(both_runtimes.read_bytes()[:5000])
    with pytest.raises(BundleError, match="cut off"):
        unpack_elsewhere(tmp_path / "cut.beltline", tmp_path / "new")
    assert not (tmp_path / "new").exists()


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The C++ example, built as its CMakeLists says."""
    spec = find_spec("openvino")
    headers = None if spec is None or spec.origin is None else Path(spec.origin).parent / "cmake"
    if shutil.which("cmake") is None or shutil.which("c++") is None:
        pytest.skip("cmake or a C++ compiler is not installed")
    if headers is None or not (headers.parent / "include" / "openvino" / "openvino.hpp").is_file():
        pytest.skip("this openvino wheel has no headers")
    build = tmp_path_factory.mktemp("build")
    for argv in (["cmake", "-S", CPP, "-B", build, f"-DOpenVINO_DIR={headers}"], ["cmake", "--build", build]):
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
    return build / "inspect"


def test_a_program_in_cpp_decides_as_our_own_session_does(program: Path, unpacked: Path, tmp_path: Path) -> None:
    golden = json.loads((unpacked / "golden.json").read_text())
    paths = [str(unpacked / each["file"]) for each in golden["frames"]]
    model = str(unpacked / "open_vino" / "model.xml")
    done = subprocess.run([program, model, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [line.rsplit(" ", 2) for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == paths
    assert [line[2] == "reject" for line in lines] == golden["rejects"]["open_vino"]
    assert {line[2] for line in lines} == {"pass", "reject"}
    assert [float(line[1]) for line in lines] == pytest.approx(golden["scores"]["open_vino"], abs=1e-6)
    (tmp_path / "colour.ppm").write_bytes(b"P6\n4 4\n255\n" + bytes(48))
    (tmp_path / "cut.pgm").write_bytes(b"P5\n4 4\n255\n" + bytes(3))
    for frame in ("colour.ppm", "cut.pgm", "nowhere.pgm"):
        done = subprocess.run([program, model, tmp_path / frame], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr.startswith("inspect: ")) == (2, True)
