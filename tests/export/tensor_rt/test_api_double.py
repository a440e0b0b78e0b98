"""The double says no where the real bindings do: names and arguments are theirs, version by version."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from beltline.export.tensor_rt.cuda import PROTOTYPES
from cudart_double import RUNTIMES, CudartDouble, c_type, prototypes
from tensor_rt_machine import CUDART_OF, VERSIONS, Machine
from tensorrt_actions import ACTIONS
from tensorrt_double import recorded, tensorrt_double


def double(version: str) -> Any:
    return tensorrt_double(version, CudartDouble(CUDART_OF[version.partition(".")[0]]))


def builder_of(trt: Any) -> Any:
    return trt.Builder(trt.Logger())


@pytest.fixture
def quiet_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ACTIONS, "Logger.__init__", ACTIONS["ILogger.__init__"])


def test_three_versions_and_two_runtimes_are_recorded() -> None:
    assert VERSIONS == ("10.16.1.11", "10.3.0", "11.4.0.106")
    assert RUNTIMES == ("12.6", "13.2")
    assert [recorded(version)["version"] for version in VERSIONS] == list(VERSIONS)


@pytest.mark.usefixtures("quiet_logger")
@pytest.mark.parametrize(("version", "there"), [("10.3.0", True), ("10.16.1.11", True), ("11.4.0.106", False)])
def test_a_call_that_tensorrt_11_lacks_is_caught(version: str, there: bool) -> None:
    """What a backend for 10.x would do, planted: `config.set_flag(trt.BuilderFlag.FP16)`."""
    trt = double(version)
    config = builder_of(trt).create_builder_config()

    def ask_for_half_precision() -> None:
        config.set_flag(trt.BuilderFlag.FP16)

    if there:
        ask_for_half_precision()
        assert "FP16" in config._flags
    else:
        with pytest.raises(AttributeError, match="FP16"):
            ask_for_half_precision()


@pytest.mark.parametrize(
    "name",
    ["OnnxParser.supports_model", "IBuilderConfig.int8_calibrator", "IInt8EntropyCalibrator2",
     "NetworkDefinitionCreationFlag.EXPLICIT_BATCH", "BuilderFlag.INT8", "BuilderFlag.OBEY_PRECISION_CONSTRAINTS"],
)  # fmt: skip
def test_these_names_are_gone_in_tensorrt_11(name: str) -> None:
    def look_up(trt: Any) -> Any:
        found = trt
        for each in name.split("."):
            found = getattr(found, each)
        return found

    look_up(double("10.3.0"))
    with pytest.raises(AttributeError):
        look_up(double("11.4.0.106"))


@pytest.mark.usefixtures("quiet_logger")
@pytest.mark.parametrize("version", VERSIONS)
def test_wrong_arguments_are_refused_as_pybind11_does(version: str) -> None:
    trt = double(version)
    builder = builder_of(trt)
    config = builder.create_builder_config()
    pool = trt.MemoryPoolType.WORKSPACE
    config.set_memory_pool_limit(pool=pool, pool_size=1 << 20)
    wrong: list[Any] = [
        lambda: config.set_memory_pool_limit("WORKSPACE", 1 << 20),
        lambda: config.set_memory_pool_limit(pool, 1.5),
        lambda: config.set_memory_pool_limit(pool, size=1),
        lambda: config.set_memory_pool_limit(pool),
        lambda: config.set_flag(trt.MemoryPoolType.WORKSPACE),
        lambda: config.create_timing_cache("text"),
        lambda: builder.create_network(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED),
        lambda: trt.Builder(object()),
        trt.Runtime,
    ]
    for each in wrong:
        with pytest.raises(TypeError, match="incompatible function arguments"):
            each()
    with pytest.raises(AttributeError, match="builder_optimisation_level"):
        config.builder_optimisation_level = 3
    with pytest.raises(AttributeError):
        builder.num_DLA_cores = 1


@pytest.mark.parametrize("version", VERSIONS)
def test_a_logger_whose_base_was_not_set_up_is_refused(version: str) -> None:
    trt = double(version)

    class Forgetful(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            self.message: list[str] = []

    with pytest.raises(TypeError, match=r"__init__\(\) must be called"):
        trt.Builder(Forgetful())


@pytest.mark.parametrize("version", VERSIONS)
def test_what_the_double_does_not_do_says_so(version: str) -> None:
    trt = double(version)
    with pytest.raises(NotImplementedError, match=f"{version} has get_plugin_registry, the double does nothing"):
        trt.get_plugin_registry()


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_functions_of_cuda_are_declared_as_its_header_has_them(runtime: str) -> None:
    header = prototypes(runtime)
    for name, declared in PROTOTYPES.items():
        assert list(declared) == [c_type(each) for each in header[name]], name


def test_results_that_are_read_too_early_are_wrong_on_the_double(machine: Machine) -> None:
    """Nothing is copied before the stream is waited for: a session that forgets to wait fails its tests."""
    from beltline.export.tensor_rt.cuda import TO_DEVICE, Cuda

    cuda = Cuda(machine.cuda)
    stream, device, host = cuda.stream(), cuda.device_memory(4), cuda.pinned_memory(4)
    ctypes.memmove(host, b"\x01\x02\x03\x04", 4)
    cuda.copy(device, host, 4, direction=TO_DEVICE, stream=stream)
    assert bytes(machine.cuda.view(device, 4)) == b"\xa5" * 4
    cuda.synchronize(stream)
    np.testing.assert_array_equal(machine.cuda.view(device, 4), [1, 2, 3, 4])
    for free, what in ((cuda.free, device), (cuda.free_pinned, host), (cuda.destroy_stream, stream)):
        free(what)
    assert machine.cuda.left == 0
