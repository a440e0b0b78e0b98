from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from beltline.targets.fingerprint import differences, fingerprint, power_facts, weight_bits

Tree = Callable[[dict[str, str]], Path]


@pytest.mark.parametrize("isa", ["avx_vnni", "avx512_vnni", "amx_int8"])
def test_weights_have_eight_bits_where_every_processor_adds_up_in_32(isa: str) -> None:
    old, new = {"architecture": "x86_64", "isa": ["avx2"]}, {"architecture": "x86_64", "isa": ["avx2", isa]}
    arm = {"architecture": "aarch64", "isa": ["asimd", "asimddp"]}
    assert (weight_bits(new, arm), weight_bits(new, old), weight_bits(new, {})) == (8, 7, 7)


def test_an_intel_pc(kernel_tree: Tree) -> None:
    root = kernel_tree(
        {
            "proc/cpuinfo": "processor\t: 0\nmodel name\t: Intel(R) Atom(TM) x6425E\nflags\t\t: fpu sse4_2 rdtscp\n\n"
            "processor\t: 1\nmodel name\t: other\n",
            "proc/loadavg": "0.52 0.40 0.30 1/200 999\n",
            "sys/devices/system/cpu/smt/active": "1\n",
            "sys/devices/system/clocksource/clocksource0/current_clocksource": "tsc\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
            "sys/firmware/acpi/platform_profile": "performance\n",
        }
    )
    facts = fingerprint(("numpy", "not-installed-at-all"), root=root)
    assert facts["cpu"] == "Intel(R) Atom(TM) x6425E"
    assert facts["isa"] == ["sse4_2"]
    assert (facts["smt"], facts["hypervisor"], facts["clocksource"]) == (True, False, "tsc")
    assert (facts["governor"], facts["power_mode"]) == ("powersave", "performance")
    assert list(facts["versions"]) == ["numpy"]
    assert facts["conditions"]["load_1min"] == 0.52


def test_a_container_in_a_virtual_machine(kernel_tree: Tree) -> None:
    root = kernel_tree(
        {
            "proc/cpuinfo": "processor\t: 0\nmodel name\t: Xeon\nflags\t\t: fpu hypervisor avx2\n",
            "proc/self/cgroup": "0::/\n",
            "sys/fs/cgroup/cpu.max": "150000 100000\n",
        }
    )
    facts = fingerprint((), root=root)
    assert (facts["hypervisor"], facts["cpu_quota"], facts["isa"]) == (True, 1.5, ["avx2"])


def test_a_jetson(kernel_tree: Tree) -> None:
    root = kernel_tree(
        {
            "proc/cpuinfo": "processor\t: 0\nmodel name\t: ARMv8 Processor rev 1 (v8l)\nFeatures\t: fp asimd asimddp\n",
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
            "var/lib/nvpmodel/status": "pmode:0002\n",
        }
    )
    facts = fingerprint((), root=root)
    assert facts["board"] == "NVIDIA Jetson Orin Nano Developer Kit"
    assert facts["isa"] == ["asimd", "asimddp"]
    assert facts["power_mode"] == "2"


def test_a_system_that_says_nothing_is_described_all_the_same(kernel_tree: Tree) -> None:
    facts = fingerprint((), root=kernel_tree({}))
    assert facts["cpu"]
    assert facts["isa"] == []
    unknown = ("board", "smt", "cpu_quota", "clocksource", "power", "power_mode", "governor", "turbo")
    assert all(facts[name] is None for name in unknown)


def test_this_machine_is_json() -> None:
    facts = fingerprint()
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_nothing_is_imported_to_be_described() -> None:
    code = (
        "import sys; from beltline.targets.fingerprint import fingerprint; fingerprint();"
        "print([name for name in ('numpy', 'torch', 'openvino', 'onnxruntime') if name in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2] / ".dev"
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(root)}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_only_what_stays_is_compared() -> None:
    one = {"cpu": "A", "governor": None, "versions": {"numpy": "2"}, "conditions": {"load_1min": 1}, "run": {"x": 1}}
    other = {"cpu": "B", "governor": None, "versions": {}, "conditions": {"load_1min": 9}, "run": {"x": 2}}
    assert differences(one, one | {"conditions": {}, "run": {}}) == ()
    assert differences(one | {"cpu_quota": 1.5}, one | {"cpu_quota": None}) == ("cpu_quota: 1.5 against None",)
    assert differences(one, other) == ("cpu: 'A' against 'B'", "versions.numpy: '2' against None")


Tree = Callable[[dict[str, str]], Path]
_MODES = "# modes\n< POWER_MODEL ID=0 NAME=MAXN >\nCPU_ONLINE CORE_1 1\n< POWER_MODEL ID=2 NAME=7W_AI >\n"


def test_the_power_of_an_intel_pc(kernel_tree: Tree) -> None:
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
