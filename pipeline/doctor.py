"""What this machine has and what it lacks, and which devices have a profile."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..benchmarks.timing.timer import examine_timer
from ..export.artifacts import runtime_packages
from ..inspection.base.packages import missing_package
from ..inspection.base.plugins import PLUGIN_FOLDERS, broken_plugins, constant_of, plugins, provider
from ..targets.fingerprint import INT8_DOT_PRODUCT, fingerprint, weight_bits
from ..targets.profile import profiles

_SEARCH = (("optuna", "search"), ("ray", "ray"))
_GPU_TIMEOUT_S = 10
_TIMED_FRAMES = 500
_LATE_US = 100.0
_SLOW_MODES = {"low-power", "cool", "quiet"}
_GOOD_CLOCKS = {None, "tsc", "kvm-clock", "arch_sys_counter"}


def examine() -> dict[str, Any]:
    """Look at this machine, half a second of it at its timer; loads no runtime.

    Returns:
        JSON-able: `machine` (see `targets.fingerprint`), `timer` (see `benchmarks.timer`), `memory_gb`, `disk_free_gb`
        (here), `gpus` (names), `parts` (each `kind`, `name` and `missing`: None, or what is not installed and the
        command that installs it; also `package`, where another brought it), `notes` (plain sentences on what slows
        measurements or makes them unsteady).
    """
    machine, timer = fingerprint(runtime_packages()), asdict(examine_timer(frames=_TIMED_FRAMES))
    return {
        "machine": machine,
        "timer": timer,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "disk_free_gb": round(shutil.disk_usage(Path.cwd()).free / 1e9, 1),
        "gpus": _gpus(),
        "parts": [
            *(part for folder in PLUGIN_FOLDERS for part in _parts(folder)),
            *({"kind": "search", "name": name, "missing": missing_package(name, extra)} for name, extra in _SEARCH),
        ],
        "notes": [*_notes(machine), *_notes_on_time(machine, timer)],
    }


def doctor_text(facts: dict[str, Any], *, verbose: bool = False) -> str:
    """Describe `examine`'s facts; `verbose` adds versions and conditions."""
    machine = facts["machine"]
    lines = [
        f"machine    {machine['cpu']} ({machine['architecture']}), {machine['cpus']} logical CPUs",
        f"memory     {facts['memory_gb']:g} GB; {facts['disk_free_gb']:g} GB of disk free here",
        f"CPU flags  {' '.join(machine['isa']) or 'none that matter'}",
        f"GPU        {', '.join(facts['gpus']) or 'none found (not needed)'}",
        f"power      {_power_text(machine)}",
        f"timer      {_timer_text(facts['timer'])}",
        *(f"{part['kind']:<10} {part['name']:<16} {part['missing'] or _ready(part)}" for part in facts["parts"]),
        *(f"note       {note}" for note in facts["notes"]),
    ]
    if verbose:
        lines += [f"version    {name} {version}" for name, version in machine["versions"].items()]
        lines += [f"now        {name} {value}" for name, value in machine["conditions"].items()]
    return "\n".join(lines)


def known_devices() -> dict[str, Any]:
    """Give every device profile under `devices`, JSON-able, by name."""
    return {"devices": [profile.model_dump(mode="json") for profile in profiles().values()]}


def devices_text(facts: dict[str, Any], *, verbose: bool = False) -> str:
    """Describe `known_devices`' facts; `verbose` adds figures with their sources, and notes."""
    lines = []
    for device in facts["devices"]:
        lines.append(f"{device['name']:<24} {device['title']}")
        if verbose:
            lines += [
                f"    {each['name']}: {each['value']} {each['unit']} ({each['source']})" for each in device["figures"]
            ]
            lines += [f"    {_peak_text(each)}" for each in device["rooflines"]]
            lines += [f"    {note}" for note in device["notes"]]
    return "\n".join(lines)


def _peak_text(roofline: dict[str, Any]) -> str:
    peaks = ", ".join(f"{name} {value:g}" for name, value in roofline["tera_operations_s"].items())
    where, bandwidth = f"{roofline['mode']} ({roofline['engine']})", f"{roofline['memory_gb_s']:g} GB/s"
    return f"{where}: {peaks} T operations/s, {bandwidth} ({roofline['source']})"


def _parts(folder: str) -> list[dict[str, Any]]:
    """List a folder's plug-ins and what other packages add; what has no `missing` needs nothing."""
    kind = constant_of(folder).lower()
    try:
        there = plugins(folder)
    except ModuleNotFoundError as error:  # a device does without what reads images and writes reports
        absent = f"{error.name} is not installed; run: pip install 'beltline[line]'"
        return [{"kind": kind, "name": "all", "missing": absent}]
    found = {name: (getattr(part, "missing", lambda: None)(), *provider(folder, part)) for name, part in there.items()}
    broken = {name: (why,) for name, why in broken_plugins(folder).items()}
    return [
        {"kind": kind, "name": name, "missing": missing, **({"package": package[0]} if package else {})}
        for name, (missing, *package) in {**found, **broken}.items()
    ]


def _ready(part: dict[str, Any]) -> str:
    return f"ready, from {part['package']}" if "package" in part else "ready"


def _gpus() -> list[str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    argv = [program, "--query-gpu=name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(argv, capture_output=True, text=True, timeout=_GPU_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.strip() for line in answer.stdout.splitlines() if line.strip()] if answer.returncode == 0 else []


def _power_text(machine: dict[str, Any]) -> str:
    turbo = {True: "on", False: "off", None: None}[machine["turbo"]]
    named = [("mode", machine["power_mode"]), ("governor", machine["governor"]), ("turbo", turbo)]
    known = [f"{name} {value}" for name, value in named if value]
    return ", ".join([machine["power"] or "supply not known", *(known or ["mode and governor not known"])])


def _timer_text(timer: dict[str, Any]) -> str:
    return (
        f"starts frames {timer['late_p50_us']:.2g} us late (median), {timer['late_p99_us']:.3g} us (p99), "
        f"{timer['late_max_us']:.3g} us (worst); holds a period of {timer['shortest_period_ns'] / 1e6:g} ms"
    )


def _notes(machine: dict[str, Any]) -> list[str]:
    notes = []
    if not INT8_DOT_PRODUCT.intersection(machine["isa"]):
        narrow = "; its weights are made in 7 bits here, since 8 would overflow" if weight_bits(machine) < 8 else ""
        notes.append(f"this CPU has no INT8 dot product (VNNI, AMX, dotprod): INT8 saves size, and little time{narrow}")
    if machine["governor"] not in (None, "performance"):
        notes.append(f"the governor is {machine['governor']}: for steady latency set it to performance")
    if machine["power"] == "battery":
        notes.append("running on battery: latencies will be higher than on mains")
    return notes


def _notes_on_time(machine: dict[str, Any], timer: dict[str, Any]) -> list[str]:
    notes = []
    if machine["cpu_quota"]:
        notes.append(
            f"this process is limited to {machine['cpu_quota']:g} CPUs of time and stands still whenever that is used "
            "up: give its container whole CPUs (docker: --cpuset-cpus) instead of a share (--cpus)"
        )
    if machine["hypervisor"]:
        notes.append("a virtual machine: what else its host runs can stop it at any time; sign for the device itself")
    if machine["power_mode"] in _SLOW_MODES:
        notes.append(f"the power mode is {machine['power_mode']}: for low latency choose another")
    if machine["clocksource"] not in _GOOD_CLOCKS:
        notes.append(f"the clock is {machine['clocksource']}, slow to read: boot with clocksource=tsc if it is stable")
    if machine["conditions"]["swap_used_mb"]:
        notes.append(f"{machine['conditions']['swap_used_mb']:g} MB are swapped out: memory is short")
    if timer["late_p99_us"] > _LATE_US:
        notes.append("the timer is late although there is no work: other processes use this CPU, or it sleeps deeply")
    return notes
