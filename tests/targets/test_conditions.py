from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from beltline.targets.conditions import conditions, counters, cpu_quota, grown, throttled_ms

Tree = Callable[[dict[str, str]], Path]
TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")


def test_warmth_clock_load_swap_and_slowing(kernel_tree: Tree) -> None:
    root = kernel_tree(
        {
            "proc/loadavg": "0.52 0.40 0.30 1/200 999\n",
            "proc/swaps": "Filename Type Size Used Priority\n/swapfile file 2097148 51200 -2\n/dev/zram0 p 9 1024 5\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2000000\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "3000000\n",
            "sys/class/thermal/thermal_zone0/temp": "41000\n",
            "sys/class/thermal/thermal_zone1/temp": "57500\n",
            "sys/class/thermal/cooling_device0/type": "Processor\n",
            "sys/class/thermal/cooling_device0/cur_state": "2\n",
            "sys/class/thermal/cooling_device1/type": "thermal-cpufreq-0\n",
            "sys/class/thermal/cooling_device1/cur_state": "1\n",
            "sys/class/thermal/cooling_device2/type": "pwm-fan\n",
            "sys/class/thermal/cooling_device2/cur_state": "3\n",
        }
    )
    assert conditions(root=root) == {
        "temperature_c": 57.5,
        "clock_mhz": 2500.0,
        "load_1min": 0.52,
        "swap_used_mb": 51.0,
        "slowed_steps": 3,
    }


def test_no_swap_is_none_used_and_no_file_is_not_known(kernel_tree: Tree) -> None:
    assert conditions(root=kernel_tree({"proc/swaps": "Filename\tType\tSize\tUsed\tPriority\n"}))["swap_used_mb"] == 0.0
    assert set(conditions(root=kernel_tree({}) / "elsewhere").values()) == {None}


def test_counters_of_heat_quota_and_hypervisor(kernel_tree: Tree) -> None:
    root = kernel_tree(
        {
            "proc/stat": "cpu  9 9 9 9 9 9 9 700 0 0\ncpu0 9 9 9 9 9 9 9 200 0 0\ncpu1 9 9 9 9 9 9 9 500 0 0\nintr 5\n",
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cpu.stat": "usage_usec 5\nnr_throttled 3\nthrottled_usec 450000\n",
            "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "4\n",
            "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count": "2\n",
            "sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count": "1\n",
            "sys/devices/system/cpu/cpu1/thermal_throttle/package_throttle_count": "3\n",
        }
    )
    assert counters(root=root) == {"throttle_events": 8.0, "quota_stopped_ms": 450.0, "steal_ms": 700 * TICK_MS}
    assert counters(cpus=[1], root=root)["steal_ms"] == 500 * TICK_MS
    assert counters(cpus=[1], root=root)["throttle_events"] == 4.0


def test_counters_that_nobody_keeps_are_not_zero(kernel_tree: Tree) -> None:
    nothing = counters(root=kernel_tree({"proc/stat": "cpu 1 2 3\n"}))
    assert nothing == {"throttle_events": None, "quota_stopped_ms": None, "steal_ms": None}
    assert grown(nothing, nothing) == nothing


def test_this_machine_counts_upwards() -> None:
    passed = grown(counters(), counters())
    assert all(value is None or value >= 0 for value in passed.values())


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
