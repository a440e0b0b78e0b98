"""Record what the Python bindings of a TensorRT version offer: classes, members, signatures, enumerations.

    python record_api.py tensorrt_cu12_bindings-10.3.0-cp311-none-manylinux_2_17_x86_64.whl api-10.3.0.json
    python record_api.py nvidia_cuda_runtime_cu12-12.6.77-....whl cudart-12.6.json

The wheels come from `pip download --no-deps tensorrt-cu12-bindings==10.3.0` and the like; of CUDA's runtime the
prototypes in its header are taken. No driver and no TensorRT is needed: the few C functions that the bindings are
linked with are replaced by ones that give 0, which is enough to import the module and to read what it says of itself.
Needs gcc and binutils.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_PROTOTYPE = re.compile(r"extern __host__ (?:__cudart_builtin__ )?cudaError_t CUDARTAPI (cuda\w+)\(([^;]*)\);")
_RECORDED_FUNCTIONS = re.compile(r"cuda(Malloc|Free|HostAlloc|FreeHost|Memcpy|Stream|Graph|GetLastError|Event)")


def main(wheel: Path, target: Path) -> None:
    with TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
        headers = list(Path(folder).rglob("cuda_runtime_api.h"))
        found = _cuda(headers[0]) if headers else _bindings(Path(folder))
    target.write_text(json.dumps({"wheel": wheel.name, **found}, indent=1, sort_keys=True) + "\n")


def _cuda(header: Path) -> dict[str, Any]:
    functions = {}
    for name, arguments in _PROTOTYPE.findall(header.read_text(errors="replace")):
        if _RECORDED_FUNCTIONS.match(name):
            plain = re.sub(r"\s*__dv\([^)]*\)", "", " ".join(arguments.split()))
            functions[name] = [_type_of(each) for each in plain.split(",") if each not in ("", "void")]
    return {"functions": functions}


def _type_of(parameter: str) -> str:
    """Drop a C parameter's name: `void **devPtr` is a `void **`."""
    return re.sub(r"\w+$", "", parameter.strip()).strip()


def _bindings(folder: Path) -> dict[str, Any]:
    (library,) = folder.rglob("tensorrt.so")
    _write_stubs(library, folder)
    environment = {**os.environ, "LD_LIBRARY_PATH": str(folder), "PYTHONPATH": f"{folder}:{Path(__file__).parent}"}
    code = "import json, record_api; print(json.dumps(record_api.seen()))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _write_stubs(library: Path, folder: Path) -> None:
    wanted = _lines("readelf", "-d", str(library))
    names = [found[1] for line in wanted if (found := re.search(r"NEEDED.*\[(libnv\w+\.so\.\d+)\]", line))]
    undefined = [line.split()[-1] for line in _lines("nm", "-D", "--undefined-only", str(library)) if " U " in line]
    symbols = [each for each in undefined if re.fullmatch(r"(create|get|init)\w+", each)]
    source = folder / "stubs.c"
    source.write_text("".join(f"void *{symbol}(void) {{ return 0; }}\n" for symbol in symbols))
    for name in names:
        built = ["gcc", "-shared", "-fPIC", "-w", f"-Wl,-soname,{name}", "-o", str(folder / name), str(source)]
        subprocess.run(built, check=True)


def _lines(*argv: str) -> list[str]:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.splitlines()


def seen() -> dict[str, Any]:
    """Look at the imported bindings; runs in the process that can import them."""
    import tensorrt_bindings as trt

    recorded: dict[str, Any] = {"version": trt.__version__, "classes": {}, "enums": {}, "functions": {}}
    _look_into(trt, "", recorded)
    return recorded


def _look_into(holder: Any, prefix: str, recorded: dict[str, Any]) -> None:
    for name, value in sorted(vars(holder).items()):
        if isinstance(value, type) and not name.startswith("_") and value.__module__.startswith("tensorrt"):
            full = prefix + name
            if hasattr(value, "__members__"):
                recorded["enums"][full] = {each: int(member) for each, member in value.__members__.items()}
            else:
                recorded["classes"][full] = _class(value)
                _look_into(value, f"{full}.", recorded)
        elif not prefix and callable(value) and not isinstance(value, type) and not name.startswith("_"):
            recorded["functions"][name] = _signatures(name, value)


def _class(value: type) -> dict[str, Any]:
    methods, properties = {}, {}
    for name, member in sorted(vars(value).items()):
        if isinstance(member, property):
            properties[name] = member.fset is not None
        elif callable(member) and (name == "__init__" or not name.startswith("_")) and not isinstance(member, type):
            methods[name] = _signatures(name, member)
    bases = [each.__name__ for each in value.__bases__ if each.__module__.startswith("tensorrt")]
    return {"bases": bases, "methods": methods, "properties": properties}


def _signatures(name: str, function: Any) -> list[str]:
    """Read signatures off a docstring as pybind11 writes it; a plain Python function has its own."""
    import inspect

    text = function.__doc__ or ""
    found = re.findall(rf"^(?:\d+\. )?({re.escape(name)}\(.*\) -> .*)$", text, flags=re.MULTILINE)
    plain = [re.sub(r"\b(?:tensorrt_bindings\.)?tensorrt\.(?=\w)", "", each) for each in found]
    try:
        return plain or [f"{name}{inspect.signature(function)}"]
    except ValueError:  # a C function that does not say
        return []


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
