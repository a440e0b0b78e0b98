"""Which device OpenVINO is asked for, what it is asked with, and that nothing but the device asked for is accepted.

The runtime, its properties and its CPU are the real ones. A GPU and an NPU are not here: what is tested of them is the
choice, the settings, and the words when they are missing.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from beltline.export import open_vino_engine
from beltline.export.artifacts import backends
from beltline.export.backends.open_vino import latency_options
from beltline.export.backends.open_vino_gpu import gpu_options
from beltline.export.backends.open_vino_npu import npu_options, require_one_size
from beltline.export.contracts import Artifact, Frame, Graph, executing_device
from beltline.export.open_vino_engine import device_of, missing_device, opened, require_device
from beltline.export.private_folder import compiled_code, private_folder
from beltline.inspection.base.errors import GraphError, MissingPartError, StorageError
from beltline.targets.target import Target

TARGET = Target(name="local", threads=1, cpus=(0,))


@pytest.fixture(scope="module")
def artifact(tiny_graph: Graph, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    return backends()["open_vino"].build(tiny_graph, TARGET, tmp_path_factory.mktemp("ir"))


@pytest.mark.parametrize(
    ("kind", "listed", "chosen"),
    [
        ("CPU", ["CPU"], "CPU"),
        ("GPU", ["CPU", "GPU"], "GPU"),
        ("GPU", ["CPU", "GPU.0", "GPU.1", "NPU"], "GPU.0"),
        ("NPU", ["CPU", "GPU", "NPU"], "NPU"),
    ],
)
def test_a_device_is_chosen_from_those_listed(kind: str, listed: list[str], chosen: str) -> None:
    assert device_of(kind, listed) == chosen


def test_what_is_not_listed_is_not_tried(artifact: Artifact) -> None:
    import openvino

    if any(name.startswith("NPU") for name in openvino.Core().available_devices):
        pytest.skip("this machine has an NPU")
    with pytest.raises(MissingPartError, match=r"wanted a NPU, OpenVINO lists CPU.*linux-npu-driver"):
        opened(artifact.path, artifact.frame, kind="NPU", options={})


def test_the_session_says_what_executes_it(artifact: Artifact, frames: list[Frame]) -> None:
    with opened(artifact.path, artifact.frame, kind="CPU", options=latency_options(1)) as session:
        assert (executing_device(session) or "").startswith("CPU (")
        assert 0 <= session.infer(frames[0]).score <= 1


def test_onnx_runtime_says_which_provider_executes_it(tiny_graph: Graph, tmp_path: Path) -> None:
    built = backends()["onnx_runtime"].build(tiny_graph, TARGET, tmp_path)
    with backends()["onnx_runtime"].load(built, threads=1) as session:
        assert executing_device(session) == "CPUExecutionProvider"


@pytest.mark.parametrize(("asked", "executing"), [("GPU", ["CPU"]), ("GPU.0", ["GPU.0", "CPU"]), ("NPU", ["(CPU)"])])
def test_a_model_that_executes_elsewhere_is_refused(asked: str, executing: list[str]) -> None:
    with pytest.raises(MissingPartError, match=f"asked for {asked}, the model executes on"):
        require_device(asked, executing)


def test_auto_s_start_on_the_cpu_would_be_seen(artifact: Artifact) -> None:
    """AUTO on a machine with a CPU alone: the real runtime names the CPU, and a GPU asked for would be refused."""
    import openvino

    compiled = openvino.Core().compile_model(artifact.path, "AUTO", {"PERFORMANCE_HINT": "LATENCY"})
    executing = [name.strip("()") for name in compiled.get_property("EXECUTION_DEVICES")]
    if executing != ["CPU"]:
        pytest.skip(f"AUTO chose {executing}")
    with pytest.raises(MissingPartError, match="executes on"):
        require_device("GPU", compiled.get_property("EXECUTION_DEVICES"))


def test_the_settings_are_properties_that_the_runtime_knows(artifact: Artifact, tmp_path: Path) -> None:
    from openvino import properties
    from openvino.properties import hint

    named: dict[str, Any] = {
        "PERFORMANCE_HINT": hint.performance_mode,
        "INFERENCE_PRECISION_HINT": hint.inference_precision,
        "ENABLE_CPU_PINNING": hint.enable_cpu_pinning,
        "NUM_STREAMS": properties.num_streams,
        "INFERENCE_NUM_THREADS": properties.inference_num_threads,
        "COMPILATION_NUM_THREADS": properties.compilation_num_threads,
        "CACHE_DIR": properties.cache_dir,
    }
    known = {name: getter() for name, getter in named.items()}
    assert all(name == spelled for name, spelled in known.items())
    gpu = gpu_options(artifact, threads=2, kept=tmp_path)
    for options in (latency_options(2), gpu, npu_options(threads=2, kept=tmp_path)):
        assert set(options) <= set(known)
    assert gpu["INFERENCE_PRECISION_HINT"] == "f32"
    assert gpu_options(replace(artifact, precision="fp16"), threads=2, kept=tmp_path)["INFERENCE_PRECISION_HINT"] == (
        "f16"
    )


def test_what_was_compiled_is_kept_in_the_folder_given(artifact: Artifact, tmp_path: Path) -> None:
    options = {**latency_options(1), "CACHE_DIR": str(tmp_path)}
    with opened(artifact.path, artifact.frame, kind="CPU", options=options):
        assert list(tmp_path.glob("*.blob"))


def test_the_npu_takes_frames_of_one_size_only(tiny_graph: Graph) -> None:
    with pytest.raises(GraphError, match="frames of one size only"):
        require_one_size(tiny_graph)
    require_one_size(replace(tiny_graph, frame=replace(tiny_graph.frame, frame_height=80, frame_width=100)))


def test_a_machine_without_the_device_says_so_before_any_runtime_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_vino_engine, "_listed", lambda: pytest.fail("the runtime was asked"))
    notified = missing_device("NPU", "no-such-device*")
    assert notified == "this machine has no NPU that its kernel knows (no /dev/no-such-device*)"


def test_a_device_without_a_driver_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(open_vino_engine, "_listed", lambda: ("CPU",))
    assert "OpenVINO lists CPU, no GPU; run: apt-get install intel-opencl-icd" in (missing_device("GPU", "null") or "")
    monkeypatch.setattr(open_vino_engine, "_listed", lambda: ("CPU", "GPU.0"))
    assert missing_device("GPU", "null") is None


def test_the_real_runtime_is_asked_in_a_process_of_its_own() -> None:
    open_vino_engine._listed.cache_clear()
    before = set(sys.modules)
    assert "CPU" in open_vino_engine._listed()
    assert not {name for name in set(sys.modules) - before if name.startswith("openvino")}


def test_kept_code_lies_where_nobody_else_can_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BELTLINE_CACHE", str(tmp_path / "chosen"))
    assert compiled_code("open_vino") == tmp_path / "chosen" / "open_vino"
    monkeypatch.delenv("BELTLINE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = compiled_code("open_vino")
    assert folder == tmp_path / "beltline" / "open_vino"
    folder.chmod(0o777)
    with pytest.raises(StorageError, match="set BELTLINE_CACHE to a folder of your own"):
        compiled_code("open_vino")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be made"):
        private_folder(tmp_path / "file" / "below", otherwise="choose another")
