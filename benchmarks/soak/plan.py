"""What is soaked, and where: two sessions belong to one soak only if all of this is the same."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...inspection.base.errors import MeasurementError
from ...inspection.base.storage import digest_of_json, write_json
from ...inspection.line.arrivals import Arrivals
from ...targets.fingerprint import differences

PLAN_FORMAT = 1
_FILE = "plan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class SoakPlan:
    """What every session of a soak has in common.

    Deadline, gate and length are not part of it: the trace is judged by those asked for when it is read.

    Attributes:
        artifact_digest: Which artifact runs.
        backend: What runs it.
        arrivals: When frames are due.
        threads: Of the engine.
        cpus: That the measuring process is pinned to.
        device: Fingerprint of the machine, without what changes from minute to minute.
    """

    artifact_digest: str
    backend: str
    arrivals: Arrivals
    threads: int
    cpus: tuple[int, ...]
    device: dict[str, Any]

    @property
    def digest(self) -> str:
        """Names the soak in each of its segments."""
        return digest_of_json({"format": PLAN_FORMAT, **asdict(self)})


def settle_plan(folder: Path, plan: SoakPlan) -> None:
    """Write the plan into a new soak's folder, or make sure that the soak begun there is this one.

    Raises:
        MeasurementError: Another artifact, belt or device was soaked there; the message names what differs.
        StorageError: The folder cannot be written.
    """
    if not (folder / _FILE).exists():
        write_json(folder / _FILE, {"format": PLAN_FORMAT, **asdict(plan)})
        return
    if differing := differences_of(read_plan(folder), plan):
        msg = (
            f"{folder}: the soak begun there cannot go on here, since these differ: {'; '.join(differing)}; "
            "go back to what was soaked, or move the folder away to begin a new soak"
        )
        raise MeasurementError(msg)


def read_plan(folder: Path) -> SoakPlan:
    """Read a soak's plan.

    Raises:
        MeasurementError: The folder holds no soak, a damaged one, or one of another version.
    """
    path = folder / _FILE
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _refuse_other_format(value.pop("format"))
        arrivals, cpus = Arrivals(**value.pop("arrivals")), tuple(value.pop("cpus"))
        return SoakPlan(**value, arrivals=arrivals, cpus=cpus)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path}: not the plan of a soak ({error}); move the folder away and soak again"
        raise MeasurementError(msg) from error


def differences_of(begun: SoakPlan, asked: SoakPlan) -> tuple[str, ...]:
    """Name what differs, the device's facts one by one."""
    own, others = asdict(begun), asdict(asked)
    return differences({**own, **own.pop("device")}, {**others, **others.pop("device")})


def _refuse_other_format(found: Any) -> None:
    if found != PLAN_FORMAT:
        msg = f"format {found!r} is not {PLAN_FORMAT}: it is of another version of Beltline"
        raise ValueError(msg)
