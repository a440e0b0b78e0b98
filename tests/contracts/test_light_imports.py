"""A device needs no torch, and `--help` waits for nothing heavy."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2]
FLOORS = ("inspection", "targets", "compress", "export", "benchmarks", "station", "pipeline")
HEAVY = ("torch", "onnx", "onnxruntime", "onnxscript", "openvino", "nncf", "tensorrt", "timm", "torch_pruning",
         "segmentation_models_pytorch", "safetensors", "sklearn")  # fmt: skip
MODULES_OF_TORCH = "compress"
"""The floor whose modules may hold torch classes; even there, what line files are made of must be light."""

SHOW = f"\nimport sys\nprint(sorted(set({HEAVY!r}) & set(sys.modules)))"


def heavy_after(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
    argv = [sys.executable, "-c", code + SHOW]
    answer = subprocess.run(argv, capture_output=True, text=True, env=environment, check=False, timeout=120)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.splitlines()[-1]


def modules() -> list[str]:
    paths = [path for floor in FLOORS for path in sorted((SOURCE / floor).rglob("*.py"))]
    dotted = [".".join(["beltline", *path.relative_to(SOURCE).with_suffix("").parts]) for path in paths]
    return [name.removesuffix(".__init__") for name in dotted if not name.endswith("__main__")]


def test_no_floor_but_compress_loads_anything_heavy() -> None:
    light = [name for name in modules() if name.split(".")[1] != MODULES_OF_TORCH]
    assert heavy_after("\n".join(f"import {name}" for name in light)) == "[]"


def test_every_plug_in_is_light_until_used() -> None:
    folders = (
        "benchmarks.report.formats", "compress.methods", "compress.networks", "export.backends", "inspection.readers",
        "station.changeovers", "station.results", "station.sources",
    )  # fmt: skip
    names = [name for name in modules() if name.removeprefix("beltline.").rsplit(".", 1)[0] in folders]
    assert len(names) >= 8
    assert heavy_after("\n".join(f"import {name}" for name in names)) == "[]"


@pytest.mark.parametrize("arguments", [["--help"], ["run", "--help"], ["plan"], ["doctor"], ["devices"]])
def test_these_commands_load_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import sys
from beltline.pipeline.cli import main
sys.argv = ["beltline", *{arguments!r}]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
"""
    assert heavy_after(code) == "[]"


NOT_ON_A_DEVICE = ("cv2", "jinja2", "scipy")


def without_the_line_extra(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    code = f"""
import sys
sys.modules.update(dict.fromkeys({NOT_ON_A_DEVICE!r}))
from beltline.pipeline.cli import main
sys.argv = ["beltline", *{arguments!r}]
main()
"""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE / ".dev")}
    argv = [sys.executable, "-c", code]
    return subprocess.run(argv, capture_output=True, text=True, env=environment, cwd=folder, check=False, timeout=120)


@pytest.mark.parametrize(
    "arguments", [["--help"], ["doctor"], ["devices"], ["status", "--root", "place"], ["rollback", "--root", "place"]]
)
def test_a_device_does_without_the_line_extra(arguments: list[str], tmp_path: Path) -> None:
    answer = without_the_line_extra(arguments, tmp_path)
    assert "Traceback" not in answer.stderr
    assert "not installed" not in answer.stderr


def test_what_needs_the_line_extra_says_how_to_get_it(tmp_path: Path) -> None:
    answer = without_the_line_extra(["plan"], tmp_path)
    assert answer.returncode == 2
    assert "is not installed; run: pip install 'beltline[line]'" in answer.stderr
    assert "Traceback" not in answer.stderr
