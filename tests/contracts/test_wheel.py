"""What is installed is what stands in the folders."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2]
FLOORS = ("inspection", "targets", "compress", "export", "benchmarks", "station", "pipeline")


def built_from(source: Path, folder: Path) -> zipfile.ZipFile:
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
        str(source),
    ]
    answer = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=300)
    assert answer.returncode == 0, answer.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    return built_from(SOURCE, tmp_path_factory.mktemp("wheel"))


def test_the_source_archive_builds_the_same_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(tmp_path)]
    subprocess.run(argv, capture_output=True, cwd=SOURCE, check=True, timeout=300)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path / "unpacked", filter="data")
    (source,) = (tmp_path / "unpacked").iterdir()
    again = built_from(source, tmp_path)
    assert {each.filename: each.CRC for each in again.infolist()} == {
        each.filename: each.CRC for each in wheel.infolist()
    }


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


def test_an_editable_install_is_the_checkout_and_nothing_beside_it(tmp_path: Path) -> None:
    made = [sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")]
    subprocess.run(made, check=True, capture_output=True, timeout=300)
    python = str(tmp_path / "venv" / "bin" / "python")
    argv = [sys.executable, "-m", "hatchling", "build", "-t", "wheel:editable", "-d", str(tmp_path)]
    subprocess.run(argv, check=True, capture_output=True, cwd=SOURCE, timeout=300)
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as built:
        names = [name for name in built.namelist() if ".dist-info/" not in name]
        assert names == ["_beltline.pth"]
        (folder,) = (tmp_path / "venv").glob("lib/python*/site-packages")
        built.extractall(folder)
    code = "import importlib.util; print(importlib.util.find_spec('beltline').origin)"
    found = subprocess.run([python, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True, timeout=300)
    assert Path(found.stdout.strip()) == SOURCE / ".dev" / "beltline" / "__init__.py"  # beside it: links to all folders
