"""What is installed is what stands in the folders."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2]
FLOORS = ("inspection", "targets", "compress", "export", "benchmarks", "station", "pipeline")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    argv = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(folder),
        str(SOURCE),
    ]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    assert answer.returncode == 0, answer.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_the_wheel_holds_the_folders_files_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    listed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    there = {
        f"beltline/{path.relative_to(SOURCE).as_posix()}"
        for floor in FLOORS
        for path in (SOURCE / floor).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert listed == {*there, "beltline/__init__.py", "beltline/py.typed"}
    assert wheel.read("beltline/__init__.py") == (SOURCE / "api.py").read_bytes()


def test_the_wheel_holds_what_is_not_python_too(wheel: zipfile.ZipFile) -> None:
    names = set(wheel.namelist())
    assert {"beltline/targets/devices/local.yaml", "beltline/pipeline/line/line.schema.json"} <= names
    assert not any("test" in Path(name).parts for name in names)


def test_the_wheel_brings_the_command(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "beltline = beltline.pipeline.cli:main" in wheel.read(name).decode()
