"""How much power a device may use: what decides its clock besides its temperature."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from .kernel_files import numbers_of, text_of, words_of

_FREQUENCY = "sys/devices/system/cpu/cpu[0-9]*/cpufreq"


def power_facts(*, root: Path = Path("/")) -> dict[str, Any]:
    """Read how the device is supplied and which mode it was set to.

    Returns:
        JSON-able, None where the system does not say (as in most virtual machines): `power` (`mains` or `battery`),
        `power_mode` (a Jetson's nvpmodel, else the platform profile), `governor`, `energy_preference`, `turbo`.
    """
    return {
        "power": _supply(root),
        "power_mode": _jetson_mode(root) or text_of(root / "sys/firmware/acpi/platform_profile") or None,
        "governor": words_of(root, f"{_FREQUENCY}/scaling_governor"),
        "energy_preference": words_of(root, f"{_FREQUENCY}/energy_performance_preference"),
        "turbo": _turbo(root),
    }


def _supply(root: Path) -> str | None:
    online = [text_of(path) for path in root.glob("sys/class/power_supply/*/online")]
    if online:
        return "mains" if "1" in online else "battery"
    return None


def _jetson_mode(root: Path) -> str | None:
    """Read the mode that nvpmodel set last (`pmode:0002`) and its name from the board's configuration."""
    set_last = re.search(r"pmode:(\d+)", text_of(root / "var/lib/nvpmodel/status"))
    if set_last is None:
        return None
    number = int(set_last[1])
    names = re.findall(r"^<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=(\S+)", text_of(root / "etc/nvpmodel.conf"), re.MULTILINE)
    name = next((name for index, name in names if int(index) == number), None)
    return f"{name} ({number})" if name else str(number)


def _turbo(root: Path) -> bool | None:
    """Say whether clocks above the nominal one are allowed: intel_pstate's `no_turbo`, else cpufreq's `boost`."""
    if forbidden := numbers_of(root, "sys/devices/system/cpu/intel_pstate/no_turbo"):
        return forbidden[0] == 0
    allowed = numbers_of(root, "sys/devices/system/cpu/cpufreq/boost")
    return allowed[0] == 1 if allowed else None
