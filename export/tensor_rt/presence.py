"""Is everything here that TensorRT needs: driver, GPU, library, CUDA's runtime? If not: which, and what to do."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from ...inspection.base.errors import MissingPartError
from ...targets.kernel_files import jetpack_of, l4t_release
from .cuda import cuda_library

Part = Literal["driver", "gpu", "tensorrt", "cudart"]
_TIMEOUT_S = 60.0
_PROBE = Path(__file__).with_name("probe.py")
_NAMES = MappingProxyType(
    {
        "driver": "NVIDIA's driver (libcuda.so.1)",
        "gpu": "an NVIDIA GPU",
        "tensorrt": "TensorRT (Python module tensorrt)",
        "cudart": "CUDA's runtime (libcudart.so)",
    }
)
_BINDINGS = (
    "sudo apt-get install python3-libnvinfer (its module is for the system's own python3: run Beltline with that, or "
    "in an environment made with --system-site-packages)"
)
_ON_JETSON = MappingProxyType(
    {
        "driver": "it is part of Jetson Linux: sudo apt-get install --reinstall nvidia-l4t-cuda; start a container "
        "with --runtime nvidia",
        "gpu": "start a container with --runtime nvidia, and look at: sudo dmesg | grep -i nvgpu",
        "tensorrt": _BINDINGS,
        "cudart": "sudo apt-get install nvidia-cuda",
    }
)
_CUDART_PACKAGES = MappingProxyType({"JetPack 6": "cuda-cudart-12-6", "JetPack 7": "cuda-cudart-13-2"})
_ELSEWHERE = MappingProxyType(
    {
        "driver": "install it (Ubuntu: sudo ubuntu-drivers install); start a container with --gpus all",
        "gpu": "nvidia-smi must list one; start a container with --gpus all",
        "tensorrt": "pip install tensorrt-cu12 (a driver for CUDA 12) or tensorrt-cu13 (one for CUDA 13)",
        "cudart": "pip install nvidia-cuda-runtime-cu12 (or nvidia-cuda-runtime for CUDA 13)",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """The first GPU, as its driver describes it.

    Attributes:
        name: Such as `Orin`; several boards share one name.
        compute: Compute capability, such as `8.7`.
        multiprocessors: Those switched on: power modes of a Jetson switch some off.
        driver: The newest CUDA that the driver knows, such as `12.6`.
    """

    name: str
    compute: str
    multiprocessors: int
    driver: str


def missing_parts() -> str | None:
    """Name every part that is not here, each with what to do on this machine; None: all are here."""
    found = list(_absent())
    if not found:
        return None
    release = l4t_release()
    where = f" on {jetpack_of(release)} (Jetson Linux {release})" if release else ""
    problems = "; ".join(f"{_NAMES[part]} is missing{seen}: {_advice(part, release)}" for part, seen in found)
    return f"TensorRT cannot run here{where}: {problems}"


def gpu() -> Gpu:
    """Describe the GPU.

    Raises:
        MissingPartError: There is none, or no driver.
    """
    facts = _answer()
    if "missing" in facts:
        raise MissingPartError(missing_parts())
    return Gpu(**{key: facts[key] for key in ("name", "compute", "multiprocessors", "driver")})


def import_tensorrt() -> Any:
    """Import TensorRT's module; only where `missing_parts` finds nothing missing, since it may end the process else.

    Raises:
        MissingPartError: Something is missing, or the module cannot load its library.
    """
    if (missing := missing_parts()) is not None:
        raise MissingPartError(missing)
    try:
        return import_module("tensorrt")
    except (ImportError, OSError) as error:
        advice = _advice("tensorrt", l4t_release())
        msg = f"the Python module tensorrt is there but cannot load its library: {error}; {advice}"
        raise MissingPartError(msg) from error


def _absent() -> Iterator[tuple[Part, str]]:
    """Give each missing part with what was seen; CUDA's runtime is looked for last, since it is loaded for that."""
    facts = _answer()
    if "missing" in facts:
        yield facts["missing"], f" ({facts['seen']})"
    library = find_spec("tensorrt") is not None
    if not library:
        yield "tensorrt", ""
    if library and "missing" not in facts and cuda_library(facts["driver"]) is None:
        yield "cudart", ""


def _advice(part: Part, release: str | None) -> str:
    if release is None:
        return _ELSEWHERE[part]
    if part == "cudart" and (package := _CUDART_PACKAGES.get(jetpack_of(release))) is not None:
        return f"sudo apt-get install {package}"
    return _ON_JETSON[part]


@cache
def _answer() -> dict[str, Any]:
    """Ask the driver in a process of its own, once: what it says holds until a restart."""
    argv = [sys.executable, "-I", str(_PROBE)]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        facts: dict[str, Any] = json.loads(done.stdout)
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"missing": "driver", "seen": f"asking it failed: {error}"}
    except ValueError:
        return {"missing": "driver", "seen": f"it ended the process that asked it, exit code {done.returncode}"}
    return facts
