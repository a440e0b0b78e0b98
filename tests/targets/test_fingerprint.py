from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from beltline.targets.fingerprint import conditions, differences, fingerprint


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_an_intel_pc(tmp_path: Path) -> None:
    root = _write(
        tmp_path,
        {
            "proc/cpuinfo": "processor\t: 0\nmodel name\t: Intel(R) Atom(TM) x6425E\nflags\t\t: fpu sse4_2 rdtscp\n\n"
            "processor\t: 1\nmodel name\t: other\n",
            "proc/loadavg": "0.52 0.40 0.30 1/200 999\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "powersave\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_governor": "performance\n",
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2000000\n",
            "sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "3000000\n",
            "sys/class/thermal/thermal_zone0/temp": "41000\n",
            "sys/class/thermal/thermal_zone1/temp": "57500\n",
            "sys/class/power_supply/AC/online": "1\n",
        },
    )
    facts = fingerprint(("numpy", "not-installed-at-all"), root=root)
    assert facts["cpu"] == "Intel(R) Atom(TM) x6425E"
    assert facts["isa"] == ["sse4_2"]
    assert facts["governor"] == "performance, powersave"
    assert facts["power"] == "mains"
    assert list(facts["versions"]) == ["numpy"]
    assert facts["conditions"] == {"temperature_c": 57.5, "clock_mhz": 2500.0, "load_1min": 0.52}


def test_a_jetson(tmp_path: Path) -> None:
    root = _write(
        tmp_path,
        {
            "proc/cpuinfo": "processor\t: 0\nmodel name\t: ARMv8 Processor rev 1 (v8l)\nFeatures\t: fp asimd asimddp\n",
            "proc/device-tree/model": "NVIDIA Jetson Orin Nano Developer Kit\0",
            "sys/class/power_supply/bat/online": "0\n",
        },
    )
    facts = fingerprint((), root=root)
    assert facts["board"] == "NVIDIA Jetson Orin Nano Developer Kit"
    assert facts["isa"] == ["asimd", "asimddp"]
    assert facts["power"] == "battery"


def test_a_system_that_says_nothing_is_described_all_the_same(tmp_path: Path) -> None:
    facts = fingerprint((), root=tmp_path)
    assert facts["cpu"]
    assert (facts["isa"], facts["governor"], facts["power"]) == ([], None, None)
    assert conditions(root=tmp_path) == {"temperature_c": None, "clock_mhz": None, "load_1min": None}


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
    assert differences(one, other) == ("cpu: 'A' against 'B'", "versions.numpy: '2' against None")
