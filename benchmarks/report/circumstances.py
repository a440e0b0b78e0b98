"""What a row's device went through while it was measured: checked, and in words."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from .schema_types import Finite, NonNegative
from .wording import count, plural


class Disturbances(BaseModel):
    """What came between while frames were judged; None: the system does not count it."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    involuntary_switches: NonNegative | None = None
    major_page_faults: NonNegative | None = None
    steal_ms: NonNegative | None = None
    throttle_events: NonNegative | None = None
    quota_stopped_ms: NonNegative | None = None


class Conditions(BaseModel):
    """What changes from minute to minute; None: not told."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    temperature_c: Finite | None = None
    clock_mhz: NonNegative | None = None


class Circumstances(BaseModel):
    """As `benchmarks.disturbances.circumstances` gives them."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)

    disturbances: Disturbances = Disturbances()
    before: Conditions = Conditions()
    after: Conditions = Conditions()


def describe_circumstances(found: Circumstances) -> str:
    """Say what disturbed a run, and how warm and fast the device was before and after it."""
    disturbed = _disturbed(found.disturbances)
    text = "Nothing that this system counts came between while its frames were judged."
    if disturbed:
        text = f"While its frames were judged, {'; '.join(disturbed)}. That is in every figure: no frame was left out."
    return " ".join([text, *_changed(found.before, found.after)])


def _disturbed(found: Disturbances) -> list[str]:
    notified = []
    if found.involuntary_switches:
        switches = plural(round(found.involuntary_switches), "time")
        notified.append(f"the processor was taken away from the model {switches} for other work")
    if found.steal_ms:
        notified.append(f"the host of this virtual machine ran something else for {count(round(found.steal_ms))} ms")
    if found.quota_stopped_ms:
        stopped_ms = count(round(found.quota_stopped_ms))
        notified.append(f"the container stood still for {stopped_ms} ms because its share of the processor was used up")
    if found.throttle_events:
        notified.append(f"the processor was slowed by heat {plural(round(found.throttle_events), 'time')}")
    if found.major_page_faults:
        notified.append(f"memory had to be read back from disk {plural(round(found.major_page_faults), 'time')}")
    return notified


def _changed(before: Conditions, after: Conditions) -> list[str]:
    notified = []
    if before.temperature_c is not None and after.temperature_c is not None:
        notified.append(f"Its hottest part went from {before.temperature_c:.0f} to {after.temperature_c:.0f} °C.")
    if before.clock_mhz and after.clock_mhz:
        notified.append(f"Its clock went from {count(round(before.clock_mhz))} to {count(round(after.clock_mhz))} MHz.")
    return notified
