"""The device as report.json describes it."""

from __future__ import annotations

from typing import Any

from ..stages.measure import Device

_TOLD = (
    "kernel",
    "power",
    "power_mode",
    "governor",
    "energy_preference",
    "turbo",
    "smt",
    "hypervisor",
    "cpu_quota",
    "clocksource",
    "python",
)


def device_facts(device: Device, fingerprint: dict[str, Any]) -> dict[str, Any]:
    """Describe a device that rows were timed on; what its system does not say is left out.

    Args:
        device: As the run met it.
        fingerprint: Of one of its measurements.
    """
    target = device.target
    return {
        "name": target.name,
        "cpu": fingerprint.get("cpu"),
        "isa": list(fingerprint.get("isa", [])),
        "threads": target.threads,
        "versions": dict(fingerprint.get("versions", {})),
        **{name: fingerprint[name] for name in _TOLD if fingerprint.get(name) is not None},
        **({"address": device.settings.ssh} if device.settings.ssh else {}),
        **({"not_its_profile": "; ".join(target.differs)} if target.differs else {}),
    }
