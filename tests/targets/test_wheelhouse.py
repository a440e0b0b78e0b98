"""Wheels for a device: which ones it takes, how they get on it, what is told when one is not there."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
from beltline.inspection.base.errors import HostError
from beltline.targets.agent import RefusalError, runtimes, store
from beltline.targets.own_wheel import own_wheel
from beltline.targets.wheelhouse import Platform, chosen, minor_of, required
from repacking import pip_wheel, repacked

SOURCE = Path(__file__).parents[2]
JETSON = Platform(architecture="aarch64", python=(3, 10), glibc=35)


def names_in(folder: Path, *names: str) -> list[str]:
    for name in names:
        (folder / name).touch()
    return sorted(path.name for path in chosen(folder, JETSON, packages=["numpy"]))


def test_a_device_gets_the_newest_wheels_that_it_takes(tmp_path: Path) -> None:
    found = names_in(
        tmp_path,
        "pip-25.0-py3-none-any.whl",
        "numpy-2.2.6-cp310-cp310-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
        "numpy-2.1.0-cp310-cp310-manylinux_2_17_aarch64.whl",
        "numpy-2.4.6-cp311-cp311-manylinux_2_28_aarch64.whl",  # of another Python
        "numpy-2.5.0-cp310-cp310-manylinux_2_39_aarch64.whl",  # of a newer C library
        "numpy-2.2.7-cp310-cp310-manylinux_2_17_x86_64.whl",  # of another processor
        "protobuf-6.0-cp39-abi3-manylinux2014_aarch64.whl",
        "broken.whl",
        "notes.txt",
    )
    assert found == [
        "numpy-2.2.6-cp310-cp310-manylinux_2_17_aarch64.manylinux2014_aarch64.whl",
        "pip-25.0-py3-none-any.whl",
        "protobuf-6.0-cp39-abi3-manylinux2014_aarch64.whl",
    ]


def test_what_is_missing_is_told_with_the_command_that_gets_it(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"found none of pip, numpy; get .*--architecture aarch64 --python 3\.10"):
        names_in(tmp_path, "numpy-2.2.7-cp310-cp310-manylinux_2_17_x86_64.whl")


def test_versions_are_those_that_beltline_asks_for() -> None:
    assert required(["numpy", "abacus"], ["onnxruntime"]) == ["numpy>=1.26", "abacus", "onnxruntime>=1.20"]
    with pytest.raises(HostError, match=r"wanted one of Beltline's extras .*onnxruntime.*, got 'onnxrt'"):
        required(["numpy"], ["onnxrt"])
    with pytest.raises(HostError, match=r"--python: wanted 3\.N, got '2\.7'"):
        minor_of("2.7", "--python", major=3)


def test_beltlines_own_wheel_holds_the_floors_and_is_the_same_every_time(tmp_path: Path) -> None:
    name, content = own_wheel()
    assert own_wheel() == (name, content)
    (tmp_path / name).write_bytes(content)
    names = set(zipfile.ZipFile(tmp_path / name).namelist())
    there = {
        f"beltline/{path.relative_to(SOURCE).as_posix()}"
        for floor in ("inspection", "targets", "compress", "export", "benchmarks", "station", "pipeline")
        for path in (SOURCE / floor).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    front = {"beltline/__init__.py", "beltline/py.typed"}
    assert {each for each in names if ".dist-info/" not in each} == {*there, *front}


def test_wheels_are_installed_once_by_the_pip_among_them(tmp_path: Path) -> None:
    wheels, device = tmp_path / "wheels", tmp_path / "device"
    wheels.mkdir()
    given = [pip_wheel(wheels), repacked("typing-extensions", wheels)]
    facts = {"key": "packages-1", "wheels": {path.name: stored(device, path) for path in given}}
    place = Path(runtimes.install(device, facts))
    assert (place / "typing_extensions.py").is_file()
    assert not list(device.glob("blobs/*")), "wheels that have served take no room"
    assert runtimes.installed(device, "packages-1") == str(place)
    assert runtimes.install(device, facts) == str(place)
    assert not list(device.glob("install-*"))


def test_a_wheel_that_cannot_be_installed_leaves_nothing(tmp_path: Path) -> None:
    broken = tmp_path / "abacus-1.0-py3-none-any.whl"
    broken.write_bytes(b"no wheel")
    (tmp_path / "pips").mkdir()
    given = [pip_wheel(tmp_path / "pips"), broken]
    facts = {"key": "packages-2", "wheels": {path.name: stored(tmp_path, path) for path in given}}
    with pytest.raises(RefusalError, match="installing the runner's packages failed"):
        runtimes.install(tmp_path, facts)
    assert runtimes.installed(tmp_path, "packages-2") is None
    assert not list(tmp_path.glob("install-*"))


def stored(device: Path, path: Path) -> str:
    digest = str(store.describe(path)["digest"])
    source = os.open(path, os.O_RDONLY)
    try:
        answer = store.take(device, digest, size_bytes=path.stat().st_size, offset=0, source=source)
    finally:
        os.close(source)
    assert answer == {"have": path.stat().st_size, "damaged": False}
    return digest


def test_bytes_that_are_not_those_announced_are_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    source = os.open(tmp_path / "x", os.O_RDONLY)
    answer = store.take(tmp_path, "0" * 64, size_bytes=5, offset=0, source=source)
    os.close(source)
    assert answer == {"have": 0, "damaged": True}
    assert not list(tmp_path.glob("blobs/*"))


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x"])
def test_no_file_is_placed_outside_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "x").write_bytes(b"12345")
    digest = stored(tmp_path, tmp_path / "x")
    with pytest.raises(RefusalError, match="leaves its folder"):
        store.place(tmp_path, tmp_path / "jobs" / "0", {"name": "put-0", "files": {name: digest}})
