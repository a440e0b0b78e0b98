from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from beltline.targets.power import power_facts

Tree = Callable[[dict[str, str]], Path]
_MODES = "# modes\n< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_1 1\n< POWER_MODEL ID=2 NAME=7W_AI >\n"


def test_an_intel_pc(kernel_tree: Tree) -> None:
    root = kernel_tree(
        {
            "sys/firmware/acpi/platform_profile": "balanced\n",
            "sys/devices/system/cpu/intel_pstate/no_turbo": "1\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance\n",
            "sys/devices/system/cpu/cpu0/cpufreq/energy_performance_preference": "balance_power\n",
            "sys/class/power_supply/AC/online": "1\n",
        }
    )
    assert power_facts(root=root) == {
        "power": "mains",
        "power_mode": "balanced",
        "governor": "performance, powersave",
        "energy_preference": "balance_power",
        "turbo": False,
    }


@pytest.mark.parametrize(
    ("status", "modes", "mode"),
    [
        ("pmode:0002\n", _MODES, "7W_AI (2)"),
        ("pmode:0000\n", _MODES, "MAXN (0)"),
        ("pmode:0009\n", _MODES, "9"),
        ("pmode:0002\n", "", "2"),
        ("fmode:quiet\n", _MODES, None),
    ],
)
def test_the_mode_of_a_jetson(kernel_tree: Tree, status: str, modes: str, mode: str | None) -> None:
    root = kernel_tree({"var/lib/nvpmodel/status": status, "etc/nvpmodel.conf": modes})
    assert power_facts(root=root)["power_mode"] == mode


def test_an_amd_pc_on_battery(kernel_tree: Tree) -> None:
    root = kernel_tree(
        {"sys/devices/system/cpu/cpufreq/boost": "1\n", "sys/class/power_supply/BAT0/online": "0\n"},
    )
    assert power_facts(root=root)["turbo"] is True
    assert power_facts(root=root)["power"] == "battery"


def test_a_system_that_says_nothing(kernel_tree: Tree) -> None:
    assert set(power_facts(root=kernel_tree({})).values()) == {None}
