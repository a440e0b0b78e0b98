"""What is missing is named, with what to do on this machine; the driver is asked in a process of its own."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from beltline.export.artifacts import backends
from beltline.export.tensor_rt import presence
from beltline.export.tensor_rt.presence import missing_parts
from beltline.export.tensor_rt.probe import gpu_facts
from beltline.inspection.base.errors import MissingPartError
from beltline.targets.kernel_files import jetpack_of, l4t_release
from tensor_rt_machine import ORIN, Machine

NO_DRIVER = {"missing": "driver", "seen": "libcuda.so.1: cannot open shared object file"}
NO_GPU = {"missing": "gpu", "seen": "cuInit gives 100 (CUDA_ERROR_NO_DEVICE)"}
RELEASE = "# R36 (release), REVISION: 4.3, GCID: 38968081, BOARD: generic, EABI: aarch64, DATE: Wed Jan  8 2025\n"


class FakeDriver:
    """libcuda as ctypes would call it; `code` is what cuInit gives."""

    def __init__(self, *, code: int = 0, devices: int = 1) -> None:
        self.code, self.devices = code, devices

    def cuInit(self, _flags: int) -> int:  # noqa: N802
        return self.code

    def cuGetErrorName(self, _code: int, name: Any) -> int:  # noqa: N802
        name._obj.value = b"CUDA_ERROR_NO_DEVICE"
        return 0

    def cuDeviceGetCount(self, count: Any) -> int:  # noqa: N802
        count._obj.value = self.devices
        return 0

    def cuDeviceGet(self, device: Any, _index: int) -> int:  # noqa: N802
        device._obj.value = 0
        return 0

    def cuDeviceGetName(self, name: Any, _size: int, _device: Any) -> int:  # noqa: N802
        name.value = b"Orin"
        return 0

    def cuDriverGetVersion(self, version: Any) -> int:  # noqa: N802
        version._obj.value = 12060
        return 0

    def cuDeviceGetAttribute(self, value: Any, which: int, _device: Any) -> int:  # noqa: N802
        value._obj.value = {16: 8, 75: 8, 76: 7}[which]
        return 0


@pytest.fixture
def asked() -> Iterator[None]:
    presence._answer.cache_clear()
    yield
    presence._answer.cache_clear()


def on(monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any], *, release: str | None) -> str:
    monkeypatch.setattr(presence, "_answer", lambda: facts)
    monkeypatch.setattr(presence, "l4t_release", lambda: release)
    return missing_parts() or ""


def test_the_driver_is_asked_for_the_gpu() -> None:
    assert gpu_facts(lambda _name: FakeDriver()) == ORIN
    no_device = gpu_facts(lambda _name: FakeDriver(code=100))
    assert no_device == {"missing": "gpu", "seen": "cuInit gives 100 (CUDA_ERROR_NO_DEVICE)"}
    assert gpu_facts(lambda _name: FakeDriver(code=804))["missing"] == "driver"
    assert gpu_facts(lambda _name: FakeDriver(devices=0)) == {
        "missing": "gpu",
        "seen": "the driver counts no device",
    }


def test_without_a_driver_the_loader_s_words_are_kept() -> None:
    def refuse(name: str) -> ctypes.CDLL:
        raise OSError(name + ": cannot open shared object file")

    assert gpu_facts(refuse) == NO_DRIVER


def test_the_probe_answers_as_a_program_of_its_own() -> None:
    argv = [sys.executable, "-I", "-S", str(Path(presence.__file__).with_name("probe.py"))]
    answer = json.loads(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60).stdout)
    assert answer.keys() in ({"missing", "seen"}, ORIN.keys())


@pytest.mark.usefixtures("asked")
def test_a_driver_that_ends_the_process_is_told_as_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crashing = tmp_path / "probe.py"
    crashing.write_text("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    monkeypatch.setattr(presence, "_PROBE", crashing)
    assert "it ended the process that asked it, exit code -11" in (missing_parts() or "")


@pytest.mark.parametrize(
    ("facts", "release", "expected"),
    [
        (NO_DRIVER, "36.4.3", [r"on JetPack 6 \(Jetson Linux 36.4.3\)", "driver .* is missing .*nvidia-l4t-cuda",
                               "tensorrt.* is missing: sudo apt-get install python3-libnvinfer"]),
        (NO_GPU, "39.2.0", [r"on JetPack 7", "an NVIDIA GPU is missing .*NO_DEVICE.*--runtime nvidia"]),
        (ORIN, None, [r"^TensorRT cannot run here: TensorRT .* is missing: pip install tensorrt-cu12"]),
        (NO_DRIVER, None, ["driver .*is missing .*ubuntu-drivers install"]),
    ],
)  # fmt: skip
def test_each_missing_part_is_named_with_the_way_to_get_it(
    facts: dict[str, Any], release: str | None, expected: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import re

    monkeypatch.setattr(presence, "find_spec", lambda _name: None)
    message = on(monkeypatch, facts, release=release)
    assert all(re.search(each, message) for each in expected), message


@pytest.mark.parametrize(
    ("release", "expected"), [("36.4.3", "cuda-cudart-12-6"), ("39.2.0", "cuda-cudart-13-2"), (None, "pip install")]
)
def test_cuda_s_runtime_is_looked_for_last(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, release: str | None, expected: str
) -> None:
    assert missing_parts() is None
    assert machine.trt
    monkeypatch.setattr(presence, "cuda_library", lambda _driver: None)
    message = on(monkeypatch, ORIN, release=release)
    assert "libcudart" in message
    assert expected in message


def test_a_library_that_does_not_load_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_name: str) -> Callable[..., Any]:
        msg = "libnvinfer.so.10: cannot open shared object file"
        raise ImportError(msg)

    monkeypatch.setattr(presence, "import_module", fail)
    with pytest.raises(MissingPartError, match=r"cannot load its library: libnvinfer\.so\.10"):
        presence.import_tensorrt()
    assert machine.trt


def test_nothing_is_imported_where_something_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence, "_answer", lambda: NO_DRIVER)
    monkeypatch.setattr(presence, "import_module", lambda _name: pytest.fail("it was imported"))
    with pytest.raises(MissingPartError, match="driver"):
        presence.import_tensorrt()
    assert backends()["tensor_rt"].missing() == missing_parts()


def test_the_release_of_jetson_linux_is_read(tmp_path: Path) -> None:
    assert l4t_release(tmp_path) is None
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/nv_tegra_release").write_text(RELEASE)
    assert l4t_release(tmp_path) == "36.4.3"
    assert jetpack_of("36.4.3") == "JetPack 6"
