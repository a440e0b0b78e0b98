from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest
from beltline.inspection.base.errors import LineFileError
from beltline.targets.kernel_files import cpus_by_core
from beltline.targets.profile import profile_of, profiles, read_profile, target_of


def test_the_shipped_profiles_load_and_give_their_sources() -> None:
    found = profiles()
    assert {"local", "intel-atom-x6000e", "intel-core-i5-1145g7", "jetson-orin-nano"} <= set(found)
    for name, profile in found.items():
        assert profile.figures or name == "local"
        assert all("http" in figure.source for figure in profile.figures), name


def test_local_is_this_machine() -> None:
    target = target_of("local")
    assert target.name == "local"
    assert 1 <= target.threads == len(target.cpus)
    assert set(target.cpus) <= os.sched_getaffinity(0)
    assert target_of("local", threads=1).threads == 1


def test_threads_are_limited_by_the_cpus_there_are() -> None:
    for threads in (0, 10_000):
        with pytest.raises(LineFileError, match="threads must be in"):
            target_of("local", threads=threads)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(LineFileError, match=r"wanted one of .*local.*, got 'toaster'"):
        profile_of("toaster")


def test_a_device_that_is_not_the_profiles_is_measured_and_marked() -> None:
    other = "jetson-orin-nano" if platform.machine() == "x86_64" else "intel-atom-x6000e"
    target = target_of(other)
    assert (target.name, bool(target.cpus)) == (other, True)
    assert f"this device is {platform.machine()}" in target.differs[0]
    assert len(target.differs) == 2
    assert target_of("local").differs == ()


def test_each_physical_core_comes_once_before_any_comes_twice(tmp_path: Path) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    for cpu in allowed:  # pretend that all CPUs are threads of one core
        path = tmp_path / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"
        path.parent.mkdir(parents=True)
        path.write_text("0-63\n")
    assert {core for core, _ in cpus_by_core(root=tmp_path)} == {"0-63"}
    order = cpus_by_core(root=tmp_path / "nothing")
    assert sorted(cpu for _, cpu in order) == allowed
    assert len(order) == 1 or order[-1][1] == 0 or 0 not in allowed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: other\ntitle: x\n", "name must be the file's, 'mine'"),
        ("name: mine\n", "title: is missing"),
        ("name: mine\ntitle: x\nwheels: 4\n", "wheels: unknown key"),
        ("name: mine\ntitle: x\nthreads: 0\n", "threads: wanted a number >= 1, got 0"),
        ("name: mine\ntitle: x\ncpu_pattern: '('\n", "cpu_pattern|not a device profile"),
        ("name: mine\ntitle: x\nfigures: [{name: clock, value: 3}]\n", r"figures\[0\]\.source: is missing"),
        ("name: [\n", "not a device profile"),
        ("!!python/object/apply:os.system [ls]\n", "not a device profile"),
        ("x" * 200_000, "at most 100000 bytes"),
    ],
)
def test_a_bad_profile_is_one_message(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(LineFileError, match=message):
        read_profile(tmp_path / "mine.yaml")


def test_a_missing_profile_is_one_message(tmp_path: Path) -> None:
    with pytest.raises(LineFileError, match="not a device profile"):
        read_profile(tmp_path / "mine.yaml")
