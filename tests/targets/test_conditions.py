from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from beltline.targets.conditions import conditions, counters, grown

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
