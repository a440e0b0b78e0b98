from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from beltline.targets.control_group import cpu_quota, throttled_ms

Tree = Callable[[dict[str, str]], Path]


def test_a_container_of_one_and_a_half_cpus(kernel_tree: Tree) -> None:
    root = kernel_tree({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "150000 100000\n"})
    assert cpu_quota(root=root) == 1.5


def test_the_tightest_limit_around_the_process_counts(kernel_tree: Tree) -> None:
    root = kernel_tree(
        {
            "proc/self/cgroup": "0::/plant.slice/line.service\n",
            "sys/fs/cgroup/plant.slice/cpu.max": "50000 100000\n",
            "sys/fs/cgroup/plant.slice/line.service/cpu.max": "max 100000\n",
            "sys/fs/cgroup/plant.slice/cpu.stat": "nr_throttled 9\nthrottled_usec 1500\n",
            "sys/fs/cgroup/plant.slice/line.service/cpu.stat": "nr_throttled 0\nthrottled_usec 0\n",
        }
    )
    assert cpu_quota(root=root) == 0.5
    assert throttled_ms(root=root) == 1.5


def test_version_one_with_the_path_of_the_host(kernel_tree: Tree) -> None:
    root = kernel_tree(
        {
            "proc/self/cgroup": "7:memory:/docker/abc\n3:cpu,cpuacct:/docker/abc\n0::/docker/abc\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            "sys/fs/cgroup/cpu/cpu.stat": "nr_periods 10\nnr_throttled 2\nthrottled_time 2500000\n",
        }
    )
    assert cpu_quota(root=root) == 2.0
    assert throttled_ms(root=root) == 2.5


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"},
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "100000 0\n"},
        {
            "proc/self/cgroup": "1:cpu:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
    ],
)
def test_no_limit_is_none(kernel_tree: Tree, files: dict[str, str]) -> None:
    assert cpu_quota(root=kernel_tree(files)) is None
    assert throttled_ms(root=kernel_tree(files)) is None


def test_a_group_above_the_mounted_ones_leads_nowhere_else(kernel_tree: Tree) -> None:
    root = kernel_tree({"proc/self/cgroup": "0::/../../other\n", "sys/other/cpu.max": "1000 100000\n"})
    assert cpu_quota(root=root) is None
